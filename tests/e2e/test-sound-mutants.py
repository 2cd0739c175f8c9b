#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 200
"""Sound, rules 4, 6, 8, 9, 11 and 12 of the design: cases that tests/mutants showed to be missing. Each says how it would go unnoticed."""
import os
import select
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "bpf")]
import e2e  # noqa: E402
import kern  # noqa: E402
import mounts  # noqa: E402
import tracefile  # noqa: E402
from e2e import PAGE, Insider, Outsider, Peer, Report, Skip, expect, expect_verdict, need_root, prog  # noqa: E402
from matrix import covers  # noqa: E402

LONG = 2 << 20  # bytes of the read of longout


def fresh(place, name, pages=1):
    """A file of some pages."""
    place.create(name, bytes(pages * PAGE))
    return os.path.join(place.real, name)


def copied_in_flight(place):
    """Rule 4: the write is in flight while an insider sees a byte of it and stores to the page, which is its own from then on.
    Whoever looks when the write is over finds a page that doesn't follow the file, as if nothing had happened."""
    path, insider, outsider = fresh(place, "copied", 64), Insider(), Peer([prog("inflight")])
    outsider.hear()
    m = insider.map(path, "privaterw")
    expect(insider.ask(f"spinstore {m} 200 66") == "spinning", "no spinning")
    outsider.ask(f"begin pwrite {path} 0 64 66")
    expect(insider.hear() == "saw", "it did not see")
    outsider.ask("release")
    insider.blocked()
    v = insider.finish()
    expect(v.of(path), f"no change of {path}: {v.brief()}")
    expect(all(c["outcome"] in ("possible", "seen-early") for c in v.of(path)), f"too good: {v.brief()}")


def ticks(pid, tid):
    """Ticks that a thread has run; many if it has ended."""
    try:
        with open(f"/proc/{pid}/task/{tid}/stat", encoding="ascii") as f:
            words = f.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 1 << 30
    return int(words[11]) + int(words[12])


def pieces():
    """Rule 6: a call that stores its output piece by piece and waits in between. Without the scratch area another thread sees
    the first byte while the call still waits, and says so before the event that brings it."""
    path = os.path.join(e2e.tempdir(), "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        insider = Insider([prog("waitall"), path])
        looker = max(int(t) for t in os.listdir(f"/proc/{insider.pid}/task"))
        with server.accept()[0] as peer:
            e2e.wait_blocked(insider.pid, 45)
            start = ticks(insider.pid, looker)
            peer.send(b"x")
            e2e.wait_until("the other thread has looked again", lambda: ticks(insider.pid, looker) >= start + 5)
            early = insider.buf or select.select([insider.proc.stdout], [], [], 0)[0]
            peer.send(b"1234567")
            expect(insider.hear() == "seen", "it did not see")
    expect(not early, "another thread saw the byte while the call that brings it was still waiting")
    expect_verdict(insider.finish(), "clean")
    calls = [e.syscall() for e in tracefile.Trace(insider.trace).of("syscall")]
    order = ["recv" if nr == 45 else "seen" for nr, _, args, ret, _ in calls if nr == 45 or (nr == 1 and args[0] == 1 and ret == 5)]
    expect(order == ["recv", "seen"], f"order in the trace: {order}")


def long_outputs():
    """Rule 6: an output too long for the scratch area goes where the program said, so nobody else of its group may run: a
    syscall-enter event would mean that the thread gave the token away while the kernel could store to its memory."""
    rounds = 20
    insider = Insider([prog("longout")])
    for i in range(rounds):
        insider.proc.stdin.write(b"x")
        insider.proc.stdin.flush()
        expect(insider.hear() == f"seen {i}", "not seen")
    expect_verdict(insider.finish(), "clean")
    trace = tracefile.Trace(insider.trace)
    reads = sum(1 for e in trace.of("syscall") if e.syscall()[0] == 0 and e.syscall()[2][2] == LONG and e.syscall()[3] == 1)
    expect(reads == rounds, f"{reads} reads in the trace, expected {rounds}")
    lent = sum(1 for e in trace.of("syscall-enter") if e.unpack("II6Q")[0] == 0 and e.unpack("II6Q")[4] == LONG)
    expect(not lent, f"others ran during {lent} of {rounds} reads that store straight to memory they share")


def changed_unmapped(place, how):
    """Rule 8: the object is watched and nobody outside holds it open or mapped, but it was changed while nobody mapped it:
    what was saved at the first mapping is out of date at the second."""
    path = os.path.join(place.real, f"unmapped-{how}")
    place.create(os.path.basename(path), b"a" * (3 * PAGE))
    insider, outsider = Insider(), Outsider()
    first = insider.map(path)
    before = insider.hash(first, 1)
    insider.ask(f"unmap {first}")
    insider.blocked()
    if how == "truncate":
        outsider.do("truncate", path, PAGE + 100)
    else:
        insider.ask(f"childop pwrite64 {path} {PAGE + 50} 10 88")
    after = insider.hash(insider.map(path), 1)
    expect(after != before, "the test is wrong: nothing changed")
    insider.finish()
    trace = tracefile.Trace(insider.trace)
    answer = [e.no for e in trace.of("syscall", insider.pid) if e.syscall()[0] == 1 and e.syscall()[3] == len(f"hash 1 1 {after}\n")][-1]
    held = trace.page_at(trace.object_of(os.stat(path)), 1, answer)
    expect(e2e.fnv(held) == after, f"when the insider looked again the trace held {tracefile.describe(held)}, not what it saw")


def exposed_file(place, name):
    """A file, and an outsider that maps it and has touched its page: later stores cause no event on tmpfs."""
    path, outsider = fresh(place, name), Outsider()
    outsider.ask(f"mapread {path}")
    outsider.do("store", path, 0, 1, 1)
    return path, outsider


def missed(v, paths):
    """Those of the paths for which no store to [10, 15) is told."""
    return [os.path.basename(p) for p in paths if not any(c["channel"] == "mmap-store" and covers(c, 10, 15) for c in v.of(p))]


def before_unmap(place):
    """Rule 9: the look that is taken now and then (record/compare.c) finds a store a moment later. Only the one at the unmap
    finds all of those that come right before it."""
    insider, files = Insider(), [exposed_file(place, f"unmap{i}") for i in range(8)]
    for path, outsider in files:
        m = insider.map(path)
        insider.blocked()
        outsider.do("store", path, 10, 5, 99)
        insider.ask(f"unmap {m}")
    v = insider.finish()
    lost = missed(v, [path for path, _ in files])
    expect(not lost, f"stores were missed: {lost}: {v.brief()}")


def before_end(place):
    """Rule 9: the same at the end of the insider."""
    lost = []
    for i in range(8):
        path, outsider = exposed_file(place, f"end{i}")
        insider = Insider()
        insider.map(path)
        insider.blocked()
        outsider.do("store", path, 10, 5, 99)
        lost += missed(insider.finish(), [path])
    expect(not lost, f"stores were missed: {lost}")


def no_exposure(place):
    """Rule 9: objects in memory are compared always. Here nobody outside maps the file or has it open, and yet the kernel
    stores to it for somebody: counters, lists of holders and faults show nothing; nor does what looks for pinned pages, which is
    left out here."""
    path = fresh(place, "pinned")
    outsider = Peer([prog("pinned"), path])
    if (answer := outsider.hear()).startswith("skip"):
        raise Skip(answer[5:])
    insider = Insider(options=("--disable-hook=syscall/pins",))
    m = insider.map(path)
    before = insider.hash(m, 0)
    insider.blocked()
    expect(outsider.ask("77") == "done", "not done")
    expect(insider.hash(m, 0) != before, "the test is wrong: the insider sees no change")
    v = insider.finish()
    expect(v.verdict in ("divergent", "uncertain"), f"too good: {v.brief()}")
    expect(any(covers(c, 0, 1) for c in v.of(path)), f"no change of {path}: {v.brief()}")


def kernel_memory_by_name():
    """Rule 11: the verdict names the mapping. Without the rule it may be uncertain still, as the ring can't be opened to save
    its contents; but that would be said of any file, and nobody would look for the cause in the right place."""
    if (native := subprocess.run([prog("kernelmap")], capture_output=True, text=True, check=False)).returncode == 77:
        raise Skip("no packet ring: " + native.stderr.strip())
    trace = os.path.join(e2e.tempdir(), "trace")
    subprocess.run([e2e.BPREC, "record", "-q", "-o", trace, "--", prog("kernelmap")], stdout=subprocess.DEVNULL,
                   timeout=e2e.LIMIT, check=True)
    v = e2e.check(trace)
    expect_verdict(v, "uncertain")
    expect([g for g in v.gaps if g["kind"] == "device-mapping" and g["channel"] == "kernel-shared" and "socket:" in g["object"]],
           f"no gap says that the kernel writes a mapping: {v.gaps}")


def key_used_again(place):
    """Rule 12, in the kernel: an object stays in the table of those watched until the recorder says otherwise. Its structure
    is soon that of a file which nobody watches, and whose changes are not to be told."""
    driver = kern.Driver()
    insider, outsider = kern.Insider(driver), Outsider()
    watched, wrong, again = set(), [], 0
    for i in range(40):
        old = fresh(place, f"old{i}")
        driver.command("drain")
        number = insider.ask("map", old, "shared", 0, PAGE, "notouch").split()[1]
        watched |= {e["object"] for e in driver.drain(type="watch", tgid=insider.pid)}
        insider.ask("unmap", number)
        os.unlink(old)
        files = [fresh(place, f"new{i}-{n}") for n in range(4)]
        driver.command("drain")
        for path in files:
            outsider.do("pwrite64", path, 0, 10, 50)
        wrong += [e["inode"] for e in driver.drain(tgid=outsider.pid) if e["type"] in ("begin", "end")]
        for path in files:
            mapped = insider.ask("map", path, "shared", 0, PAGE, "notouch").split()[1]
            again += driver.drain(type="watch", tgid=insider.pid)[-1]["object"] in watched
            insider.ask("unmap", mapped)
            os.unlink(path)
    insider.end()
    driver.end()
    if not again and not wrong:  # it is the kernel's choice, and depends on what else runs
        raise Skip("this kernel used no structure again")
    expect(not wrong, f"told of files that nobody watches: inodes {sorted(set(wrong))}")


def main():
    need_root()
    r = Report()
    place = mounts.tmpfs()
    r.case("rule 4: a private page copied while the write is in flight", copied_in_flight, place)
    r.case("rule 6: an output that comes in pieces", pieces)
    r.case("rule 6: outputs too long for the scratch area hold the group", long_outputs)
    for how in ("insider", "truncate"):
        r.case(f"rule 8: changed while nobody mapped it or had it open ({how})", changed_unmapped, place, how)
    r.case("rule 9: stores right before each unmap", before_unmap, place)
    r.case("rule 9: stores right before the end", before_end, place)
    r.case("rule 9: a store in memory that no exposure shows", no_exposure, place)
    r.case("rule 11: memory that the kernel writes is named", kernel_memory_by_name)
    r.case("rule 12: a structure that is used again for another file", key_used_again, place)
    r.exit()


main()
