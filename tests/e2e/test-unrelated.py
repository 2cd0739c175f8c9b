#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# serial
"""What a recording under way costs others, as runs of its programs in the kernel: an unrelated call none, a write to a file that is not watched two."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
import mounts  # noqa: E402
from e2e import Insider, Report, expect, need_root, prog  # noqa: E402

CALLS = 100000
TIERS = {1: {"tracepoint/syscalls/sys_enter_pwrite64", "tracepoint/syscalls/sys_exit_pwrite64"},
         2: {"fexit/generic_write_checks", "fexit/vfs_write"}}


def runs(recorder, *words):
    """Programs that the recorder has, and how often they ran in all calls together."""
    run = subprocess.run([prog("bpf-runs"), str(recorder), *map(str, words)], capture_output=True, text=True, timeout=e2e.LIMIT)
    lines = run.stdout.splitlines()
    expect(run.returncode == 0 and len(lines) >= 2, f"bpf-runs: {run.returncode}: {run.stdout}{run.stderr}")
    print("#", *words[:2], "; ".join(lines))
    return int(lines[0].split()[1]), int(lines[1].split()[3]), lines[2:]


def recording(place):
    """An insider that maps one of the files of a place, and waits."""
    place.create("watched", bytes(e2e.PAGE))
    place.create("unwatched", bytes(e2e.PAGE))
    insider = Insider()
    insider.map(os.path.join(place.inside, "watched"))
    insider.blocked()
    return insider


def tier_of(verdict):
    """The tier that shows writes."""
    attached = {h["name"] for h in verdict.doc["observation"]["hooks"] if h["state"] == "attached"}
    found = [tier for tier, hooks in TIERS.items() if hooks <= attached]
    expect(len(found) == 1, f"hooks of tiers {found}: {sorted(attached)}")
    return found[0]


def unrelated(place):
    insider = recording(place)
    programs, n, which = runs(insider.proc.pid, "getppid", CALLS, 0)
    tier = tier_of(insider.finish())
    expect(programs > 20, f"the recorder has {programs} programs")
    expect(n == 0, f"tier {tier}: {CALLS} calls of getppid ran {n} programs; {which}")


def unwatched(place):
    """Two programs for each write, no more: this also shows that runs are counted."""
    insider = recording(place)
    _, n, which = runs(insider.proc.pid, "pwrite", CALLS // 10, 2, os.path.join(place.outside, "unwatched"))
    verdict = insider.finish()
    tier = tier_of(verdict)
    expect(n == 2 * (CALLS // 10), f"tier {tier}: {CALLS // 10} writes ran {n} programs; {which}")
    expect(verdict.verdict == "clean", verdict.brief())


def main():
    need_root()
    r = Report()
    for fs, place in (("tmpfs", mounts.tmpfs()), ("ext4", mounts.ext4())):
        if fs == "tmpfs":
            r.case("100,000 unrelated calls run no program", unrelated, place)
        r.case(f"a write to a file that is not watched runs two programs, {fs}", unwatched, place)
    r.exit()


main()
