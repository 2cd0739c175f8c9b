#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/mutants/run.py [WORD...]: takes each rule of DESIGN 12 out of the program and demands that its test notices.

A mutant is a patch beside this file: its first line says what is taken out, the rest is a unified diff. For each one the
source is patched in a copy of the tree (with its build directory, so that little is built), the case that is to catch it
is run with the copy's program, and must fail with the text that the table names: a case that fails for another reason
proves nothing, nor does one that fails without the mutant too. Words choose mutants by parts of their names.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LIMIT = 300  # seconds for one run of a test

WRITES, STOPS, OBJECTS = (f"tests/e2e/test-sound-{x}.py" for x in ("writes", "stops", "objects"))
MEMORY = "tests/e2e/test-replay-memory.py"
COMPARE, MOVED = "tests/e2e/test-compare.py", "tests/e2e/test-moved.py"
ALARM = "tests/e2e/test-no-false-alarm.py"
MORE, OBJECT_UNIT, OUTCOME_UNIT = "tests/e2e/test-sound-mutants.py", "tests/unit/test_record_object.c", "tests/unit/test_check_outcome.c"

# rule, patch (rule-NN-*.patch), test, part of its case's name, pattern of what the case must say
TABLE = [
    (1, "begin-ignored", WRITES, "when the insider ends", "no change of|by another pid than"),
    (1, "in-flight-ignored", WRITES, "when the insider ends", "no change of"),
    (1, "in-flight-ignored", WRITES, "when the insider unmaps", "no change of"),
    (1, "begins-at-end", WRITES, "the insider reads while", "the outcome is too good"),
    (1, "descriptor-at-exit", WRITES, "the descriptor means another", "no change of|in the trace is not the file's"),
    (1, "begun-before", WRITES, "mapped while a pwrite is in flight, record", "by another pid than|no change of"),
    (1, "shared-offset", WRITES, "one shared file offset", "by another pid than|nobody wrote page 4"),
    (2, "stops-first", WRITES, "ping-pong", "not exact|the trace holds the one of"),
    (2, "no-margin", OUTCOME_UNIT, "all_cases", "idle too late: outcome 0, expected 2"),
    (3, "calls-interrupted", STOPS, "no wait returns early", "changed what its calls return.* EINTR"),
    (3, "calls-never-touch", STOPS, "blocked in a write", "too good, the call touches the page"),
    (3, "calls-never-touch", STOPS, "blocked in a read", "too good, the call touches the page"),
    (4, "copied-is-own", MORE, "copied while the write is in flight", "too good"),
    (5, "insider-writes-ignored", OBJECTS, "rule 5: writes by insiders to a mapped file, tmpfs", "is no object-write event|expected clean: verdict divergent"),
    (5, "before-its-event", MEMORY, "the pages of a write follow", "calls at .* pages at"),
    (5, "entry-not-noted", "tests/e2e/test-replay-outside.py", "11 changes replayed, shared, tmpfs", "replay returned 125|replay put out"),
    (6, "code-after-outputs", MEMORY, "shared: read-into", "replay of"),
    (6, "no-scratch", MORE, "comes in pieces", "while the call that brings it was still waiting"),
    (6, "exit-not-waited", STOPS, "outputs of a blocked call", "while the other thread ran"),
    (6, "group-not-held", MORE, "outputs too long", "others ran during"),
    (7, "own-filter-ignored", OBJECTS, "rule 7", "sethostname raised SIGSYS|system call 63 .* times in the trace"),
    (8, "gap-ignored", MORE, "or had it open (insider)", "looked again the trace held"),
    (8, "gap-ignored", MORE, "or had it open (truncate)", "looked again the trace held"),
    (8, "exposure-ignored", OBJECTS, "(store), tmpfs", "the trace held|is not the file's"),
    (9, "unmap-not-compared", MORE, "right before each unmap", "stores were missed"),
    (9, "end-not-compared", MORE, "right before the end", "stores were missed"),
    (9, "shmem-trusted", MORE, "no exposure shows", "no change of|too good: verdict clean"),
    (9, "likely-is-enough", COMPARE, "a pinned page", "changed pages are"),
    (9, "left-out-untold", COMPARE, "no budget", "verdict uncertain"),
    (9, "mapped-again-unseen", COMPARE, "mapped again", "expected divergent: verdict uncertain"),
    (9, "budget-ignored", COMPARE, "the budget is kept", "verdict"),
    (11, "devices-not-told", MORE, "rule 11", "no gap says that the kernel writes|expected uncertain"),
    (12, "kernel-key", MORE, "used again for another file", "told of files that nobody watches"),
    (12, "device-not-checked", OBJECT_UNIT, "another_device", ""),
    (12, "generation-not-checked", OBJECT_UNIT, "another_generation", ""),
    (13, "faults-only", OBJECTS, "rule 13: store-populate, 16 pages, tmpfs", "expected|no change of|clean"),
    (17, "moved-unmapped", MOVED, "its name, shared, ext4, record", "verdict uncertain"),
    (17, "moved-mapped-again", MOVED, "nobody maps it, ext4, record", "changes: verdict divergent"),
    (19, "descriptor-trusted", "tests/e2e/test-redteam-writers.py", "copied up, record", "same-bytes"),
    (18, "stores-of-now", ALARM, "read-only later, tmpfs, record", "verdict divergent"),
]


class Broken(Exception):
    """A mutant can't be tried."""


def sh(*argv, cwd, **kw):
    """Runs a command; returns its exit status and all it said."""
    done = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          timeout=LIMIT, **kw)
    return done.returncode, done.stdout


def copy_tree(to):
    """The tree and its objects, with their times: make builds only what a patch changes."""
    for name in os.listdir(ROOT):
        if name not in (".git", "build"):
            subprocess.run(["cp", "-a", os.path.join(ROOT, name), to], check=True)
    build = os.path.join(ROOT, "build")
    for name in os.listdir(build) if os.path.isdir(build) else ():
        if name != "san":
            os.makedirs(os.path.join(to, "build"), exist_ok=True)
            subprocess.run(["cp", "-a", os.path.join(build, name), os.path.join(to, "build")], check=True)


def unit_program(test):
    """What make builds of a unit test, None if it is none."""
    return "build/tests/unit/" + os.path.basename(test)[:-2] if test.endswith(".c") else None


def build(tree, test):
    """Builds the program, and what the test needs beside it."""
    more = [unit_program(test)] if unit_program(test) else ["build/tests/bpf/kern-driver", "build/tests/progs/insider"]
    status, said = sh("make", "-s", "B=build", "all", *more, cwd=tree)
    if status:
        raise Broken(f"make failed: {said[-1500:]}")


def patch(tree, path, *options):
    """Applies a patch, or with -R takes it back. Every line of its context must fit."""
    status, said = sh("patch", "-p1", "--fuzz=0", "--force", "--no-backup-if-mismatch", *options, "-i", path, cwd=tree)
    if status:
        raise Broken(f"{os.path.basename(path)} does not apply, make it anew: {said.strip()}")


def run(tree, test, case):
    """Runs one case. Returns (did the test fail, what it said of the failure)."""
    env = {**os.environ, "BPREC": os.path.join(tree, "build", "bprec"), "BUILD": "build", "E2E_LIMIT": "20"}
    if unit_program(test):
        status, said = sh("./" + unit_program(test), cwd=tree, env=env)
        if not re.search(r"\[ RUN +\] %s$" % re.escape(case), said, re.M):
            raise Broken(f"{test} has no case {case}: {said[-500:]}")
        bad = re.search(r"\[ RUN +\] %s$(.*?)\[  FAILED  \] %s$" % (re.escape(case), re.escape(case)), said, re.M | re.S)
        return bool(status and bad), bad.group(1).strip() if bad else said.strip()[-300:]
    status, said = sh("./" + test, case, cwd=tree, env=env)
    if status == 77 or "skip - " in said:
        raise Broken(f"{test} is skipped: {said.strip()}")
    if not re.search(r"^(not )?ok - .*%s" % re.escape(case), said, re.M):
        raise Broken(f"{test} has no case '{case}': {said[-500:]}")
    bad = [line for line in said.splitlines() if line.startswith("not ok")]
    return bool(status), " ".join(bad) or said.strip()[-300:]


def control(tree, test, case, passes):
    """The case passes with the program as it is; asked once for each."""
    if (test, case) not in passes:
        build(tree, test)
        failed, said = run(tree, test, case)
        passes[test, case] = said if failed else ""
    if passes[test, case]:
        raise Broken(f"it fails without the mutant too: {passes[test, case]}")


def try_mutant(tree, path, test, case, wanted):
    """Returns (caught, what the case said)."""
    patch(tree, path, "--dry-run")
    patch(tree, path)
    try:
        build(tree, test)
        failed, said = run(tree, test, case)
    finally:
        patch(tree, path, "-R")
    return failed and re.search(wanted, said) is not None, said


def one(tree, row, passes):
    """Tries one row of the table and prints its line. True: caught."""
    rule, name, test, case, wanted = row
    path = os.path.join(HERE, f"rule-{rule:02}-{name}.patch")
    try:
        with open(path, encoding="utf-8") as f:
            what = f.readline().strip()
        control(tree, test, case, passes)
        caught, said = try_mutant(tree, path, test, case, wanted)
    except (Broken, OSError, subprocess.TimeoutExpired) as e:
        caught, what, said = False, "not tried", str(e)
    place = f"{os.path.basename(test)} '{case}'"
    if caught:
        print(f"ok - rule {rule}, {name}: caught by {place}", flush=True)
    else:
        print(f"not ok - rule {rule}, {name} ({what}): not caught by {place}: {said[-600:]}", flush=True)
    return caught


def main():
    words = sys.argv[1:]
    chosen = [row for row in TABLE if not words or any(w in f"rule-{row[0]:02}-{row[1]}" for w in words)]
    unused = {f for f in os.listdir(HERE) if f.endswith(".patch")} - {f"rule-{r:02}-{n}.patch" for r, n, *_ in TABLE}
    with tempfile.TemporaryDirectory(prefix="bprec-mutants.") as tree:
        copy_tree(tree)
        passes = {}
        survived = [row for row in chosen if not one(tree, row, passes)]
    for name in sorted(unused):
        print(f"not ok - {name} is in no table")
    print(f"{len(chosen) - len(survived)} mutants caught, {len(survived)} not")
    return 1 if survived or unused or not chosen else 0


sys.exit(main())
