#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""--checksum: how many hashes of memory a trace holds, and that a replay finds the same memory everywhere."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
from e2e import BPREC, Failed, Report, Skip, prog, tempdir  # noqa: E402
from replay import DONE  # noqa: E402

MAP_STACK = 0x20000
NO_RETURN = {"execve", "exit", "exit_group"}
SHELL = ["sh", "-c", "for i in 1 2 3; do date +%N; done | sort | tail -1; echo $$"]


def run(*words):
    return subprocess.run([BPREC, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                          preexec_fn=e2e.die_with_parent)


def record(how, argv):
    """Records; returns the trace and its events."""
    trace = tempdir() + "/trace"
    done = run("record", "-q", *how, "-o", trace, "--", *argv)
    if done.returncode == 125:
        raise Failed(f"record {argv}: {done.returncode} {done.stderr!r}")
    return trace, [json.loads(line) for line in run("dump", "--json", trace).stdout.splitlines()]


def replays(trace):
    done = run("replay", "-q", trace)
    found = DONE.search(done.stderr)
    if done.returncode == 125 or not found:
        raise Failed(f"replay: {done.returncode} {done.stderr!r}")
    return int(found.group(3))


def everything():
    """all: one after each call that returned, and one at the end of the process."""
    trace, events = record(["--checksum=all"], ["ls", "/"])
    kinds = [e["type"] for e in events if e["type"] in ("syscall", "memhash")]
    calls = kinds.count("syscall")
    if not 20 < calls == kinds.count("memhash"):
        raise Failed(f"{calls} calls, {kinds.count('memhash')} hashes")
    if any(e["pages"] < 5 or e["xstate_hash"] == "0x0" or "flags" in e for e in events if e["type"] == "memhash"):
        raise Failed("a hash event is empty")
    if replays(trace) < 5 * calls:
        raise Failed("the replay compared too little")


def sparse():
    """By default each process is looked at when it ends; nothing without hashes."""
    for how in ([], ["--checksum=sparse"]):
        trace, events = record(how, SHELL)
        ended = {e["pid"] for e in events if e["type"] == "exit"}
        hashed = {e["pid"] for e in events if e["type"] == "memhash"}
        if not ended or ended != hashed:
            raise Failed(f"{how}: processes {ended}, hashed {hashed}")
        replays(trace)
    if any(e["type"] == "memhash" for e in record(["--checksum=none"], SHELL)[1]):
        raise Failed("none: there are hashes")


def in_time():
    """A program that goes on has looks on the way."""
    _, events = record([], ["/usr/bin/python3", "-c", "import os, time\nt = time.time()\nwhile time.time() < t + 1: os.getppid()"])
    n = sum(e["type"] == "memhash" for e in events)
    if not 4 <= n <= 40:
        raise Failed(f"{n} looks in a second")


def many():
    """Everything of programs with children and threads is found again."""
    for argv in (SHELL, [prog("racy")]):
        replays(record(["--checksum=all"], argv)[0])


def no_stacks():
    """Bytes that the dynamic linker saves on a stack differ though the program doesn't: tests/progs/xinuse shows it on this
    machine or not. No stack is hashed, wherever it may be."""
    shown = subprocess.run([prog("xinuse")], capture_output=True, text=True, timeout=60, preexec_fn=e2e.die_with_parent)
    for argv in ([prog("racy")], [prog("control"), "clone-vm"]):
        _, events = record(["--checksum=all"], argv)
        stacks = [(int(e["addr"], 16), int(e["len"], 16)) for e in events if e["type"] == "map" and
                  (e["kind"] == "stack" or int(e["flags"], 16) & MAP_STACK)]
        hashed = [(int(run["addr"], 16), run["npages"] * e2e.PAGE) for e in events if e["type"] == "memhash" for run in e["hashes"]]
        if len(stacks) < 5 or not hashed:
            raise Failed(f"{argv}: stacks at {stacks}, {len(hashed)} runs of hashes")
        for addr, length in hashed:
            if any(addr < at + n and at < addr + length for at, n in stacks):
                raise Failed(f"{argv}: a hash of {addr:#x}, which is a stack")
    if shown.returncode == 77 or shown.stdout.startswith("header 0"):
        raise Skip(f"this machine doesn't show why: {shown.stdout}")


def registers():
    """The events that tell registers have their hash."""
    _, events = record([], SHELL)
    for e in events:
        want = e["type"] in ("exec", "regs", "insn") or e["type"] == "syscall" and e["call"] not in NO_RETURN | {"rt_sigreturn"}
        logged = "logged" in e.get("flags", [])  # by the program itself, which doesn't keep its registers
        if want and ("reg_hash" in e) == logged:
            raise Failed(f"a hash, or none: {e}")


def wrong():
    for word in ("foo", "", "ALL"):
        done = run("record", "--checksum=" + word, "--", "true")
        if done.returncode != 125 or done.stderr.count(b"\n") != 1:
            raise Failed(f"--checksum={word}: {done.returncode} {done.stderr!r}")


r = Report()
r.case("all", everything)
r.case("sparse and none", sparse)
r.case("looks on the way", in_time)
r.case("children and threads", many)
r.case("no stack is hashed, and why", no_stacks)
r.case("register hashes", registers)
r.case("usage", wrong)
r.exit()
