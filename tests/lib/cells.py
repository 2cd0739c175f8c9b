# SPDX-License-Identifier: MIT
"""The matrix: every way of changing (ops.py) x every kind of object (kinds.py) x kind of mapping x age of the outsider x
what was read before, and controls that are no outside change.

All cells of one kind are one recording (or some, where memory is short): each has an object of its own, which one insider maps;
it is blocked in read(0) while two outsiders, one older and one younger than the recording, change the objects. Then each cell is
held against what check says of its object. A cell's result is one letter:

  e  exact            the bytes and their place are in the trace
  s  same-bytes       nothing differed
  p  possible         the bytes are in the trace; the program may have seen old or new ones (S: seen early, L: lost)
  u  uncertain        no change is known; a gap says that one could have come unseen
  .  nothing          no change is listed, and none was to be
  -  can't be         this kind of object refuses the operation
  X  wrong            the line behind says why
"""
import json
import os
import resource
import socket
import subprocess
import sys
import zlib

import e2e
import kinds
import tracefile
from e2e import BPREC, PAGE, Failed, Insider, Peer, Skip, expect, fnv, prog

OPS = os.path.join(e2e.ROOT, "tests", "bpf", "ops.py")
sys.path.insert(0, os.path.dirname(OPS))
import ops  # noqa: E402

MAPPINGS = ("shared", "private", "copied")
AGES = ("older", "younger")
ORDERS = ("read", "write")  # what insider and outsider did to the page first
CONTROLS = ("insider", "nobody", "beyond")
VARIANTS = [(m, a, o) for m in MAPPINGS for a in AGES for o in ORDERS]
COLUMNS = [" ".join(v) for v in VARIANTS] + list(CONTROLS)
REMOTE = ("process_vm_writev", "proc_mem")  # operations on the insider's memory, where it has the object mapped
# What the kernel stores into an outsider's mapping by ways of which the probe claims nothing: who did it need not be known.
UNCLAIMED = ("into_uring", "into_uring_fixed", "into_aio", "into_getrandom", "into_thread_exit")
BY_KERNEL = ("loop",)  # a thread of the kernel writes, for an insider as for anybody
STORES = ("mmap-store", "read-into-mapping")
# Names that a change may have in the trace: a store is found by comparing, whoever made it, and so is a write of the kernel's;
# userfaultfd has made the hole before that it fills.
OTHER_NAMES = {"mmap-store": STORES, "read-into-mapping": STORES, "kernel": ("kernel", "unknown", "mmap-store"),
               "ptrace": ("ptrace", *STORES), "userfaultfd": ("userfaultfd", "fallocate", *STORES)}
# ... of an operation: overlayfs keeps from the real file that it is opened, so that choke points know only who asks.
NAMES_OF = {"uring_open_trunc": ("io_uring",)}
OUTCOMES = (("lost", "L"), ("seen-early", "S"), ("possible", "p"), ("exact", "e"), ("same-bytes", "s"))  # the worst first
WHOLE = ("open_trunc", "creat", "openat2_trunc", "uring_open_trunc", "clone", "direct")  # change the first page, or may


def operations():
    """Names of all operations of ops.py."""
    return [name[3:] for name in vars(ops) if name.startswith("op_")]


class Server(Peer):
    """ops.py as an outsider that makes many changes."""

    def __init__(self, unit, near):
        ours, theirs = socket.socketpair()
        self.sock = ours
        super().__init__([e2e.PYTHON, OPS, "serve", str(theirs.fileno())], pass_fds=[theirs.fileno()])
        theirs.close()
        self.pid = int(self.hear().split()[1])
        self.setup(unit, near)

    def setup(self, unit, near):
        """What it has to know of the objects."""
        if unit != PAGE:
            self.ask(f"unit {unit}")
        if near:
            self.ask(f"near {near}")

    def receive(self, fd, path):
        """Gives it a descriptor under a name."""
        self.tell(f"recv {path}")
        socket.send_fds(self.sock, [b"f"], [fd])
        self.hear()

    def do(self, op, path, order="write"):
        """One operation; (channel, offset, length), or None and why not."""
        self.ask(order)
        return answer_of(self, f"{op} {path}")


class Inside:
    """The same inside the recording: a child of the recorded shell, reached through two pipes."""

    def __init__(self, unit, near):
        top = e2e.tempdir()
        self.names = [os.path.join(top, n) for n in ("in", "out")]
        for name in self.names:
            os.mkfifo(name)
        self.argv = ["/bin/sh", "-c", f'{e2e.PYTHON} {OPS} serve <"{self.names[0]}" >"{self.names[1]}" & exec "$@"', "sh",
                     prog("insider"), "bulk"]
        self.unit, self.near = unit, near
        self.to = self.out = None

    def connect(self):
        """After the recording has begun."""
        self.to = open(self.names[0], "w", buffering=1)
        self.out = open(self.names[1])
        self.hear()
        if self.unit != PAGE:
            self.ask(f"unit {self.unit}")
        if self.near:
            self.ask(f"near {self.near}")

    def tell(self, line):
        """Sends a line."""
        self.to.write(line + "\n")

    def hear(self):
        """Waits for a line."""
        return self.out.readline().rstrip("\n")

    def ask(self, line):
        """Sends a line and waits for the answer."""
        self.tell(line)
        return self.hear()

    def do(self, op, path, order="write"):
        """As Server.do."""
        self.ask(order)
        return answer_of(self, f"{op} {path}")

    def end(self):
        """Its input ends."""
        if self.to:
            self.to.close()


def answer_of(peer, line):
    """(channel, offset, length) of an operation, or (None, reason, 0)."""
    peer.tell(line)
    words = peer.hear().split()
    if words[0] in ("skip", "error"):
        return None, " ".join(words[1:]).partition("] ")[2].partition(":")[0] or " ".join(words[1:]), 0
    return words[0], int(words[1]), int(words[2])


def as_mapped(data, n):
    """Page n as a mapping shows it; None beyond the end."""
    page = data[n * PAGE:(n + 1) * PAGE]
    return page.ljust(PAGE, b"\0") if page else None


class Cell:
    """One operation on one object, and what came of it."""

    def __init__(self, kind, op, column):
        self.kind, self.op, self.column = kind, op, column
        words = column.split()
        self.control = column if column in CONTROLS else None
        self.mapping, self.age, self.order = words if not self.control else ("shared", "younger", "read")
        self.name = f"{op}.{column.replace(' ', '.')}"
        self.obj = self.number = self.address = self.actor = self.inside_pid = None
        self.channel = self.reason = None
        self.offset = self.length = 0
        self.first = self.before = self.after = b""  # before and after what prepares the operation, and after it
        self.seen = None  # what the insider sees at the end of the first page that was to change
        self.letter, self.why = "", ""

    def possible(self):
        """False where the kind doesn't have this cell."""
        k = self.kind
        if self.op in REMOTE and self.control or self.op in BY_KERNEL and self.control == "insider":
            return False
        if self.control == "beyond":
            return self.op not in WHOLE and k.length == kinds.UNITS <= k.first and k.private
        if self.control:
            return True
        return self.age in k.ages and (self.mapping == "shared" or k.private)

    def pages(self):
        """Pages of 4096 bytes that the insider maps."""
        if self.control == "beyond":
            return self.kind.unit // PAGE
        return max(self.kind.first, self.kind.length) * self.kind.unit // PAGE

    def copied_pages(self):
        """Pages that the insider has made its own."""
        unit = self.kind.unit
        return {unit // PAGE, 2 * unit // PAGE} if self.mapping == "copied" else set()

    def map_line(self):
        """The line that makes the insider map it."""
        touch = "touch" if self.order == "read" and self.kind.first >= kinds.UNITS // 2 else "notouch"
        if self.obj.shm is not None:
            return f"shm {self.obj.shm} {touch}"
        how = "privatecow" if self.mapping == "copied" else self.mapping
        if self.op in REMOTE:  # which needs memory that may be written
            how = "privatecow" if self.mapping != "shared" else "sharedrw" if self.kind.writable else "shared"
        return f"map {self.obj.inside} {how} 0 {self.pages() * PAGE} {touch}"

    def run(self, actor):
        """The operation, between two looks at the contents."""
        self.actor = actor
        self.first = self.obj.contents()
        self.kind.prepare(self.obj)
        self.before = self.obj.contents()
        if self.before == self.first:
            self.first = self.before  # once in memory
        path = self.obj.own if self.control == "insider" else self.obj.outside
        if self.op in REMOTE:
            path = f"{self.inside_pid} {self.address + self.kind.unit + 904}"
        self.channel, self.offset, self.length = actor.do(self.op, path, self.order)
        self.after = self.obj.contents()
        if self.after == self.before:
            self.after = self.before
        if self.channel is None:
            self.reason, self.offset = self.offset, 0
        elif self.op in REMOTE:
            self.offset -= self.address

    def forget(self):
        """What it knows of contents, of which big objects have much."""
        self.first = self.before = self.after = b""

    def differing(self, since=None):
        """Pages that the insider maps and that are others now."""
        since = self.before if since is None else since
        return [n for n in range(self.pages()) if as_mapped(since, n) != as_mapped(self.after, n)]

    def differing_bytes(self):
        """Offset of the first and of the last byte that differs."""
        size = max(len(self.before), len(self.after))
        before, after = self.before.ljust(size, b"\0"), self.after.ljust(size, b"\0")
        different = [i for i in range(size) if before[i] != after[i]]
        return different[:1] + different[-1:]

    def missed(self):
        """An operation that was to change what is behind the mapping, and did something else."""
        return self.control == "beyond" and self.offset < self.pages() * PAGE and bool(self.differing())

    def first_page(self):
        """The first page that differs, or was to."""
        return (self.differing() or [self.offset // PAGE])[0]

    def page(self, n):
        """Page n as a mapping shows it now; None beyond the end."""
        return as_mapped(self.after, n)

    def visible(self):
        """True if the insider sees other bytes: what it has copied stays as it is, unless the object was cut there."""
        return any(n not in self.copied_pages() or self.page(n) is None for n in self.differing())


def tell_all(peer, lines):
    """Sends many lines, not more than the pipes can hold at once; returns the answers."""
    answers = []
    for i in range(0, len(lines), 100):
        for line in lines[i:i + 100]:
            peer.tell(line)
        answers += [peer.hear() for _ in lines[i:i + 100]]
    bad = [a for a in answers if a.startswith("error")]
    if bad:
        raise Failed(f"the insider says: {bad[0]}")
    return answers


class Recording:
    """One recording of many cells of one kind."""

    def __init__(self, kind, cells):
        self.kind, self.cells = kind, cells
        self.verdict = self.trace = None

    def run(self):
        """From the objects to check's result."""
        kind = self.kind
        kind.open()
        try:
            for c in self.cells:
                c.obj = kind.make(c.name)
            kind.made([c.obj for c in self.cells])
            older = Server(kind.unit, kind.near())
            for c in self.cells:
                if not c.control and c.age == "older":
                    self.hold(c, older)
            self.record(older)
        finally:
            for c in self.cells:
                if c.obj and c.obj.fd is not None:
                    os.close(c.obj.fd)
            kind.close()

    def hold(self, c, older):
        """An outsider older than the recording has the descriptor or mapping already."""
        self.kind.give(c.obj, older)
        older.tell(f"hold {c.op} {c.obj.outside} {c.order}")
        older.hear()  # where it can't, it can't do the operation either

    def record(self, older):
        """The recording itself."""
        kind = self.kind
        inside = Inside(kind.unit, kind.near()) if any(c.control == "insider" for c in self.cells) else None
        insider = Insider(inside.argv if inside else [prog("insider"), "bulk"])
        if inside:
            inside.connect()
        younger = Server(kind.unit, kind.near())
        kind.reuse([c.obj for c in self.cells], younger)
        for c in self.cells:
            c.inside_pid = insider.pid
        self.map_all(insider)
        kind.mapped([c.obj for c in self.cells])
        insider.blocked()
        for c in self.cells:
            self.change(c, older, younger, inside)
        self.look(insider)
        if inside:
            inside.end()
        self.verdict = insider.finish()
        older.end()
        younger.end()
        self.trace = tracefile.Trace(insider.trace)

    def map_all(self, insider):
        """Mappings, and the copies of pages in private ones."""
        mapped = [c for c in self.cells if c.control != "nobody"]
        for c, answer in zip(mapped, tell_all(insider, [c.map_line() for c in mapped])):
            c.number, c.address = (int(x) for x in answer.split()[1:3])
        tell_all(insider, [f"store {c.number} {n * PAGE + 7} 200" for c in mapped for n in c.copied_pages()
                           if self.kind.first * self.kind.unit > n * PAGE])

    def change(self, c, older, younger, inside):
        """One cell's change."""
        actor = inside if c.control == "insider" else older if not c.control and c.age == "older" else younger
        if actor is younger:
            self.kind.give(c.obj, younger)
        c.run(actor)
        if actor is not inside and actor is not older:
            actor.ask(f"drop {c.obj.outside}")

    def look(self, insider):
        """What the insider sees now; this holds the test itself against the machine."""
        seen = [c for c in self.cells if c.control not in ("nobody", "beyond") and c.channel and c.first_page() < c.pages()]
        for c, answer in zip(seen, tell_all(insider, [f"hash {c.number} {c.first_page()}" for c in seen])):
            n, c.seen = c.first_page(), answer.split()[3]
            wanted = fnv(c.page(n)) if c.page(n) else "bus"
            own = n in c.copied_pages() or c.op in REMOTE and c.mapping != "shared"
            if not own and c.seen != wanted and self.kind.changes:
                raise Failed(f"{c.name}: the insider does not see what is in the object's page {n}: {c.seen}, not {wanted}")
            if own and c.op in REMOTE and c.seen == wanted:
                raise Failed(f"{c.name}: the insider's own page {n} was not changed")


def unlooked(gaps):
    """Does the trace say that not all of the object was compared at the end, for want of budget? (On a slow machine: hundreds of
    objects are given up at once.)"""
    return any("--compare-budget" in g["reason"] for g in gaps)


class Judge:
    """Holds cells against check's result."""

    def __init__(self, recording, probe):
        self.v, self.trace, self.kind = recording.verdict, recording.trace, recording.kind
        self.probe = probe

    def seen(self, channel):
        """How the probe says that a channel is seen there."""
        return self.probe.get((channel, self.kind.column), "no")

    def of(self, c, things):
        """Those whose object is the cell's."""
        return [t for t in things if t.get("object") and c.obj.who == tuple(
            (t.get("identity") or t["object"]).get(k) for k in ("major", "minor", "inode"))]

    def judge(self, c):
        """Sets letter and why."""
        try:
            c.letter = self.letter(c)
        except Failed as e:
            c.letter, c.why = "X", str(e)

    def letter(self, c):
        if c.channel is None:
            c.why = c.reason
            return "-"
        mine, gaps = self.of(c, self.v.changes), self.of(c, self.v.gaps)
        mine = [m for m in mine if not self.is_resize(m)]
        if c.op in REMOTE:
            return self.remote(c, mine)
        brief = "; ".join(f"{m['channel']} [{m['offset']},+{m['length']}) by {(m['by'] or {}).get('pid')} {m['outcome']}"
                          for m in mine) or "no change"
        if (c.control and not c.missed()) or not self.kind.changes or c.offset >= c.pages() * PAGE:
            expect(not mine, f"a change is listed: {brief}")
            return "u" if gaps else "."
        if not mine:
            return self.none_listed(c, gaps)
        self.who_and_how(c, mine, brief)
        if unlooked(gaps):
            return "u"
        self.bytes(c, mine)
        return self.outcome(c, mine, gaps)

    def is_resize(self, m):
        """The change of length before the operation, by this test."""
        return m["channel"] == "truncate" and (m["by"] or {}).get("pid") == os.getpid()

    def remote(self, c, mine):
        """The insider's memory was written, which in a private mapping changes no object. A program that is blocked in a call
        may have had the kernel read it, so that nothing is exact."""
        told = [m for m in self.v.changes if m["channel"] == c.channel and m["offset"] == c.address + c.offset]
        seen = self.seen(c.channel)
        expect(told or seen not in ("exact", "page"), "no change is known of the memory")
        for m in told:
            expect((m["by"] or {}).get("pid") == c.actor.pid, f"process, expected {c.actor.pid}: {m['by']}")
            expect(m["length"] == c.length or seen != "exact", f"{m['length']} bytes, not {c.length}")
        if c.mapping == "shared":
            self.bytes(c, mine)
        else:
            expect(not mine and not c.differing(), "a change of the object is listed")
        found = {m["outcome"] for m in told + mine}
        return next((letter for outcome, letter in OUTCOMES if outcome in found), "u")

    def none_listed(self, c, gaps):
        """No change is known of the object."""
        if not c.differing() and not gaps:
            c.why = "it changes nothing"
            return "."
        if gaps and (c.channel == "mmap-store" or self.seen(c.channel) not in ("exact", "page")):
            return "u"
        if unlooked(gaps) or gaps and self.saved_with_resize(c):
            return "u"
        expect(not c.visible(), "no change is known" + (", only a gap" if gaps else " (clean where bytes changed)"))
        return "u" if gaps else "."

    def saved_with_resize(self, c):
        """A store that only a comparison finds isn't found where the pages were saved after it for another reason: the change of
        length before it. Then that change has its pages, and their bytes."""
        resizes = [m for m in self.of(c, self.v.changes) if self.is_resize(m)]
        if not resizes or min(m["offset"] for m in resizes) // PAGE > c.first_page():
            return False
        self.bytes(c, resizes)
        return True

    def who_and_how(self, c, mine, brief):
        """Process, channel and range."""
        named = False
        names = OTHER_NAMES.get(c.channel, (c.channel,)) + self.kind.found + NAMES_OF.get(c.op, ())
        for m in mine:
            pid = (m["by"] or {}).get("pid")
            expect(m["channel"] in names or c.op.startswith("into_") and m["channel"] == "mmap-store",
                   f"channel, expected {c.channel}: {brief}")
            expect(pid in (None, c.actor.pid), f"process, expected {c.actor.pid}: {brief}")
            named = named or m["channel"] in names and pid
        seen = self.seen(c.channel)
        expect(named or c.op in BY_KERNEL + UNCLAIMED or seen not in ("exact", "page"), f"nobody is named: {brief}")
        exact = seen == "exact" and not self.kind.covered
        expect(any(self.range_fits(c, m, exact) for m in mine), f"range, expected [{c.offset},+{c.length}): {brief}")

    def range_fits(self, c, m, exact):
        """The byte range of a change against what was done; length -1: to the end."""
        lo, hi = c.offset, max(len(c.before), len(c.after)) if c.length < 0 else c.offset + c.length
        length = m["length"]
        end = 1 << 64 if length is None or length < 0 else m["offset"] + length
        if m["by_compare"] or c.channel == "mmap-store":
            return m["offset"] < hi and end > lo
        if exact and c.length >= 0:
            return (m["offset"], end) == (lo, hi)
        if exact and c.op == "pwritev2_append":  # what it does to overlayfs of 6.1 only the bytes tell
            return m["offset"] >= lo and all(m["offset"] <= at < end for at in c.differing_bytes())
        if exact:
            return m["offset"] == lo and end >= hi
        return m["offset"] <= lo and end >= hi

    def bytes(self, c, mine):
        """At its end the trace holds what the object holds, for each page that is mapped."""
        if all(m["outcome"] == "lost" for m in mine):
            return
        obj = next((number for number, o in self.trace.objects.items()
                    if (o["major"], o["minor"], o["inode"]) == c.obj.who), None)
        expect(obj, "the trace has no such object")
        for n in range(c.pages()):
            held, wanted = self.trace.page_at_end(obj, n), c.page(n)
            expect(held == wanted, f"page {n} in the trace is {tracefile.describe(held)}, not {tracefile.describe(wanted)}")

    def outcome(self, c, mine, gaps):
        """The worst outcome. A call that nobody could see is exact: the insider was blocked in a read of another file."""
        found = {m["outcome"] for m in mine}
        if c.channel != "mmap-store" and self.seen(c.channel) == "exact" and not gaps:
            expect(found <= {"exact", "same-bytes"}, f"outcome {found}, expected exact")
        for outcome, letter in OUTCOMES:
            if outcome in found:
                if letter == "s":  # nobody may have looked between what prepared it and the operation
                    expect(not c.differing() or not c.differing(c.first), "same-bytes, and bytes changed")
                return letter
        raise Failed(f"outcomes {found}")


def probe_table():
    """{(channel, filesystem): seen} of bprec probe."""
    done = subprocess.run([BPREC, "probe", "--json"], capture_output=True, timeout=e2e.LIMIT)
    return {(c["channel"], c["filesystem"]): c["seen"] for c in json.loads(done.stdout)["channels"]}


def choose(kind, share):
    """The cells of a kind: all of them (share 12), or for each operation so many, and the same share of its controls, at least
    one. Which, depends on names only."""
    found = []
    for op in operations():
        cells = [Cell(kind, op, column) for column in COLUMNS]
        if share < len(VARIANTS) and op not in kind.always or op in kind.refused:
            seed = zlib.crc32(f"{kind.name} {op}".encode())
            possible = [c for c in cells if c.possible() and not c.control]
            step = max(len(possible) // share, 1) if op not in kind.refused else len(possible)
            controls = [c for c in cells if c.control == CONTROLS[(seed >> 8) % 3] and op not in kind.refused]
            cells = possible[seed % step::step][:share] + controls
        found += [c for c in cells if c.possible()]
    return found


def run_kind(kind, share, probe):
    """Records cells of a kind (choose) and judges them. The cells; raises Skip where there is no such kind here."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cells = choose(kind, share)
    most = kind.most() or len(cells)
    for i in range(0, len(cells), most):
        part = cells[i:i + most]
        recording = Recording(kind, part)
        recording.run()
        judge = Judge(recording, probe)
        for c in part:
            judge.judge(c)
            c.forget()
    return cells


def lines_of(kind, cells):
    """The result of a kind: for each operation a line of letters in the order of COLUMNS, and why some are what they are."""
    rows = {}
    for c in cells:
        rows.setdefault(c.op, {})[c.column] = c
    for op, row in rows.items():
        letters = "".join(row[name].letter if name in row else " " for name in COLUMNS)
        why = sorted({f"{c.name}: {c.why}" if c.letter == "X" else c.why for c in row.values() if c.letter in "X-" and c.why})
        yield f"{kind.name} | {op} | {letters} | {'; '.join(why)[:300]}"


def main(some):
    """A test program: a part of the cells of some kinds, each operation and each kind at least once."""
    e2e.need_root()
    r = e2e.Report()
    probe = probe_table()

    def one(kind):
        cells = run_kind(kind, 1, probe)
        for line in lines_of(kind, cells):
            print("   " + line)
        wrong = [f"{c.name}: {c.why}" for c in cells if c.letter == "X"]
        expect(not wrong, f"{len(wrong)} of {len(cells)} cells are wrong, first {wrong[:3]}")
        if kind.changes and kind.column:
            expect(sum(c.letter in "es" for c in cells) > 10, "hardly a change was carried out")
    for kind in some:
        r.case(f"matrix, {kind.name}", one, kind)
    r.exit()
