#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
"""Calls that a program makes without a stop and logs itself: all are in the trace, once, in order, and replay."""
import collections
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
from e2e import BPREC, Report, Skip, check, expect, expect_verdict, prog, tempdir  # noqa: E402

ASKED = {"readlink": 2, "access": 1, "lseek": 1, "newfstatat": 1, "close": 2, "rt_sigaction": 2, "openat": 1}  # by each ask() of asks.c


def record(*argv, options=(), status=0):
    """Returns the trace's directory and stdout."""
    trace = os.path.join(tempdir(), "trace")
    run = subprocess.run([BPREC, "record", "-q", *options, "-o", trace, "--", prog("asks"), *argv], capture_output=True,
                         text=True, timeout=e2e.LIMIT, stdin=subprocess.DEVNULL)
    expect(run.returncode == status, f"status {run.returncode}: {run.stdout}{run.stderr}")
    return trace, run.stdout


def calls(trace):
    """The calls in a trace: [(name, logged?)]."""
    dump = subprocess.run([BPREC, "dump", "--events", "--json", trace], capture_output=True, text=True, timeout=e2e.LIMIT, check=True)
    events = [json.loads(line) for line in dump.stdout.splitlines() if line.startswith("{")]
    return [(e["call"], "logged" in e.get("flags", [])) for e in events if e.get("type") == "syscall"]


def replays(trace, out, status=0):
    run = subprocess.run([BPREC, "replay", trace], capture_output=True, text=True, timeout=e2e.LIMIT)
    expect("no difference" in run.stderr and run.stdout == out and run.returncode == status,
           f"replay: status {run.returncode}: {run.stdout[:300]} {run.stderr[-600:]}")


def can_log(report):
    """Is this machine's C library one whose wrappers are known? (Debian 12's is.)"""
    trace, _ = record("count", "1")
    if any(logged for _, logged in calls(trace)):
        return True
    report.case("wrappers of the C library", unknown)
    return False


def unknown():
    libc = subprocess.run(["ldd", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    expect("2.36" not in libc, f"no wrapper of {libc} is found")
    raise Skip(f"no wrapper of {libc} is known")


def counted():
    """Each call is there once, and nearly all without a stop; without the log none."""
    rounds = 1000
    trace, out = record("count", str(rounds))
    found = collections.Counter(calls(trace))
    other, _ = record("count", str(rounds), options=["--no-call-log"])
    plain = collections.Counter(calls(other))
    for name, n in ASKED.items():
        total = found[name, True] + found[name, False]
        expect(total == plain[name, False], f"{name}: {total} calls, {plain[name, False]} without a log")
        expect(found[name, True] > rounds * n * 0.9, f"{name}: only {found[name, True]} of {total} were logged")
        expect(not plain[name, True], f"{name}: logged with --no-call-log")
    expect_verdict(check(trace), "clean")
    replays(trace, out)


def in_order():
    """The log's calls come before what the thread does after them."""
    trace, _ = record("count", "3")
    names = [n for n, _ in calls(trace)]
    first = names.index("readlink", names.index("openat"))
    expect(names[first:first + 8] == ["readlink", "readlink", "access", "lseek", "newfstatat", "close", "rt_sigaction", "rt_sigaction"],
           f"{names[first:first + 8]}")
    expect(names[-1] == "exit_group" and names[-2] == "write", f"{names[-3:]}")


def vforked():
    """A child of vfork logs its calls, too, while its parent waits; both know which are theirs."""
    trace, out = record("children", "12")
    dump = subprocess.run([BPREC, "dump", "--events", "--json", trace], capture_output=True, text=True, timeout=e2e.LIMIT, check=True)
    events = [json.loads(line) for line in dump.stdout.splitlines() if line.startswith("{")]
    born, started, asked = set(), set(), collections.Counter()
    for e in events:
        if e["type"] == "process" and e.get("how") == "vfork":
            born.add(e["pid"])
        elif e["type"] == "exec":
            started.add(e["pid"])
        elif e["type"] == "syscall" and e["pid"] in born - started and "logged" in e.get("flags", []):
            asked[e["pid"]] += 1
    expect(len(born) == 4 and set(asked) == born and min(asked.values()) > 40, f"{born}: {asked}")
    replays(trace, out)


def same_everywhere(*argv, rounds=1):
    for _ in range(rounds):
        args = [tempdir() if a == "DIR" else a for a in argv]
        trace, out = record(*args)
        expect(set(out.split()) == {"fine"}, out)
        expect(any(logged for _, logged in calls(trace)), "nothing was logged")
        expect_verdict(check(trace), "clean")
        replays(trace, out)


def without_log():
    """--checksum=all hashes memory at each call: no call is logged."""
    trace, out = record("count", "5", options=["--checksum=all"])
    expect(not any(logged for _, logged in calls(trace)), "a call was logged")
    replays(trace, out)


def spoilt():
    trace, _ = record("spoil")
    expect_verdict(check(trace), "uncertain")
    text = subprocess.run([BPREC, "check", trace], capture_output=True, text=True, timeout=e2e.LIMIT).stdout
    expect("memory of bprec's own" in text, text)


def jumped():
    """Our filter lets no other call pass there."""
    trace, _ = record("jump")
    expect(("getppid", False) in calls(trace), "a call of another number went by unseen")


def killed():
    """What was logged before the last stop is in the trace; the rest is cut off, and the trace is good."""
    trace = os.path.join(tempdir(), "trace")
    with subprocess.Popen([BPREC, "record", "-q", "-o", trace, "--", prog("asks"), "forever"], stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, preexec_fn=e2e.die_with_parent) as run:
        expect(run.stdout.readline() == "asking\n", "it has not begun")
        children = subprocess.run(["pgrep", "-P", str(run.pid), "asks"], capture_output=True, text=True).stdout.split()
        expect(len(children) == 1, f"children: {children}")
        os.kill(int(children[0]), signal.SIGKILL)
        run.wait(timeout=e2e.LIMIT)
    expect(any(logged for _, logged in calls(trace)), "nothing was logged")
    expect_verdict(check(trace), "clean")
    replays(trace, "asking\n", 128 + signal.SIGKILL)


r = Report()
if can_log(r):
    r.case("each call once", counted)
    r.case("in order", in_order)
    r.case("answers of all kinds", same_everywhere, "answers", "DIR")
    r.case("opens", same_everywhere, "opens", "DIR", rounds=3)
    r.case("a child of vfork", vforked)
    r.case("signals", same_everywhere, "signals", "100", rounds=2)
    r.case("children", same_everywhere, "children", "12")
    r.case("threads", same_everywhere, "threads", rounds=2)
    r.case("together", same_everywhere, "together", rounds=2)
    r.case("hashes at each call", without_log)
    r.case("memory that isn't the program's", spoilt)
    r.case("another call from there", jumped)
    r.case("killed", killed)
r.exit()
