#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 500
"""Traces of programs whose files others changed: `resnapshotted` ones replay exactly, with the output that depends on each byte;
of others a replay says where it left the trace, and which change did it."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
import mounts  # noqa: E402
from e2e import BPREC, PAGE, Insider, Outsider, Report, expect, expect_verdict, need_root, prog  # noqa: E402

SIZE = 12 * PAGE + 100
STEPS = [("pwrite64", 0, 10), ("pwrite64", 5 * PAGE - 7, 20), ("writev", 7 * PAGE, 3 * PAGE), ("write", 12 * PAGE, 50),
         ("fallocate", 2 * PAGE, 2 * PAGE), ("pwritev", 0, 12 * PAGE), ("ftruncate", 9 * PAGE + 11, 0),
         ("pwrite64", 10 * PAGE, 100), ("open-trunc", 0, 0), ("append", 0, 2 * PAGE), ("pwrite64", 11 * PAGE + 1, 4)]


class Seer(Insider):
    """tests/progs/lastlook under bprec record; keeps what it put out."""

    def __init__(self, path, kind, options=("--checksum=all",)):
        self.out = b""
        super().__init__([prog("lastlook"), path, kind], options=options)

    def hear(self, limit=None):
        line = super().hear(limit)
        self.out += line.encode() + b"\n"
        return line


def fresh(place, name, size=SIZE):
    """A file whose pages all differ."""
    place.create(name, b"".join(n.to_bytes(2, "little") * (PAGE // 2) for n in range(1, size // PAGE + 2))[:size])
    return os.path.join(place.real, name)


def replay(trace):
    """Replays; returns (status, stdout, bprec's lines)."""
    run = subprocess.run([BPREC, "replay", trace], stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                         preexec_fn=e2e.die_with_parent)
    return run.returncode, run.stdout, run.stderr.decode()


def exact(seer, path, verdicts=("resnapshotted",)):
    """The recording ends; its replay puts out the same. Returns bprec's lines."""
    v = seer.finish()
    if not v.doc["observation"]["lost_events"]:  # a busy machine loses some, and the verdict is lower
        expect_verdict(v, *verdicts)
    expect(all(c["outcome"] in ("exact", "same-bytes") for c in v.of(path)), v.brief())
    os.truncate(path, 0)
    status, out, err = replay(seer.trace)
    expect(status == 0 and "no difference" in err, f"replay returned {status}: {err[-700:]}")
    expect(out == seer.out, f"replay put out {out!r}, recorded {seer.out!r}")
    return v, err


def steps(place, kind):
    """One change after the other while the insider waits for a line; it has looked at all pages with no call since."""
    path = fresh(place, "steps-" + kind)
    seer, outsider, views = Seer(path, kind), Outsider(), set()
    for i, (op, off, length) in enumerate(STEPS):
        seer.blocked()
        outsider.do(op, path, off, length, i + 1)
        views.add(seer.ask("go"))
    expect(len(views) > len(STEPS) // 2, f"it saw {len(views)} different states: {seer.out!r}")
    outsider.end()
    exact(seer, path)


def at_once(place):
    """Several changes between two looks: the last one counts; the first is under what comes later."""
    path = fresh(place, "at-once")
    seer, outsider = Seer(path, "private"), Outsider()
    for i in range(5):
        seer.blocked()
        for k in range(6):
            outsider.do("pwrite64", path, k * PAGE // 2 + i, 3 * PAGE, 16 * i + k)
        seer.ask("go")
    outsider.end()
    exact(seer, path)


def blamed(err, path, page, pid, comm, channel):
    """The difference is at an event, and the change that made it is named by page and writer."""
    expect(re.match(r"bprec: event \d+ \(", err), f"no event is named: {err[-700:]}")
    want = rf"change.* page {page} of {re.escape(path)} .*by pid {pid} \({comm}\) by {channel}, event \d+, window .*, outcome \w+"
    expect(re.search(want, err), f"not named ({want}): {err[-1500:]}")


def unseen_store(place):
    """A store that no hook shows is saved after the insider has seen it: the replay, which has it later, says so."""
    path = fresh(place, "unseen")
    outsider = Outsider()
    outsider.ask(f"map {path}")
    outsider.do("store", path, 3 * PAGE, 4, 1)
    seer = Seer(path, "shared")
    for i in range(3):
        seer.blocked()
        outsider.do("store", path, 3 * PAGE, 4, 50 + i)
        seer.ask("go")
    outsider.end()
    v = seer.finish()
    expect_verdict(v, "uncertain", "divergent")
    status, out, err = replay(seer.trace)
    expect(status == 125 and out != seer.out, f"replay returned {status}, put out {out!r}, recorded {seer.out!r}: {err}")
    blamed(err, path, 3, outsider.pid, "outsider", "mmap-store")


def while_it_runs(place, number):
    """Changes while the insider runs, which waits for one of them without a call. Returns check's verdict."""
    path = fresh(place, f"running-{number}")
    insider, outsider = Insider(), Outsider()
    m = insider.map(path)
    expect(insider.ask(f"spin {m} {5 * PAGE} 77") == "spinning", "no spinning")
    outsider.do("pwrite64", path, 2 * PAGE, 10, 9)
    outsider.do("pwrite64", path, 5 * PAGE, 1, 77)
    expect(insider.hear() == "saw", "it did not see")
    outsider.end()
    v = insider.finish()
    status, _, err = replay(insider.trace)
    if status:
        expect(v.verdict == "divergent", f"{v.brief()}, and replay returned {status}: {err}")
        blamed(err, path, 5, outsider.pid, "outsider", "pwrite")
    elif v.verdict == "divergent":
        expect(re.search(r"no difference\nbprec: [12] changes? from outside whose moment .* made no difference", err), err)
    return v.verdict


def running(place):
    """Whatever comes of it: an exact replay, a difference with its reason, or none, which is said; and an end."""
    seen = {while_it_runs(place, n) for n in range(6)}
    expect("divergent" in seen, f"verdicts {seen}: this test could not fail")


def main():
    need_root()
    r = Report()
    for fs, place in (("tmpfs", mounts.tmpfs()), ("ext4", mounts.ext4())):
        for kind in ("shared", "private", "copied"):
            r.case(f"{len(STEPS)} changes replayed, {kind}, {fs}", steps, place, kind)
        r.case(f"a store that no hook shows, {fs}", unseen_store, place)
        r.case(f"changes while the insider runs, {fs}", running, place)
        r.case(f"many changes at once, {fs}", at_once, place)
    r.exit()


main()
