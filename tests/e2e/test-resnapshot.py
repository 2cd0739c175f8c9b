#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 200
"""Re-snapshot is right: while the insider is blocked in a system call, changes come out exact, and the pages in the trace
equal the file's at that moment, each time the file changes; the exit status of check is 0 then."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
import mounts  # noqa: E402
import tracefile  # noqa: E402
from e2e import BPREC, PAGE, Insider, Outsider, Report, expect, expect_verdict, need_root  # noqa: E402

SIZE = 40 * PAGE + 123
STEPS = [("pwrite64", 0, 10), ("pwrite64", 5 * PAGE - 7, 20), ("writev", 9 * PAGE, 3 * PAGE), ("write", 40 * PAGE + 100, 23),
         ("fallocate", 20 * PAGE, 2 * PAGE), ("pwritev", 0, 40 * PAGE), ("ftruncate", 30 * PAGE + 11, 0),
         ("pwrite64", 33 * PAGE, 100), ("open-trunc", 0, 0), ("pwrite64", 12 * PAGE + 1, 4)]


def fresh(place, name):
    """A file whose pages all differ."""
    place.create(name, b"".join(n.to_bytes(2, "little") * (PAGE // 2) for n in range(SIZE // PAGE + 1))[:SIZE])
    return os.path.join(place.real, name)


def pages_of(path):
    """The file as a mapping shows it."""
    with open(path, "rb") as f:
        data = f.read()
    return [data[at:at + PAGE].ljust(PAGE, b"\0") for at in range(0, len(data), PAGE)]


def step_by_step(place, kind):
    """After each step the insider says a line (an event of its own); at that event the trace holds the saved bytes."""
    path = fresh(place, "steps-" + kind)
    insider, outsider, saved = Insider(), Outsider(), []
    m = insider.map(path, kind)
    for i, (op, off, length) in enumerate(STEPS):
        insider.blocked()
        outsider.do(op, path, off, length, i + 1)
        saved.append(pages_of(path))
        insider.ask(f"status {0}")
    insider.hash(m, 39)
    v = insider.finish()
    expect_verdict(v, "resnapshotted")
    expect(v.code == 0, f"check returned {v.code}")
    mine = v.of(path)
    expect(len(mine) >= len(STEPS), f"{len(mine)} changes, expected {len(STEPS)}: {v.brief()}")
    expect(all(c["outcome"] in ("exact", "same-bytes") for c in mine), f"outcomes: {v.brief()}")
    holds(insider, path, saved)
    windows(mine)


def windows(changes):
    """Each window begins before the change is seen to end and is closed by the saving."""
    for c in changes:
        lo, hi = c["window_ns"]
        expect(lo and hi and lo <= hi, f"window {c['window_ns']}")
        expect(c["pages"] >= c["pages_changed"], f"pages {c['pages']}, changed {c['pages_changed']}")


def holds(insider, path, saved):
    """At the event of each of the insider's answers the trace holds what was saved before it."""
    trace = tracefile.Trace(insider.trace)
    obj = trace.object_of(os.stat(path))
    answers = [e.no for e in trace.of("syscall", insider.pid) if e.syscall()[0] == 1 and e.syscall()[3] == 3]
    expect(len(answers) == len(saved), f"{len(answers)} answers in the trace, expected {len(saved)}")
    for step, (no, pages) in enumerate(zip(answers, saved)):
        for n in range(SIZE // PAGE + 1):
            held = trace.page_at(obj, n, no)
            wanted = pages[n] if n < len(pages) else None
            expect(held == wanted, f"step {step} ({STEPS[step]}), page {n}: the trace holds {tracefile.describe(held)}, "
                   f"the file {tracefile.describe(wanted)}")


def dump_agrees(place):
    """bprec dump tells the same as the second reader."""
    path = fresh(place, "dump")
    insider, outsider = Insider(), Outsider()
    insider.map(path)
    insider.blocked()
    outsider.do("pwrite64", path, 3 * PAGE + 5, 7, 200)
    insider.finish()
    text = subprocess.run([BPREC, "dump", "--changes", insider.trace], capture_output=True, text=True, timeout=e2e.LIMIT)
    expect(text.returncode == 0, f"dump --changes returned {text.returncode}: {text.stderr}")
    expect(re.search(r"pwrite", text.stdout) and str(outsider.pid) in text.stdout, f"dump --changes says {text.stdout!r}")
    for what in ("--events", "--maps", "--pages", "--changes"):
        for words in ([what], ["--json", what]):
            run = subprocess.run([BPREC, "dump", *words, insider.trace], capture_output=True, timeout=e2e.LIMIT)
            expect(run.returncode == 0 and run.stdout, f"dump {words} returned {run.returncode}: {run.stderr}")


def main():
    need_root()
    r = Report()
    for fs, place in (("tmpfs", mounts.tmpfs()), ("ext4", mounts.ext4()), ("overlayfs", mounts.overlay("upper"))):
        for kind in ("shared", "private"):
            r.case(f"{len(STEPS)} changes one after the other, MAP_{kind.upper()}, {fs}", step_by_step, place, kind)
    r.case("dump shows the change", dump_agrees, mounts.tmpfs())
    r.exit()


main()
