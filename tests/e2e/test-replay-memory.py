#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
"""Memory in a replay is what it was, after each call: mappings of all kinds, what insiders share and change by stores and by
system calls. The hashes of all pages are compared at each event (--checksum=all)."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
from e2e import BPREC, Failed, Report, prog, tempdir  # noqa: E402
from replay import DONE, NOBODY, record, same  # noqa: E402
from tracefile import Trace  # noqa: E402

MAPPINGS = ["anonymous-moves", "shared-moves", "truncated-memfd", "truncated-file", "advice", "protection", "growing", "generated"]
SHARERS = ["own-write", "watched-write", "spin-turns", "store-race", "futex-turns", "map-later", "pass-fd", "sysv", "read-into",
           "other-memory", "cut-by-path"]
PWRITE, PAGES_INSIDER = 18, 4


def scenario(program, name, rounds=1):
    for _ in range(rounds):
        same([prog(program), name], options=("--checksum=all",))


def order_of_write():
    """The pages that an insider's call changed come right after the event of the call."""
    folder = tempdir() + "/trace"
    record([prog("sharers"), "own-write"], folder)
    events = Trace(folder).events
    calls = [i for i, e in enumerate(events) if e.type == "syscall" and e.syscall()[0] == PWRITE]
    pages = [i for i, e in enumerate(events) if e.type == "pages" and e.unpack("II")[1] == PAGES_INSIDER]
    if len(calls) != 50 or not set(c + 1 for c in calls[1:]) <= set(pages):  # the first one writes what is there
        raise Failed(f"calls at {calls}, pages at {pages}")


def without_order():
    """A file is cut by an open, which bprec learns of too late to stop who looks at it: the verdict says so, and a replay that
    differs names it."""
    folder = tempdir() + "/trace"
    out, _, _ = record([prog("sharers"), "cut-by-open"], folder)
    v = e2e.check(folder)
    e2e.expect_verdict(v, "uncertain")
    again = subprocess.run([BPREC, "replay", folder], stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                           preexec_fn=e2e.die_with_parent)
    if again.returncode == 0:
        e2e.expect(again.stdout == out and b"what could have changed unseen" in again.stderr, again.stderr)
    else:
        want = rb"may come from what was not observed of /dev/shm/sharers-\w+: pid \d+ changed it by a system call while others"
        e2e.expect(re.search(want, again.stderr), f"not named: {again.stderr!r}")


def unobserved(program, name):
    """Recorded without BPF, as nobody: what insiders write to mapped files is found by their descriptors."""
    top = tempdir()
    for path in (BPREC, prog(program)):
        shutil.copy(path, top)
        os.chmod(os.path.join(top, os.path.basename(path)), 0o755)
    os.mkdir(top + "/out")
    os.chmod(top, 0o755)
    os.chown(top + "/out", NOBODY, NOBODY)
    run = subprocess.run([top + "/bprec", "record", "-q", "--checksum=all", "-o", top + "/out/trace", "--", f"{top}/{program}", name],
                         stdin=subprocess.DEVNULL, capture_output=True, timeout=120, user=NOBODY, group=NOBODY, extra_groups=[],
                         preexec_fn=e2e.die_with_parent)
    v = e2e.check(top + "/out/trace")
    if run.returncode or v.doc["observation"]["active"] or v.verdict != "uncertain":
        raise Failed(f"record returned {run.returncode}: {run.stderr!r}; {v.brief()}")
    again = subprocess.run([BPREC, "replay", top + "/out/trace"], stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                           preexec_fn=e2e.die_with_parent)
    if again.returncode or again.stdout != run.stdout or not DONE.search(again.stderr):
        raise Failed(f"replay put out {again.stdout!r}, recorded {run.stdout!r}: {again.stderr!r}")
    if b"what could have changed unseen" not in again.stderr:
        raise Failed(f"it isn't said that the trace is uncertain: {again.stderr!r}")


def main():
    e2e.need_root()
    r = Report()
    r.case("the pages of a write follow its event", order_of_write)
    for name in MAPPINGS:
        r.case(f"one process: {name}", scenario, "mappings", name)
    for name in SHARERS:
        r.case(f"shared: {name}", scenario, "sharers", name, 2)
    r.case("a change whose order can't be known", without_order)
    for program, name in (("sharers", "own-write"), ("sharers", "watched-write"), ("mappings", "truncated-memfd")):
        r.case(f"not observed: {name}", unobserved, program, name)
    r.exit()


main()
