#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""Transparent: job control, an interactive shell and Ctrl-C at a terminal; signals sent to bprec alone are passed on."""
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
from e2e import BPREC, Report, check, expect, expect_verdict, need, prog, tempdir  # noqa: E402
from programs import SET_M  # noqa: E402
from terminal import Terminal  # noqa: E402
from transparent import ENV, same  # noqa: E402

CTRL_C, CTRL_Z, CTRL_BACKSLASH = "\x03", "\x1a", "\x1c"


def bash_session(term):
    """Types a session of job control; every step waits for what the one before shows."""
    term.expect("P>")
    term.type("sleep 1000\n")
    term.foreground("sleep")
    term.type(CTRL_Z)
    term.expect("Stopped")
    term.expect("P>")
    term.type("jobs\n")
    term.expect("Stopped")
    term.expect("P>")
    term.type("bg\n")
    term.expect("sleep 1000 &")
    term.expect("P>")
    term.type("fg\n")
    term.foreground("sleep")
    term.type(CTRL_C)
    term.expect("P>")
    term.type("echo status $?\n")
    term.expect("status 130")
    term.expect("P>")
    term.type("cat | tr a-z A-Z\n")
    term.foreground("cat")
    term.type("hello\n\x04")
    term.expect("HELLO")
    term.expect("P>")
    term.type("sleep 1000\n")
    term.foreground("sleep")
    term.type(CTRL_BACKSLASH)
    term.expect("P>")
    term.type("stty size; tty > /dev/null && echo a tty\n")
    term.expect("a tty")
    term.expect("P>")
    term.type("exit 3\n")


def session(argv):
    """The session on one terminal; exit status and what was shown, without pids."""
    env = {**ENV, "PS1": "P>", "HOME": tempdir(), "HISTFILE": "/dev/null"}
    term = Terminal(argv, env)
    bash_session(term)
    status = term.wait()
    return status, re.sub(rb"\(core dumped\)|\b\d{3,}\b(?! *&)|\x1b\[\?2004[hl]\r?", b"", term.shown)


def interactive_bash():
    argv = [need("bash"), "--norc", "--noprofile", "-i"]
    trace = os.path.join(tempdir(), "trace")
    native = session(argv)
    recorded = session([BPREC, "record", "-q", "-o", trace, "--", *argv])
    expect(native[0] == recorded[0] == 3, f"exit status {native[0]} unrecorded, {recorded[0]} recorded")
    expect(native[1] == recorded[1], f"shown unrecorded: {native[1]!r}; recorded: {recorded[1]!r}")
    expect_verdict(check(trace), "clean")


def ctrl_c(argv, ready, status):
    """Ctrl-C reaches the command; bprec returns what the command makes of it, and the trace is whole."""
    trace = os.path.join(tempdir(), "trace")
    term = Terminal([BPREC, "record", "-q", "-o", trace, "--", *argv], ENV)
    term.expect(ready)
    term.type(CTRL_C)
    got = term.wait()
    expect(got == status, f"bprec returned {got}, expected {status}")
    expect_verdict(check(trace), "clean")


def passed_on(sig, how, status):
    """A signal that only bprec gets is passed on to the command."""
    trace = os.path.join(tempdir(), "trace")
    p = e2e.Peer([BPREC, "record", "-q", "-o", trace, "--", prog("sigs"), how])
    expect(p.hear() == "ready", "no ready")
    p.proc.send_signal(sig)
    got = p.proc.wait(e2e.LIMIT)
    expect(got == status, f"bprec returned {got}, expected {status}")
    v = check(trace)
    expect_verdict(v, "clean")
    wanted = {"signal": int(sig)} if how == "default" else {"status": status}
    expect(v.doc["exit"] == wanted, f"exit is {v.doc['exit']}, expected {wanted}")


def unasked_stop():
    """Group stop: a stopped child is seen as stopped by its parent (WUNTRACED) and goes on after SIGCONT."""
    same(["bash", "-c", SET_M], env={"PS1": ""})


def same_signals():
    same([prog("sigs"), "self"])


r = Report()
r.case("bash, set -m: stop, continue, kill, fg", unasked_stop)
r.case("bash, interactive: Ctrl-Z, jobs, bg, fg, Ctrl-C, Ctrl-backslash", interactive_bash)
r.case("Ctrl-C ends a program", ctrl_c, [prog("sigs"), "default"], "ready", 130)
r.case("Ctrl-C is handled by a program", ctrl_c, [prog("sigs"), "handle"], "ready", 42)
for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    r.case(f"{s.name} to bprec alone is passed on, default", passed_on, s, "default", 128 + s)
    r.case(f"{s.name} to bprec alone is passed on, handled", passed_on, s, "handle", 42)
r.case("signals: handlers, masks, alternate stack, siginfo, timers, restarts, nesting", same_signals)
r.exit()
