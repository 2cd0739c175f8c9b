# SPDX-License-Identifier: MIT
"""An insider that maps and unmaps against an outsider's changes; two observations of the same outsider."""
import collections
import os
import subprocess

import e2e
import mounts
from crowds import case, lost
from e2e import BPREC, PAGE, Insider, expect, expect_verdict, prog

RECORDINGS = 8
OBSERVED = 200  # pages that an outsider stores to while two recorders look


def one_remap(path, how, us, rounds, calls, trace):
    """One recording; returns (what the insider printed, verdict)."""
    drip = e2e.Peer([prog("crowd"), "drip", path, str(us), how])
    drip.hear()
    done = subprocess.run([BPREC, "record", "-o", trace, "--", prog("remap"), path, str(rounds), str(calls)],
                          capture_output=True, timeout=e2e.LIMIT * 2, preexec_fn=e2e.die_with_parent)
    expect(drip.end() == 0, "the outsider failed")
    expect(done.returncode == 0, f"record returned {done.returncode}: {done.stderr[-500:]}")
    return done.stdout, e2e.check(trace)


def remaps(place, how, us, rounds, calls):
    """The insider's own record of what it saw against the verdict: never clean if bytes changed while they were mapped, and what
    is called exact is replayed to the same bytes."""
    verdicts, changed, replayed = collections.Counter(), 0, 0
    for i in range(RECORDINGS):
        path, trace = os.path.join(place.real, f"remap-{how}-{us}-{i}"), os.path.join(e2e.tempdir(), "trace")
        place.create(os.path.basename(path), bytes(PAGE))
        out, v = one_remap(path, how, us, rounds, calls, trace)
        saw = [line.split() for line in out.decode().splitlines()]
        expect(len(saw) == rounds, f"{len(saw)} rounds")
        inside = sum(a != b for a, b in saw)
        changed += inside
        verdicts[v.verdict] += 1
        expect(not inside or v.verdict != "clean", f"clean, and {inside} times the bytes changed while they were mapped: {v.brief()}")
        expect(not inside or v.of(path) or v.gaps, f"nothing is told of {inside} changes")
        if v.verdict in ("clean", "resnapshotted"):
            again = subprocess.run([BPREC, "replay", trace], capture_output=True, timeout=e2e.LIMIT * 2)
            expect(again.returncode == 0 and again.stdout == out, f"{v.verdict}, but the replay saw something else: "
                   f"{again.returncode} {again.stderr[-500:]}")
            replayed += 1
    return f"{RECORDINGS} x {rounds} mappings, {changed} changed while mapped, {dict(verdicts)}, {replayed} replayed"


def remap(r):
    for kind, place in (("tmpfs", mounts.tmpfs("64M")), ("ext4", mounts.ext4())):
        for how in ("pwrite", "store"):
            for us, rounds, calls in ((0, 200, 0), (300, 200, 3), (20000, 30, 1)):
                case(r, f"mapped and unmapped {rounds} times against {how}, every {us} us, {calls} calls between, {kind}", remaps,
                     place, how, us, rounds, calls)


def observed_twice(place, how):
    """Two recordings look at one outsider. Neither is told less than it says."""
    path = os.path.join(place.real, "twice-" + how)
    place.create("twice-" + how, b"\xff" * PAGE * OBSERVED)
    both = [Insider(options=("--compare-budget=100",)) for _ in range(2)]
    for insider in both:
        insider.map(path)
        insider.blocked()
    with subprocess.Popen([prog("burst"), path, str(OBSERVED), str(OBSERVED), "1", how], stdout=subprocess.PIPE) as p:
        p.communicate(timeout=e2e.LIMIT * 2)
        expect(p.returncode == 0, f"burst returned {p.returncode}")
    found = [insider.finish() for insider in both]
    for v in found:
        if how == "pwrite":
            expect_verdict(v, "resnapshotted")
            expect(sum(c["count"] for c in v.of(path)) == OBSERVED, f"not all told: {v.brief()}")
        else:
            expect_verdict(v, "divergent")
            expect(sum(c["pages_changed"] for c in v.of(path)) == OBSERVED, f"not all told: {v.brief()}")
        expect({(c["by"] or {}).get("pid") for c in v.of(path)} == {p.pid}, f"another is named: {v.brief()}")
    return ", ".join(f"{v.verdict} with {lost(v)} lost" for v in found)


def observers(r):
    place = mounts.tmpfs("64M")
    for how in ("pwrite", "store"):
        case(r, f"two recordings of one outsider, {how}", observed_twice, place, how)
