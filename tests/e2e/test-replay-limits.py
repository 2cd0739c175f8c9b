#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""What a replay can't have is said when it is recorded: `check -v` names each limit. (cpuid, rdtsc, rdrand: test-insn.)"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
from e2e import BPREC, PYTHON, Report, Skip, check, expect, expect_verdict, prog, tempdir  # noqa: E402
from replay import DONE, record  # noqa: E402

VSYSCALL = """
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	time_t (*ask)(time_t *) = (time_t (*)(time_t *))0xffffffffff600400;
	int late = 0;

	(void)argv;
	for (int i = 0; i < 20; i++) {
		time_t t = ask(0), d = syscall(SYS_time, 0) - t;

		late += d < 0 || d > 100;
		getppid();
	}
	printf(argc > 1 ? "late %d\\n" : "fine\\n", late);
	return late != 0;
}
"""


def notes(trace):
    run = subprocess.run([BPREC, "check", "-v", trace], capture_output=True, text=True, timeout=e2e.LIMIT)
    return run.stdout[run.stdout.find("\nnotes"):] if "\nnotes" in run.stdout else ""


def vsyscall():
    """The calls of very old programs: they work, leave no event that isn't so, and are named, once for an image."""
    top = tempdir()
    with open(top + "/v.c", "w") as f:
        f.write(VSYSCALL)
    subprocess.run(["gcc", "-O1", "-o", top + "/v", top + "/v.c"], check=True, timeout=e2e.LIMIT)
    native = subprocess.run([top + "/v"], capture_output=True)
    if native.returncode < 0:
        raise Skip("this kernel has no vsyscall page (vsyscall=none)")
    expect(native.stdout == b"fine\n", f"unrecorded: {native}")
    out, err, status = record([top + "/v"], top + "/trace")
    expect((out, status) == (b"fine\n", 0), f"recorded: {status} {out!r} {err!r}")
    expect("vsyscall page" in notes(top + "/trace"), f"check -v tells: {notes(top + '/trace')}")
    dump = subprocess.run([BPREC, "dump", "--events", "--json", top + "/trace"], capture_output=True, text=True, check=True)
    calls = [e for e in map(json.loads, dump.stdout.splitlines()) if e.get("type") == "syscall"]
    asked = [e for e in calls if e["call"] in ("time", "getppid")]
    expect([e["call"] for e in asked] == ["time", "getppid"] * 20, f"recorded {asked}")
    expect_verdict(check(top + "/trace"), "clean")
    # a thread that stops by PTRACE_SYSCALL, having a filter of its own
    out, err, status = record([PYTHON, "-c", FILTERED, top + "/v"], top + "/filtered")
    expect((out, status) == (b"fine\n", 0), f"with a filter: {status} {out!r} {err!r}")
    expect("vsyscall page" in notes(top + "/filtered"), f"check -v tells: {notes(top + '/filtered')}")


# Installs a filter that allows all, and executes a program.
FILTERED = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
code = ctypes.create_string_buffer(struct.pack("<HBBI", 6, 0, 0, 0x7fff0000))
prog = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", 1, ctypes.addressof(code)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, prog, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def kernel_writes():
    """Memory that the kernel writes by itself."""
    if subprocess.run([prog("kernelmap")], capture_output=True, check=False).returncode == 77:
        raise Skip("this kernel gives no such memory")
    top = tempdir()
    record([prog("kernelmap")], top + "/trace")
    v = check(top + "/trace")
    expect_verdict(v, "uncertain")
    expect(v.gaps, f"no gap names it: {v.brief()}")


def refused(name, code):
    """Calls that a recording can't give."""
    top = tempdir()
    record([PYTHON, "-c", f"import ctypes; {code}"], top + "/trace")
    expect(name in notes(top + "/trace"), f"check -v tells: {notes(top + '/trace')}")
    run = subprocess.run([BPREC, "replay", top + "/trace"], capture_output=True, timeout=e2e.LIMIT, preexec_fn=e2e.die_with_parent)
    expect(DONE.search(run.stderr), f"replay: {run.stderr!r}")


r = Report()
r.case("the vsyscall page", vsyscall)
r.case("memory that the kernel writes", kernel_writes)
r.case("io_uring is refused", refused, "io_uring_setup", "ctypes.CDLL(None).syscall(425, 8, 0)")
r.case("userfaultfd is refused", refused, "userfaultfd", "ctypes.CDLL(None).syscall(323, 0)")
r.case("ptrace is refused", refused, "ptrace", "ctypes.CDLL(None).ptrace(0, 0, 0, 0)")
r.exit()
