#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 200
# serial: its 32-bit program makes any recording under way uncertain
"""Transparent: exit statuses, what record itself says, where traces go, and programs that are refused."""
import os
import re
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
from e2e import BPREC, Report, check, expect, expect_verdict, need, prog, tempdir  # noqa: E402
from transparent import ENV, same  # noqa: E402


def record(*argv, options=("-q",), trace=None, env=None, stdin=None):
    """Runs bprec record; returns the finished process and the trace's directory."""
    trace = trace or os.path.join(tempdir(), "trace")
    out = ["-o", trace] if trace != "default" else []
    run = subprocess.run([BPREC, "record", *out, *options, "--", *argv], capture_output=True, timeout=e2e.LIMIT,
                         env={**ENV, **(env or {})}, input=stdin, preexec_fn=e2e.die_with_parent)
    run.err = run.stderr.decode(errors="replace")
    return run, trace


def statuses():
    for script, status, exit_doc in (("exit 0", 0, {"status": 0}), ("exit 1", 1, {"status": 1}),
                                     ("exit 255", 255, {"status": 255}), ("exit 127", 127, {"status": 127}),
                                     ("kill -9 $$", 137, {"signal": 9}), ("kill -SEGV $$", 139, {"signal": 11}),
                                     ("kill -TERM $$", 143, {"signal": 15}), ("kill -USR1 $$", 138, {"signal": 10})):
        run, trace = record("sh", "-c", script)
        expect(run.returncode == status, f"{script}: {run.returncode}, expected {status}: {run.err}")
        expect(not run.err, f"{script}: -q is not quiet: {run.err}")
        v = check(trace)
        expect_verdict(v, "clean")
        expect(v.doc["exit"] == exit_doc, f"{script}: exit is {v.doc['exit']}")


def not_started():
    top = tempdir()
    plain = os.path.join(top, "plain")
    with open(plain, "w") as f:
        f.write("no program\n")
    for argv, status in (((plain,), 126), ((top,), 126), (("no-such-command-at-all",), 127), (("./nothing/here",), 127)):
        run, _ = record(*argv)
        expect(run.returncode == status, f"{argv}: {run.returncode}, expected {status}")
        expect(run.err.startswith("bprec: "), f"{argv}: stderr is {run.err!r}")


def last_line():
    run, trace = record("sh", "-c", "echo out; echo err >&2", options=())
    expect(run.stdout == b"out\n", f"stdout is {run.stdout!r}")
    lines = run.err.splitlines()
    expect("err" in lines, f"stderr is {run.err!r}")
    expect(all(x.startswith("bprec: ") for x in lines if x != "err"), f"stderr is {run.err!r}")
    expect(trace in lines[-1] and "clean" in lines[-1], f"the last line does not name trace and verdict: {lines[-1]}")


def directories():
    top = tempdir()
    full, empty, ran = (os.path.join(top, x) for x in ("full", "empty", "ran"))
    os.makedirs(os.path.join(full, "x"))
    os.makedirs(empty)
    run, _ = record("touch", ran, trace=full)
    expect(run.returncode == 125, f"a full directory: {run.returncode}, expected 125")
    expect(run.err.startswith("bprec: ") and full in run.err, f"stderr is {run.err!r}")
    expect(not os.path.exists(ran), "the command ran all the same")
    expect(os.listdir(full) == ["x"], "the full directory was touched")
    run, _ = record("touch", ran, trace=empty)
    expect(run.returncode == 0 and os.path.exists(ran), f"an empty directory: {run.returncode}: {run.err}")
    expect_verdict(check(empty), "clean")
    run, _ = record("true", trace=os.path.join(top, "no", "such", "trace"))
    expect(run.returncode == 125, f"a directory in nowhere: {run.returncode}, expected 125")


def default_place(variable, below):
    top = tempdir()
    env = {variable: top, "HOME": top}
    where = os.path.join(top, below)
    for n in range(2):
        run, _ = record("true", trace="default", env=env)
        expect(run.returncode == 0, f"{run.returncode}: {run.err}")
        names = sorted(x for x in os.listdir(where) if x != "latest")
        expect(len(names) == n + 1 and all(re.fullmatch(r"true-\d+", x) for x in names), f"traces are {names}")
        latest = os.path.basename(os.path.realpath(os.path.join(where, "latest")))
        expect(latest in names, f"latest is {latest}")
    run = subprocess.run([BPREC, "check", "--json"], capture_output=True, env={**ENV, **env}, timeout=e2e.LIMIT)
    expect(run.returncode == 0 and latest.encode() in run.stdout, f"check of latest: {run.stdout} {run.stderr}")


def usage():
    for words in (["--nonsense", "--", "true"], ["--"], []):
        run = subprocess.run([BPREC, "record", *words], capture_output=True, timeout=e2e.LIMIT, env=ENV)
        err = run.stderr.decode()
        expect(run.returncode == 125, f"{words}: {run.returncode}, expected 125")
        expect(err.startswith("bprec: ") and err.count("\n") == 1, f"{words}: stderr is {err!r}")
    expect("nonsense" in subprocess.run([BPREC, "record", "--nonsense", "--", "true"], capture_output=True,
                                        text=True, timeout=e2e.LIMIT).stderr, "the wrong word is not named")


def elf32(path, status=42):
    """A static i386 program of one segment that calls exit(status) by int 0x80."""
    code = b"\xb8\x01\x00\x00\x00\xbb" + struct.pack("<I", status) + b"\xcd\x80"
    base, size = 0x08048000, 52 + 32 + len(code)
    head = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + 84, 52, 0, 0, 52, 32, 1, 0,
                                                           0, 0)
    with open(path, "wb") as f:
        f.write(head + struct.pack("<IIIIIIII", 1, 0, base, base, size, size, 5, 4096) + code)
    os.chmod(path, 0o755)


def refuse_32bit():
    path = os.path.join(tempdir(), "thirty-two")
    elf32(path)
    run, _ = record(path)
    try:
        subprocess.run([path], check=False)
    except OSError:  # this kernel runs none (ia32_emulation=off): as any file that can't be executed
        expect(run.returncode == 126 and run.err.startswith("bprec: "), f"as the command: {run.returncode}: {run.err!r}")
        return
    expect(run.returncode in (125, 126), f"as the command: {run.returncode}, expected 125 or 126")
    expect("32-bit" in run.err, f"as the command: stderr is {run.err!r}")
    run, _ = record("sh", "-c", f"{path}; echo status $?")
    expect(b"status 42" not in run.stdout, "a 32-bit program ran, executed by a shell")
    expect("32-bit" in run.err, f"from a shell: stderr is {run.err!r}")


def refuse_tracer():
    run, _ = record(need("strace"), "-o", "/dev/null", "true")
    expect(run.returncode != 0, "strace ran as if nothing were")
    expect(re.search("bprec: .*ptrace", run.err), f"stderr is {run.err!r}")


def refuse_strict_mode():
    code = "import ctypes; print(ctypes.CDLL(None).prctl(22, 1, 0, 0, 0))"
    run, _ = record(need("python3"), "-c", code)
    expect(run.stdout == b"-1\n", f"the strict mode was entered: {run.stdout!r}")
    expect("strict mode" in run.err, f"no word of the strict mode: {run.err!r}")


def setuid():
    """As strace treats them: with a root recorder they get their rights, with --user they don't."""
    top = tempdir()
    os.chmod(top, 0o755)
    path = os.path.join(top, "ids")
    shutil.copy(prog("ids"), path)
    os.chmod(path, 0o4755)
    same(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", path])
    native = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", path],
                            capture_output=True, text=True)
    expect("euid 0" in native.stdout, f"unrecorded it prints {native.stdout!r}")


r = Report()
r.case("exit statuses and signals", statuses)
r.case("126 and 127", not_started)
r.case("the last line names the trace and the verdict", last_line)
r.case("-o: empty and full directories", directories)
r.case("traces below $BPREC_TRACE_DIR, and latest", default_place, "BPREC_TRACE_DIR", "")
r.case("traces below $XDG_DATA_HOME, and latest", default_place, "XDG_DATA_HOME", "bprec")
r.case("traces below $HOME, and latest", default_place, "NOTHING", ".local/share/bprec")
r.case("usage errors", usage)
r.case("32-bit programs are refused", refuse_32bit)
r.case("programs that ptrace others are refused", refuse_tracer)
r.case("seccomp's strict mode is refused, and said to be", refuse_strict_mode)
if os.geteuid() == 0:
    r.case("setuid programs", setuid)
r.exit()
