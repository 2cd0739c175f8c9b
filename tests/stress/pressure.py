# SPDX-License-Identifier: MIT
"""A recorder that gets too little memory: it fails closed, with one line."""
import collections
import os
import resource
import subprocess

import e2e
import mounts
from crowds import case
from e2e import BPREC, PAGE, expect, prog

MIB = 1 << 20
LIMITS = [8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96, 128, 160, 192, 224, 256, 320, 384, 512]


def limited(mib):
    """For preexec_fn."""
    def limit():
        e2e.die_with_parent()
        resource.setrlimit(resource.RLIMIT_AS, (mib * MIB, mib * MIB))
    return limit


def judge(trace, status, said, changed):
    """What came of a recording in which an outsider changed what was mapped."""
    expect(status in (0, 9, 125, 126, 127), f"record returned {status}: {said[-500:]}")
    if status == 127 and "error while loading shared libraries" in said:
        return "not loaded"
    done = subprocess.run([BPREC, "check", "--json", trace], capture_output=True, text=True, timeout=e2e.LIMIT)
    expect(done.returncode in (0, 1, 2), f"check returned {done.returncode}: {done.stderr[-500:]}")
    if done.returncode == 2:
        expect(status == 125, f"record returned {status}, and check can't read the trace: {done.stderr[-500:]}")
        return "no trace"
    v = e2e.check(trace, expect_complete=False)
    expect(not changed or v.verdict != "clean", f"clean, and pages were changed: {v.brief()}")
    expect(status != 125 or v.verdict not in ("clean", "resnapshotted"), f"bprec failed, and says {v.verdict}")
    return v.verdict


def address_space(place):
    """RLIMIT_AS, from far too little to enough: an insider maps a file of 16 MiB, an outsider writes all of it."""
    path, found = os.path.join(place.real, "as"), collections.Counter()
    for mib in LIMITS:
        place.create("as", b"\xff" * 16 * MIB)
        trace = os.path.join(e2e.tempdir(), "trace")
        p = subprocess.Popen([BPREC, "record", "-o", trace, "--", prog("insider")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, preexec_fn=limited(mib))
        changed = False
        try:
            if p.stdout.readline().startswith(b"ready"):
                p.stdin.write(f"map {path} shared 0 0 touch\n".encode())
                p.stdin.flush()
                mapped = p.stdout.readline().startswith(b"map ")
                subprocess.run([prog("burst"), path, "4096", "4096", "7", "pwrite"], check=True, stdout=subprocess.DEVNULL,
                               timeout=e2e.LIMIT)
                changed = mapped
            _, err = p.communicate(timeout=e2e.LIMIT)
        except BrokenPipeError:
            _, err = p.communicate(timeout=e2e.LIMIT)
        finally:
            p.kill()
        said = err.decode(errors="replace")
        if p.returncode == 125:
            expect("bprec: " in said, f"{mib} MiB: it failed without a word: {said!r}")
        found[f"{p.returncode}: {judge(trace, p.returncode, f'{mib} MiB: {said}', changed)}"] += 1
    expect(any(k.startswith("0:") for k in found), f"none had enough: {found}")
    expect(any(not k.startswith("0:") for k in found), f"all had enough: {found}")
    return dict(found)


def memory(r):
    case(r, f"address space limited to {LIMITS[0]} to {LIMITS[-1]} MiB", address_space, mounts.tmpfs("64M"))
