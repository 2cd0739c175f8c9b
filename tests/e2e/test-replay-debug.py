#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 200
"""A replay as a debugger uses it (tests/replay/drive.c): events, breakpoints, steps, registers, memory, checkpoints."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
from e2e import Failed, Report, die_with_parent, need, prog, tempdir  # noqa: E402
from replay import record  # noqa: E402

BPREC = e2e.BPREC
DRIVE = os.path.join(os.path.dirname(BPREC), "tests", "replay", "drive")
ROUNDS = 20


def recorded(folder):
    """Records steps; (addresses of visit, counter and handler, pids of main and child, stdout)."""
    out, _, status = record([prog("steps")], folder)
    text = out.decode()
    at = re.search(r"^at (\S+) (\S+) (\S+)$", text, re.M)
    if status != 3 or not at:
        raise Failed(f"steps: {status} {out!r}")
    pids = [int(re.search(rf"^{who} (\d+)", text, re.M).group(1)) for who in ("main", "child")]
    return at.groups(), pids, out


def expected_hits(pids):
    """(pid, argument of visit, counter before it) of every call: the thread's, the child's, the main thread's."""
    main, child = pids
    start = sum(range(ROUNDS))
    hits = []
    for pid, counter in ((main, 0), (child, start), (main, start)):
        for i in range(ROUNDS):
            hits.append((pid, i, counter))
            counter += i
    return hits


def debugger():
    top = tempdir()
    addresses, pids, _ = recorded(top + "/trace")
    run = subprocess.run([DRIVE, top + "/trace", *addresses], capture_output=True, text=True, timeout=150,
                         preexec_fn=die_with_parent)
    if run.returncode or not run.stdout.endswith("done\n"):
        raise Failed(f"{run.returncode} {run.stdout[-600:]} {run.stderr}")
    first, again = run.stdout.split("again\n")
    for part, count in ((first, 25), (again, 3 * ROUNDS)):
        hits = [tuple(int(n) for n in m) for m in re.findall(r"^hit (\d+) \d+ (\d+) (\d+)$", part, re.M)]
        if hits != expected_hits(pids)[:count]:
            raise Failed(f"hits {hits}")
    if not re.search(r"^end 3, [1-9]\d* preemption", first, re.M) or f"hits {3 * ROUNDS}\n" not in again:
        raise Failed(run.stdout)


def gdb(core, *commands):
    args = [a for c in commands for a in ("-ex", c)]
    run = subprocess.run(["gdb", "-nx", "-q", "-batch", *args, prog("steps"), core], capture_output=True, text=True,
                         timeout=100, preexec_fn=die_with_parent)
    return run.stdout + run.stderr


def event_of(trace, pattern):
    """Number of the first event whose line in --trace matches."""
    run = subprocess.run([BPREC, "replay", "-q", "--trace", trace], capture_output=True, text=True, timeout=100,
                         preexec_fn=die_with_parent)
    m = re.search(rf"^\s*(\d+) .*{pattern}", run.stderr, re.M)
    if not m:
        raise Failed(f"no event {pattern}: {run.stderr[-2000:]}")
    return m.group(1)


def core_at(pattern):
    """Records, and stops a replay at the event of this pattern ({pids}: numbers of the processes). Returns a function that shows
    the core to gdb, by commands, and the pids."""
    need("gdb")
    top = tempdir()
    _, pids, _ = recorded(top + "/trace")
    number = event_of(top + "/trace", pattern.format(pids=pids))
    run = subprocess.run([BPREC, "replay", "-q", "--until", number, "--core", top + "/core", top + "/trace"], capture_output=True,
                         text=True, timeout=100, preexec_fn=die_with_parent)
    if run.returncode:
        raise Failed(run.stderr)
    return lambda *commands: gdb(top + "/core", *commands), pids


def core_of_threads():
    """At a call of a second thread: gdb shows both threads, each where it is, and the variable's value then."""
    show, pids = core_at("clock_nanosleep")
    shown = show("info threads", "print counter", "thread apply all bt", "info symbol $pc")
    if len(re.findall(r"^[* ]*\d+ +(?:LWP|Thread) ", shown, re.M)) != 2 or "$1 = 0" not in shown:
        raise Failed(f"gdb of process {pids[0]}: {shown}")
    if "in_thread" not in shown or "main ()" not in shown:
        raise Failed(f"stacks: {shown}")


def core_of_child():
    """At an event of the child: the core is the child's, with its value."""
    show, pids = core_at(r"{pids[1]} .*write\(")
    shown = show("info threads", "print counter", "bt")
    if f"LWP {pids[1]}" not in shown or f"$1 = {2 * sum(range(ROUNDS))}" not in shown or "say" not in shown:
        raise Failed(f"gdb of process {pids[1]}: {shown}")


r = Report()
r.case("breakpoints, steps, checkpoints", debugger)
r.case("--core: threads in gdb", core_of_threads)
r.case("--core: another process in gdb", core_of_child)
r.exit()
