#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""Instructions of chance: cpuid, rdtsc and rdtscp are carried out by bprec, and all others are left alone."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
from e2e import BPREC, Report, Skip, check, expect, expect_verdict, prog, tempdir  # noqa: E402


def record(*argv, options=()):
    """Records a command that must print `fine`; returns its output, the trace's directory and its events."""
    trace = os.path.join(tempdir(), "trace")
    run = subprocess.run([BPREC, "record", "-q", *options, "-o", trace, "--", *argv], capture_output=True, text=True,
                         timeout=e2e.LIMIT)
    expect(run.returncode == 0 and run.stdout.endswith("fine\n"), f"status {run.returncode}: {run.stdout}{run.stderr}")
    dump = subprocess.run([BPREC, "dump", "--events", "--json", trace], capture_output=True, text=True,
                          timeout=e2e.LIMIT, check=True)
    events = [json.loads(line) for line in dump.stdout.splitlines() if line.startswith("{")]
    return run.stdout, trace, [e for e in events if "type" in e]


def notes(trace):
    run = subprocess.run([BPREC, "check", "-v", trace], capture_output=True, text=True, timeout=e2e.LIMIT)
    return run.stdout[run.stdout.find("\nnotes"):] if "\nnotes" in run.stdout else ""


def of_kind(events, kind):
    return sum(e["type"] == "insn" and e["kind"] == kind for e in events)


def tsc_faults():
    """What probe says of this machine."""
    run = subprocess.run([BPREC, "probe", "--json"], capture_output=True, text=True, timeout=e2e.LIMIT)
    return next(f["answer"] for f in json.loads(run.stdout)["features"] if f["name"] == "tsc_fault") == "yes"


def replays(trace, out, *options):
    run = subprocess.run([BPREC, "replay", *options, trace], capture_output=True, text=True, timeout=e2e.LIMIT)
    expect("no difference" in run.stderr and run.stdout == out, f"replay: {run.stdout[:300]} {run.stderr}")


def mode(name, at_least, options=()):
    """at_least: how many rdtsc there must be in the trace."""
    native = subprocess.run([prog("chance"), name], capture_output=True, text=True, timeout=e2e.LIMIT)
    expect(native.stdout.endswith("fine\n"), f"it fails without bprec: {native.stdout}")
    out, trace, events = record(prog("chance"), name, options=options)
    expect(of_kind(events, "rdtsc") >= at_least, f"only {of_kind(events, 'rdtsc')} rdtsc were recorded")
    expect(of_kind(events, "cpuid") > 0, "no cpuid was recorded")
    expect_verdict(check(trace), "clean")
    return out, trace, events


def values():
    out, _, events = mode("values", 1000)
    expect(of_kind(events, "rdtscp") >= 1000, "rdtscp was not recorded")
    expect("rdrand 0" in out, f"cpuid does not hide rdrand: {out}")
    patched = [e for e in events if e["type"] == "data" and e["why"] == "patch"]
    at = {e["addr"] for e in patched}
    expect(all(e["addr"] in at for e in events if e["type"] == "insn"), "an instruction was not patched before")
    expect(len(at) == len(patched), "a place was patched twice")


def again():
    """A program that has asked before is answered without a stop when it starts again: with the same, while signals come."""
    out, trace, events = mode("again", 0)
    execs = [i for i, e in enumerate(events) if e["type"] == "exec"]
    asked = [sum(e["type"] == "insn" and e["kind"] == "cpuid" for e in part)
             for part in (events[execs[-2]:execs[-1]], events[execs[-1]:])]
    expect(asked[0] > 30 * 8, f"only {asked[0]} cpuid stopped at first")
    # of nine questions in each round two stop: leaf 1, and the one that is new
    expect(30 * 2 <= asked[1] < asked[0], f"{asked} cpuid stopped, before and after the exec")
    signals = sum(e["type"] == "signal" for e in events)
    expect(signals >= 10, f"only {signals} signals")
    replays(trace, out)


def generated():
    """Code that the program makes: by faults where the machine can, named where it can't."""
    _, trace, _ = mode("generated", 0, ["--no-tsc-fault"])
    expect("memory without a file is executable: cpuid and rdtsc" in notes(trace), f"check -v does not tell: {notes(trace)}")
    if not tsc_faults():
        raise Skip("rdtsc doesn't fault on this machine: generated code was recorded without it alone")
    out, trace, _ = mode("generated", 50)
    expect("memory without a file is executable: cpuid in" in notes(trace), f"check -v does not tell: {notes(trace)}")
    replays(trace, out)


def uncovered():
    """rdtsc where no symbol and no unwind table tells where instructions begin, in a file."""
    top = tempdir()
    src, exe = os.path.join(top, "u.c"), os.path.join(top, "uncovered")
    with open(src, "w") as f:
        f.write('#include <stdio.h>\n__asm__(".text\\nhidden: .byte 0x0f, 0x31\\nshl $32, %rdx; or %rdx, %rax; ret");\n'
                'unsigned long hidden(void);\nint main(void) { for (int i = 0; i < 50; i++) printf("%lx\\n", hidden());\n'
                'puts("fine"); return 0; }\n')
    subprocess.run(["gcc", "-static", "-s", "-o", exe, src], check=True, timeout=e2e.LIMIT)
    _, trace, _ = record(exe, options=["--no-tsc-fault"])
    told = f"{exe}: "
    expect(told in notes(trace) and "may be cpuid, rdtsc or rdrand" in notes(trace), f"check -v tells: {notes(trace)}")
    if not tsc_faults():
        raise Skip("rdtsc doesn't fault on this machine: only its note was looked at")
    out, trace, events = record(exe)
    expect(of_kind(events, "rdtsc") >= 50, f"only {of_kind(events, 'rdtsc')} rdtsc were recorded")
    replays(trace, out)
    replays(trace, out, "--no-tsc-fault")


def asked():
    """The program asks for leave, and forbids it to itself: refused, and said."""
    out, trace, _ = record(prog("chance"), "asked")
    expect("forbidden: -1" in out and "rdtsc can't be forbidden" in notes(trace), f"{out} {notes(trace)}")
    replays(trace, out)


def random_instructions():
    """A program with rdrand is named, once."""
    top = tempdir()
    src, exe = os.path.join(top, "r.c"), os.path.join(top, "with-rdrand")
    with open(src, "w") as f:
        f.write('#include <stdio.h>\n#include <stdlib.h>\nint main(int c, char **v) { long r = 0; if (c > 1)\n'
                '__asm__ volatile("rdrand %0" : "=r"(r)); if (c < 2) system(v[0] + 0), r = 1;\n'
                'puts("fine"); return !r * 0; }\n')
    subprocess.run(["gcc", "-o", exe, src], check=True, timeout=e2e.LIMIT)
    _, trace, _ = record("sh", "-c", f"{exe} a; {exe} b")
    told = [line for line in notes(trace).splitlines() if exe in line]
    expect(len(told) == 1 and "1 rdrand" in told[0] and told[0].split()[0] == "1", f"check -v tells: {notes(trace)}")


def shared():
    """A shared executable mapping can't be patched: the file must not change."""
    top = tempdir()
    path = os.path.join(top, "code")
    with open(path, "wb") as f:
        f.write(b"\x0f\x31\xc3" + bytes(4093))
    code = ("import mmap, sys\nf = open(sys.argv[1], 'r+b')\n"
            "m = mmap.mmap(f.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_EXEC)\nprint('fine')\n")
    _, trace, _ = record(sys.executable, "-c", code, path)
    with open(path, "rb") as f:
        expect(f.read(3) == b"\x0f\x31\xc3", "the file was changed")
    expect(path in notes(trace), f"check -v does not tell: {notes(trace)}")


r = Report()
r.case("values", values)
for m, n in (("traps", 15), ("threads", 600), ("forks", 100), ("alarms", 10)):
    r.case(m, mode, m, n)
r.case("asked again", again)
r.case("generated code", generated)
r.case("code that nothing covers", uncovered)
r.case("prctl(PR_SET_TSC)", asked)
r.case("rdrand", random_instructions)
r.case("shared mapping", shared)
r.exit()
