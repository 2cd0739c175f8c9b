#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 200
"""Sound, rules 3, 4 and 6 of the design: interrupting insiders, private pages, outputs of blocked calls.

Rule 3: insiders inside system calls are not interrupted. The obvious way (PTRACE_INTERRUPT to all of them) makes
epoll_wait and others return EINTR; and one inside a call counts as not running only if the call can't touch the page.
Rule 4: a private page is the insider's own only if that was known before the window began. The obvious way (look into
pagemap after the change) sees a copied page and says that nothing happened.
Rule 6: output of a blocked call while other threads run. The obvious way (the kernel writes where the program said) lets
another thread see bytes before the event that brought them.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
import mounts  # noqa: E402
import tracefile  # noqa: E402
from e2e import PAGE, Insider, Outsider, Report, expect, expect_verdict, need_root, prog  # noqa: E402

EXPECTED = {"epoll_wait": "0 -", "semtimedop": "-1 EAGAIN", "sigtimedwait": "-1 EAGAIN", "recv": "-1 EAGAIN", "poll": "0 -",
            "select": "0 -", "clock_nanosleep": "0 -", "futex": "-1 ETIMEDOUT", "vfork": "4 -", "wait4": "6 -"}


def fresh(place, name, pages=4):
    """A file of some pages."""
    place.create(name, bytes(pages * PAGE))
    return os.path.join(place.real, name)


def no_eintr(place):
    path = fresh(place, "waits")
    insider, outsider = Insider([prog("waits"), path]), Outsider()
    wrong = []
    for i, (name, result) in enumerate(EXPECTED.items()):
        insider.tell("go")
        said = insider.hear().split()
        expect(said[:2] == ["wait", name], f"it says {said}")
        e2e.wait_blocked(insider.pid, int(said[2]))
        outsider.do("pwrite64", path, i * 100, 50, i + 1)
        outsider.do("pwrite64", path, i * 100 + 50, 50, i + 2)
        got = insider.hear()
        if got != f"{name} {result}":
            wrong.append(f"{got} (expected {result})")
    v = insider.finish()
    expect(not wrong, "stopping the insider changed what its calls return: " + ", ".join(wrong))
    expect(len(v.of(path)) >= len(EXPECTED), f"changes are missing: {v.brief()}")


def call_touches(place, command, kind):
    """The insider is blocked in a call that reads from or writes into the mapping."""
    path = fresh(place, command, 64)
    fifo = os.path.join(place.real, command + ".fifo")
    os.mkfifo(fifo)
    insider, outsider = Insider(), Outsider()
    m = insider.map(path, kind)
    answer = insider.ask(f"{command} {m} 0 {(64 if command == 'writepipe' else 1) * PAGE} {fifo}")
    expect(answer == "blocking", answer)
    e2e.wait_blocked(insider.pid, 1 if command == "writepipe" else 0)
    page = 50 if command == "writepipe" else 0
    outsider.do("pwrite64", path, page * PAGE + 100, 10, 65)
    with open(fifo, "r+b", buffering=0) as f:
        if command == "writepipe":
            left = 64 * PAGE
            while left:
                left -= len(f.read(left))
        else:
            f.write(b"y" * 50)
        insider.hear()
    v = insider.finish()
    mine = v.of(path)
    expect(mine, f"no change of {path}: {v.brief()}")
    expect(all(c["outcome"] in ("possible", "seen-early") for c in mine), f"too good, the call touches the page: {v.brief()}")


def running(place):
    """An insider that runs while the outsider writes: possible at best."""
    path = fresh(place, "spin")
    insider, outsider = Insider(), Outsider()
    m = insider.map(path)
    expect(insider.ask(f"spin {m} 100 77") == "spinning", "no spinning")
    e2e.wait_running(insider.pid)
    outsider.do("pwrite64", path, 100, 1, 77)
    expect(insider.hear() == "saw", "it did not see")
    v = insider.finish()
    expect_verdict(v, "divergent")
    expect(all(c["outcome"] in ("possible", "seen-early") for c in v.of(path)), f"too good: {v.brief()}")
    expect(v.doc["summary"]["first_divergent_event"] is not None, "the first divergent event is not named")


def private_copied_late(place):
    """Reads the changed page, then stores to it: afterwards the page looks as if it had long been copied."""
    path = fresh(place, "late")
    insider, outsider = Insider(), Outsider()
    m = insider.map(path, "privaterw")
    expect(insider.ask(f"spinstore {m} 200 66") == "spinning", "no spinning")
    e2e.wait_running(insider.pid)
    outsider.do("pwrite64", path, 200, 1, 66)
    expect(insider.hear() == "saw", "it did not see")
    v = insider.finish()
    expect_verdict(v, "divergent")
    expect(any(c["outcome"] in ("possible", "seen-early") for c in v.of(path)), f"too good: {v.brief()}")


def private_copied_before(place):
    """A page that was stored to before doesn't follow the file: no reason to call the recording bad."""
    path = fresh(place, "before")
    insider, outsider = Insider(), Outsider()
    m = insider.map(path, "privaterw")
    insider.ask(f"store {m} 300 5")
    before = insider.hash(m, 0)
    insider.blocked()
    outsider.do("pwrite64", path, 400, 10, 9)
    expect(insider.hash(m, 0) == before, "the test is wrong: a private copy followed the file")
    v = insider.finish()
    expect_verdict(v, "clean", "resnapshotted")


def output_of_blocked_call():
    rounds, between = 200, 0
    insider = Insider([prog("lateout")])
    for i in range(rounds):
        insider.proc.stdin.write(b"1234567\x01")
        insider.proc.stdin.flush()
        words = insider.hear().split()
        expect(words[:2] == ["seen", str(i)], f"it says {words}")
        between += words[2] == "between"
    v = insider.finish()
    expect_verdict(v, "clean")
    trace = tracefile.Trace(insider.trace)
    stops = sum(1 for e in trace.of("regs") if e.unpack("I")[0] == 2)
    expect(between <= stops, f"bytes came {between} times while the other thread ran, of {rounds}; it was stopped {stops} times")


def main():
    need_root()
    r = Report()
    place = mounts.tmpfs()
    r.case("rule 3: no wait returns early because of a change", no_eintr, place)
    r.case("rule 3: blocked in a write from the mapping: not exact", call_touches, place, "writepipe", "shared")
    r.case("rule 3: blocked in a read into a private page: not exact", call_touches, place, "readin", "privaterw")
    r.case("an insider that runs: possible, divergent, the event named", running, place)
    r.case("rule 4: a private page copied after the change", private_copied_late, place)
    r.case("rule 4: a private page copied before the change", private_copied_before, place)
    r.case("rule 6: outputs of a blocked call come with its event", output_of_blocked_call)
    r.exit()


main()
