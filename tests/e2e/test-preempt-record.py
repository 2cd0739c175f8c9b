#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 600
"""Preemption points as they are recorded: each is written before the signal or the switch of threads, at a place that a
replay can find, with the words that tell it. tests/progs/points makes no calls where it is interrupted."""
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import BPREC, Failed, Report, die_with_parent, prog, tempdir  # noqa: E402
from tracefile import Trace  # noqa: E402

BASE = 0x555555554000  # of a position-independent program without address space randomisation
PREEMPT = 2  # why of a regs event
HANDLER, STOP = 1, 4  # actions of a signal
RIP, RSP = 16, 19  # registers in a register file


class Point:
    """A preemption point: its regs event, and the words and hashes before it."""

    def __init__(self, regs, words):
        self.no, self.tid = regs.no, regs.tid
        self.regs = struct.unpack_from("<27Q", regs.body, 8)
        self.xstate = regs.unpack("II")[1]
        n = words.unpack("I")[0] if words else 0
        self.words = dict(struct.unpack_from("<QQ", words.body, 8 + 16 * i) for i in range(n)) if words else {}


def points(trace):
    """All preemption points; the signals between two calls, each with the point it came at."""
    last, words, found, signals = {}, {}, [], []
    for ev in trace.events:
        if ev.type == "words":
            words[ev.tid] = ev
        elif ev.type == "regs" and ev.unpack("I")[0] == PREEMPT:
            before = words.pop(ev.tid, None)
            last[ev.tid] = Point(ev, before)
            found.append(last[ev.tid])
            continue
        elif ev.type == "signal":
            signo, place, action = ev.unpack("III")
            if place == 3 and action in (HANDLER, STOP):
                regs = struct.unpack_from("<27Q", ev.body, 24 + 128)
                point = last.get(ev.tid)
                if not point or point.regs[:15] != regs[:15] or point.regs[RIP] != regs[RIP]:
                    raise Failed(f"event {ev.no}: signal {signo} between two calls, and its point isn't before it")
                signals.append((ev, point))
            if action in (HANDLER, STOP):
                continue  # more than one signal can come at a point
        if ev.type not in ("words", "memhash", "data"):
            last.pop(ev.tid, None)
    return found, signals


def code(path, rip, n=16):
    """Bytes of a program at an address of the recording; None if it isn't in the program."""
    with open(path, "rb") as f:
        data = f.read()
    at = rip - BASE
    return data[at:at + n] if 0 <= at < len(data) else None


def record(mode, *more):
    """Records points; its output and its trace."""
    folder = os.path.join(tempdir(), "trace")
    run = subprocess.run([BPREC, "record", "-q", "-o", folder, "--", prog("points"), mode, *more], timeout=120,
                         stdin=subprocess.DEVNULL, capture_output=True, preexec_fn=die_with_parent)
    if run.returncode or run.stderr:
        raise Failed(f"bprec record returned {run.returncode}: {run.stderr[-300:]!r}")
    return run.stdout, Trace(folder)


def check(mode, *more, least=3, telling=True):
    """At least so many points, each with registers, extended state and words; none at an instruction that repeats."""
    out, trace = record(mode, *more)
    found, signals = points(trace)
    if len(found) < least:
        raise Failed(f"{len(found)} points in the trace, expected {least}: {out!r}")
    for p in found:
        at = code(prog("points"), p.regs[RIP])
        if at and at[0] in (0xf2, 0xf3) and at[1] in (0xaa, 0xab, 0xa4, 0xa5):
            raise Failed(f"event {p.no}: the point is inside of a repeating instruction at {p.regs[RIP]:#x}")
        if at and at[0] in (0x9c, 0x9d):
            raise Failed(f"event {p.no}: the point is at pushf or popf")
        if p.xstate < 576:
            raise Failed(f"event {p.no}: {p.xstate} bytes of extended state")
        bad = [a for a in p.words if a % 8 or p.regs[RSP] - 65536 <= a < p.regs[RSP] - 128]
        if bad or len(p.words) > 64:
            raise Failed(f"event {p.no}: {len(p.words)} words, among them {bad}, rsp is {p.regs[RSP]:#x}")
    return out, found, signals


def symbol(name):
    """Address of a variable of the program in the recording."""
    out = subprocess.run(["nm", prog("points")], capture_output=True, text=True, check=True).stdout
    return next(BASE + int(line.split()[0], 16) for line in out.splitlines() if line.split()[-1] == name)


def with_word(mode, name):
    """The counter in memory is among the words of each point of the main loop."""
    _, found, _ = check(mode)
    addr = symbol(name)
    lacking = [p.no for p in found if addr not in p.words]
    if lacking:
        raise Failed(f"{len(lacking)} of {len(found)} points lack {name}: events {lacking[:5]}")


def differ(mode, *more):
    """No two points are equal in all that is written down of registers and words."""
    _, found, _ = check(mode, *more)
    seen = set()
    for p in found:
        key = (p.regs[:15], p.regs[RIP], tuple(sorted(p.words.items())))
        if key in seen:
            raise Failed(f"event {p.no} is told from another by nothing that is in the trace: {p.words}")
        seen.add(key)


def threads(mode, *more):
    """Switches of threads are at points."""
    _, found, _ = check(mode, *more)
    if len({p.tid for p in found}) < 2:
        raise Failed("points of one thread alone")


def stopped():
    """A process that is stopped while it computes has a point there, if others see its memory."""
    out, _, signals = check("stopped", least=4)
    stops = [ev for ev, _ in signals if ev.unpack("III")[2] == STOP]
    if len(stops) < 3:
        raise Failed(f"{len(stops)} stops at points: {out!r}")


if __name__ == "__main__":
    r = Report()
    r.case("a counter in a register", differ, "register")
    r.case("a counter in a static word", with_word, "memory", "counter")
    r.case("a counter in the frame", differ, "frame")
    r.case("nested loops, the outer counter in the caller's frame", differ, "nested-frame")
    r.case("one instruction that stores 100 MB", check, "stosb", least=1)
    r.case("1 kHz in a program without calls", check, "khz", "500", least=100)
    r.case("two threads wait for each other without calls", threads, "spin")
    r.case("8 threads race on memory", threads, "race")
    r.case("stopped and killed while it computes", stopped)
    r.exit()
