#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 200
"""Sound, rules 1 and 2 of the design: writes in flight, and draining before deciding.

Rule 1: a write is noted when the call begins and closed when it ends. The obvious way (a hook at the return of the call)
fails in each case here: the descriptor means another file by then, the insider is gone, or it has read new bytes already.
The writes stop in their middle because half of the buffer is memory that a userfaultfd withholds (tests/progs/inflight.c).

Rule 2: the ring is read up to the producer's position before a change is called exact. The obvious way (look when epoll
says so) fails in the ping-pong: the outsider wakes the insider right after its pwrite, and the insider runs on with bytes
that come too late in the trace.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
import mounts  # noqa: E402
import tracefile  # noqa: E402
from e2e import PAGE, Insider, Peer, Report, expect, expect_verdict, need_root, prog  # noqa: E402
from matrix import covers  # noqa: E402

PAGES = 64
ROUNDS = 300


class InFlight(Peer):
    """The outsider."""

    def __init__(self):
        super().__init__([prog("inflight")])
        self.pid = int(self.hear().split()[1])


def fresh(place, name):
    """A file of PAGES pages."""
    place.create(name, bytes(range(256)) * (PAGES * PAGE // 256))
    return os.path.join(place.real, name)


def wait_gone(pid):
    e2e.wait_until(f"process {pid} is gone", lambda: not e2e.alive(pid))


def mine(v, path, pid, channels=("pwrite", "write", "aio", "io_uring")):
    """The changes of a file; each must be by pid."""
    found = v.of(path)
    expect(found, f"no change of {path}: {v.brief()}")
    for c in found:
        expect((c["by"] or {}).get("pid") == pid, f"by another pid than {pid}: {v.brief()}")
        expect(c["channel"] in channels, f"channel {c['channel']}: {v.brief()}")
    return found


def not_exact(v, path, pid):
    """An insider ran while the write was in flight."""
    found = mine(v, path, pid)
    expect(any(c["outcome"] in ("possible", "seen-early", "lost") for c in found),
           f"the outcome is too good: an insider ran during the write: {v.brief()}")
    expect_verdict(v, "divergent")


def insider_ends_during(place):
    path = fresh(place, "ends")
    insider, outsider = Insider(), InFlight()
    insider.map(path)
    insider.blocked()
    outsider.ask(f"begin pwrite {path} 0 {PAGES} 90")
    insider.proc.stdin.close()
    wait_gone(insider.pid)
    outsider.ask("release")
    expect(insider.proc.wait(e2e.LIMIT) == 0, "bprec failed" + insider.why())
    not_exact(e2e.check(insider.trace), path, outsider.pid)


def insider_unmaps_during(place):
    path = fresh(place, "unmaps")
    insider, outsider = Insider(), InFlight()
    m = insider.map(path)
    insider.blocked()
    outsider.ask(f"begin pwrite {path} 0 {PAGES} 91")
    insider.hash(m, 0)
    insider.ask(f"unmap {m}")
    outsider.ask("release")
    not_exact(insider.finish(), path, outsider.pid)


def insider_reads_during(place):
    path = fresh(place, "reads")
    insider, outsider = Insider(), InFlight()
    m = insider.map(path)
    before = insider.hash(m, 0)
    insider.blocked()
    outsider.ask(f"begin pwrite {path} 0 {PAGES} 92")
    if insider.hash(m, 0) == before:
        raise e2e.Skip("this kernel copies nothing of what is written before it has all of the buffer (6.12)")
    outsider.ask("release")
    insider.blocked()
    v = insider.finish()
    not_exact(v, path, outsider.pid)
    expect(any(covers(c, 0, PAGES * PAGE) for c in v.of(path)), f"the range is too small: {v.brief()}")


def mapped_during(place, how, command):
    """The write began before anybody watched the file: nothing has announced it. Its writer is known all the same, when it is over."""
    path = fresh(place, f"mapped-{how}-{command}")
    insider, outsider = Insider(command=command), InFlight()
    outsider.ask(f"begin {how} {path} 0 {PAGES} 94")
    m = insider.map(path)
    insider.blocked()
    outsider.ask("release")
    insider.hash(m, PAGES - 1)
    v = insider.finish()
    not_exact(v, path, outsider.pid)
    expect(all(c["channel"] == how for c in v.of(path)), f"channel, expected {how}: {v.brief()}")


def blocked_throughout(place, how, then):
    path = fresh(place, f"blocked-{how}-{then}")
    insider, outsider = Insider(), InFlight()
    m = insider.map(path)
    insider.blocked()
    outsider.ask(f"begin {how} {path} {PAGE} {PAGES - 2} 93")
    if then == "dupaway":
        outsider.ask("dupaway")
    outsider.ask("release")
    data = open(path, "rb").read()
    expect(insider.hash(m, 5) == e2e.fnv(data[5 * PAGE:6 * PAGE]), "the insider sees something else")
    v = insider.finish()
    found = mine(v, path, outsider.pid)
    expect(any(covers(c, PAGE, (PAGES - 1) * PAGE) for c in found), f"the range is too small: {v.brief()}")
    trace = tracefile.Trace(insider.trace)
    obj = trace.object_of(os.stat(path))
    for n in range(PAGES):
        expect(trace.page_at_end(obj, n) == data[n * PAGE:(n + 1) * PAGE], f"page {n} in the trace is not the file's")


def shared_offset(place):
    """Two writes by one descriptor: the second enters its call while the first is in flight, so the file offset that can be
    seen at its entry is not the one it will use."""
    path = fresh(place, "offset")
    insider, outsider = Insider(), InFlight()
    insider.map(path)
    insider.blocked()
    outsider.ask(f"begin write {path} 0 4 94")
    tid = int(outsider.ask("second 1 95").split()[1])
    e2e.wait_until("the second write waits", lambda: e2e.in_call(outsider.pid, 1, tid))
    outsider.ask("release")
    insider.blocked()
    data = open(path, "rb").read()
    expect(data[4 * PAGE] == 95, "the test is wrong: the second write went elsewhere")
    v = insider.finish()
    found = mine(v, path, outsider.pid)
    expect(any(covers(c, 4 * PAGE, 5 * PAGE) for c in found), f"nobody wrote page 4: {v.brief()}")
    trace = tracefile.Trace(insider.trace)
    obj = trace.object_of(os.stat(path))
    for n in range(6):
        expect(trace.page_at_end(obj, n) == data[n * PAGE:(n + 1) * PAGE], f"page {n} in the trace is not the file's")


def ping_pong(place):
    """What the insider saw after each wake-up must be what the trace holds at that place."""
    path = fresh(place, "ping")
    to, back = (os.path.join(place.real, x) for x in ("to", "back"))
    os.mkfifo(to)
    os.mkfifo(back)
    insider = Insider([prog("pong"), path])
    outsider = Peer([prog("pong"), path, to, back, str(ROUNDS)])
    with open(to, "rb", buffering=0) as ball, open(back, "wb", buffering=0) as ret:
        relay(ball, ret, insider)
    outsider.end()
    v = insider.finish()
    found = mine(v, path, outsider.proc.pid)
    seen_is_held(tracefile.Trace(insider.trace), path)
    late = [c["outcome"] for c in found if c["outcome"] not in ("exact", "same-bytes")]
    expect(not late, f"{len(late)} of {len(found)} changes are not exact though the insider was blocked: {late[:3]}")


def relay(ball, ret, insider):
    """Hands each byte of the outsider to the insider and the insider's line back, when the insider waits again."""
    for _ in range(ROUNDS):
        insider.proc.stdin.write(ball.read(1))
        insider.proc.stdin.flush()
        line = insider.hear().encode() + b"\n"
        insider.blocked()
        ret.write(line)


def seen_is_held(trace, path):
    """When each of the insider's reads returned, the trace held the page whose hash the insider then printed."""
    obj = trace.object_of(os.stat(path))
    woken = [e for e in trace.of("syscall") if e.syscall()[0] == 0 and e.syscall()[2][0] == 0 and e.syscall()[3] == 1]
    expect(len(woken) == ROUNDS, f"{len(woken)} wake-ups of the insider in the trace, expected {ROUNDS}")
    states, held = sorted((no, ids[0]) for no, o, first, ids in trace.page_events if o == obj and first == 0), None
    for i, e in enumerate(woken):
        while states and states[0][0] < e.no:
            held = states.pop(0)[1]
        number = int.from_bytes(trace.page(held)[:4], "little")
        expect(number == i, f"round {i}: the insider saw this round's page, the trace holds the one of round {number} then")


def main():
    need_root()
    r = Report()
    place = mounts.tmpfs()
    r.case("rule 1: a write in flight when the insider ends", insider_ends_during, place)
    r.case("rule 1: a write in flight when the insider unmaps", insider_unmaps_during, place)
    r.case("rule 1: the insider reads while a write is in flight", insider_reads_during, place)
    for command in ("record", "watch"):
        for how in ("write", "pwrite", "aio", "io_uring"):
            r.case(f"rule 1: the file is mapped while a {how} is in flight, {command}", mapped_during, place, how, command)
    r.case("rule 1: the descriptor means another file when the write returns", blocked_throughout, place, "pwrite", "dupaway")
    r.case("rule 1: the same with write(2)", blocked_throughout, place, "write", "dupaway")
    r.case("rule 1: a slow write while the insider is blocked", blocked_throughout, place, "pwrite", "release")
    r.case("rule 1: two writes by one shared file offset", shared_offset, place)
    r.case("rule 2: ping-pong, the insider is woken right after the write", ping_pong, place)
    r.exit()


main()
