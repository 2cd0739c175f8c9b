#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""Who could write what an insider maps: each way of coming to hold a file is an exposure, under the right name, from where
it began to where it ended."""
import atexit
import json
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mounts  # noqa: E402
from e2e import (BPREC, PAGE, PYTHON, Insider, Peer, Report, Skip, children, expect, need_root, prog,  # noqa: E402
                 same_object, wait_until)

DESCRIPTOR, MAPPING, HIDDEN = "writable-descriptor", "writable-mapping", "unattributed"
SERVE = ("import array, ctypes, mmap, os, socket, sys\n"
         "libc = ctypes.CDLL(None)\n"
         "libc.mmap.restype = libc.mremap.restype = ctypes.c_void_p\n"
         "P = ctypes.c_void_p\n"
         "def recv(s):\n"
         "    data, anc, *_ = s.recvmsg(1, 64)\n"
         "    return array.array('i', anc[0][2])[0]\n"
         "def send(s, fd):\n"
         "    s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))])\n"
         "print('ready', flush=True)\n"
         "for line in sys.stdin:\n"
         "    try:\n"
         "        exec(line)\n"
         "        print('done', flush=True)\n"
         "    except Exception as e:\n"
         "        print('error', repr(e), flush=True)\n")


class Snake(Peer):
    """An outsider that carries out lines of Python."""

    def __init__(self, **kw):
        super().__init__([PYTHON, "-c", SERVE], **kw)
        self.hear()
        self.pid = self.proc.pid


class Case:
    """A file, and what is to be told of it: exposures as (kind, pid), and which of them must be over before the end."""

    def __init__(self, place, name):
        place.create(name, bytes(i // PAGE + 1 for i in range(4 * PAGE)))
        self.path, self.stat = os.path.join(place.real, name), os.stat(os.path.join(place.real, name))
        self.want, self.over, self.gap = set(), set(), None


class World:
    """One recording; outsiders do something to each case's file before or while it is mapped."""

    def __init__(self, place):
        self.place, self.cases, self.keep = place, {}, []
        self.insider = Insider()

    def file(self, name):
        self.cases[name] = Case(self.place, name)
        return self.cases[name]

    def map(self, case):
        self.insider.map(case.path)
        self.insider.blocked()

    def outsider(self, **kw):
        o = Snake(**kw)
        self.keep.append(o)
        return o

    def told(self, what, case, kind, pid, end=False):
        """Waits until the trace tells of the exposure, or of its end."""
        def seen():
            rows = dump(self.insider.trace)
            objects = {r["object"] for r in rows if r["type"] == "object" and r.get("inode") == case.stat.st_ino}
            writers = {r["writer"] for r in rows if r["type"] == "writer" and r["pid"] == pid} or {0}
            ids = {r["exposure"] for r in rows if r["type"] == "exposure" and r["object"] in objects
                   and r["kind"] == kind and r["writer"] in writers}
            if end:
                return bool(ids) and ids <= {r["exposure"] for r in rows if r["type"] == "exposure-end"}
            return bool(ids)
        wait_until(what, seen)


def dump(trace):
    """Events of a trace that is being written."""
    out = subprocess.run([BPREC, "dump", "--json", "--events", trace], capture_output=True, text=True).stdout
    rows = []
    for line in out.splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def opened(w):
    """Open before the recording's mmap, open after it, and closed again: that there was a writer isn't for ever."""
    c = w.file("opened")
    older, younger = w.outsider(), w.outsider()
    older.ask(f"fd = os.open('{c.path}', os.O_RDWR)")
    w.map(c)
    younger.ask(f"fd = os.open('{c.path}', os.O_WRONLY)")
    w.told("both are told", c, DESCRIPTOR, younger.pid)
    younger.ask("os.close(fd)")
    w.told("the end of one is told", c, DESCRIPTOR, younger.pid, end=True)
    c.want = {(DESCRIPTOR, older.pid), (DESCRIPTOR, younger.pid)}
    c.over = {younger.pid}


def all_gone(w):
    """The last one closes: then nobody could."""
    c = w.file("all-gone")
    o = w.outsider()
    w.map(c)
    o.ask(f"fd = os.open('{c.path}', os.O_WRONLY)")
    o.ask("os.close(fd)")
    w.told("its end is told", c, DESCRIPTOR, o.pid, end=True)
    c.want, c.over = {(DESCRIPTOR, o.pid)}, {o.pid}


def left(w):
    """The outsider ends."""
    c = w.file("left")
    o = Snake()
    w.map(c)
    o.ask(f"m = mmap.mmap(os.open('{c.path}', os.O_RDWR), {PAGE})")
    o.end()
    w.told("its end is told", c, MAPPING, o.pid, end=True)
    c.want, c.over = {(MAPPING, o.pid), (DESCRIPTOR, o.pid)}, {o.pid}


def passed(w):
    """A descriptor given through a socket, to one that never opened the file; on its way it is nobody's."""
    c = w.file("passed")
    a, b = socket.socketpair()
    to = w.outsider(pass_fds=[b.fileno()])
    to.ask(f"s = socket.socket(fileno={b.fileno()})")
    w.map(c)
    giver = Snake(pass_fds=[a.fileno()])
    giver.ask(f"s = socket.socket(fileno={a.fileno()})")
    giver.ask(f"fd = os.open('{c.path}', os.O_RDWR)")
    giver.ask("send(s, fd)")
    w.told("the giver is told", c, DESCRIPTOR, giver.pid)
    giver.end()
    w.told("nobody has it", c, HIDDEN, 0)
    to.ask("fd = recv(s)")
    w.told("the taker is told", c, DESCRIPTOR, to.pid)
    w.told("it is on its way no more", c, HIDDEN, 0, end=True)
    w.keep += [a, b]
    c.want, c.over = {(DESCRIPTOR, giver.pid), (HIDDEN, None), (DESCRIPTOR, to.pid)}, {giver.pid, None}


def taken(w):
    """pidfd_getfd."""
    c = w.file("taken")
    has, takes = w.outsider(), w.outsider()
    has.ask(f"fd = os.open('{c.path}', os.O_RDWR)")
    w.map(c)
    fd = next(fd for fd in os.listdir(f"/proc/{has.pid}/fd") if os.readlink(f"/proc/{has.pid}/fd/{fd}") == c.path)
    takes.ask(f"fd = libc.syscall(438, os.pidfd_open({has.pid}), {fd}, 0); assert fd >= 0")
    w.told("the taker is told", c, DESCRIPTOR, takes.pid)
    c.want = {(DESCRIPTOR, has.pid), (DESCRIPTOR, takes.pid)}


def mapped(w):
    """Mapped shared, older and younger; the younger one unmaps."""
    c = w.file("mapped")
    older, younger = w.outsider(), w.outsider()
    make = f"fd = os.open('{c.path}', os.O_RDWR); m = mmap.mmap(fd, {PAGE}); os.close(fd)"
    older.ask(make)
    w.map(c)
    younger.ask(make)
    w.told("both are told", c, MAPPING, younger.pid)
    younger.ask("m.close()")
    w.told("the end of one is told", c, MAPPING, younger.pid, end=True)
    c.want = {(kind, o.pid) for kind in (MAPPING, DESCRIPTOR) for o in (older, younger)}  # mmap.mmap keeps one, too
    c.over = {younger.pid}


def protected(w):
    """Mapped shared for reading only; mprotect may change that, so it counts from the start. Then it is changed, and moved."""
    c = w.file("protected")
    o = w.outsider()
    o.ask(f"fd = os.open('{c.path}', os.O_RDWR); at = libc.mmap(None, {PAGE}, 1, 1, fd, P(0)); os.close(fd)")
    w.map(c)
    w.told("a mapping that may become writable is told", c, MAPPING, o.pid)
    o.ask(f"assert not libc.mprotect(P(at), {PAGE}, 3)")
    o.ask(f"to = libc.mremap(P(at), {PAGE}, {2 * PAGE}, 1); at = to")
    o.ask("ctypes.c_char.from_address(at).value = b'!'")
    c.want = {(MAPPING, o.pid)}


def harmless(w):
    """Descriptors for reading, and private or read-only mappings, are no exposures."""
    c = w.file("harmless")
    o = w.outsider()
    o.ask(f"fd = os.open('{c.path}', os.O_RDONLY)")
    o.ask(f"m = mmap.mmap(fd, {PAGE}, mmap.MAP_SHARED, mmap.PROT_READ); n = mmap.mmap(fd, {PAGE}, mmap.MAP_PRIVATE)")
    w.map(c)
    c.want = set()


def forked(w, kind):
    """The child of an outsider holds what its parent does, and goes on holding it."""
    c = w.file("forked-" + kind)
    o = w.outsider()
    hold = "m = mmap.mmap(fd, 4096); os.close(fd)" if kind == MAPPING else "pass"
    o.ask(f"fd = os.open('{c.path}', os.O_RDWR)")
    o.ask(hold)
    w.map(c)
    o.ask("r = os.pipe()")
    o.ask("pid = os.fork() or (os.close(r[1]), os.read(r[0], 1), os._exit(0))")
    child = children(o.pid)[0]
    w.told("the child is told", c, kind, child)
    c.want = {(k, pid) for k in {kind, DESCRIPTOR} for pid in (o.pid, child)}


def looped(w):
    """The kernel holds it for a loop device: no process can be named."""
    c = w.file("looped")
    made = subprocess.run(["losetup", "-f", "--show", c.path], capture_output=True, text=True)
    if made.returncode:
        del w.cases["looped"]
        raise Skip("losetup: " + made.stderr.strip())
    device = made.stdout.strip()
    atexit.register(subprocess.run, ["losetup", "-d", device])
    w.map(c)
    c.want, c.gap = {(HIDDEN, None)}, "unattributed-writer"


def pinned(w, when):
    """A registered buffer of an io_uring: no mapping, no descriptor, both counters at 0."""
    c = w.file("pinned-" + when)
    if when == "mapped":
        w.map(c)
    o = Peer([prog("pinned"), c.path])
    w.keep.append(o)
    if (answer := o.hear()).startswith("skip"):
        del w.cases[c.path.rsplit("/", 1)[1]]
        raise Skip(answer[5:])
    if when == "before":
        w.map(c)
    pid = o.proc.pid
    if not names_pinners(w):
        pinned_by_nobody(w, c, when, pid)
        return
    w.told("it is told", c, MAPPING, pid)
    c.want, c.gap = {(MAPPING, pid)}, "hidden-stores"
    if when == "mapped":
        c.want |= {(DESCRIPTOR, pid)}


def names_pinners(w):
    """Is the call that registers buffers seen? Not where it would be the only call to have a hook."""
    return any(row["type"] == "hook" and row["name"].endswith("/sys_enter_io_uring_register") and row["state"] == "attached"
               for row in dump(w.insider.trace))


def pinned_by_nobody(w, c, when, pid):
    """That pages are pinned is found by looking at them when the file is mapped, and when a mapping that could have pinned them ends."""
    w.told("it is told", c, HIDDEN, None)
    c.want, c.gap = {(HIDDEN, None)}, "unattributed-writer"
    if when == "mapped":
        w.told("its descriptor is gone", c, DESCRIPTOR, pid, end=True)
        c.want |= {(MAPPING, pid), (DESCRIPTOR, pid)}
        c.over.add(pid)


def pinned_long_ago(place):
    """The buffer was registered before the recording began: nobody saw who did."""
    path = os.path.join(place.real, "long-ago")
    place.create("long-ago", bytes(4 * PAGE))
    place.create("same-but-free", bytes(4 * PAGE))
    o = Peer([prog("pinned"), path])
    if (answer := o.hear()).startswith("skip"):
        raise Skip(answer[5:])
    insider = Insider()
    insider.map(path)
    insider.map(os.path.join(place.real, "same-but-free"))
    insider.blocked()
    v = insider.finish()
    found = exposures(v, os.stat(path))
    expect([(x["kind"], x["by"]) for x in found] == [(HIDDEN, None)], f"{found}")
    expect(not exposures(v, os.stat(os.path.join(place.real, "same-but-free"))), f"{v.exposures}")
    expect(v.verdict == "uncertain" and any("pinned" in g["reason"] for g in v.gaps), v.brief())


def exposures(v, stat):
    return [x for x in v.exposures if same_object(x["object"], stat)]


def judge(w, name, v, mark):
    """What check says of one file."""
    if name not in w.cases:
        raise Skip("was not tried")
    c = w.cases[name]
    found = exposures(v, c.stat)
    told = {(x["kind"], (x["by"] or {}).get("pid")) for x in found}
    expect(told == c.want, f"told {sorted(map(str, told))}, expected {sorted(map(str, c.want))}")
    for x in found:
        pid, to = (x["by"] or {}).get("pid"), x["to_event"]
        expect(to is None or x["from_event"] < to, f"{x}")
        if pid in c.over:
            expect(to is not None and to <= mark, f"over before event {mark}: {x}")
        elif x["kind"] == MAPPING or pid not in {p for k, p in c.want if k == MAPPING}:
            expect(to is None or to > mark, f"holds to the end, event {mark}: {x}")
    if c.gap:
        expect(any(g["kind"] == c.gap and g["object"] == c.path for g in v.gaps), f"no gap {c.gap}: {v.gaps}")


CASES = [("opened", opened), ("all-gone", all_gone), ("left", left), ("passed", passed), ("taken", taken),
         ("mapped", mapped), ("protected", protected), ("harmless", harmless),
         ("forked-" + MAPPING, forked, MAPPING), ("forked-" + DESCRIPTOR, forked, DESCRIPTOR), ("looped", looped),
         ("pinned-mapped", pinned, "mapped"), ("pinned-before", pinned, "before")]


def main():
    need_root()
    r = Report()
    for fs, place in (("tmpfs", mounts.tmpfs()), ("ext4", mounts.ext4())):
        w = World(place)
        for name, fn, *args in CASES:
            if fs == "ext4" and name.startswith("pinned"):
                continue  # such a mapping can't be registered since 6.5
            r.case(f"{name}, {fs}: told while it happens", fn, w, *args)
        mark = max((row["event"] for row in dump(w.insider.trace)), default=0)
        w.insider.hash(0, 0)
        v = w.insider.finish()
        for name, *_ in CASES:
            if fs == "tmpfs" or not name.startswith("pinned"):
                r.case(f"{name}, {fs}: check", judge, w, name, v, mark)
        for peer in w.keep:
            (peer.kill if isinstance(peer, Peer) else peer.close)()
        if fs == "tmpfs":
            r.case("pinned before the recording, tmpfs", pinned_long_ago, place)
    r.exit()


main()
