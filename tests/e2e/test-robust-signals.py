#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""Robust: signals that come between two calls; signals to a recorder whose command left processes behind."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
from e2e import BPREC, Report, check, children, expect, expect_verdict, prog, tempdir, wait_until  # noqa: E402
from transparent import same  # noqa: E402

# A process that goes on after its parent, in a session of its own, and writes what it gets
LEFT = "trap 'echo got {0} >left; exit' {0}; echo $$ >pid; while :; do sleep 0.05; done"


def held(mode):
    same([prog("held-signal"), mode])


def pid_in(path):
    """The number in a file, 0 while there is none."""
    try:
        with open(path) as f:
            return int(f.read() or 0)
    except FileNotFoundError:
        return 0


def left_behind(name):
    top = tempdir()
    run = subprocess.Popen([BPREC, "record", "-q", "-o", "trace", "--", "sh", "-c",
                            "setsid sh -c \"$1\" & while [ ! -s pid ]; do sleep 0.05; done; exit 7", "sh",
                            LEFT.format(name)], cwd=top, preexec_fn=e2e.die_with_parent)
    try:
        left = wait_until("the process is left behind", lambda: pid_in(os.path.join(top, "pid")))
        # the command's shell is gone when the only child of bprec is no more the parent of the other
        wait_until("the command has ended", lambda: left not in [d for c in children(run.pid) for d in children(c)])
        wait_until("bprec knows that", lambda: not children(run.pid) or children(run.pid) == [left])
        run.send_signal(getattr(signal, "SIG" + name))
        status = run.wait(e2e.LIMIT)
    finally:
        run.kill()
        run.wait()
    expect(status == 7, f"bprec returned {status}, expected that of the command, 7")
    with open(os.path.join(top, "left")) as f:
        expect(f.read() == f"got {name}\n", "the process left behind did not get the signal")
    expect_verdict(check(os.path.join(top, "trace")), "clean")


r = Report()
for m in ("mask", "default", "exec", "read", "thread", "values"):
    r.case(f"a signal between two calls, then: {m}", held, m)
for n in ("TERM", "HUP"):
    r.case(f"SIG{n} to bprec when the command has left a process behind", left_behind, n)
r.exit()
