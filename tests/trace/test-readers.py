#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bprec's reader and the second one, which is written from docs/FORMAT.md, must say the same of every golden trace and of
every right and wrong sample trace. bprec's runs with address and undefined-behaviour sanitizers."""
import contextlib
import glob
import io
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "tools"))
import bad_traces  # noqa: E402
import read_trace  # noqa: E402
import sample_traces  # noqa: E402

GOLDEN = os.path.join(ROOT, "tests", "golden")
failures = 0


def build(folder):
    """Compiles print_trace; returns its path."""
    program = os.path.join(folder, "print_trace")
    sources = ["tests/tools/print_trace.c", "userspace/util/err.c", "userspace/util/names.c"]
    for name in ("frame", "dir", "index", "reader", "reader_pages", "event_check", "event_body"):
        sources.append("userspace/trace/%s.c" % name)
    subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-Iinclude", "-iquote", "userspace",
                    "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-o", program, *sources, "-lzstd",
                    "-lxxhash", "-lJudy"], cwd=ROOT, check=True)
    return program


def ours(program, folders):
    """What bprec's reader prints of each folder. A crash, or a finding of a sanitizer, is a failure of the test."""
    done = subprocess.run([program, *folders], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200, check=False)
    text = done.stdout.decode(errors="replace")
    expect("print_trace", done.returncode == 0, "exit status %d" % done.returncode, text)
    lines, found = [], []
    for line in text.splitlines(True):
        if line.startswith("why ") and len(line) > 20:
            continue  # the reason; a damaged line would stay in and make a difference
        lines.append(line)
        if line.startswith(("ok ", "bad ")):
            found.append("".join(lines))
            lines = []
    expect("print_trace", len(found) == len(folders) and text.count("\nwhy ") + text.startswith("why ") ==
           sum(t.splitlines()[-1].startswith("bad") for t in found), "lines are missing", text)
    return dict(zip(folders, found))


def theirs(folder):
    with contextlib.redirect_stderr(io.StringIO()):
        return "".join(line + "\n" for line in read_trace.lines(folder))


def expect(name, condition, *what):
    global failures
    if not condition:
        failures += 1
        print("not ok %s" % name)
        print("\n".join(str(w)[-1500:] for w in what))


def check_golden(program):
    folders = sorted(p[:-4] for p in glob.glob(GOLDEN + "/*.txt"))
    expect("golden", len(folders) >= 20, folders)
    found = ours(program, folders)
    for folder in folders:
        with open(folder + ".txt") as f:
            wanted = f.read()
        expect(folder, found.get(folder) == wanted, "bprec's reader:", found.get(folder))
        expect(folder, theirs(folder) == wanted, "second reader:", theirs(folder))
    print("ok %d golden traces" % len(folders))


def check_samples(program, scratch):
    wanted = {}
    samples = [(name, "ok ", b) for name, b in sample_traces.good()]
    samples += [(name, "bad %s\n" % code, b) for name, code, b in bad_traces.bad()]
    for name, last, builder in samples:
        folder = os.path.join(scratch, name)
        builder.write(folder)
        wanted[folder] = last
    found = ours(program, list(wanted))
    for folder, last in wanted.items():
        a, b = found.get(folder, "nothing\n"), theirs(folder)
        expect(folder, a == b and a.splitlines(True)[-1].startswith(last), "wanted " + last, "bprec's reader:", a,
               "second reader:", b)
    print("ok %d sample traces" % len(wanted))


def main():
    with tempfile.TemporaryDirectory() as scratch:
        program = build(scratch)
        check_golden(program)
        check_samples(program, scratch)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
