#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 900
"""Programs that are interrupted where they make no calls replay exactly: each prints something that depends on where it was.
PREEMPT_ROUNDS=20 replays each recording that often."""
import os
import re
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "tools")]
from e2e import BPREC, Failed, Report, die_with_parent, prog, tempdir  # noqa: E402
from replay import DONE, own_lines, record  # noqa: E402
from tamper import EVENT, events, write  # noqa: E402

ROUNDS = int(os.environ.get("PREEMPT_ROUNDS", "3"))
STATS = re.compile(rb"(\d+) stops, (\d+) preemption points \((\d+) compared in line\)")
SIGNAL, REGS, SIGNAL_REGS = 9, 10, 24 + 128  # types of events; where regs_before is in the body of a signal

# arguments of points, least number of points; each prints where it was interrupted
MODES = [
    (["register"], 1),
    (["memory"], 1),
    (["frame"], 1),
    (["khz"], 1),
    (["compute"], 1),
    (["spin", "5"], 1),
    (["race", "2"], 0),
]


def replay(folder, limit=300):
    return subprocess.run([BPREC, "replay", "--stats", folder], stdin=subprocess.DEVNULL, capture_output=True, timeout=limit,
                          preexec_fn=die_with_parent)


def exact(argv, least):
    """Records once, replays ROUNDS times."""
    folder = tempdir() + "/trace"
    start = time.monotonic()
    out, err, status = record(argv, folder)
    recorded, worst = time.monotonic() - start, 0.0
    for _ in range(ROUNDS):
        start = time.monotonic()
        run = replay(folder)
        worst = max(worst, time.monotonic() - start)
        if not DONE.search(run.stderr):
            raise Failed(f"replay of {argv}: {run.stderr.decode(errors='replace')[-800:]}")
        if (run.stdout, own_lines(run.stderr), run.returncode) != (out, own_lines(err), status):
            raise Failed(f"replay of {argv}: {run.stdout!r}, recorded {out!r}; status {run.returncode}, recorded {status}")
    stops, points, matched = map(int, STATS.search(run.stderr).groups())
    print(f"# {' '.join(argv[1:])}: {points} points, {matched} in line, {stops} stops; recorded in {recorded:.2f} s, "
          f"replayed in {worst:.2f} s at most", flush=True)
    if points < least:
        raise Failed(f"{points} preemption points, at least {least} wanted")
    if worst > 20 * recorded + 20:
        raise Failed(f"replay took {worst:.1f} s, the recording {recorded:.1f} s")


def never_met():
    """A register of the last point is another one: the loop, which nothing ends now, isn't run for ever."""
    folder = tempdir() + "/trace"
    record([prog("points"), "register", "2"], folder)
    head, evs = events(folder)
    last = [i for i, e in enumerate(evs) if EVENT.unpack_from(e)[1] == REGS and struct.unpack_from("<I", e, 32)[0] == 2]
    if last:
        evs[last[-1]][32 + 8 + 19 * 8] ^= 0x40  # rsp
    else:
        last = [i for i, e in enumerate(evs) if EVENT.unpack_from(e)[1] == SIGNAL and struct.unpack_from("<I", e, 36)[0] == 3]
        evs[last[-1]][32 + SIGNAL_REGS + 19 * 8] ^= 0x40
    write(folder, head, evs)
    run = replay(folder)
    want = rf"bprec: event {last[-1]} .*: the preemption point at 0x[0-9a-f]+ was not met in "
    if run.returncode != 125 or not re.match(want, run.stderr.decode()):
        raise Failed(f"{run.returncode} {run.stderr.decode()[:400]}")


r = Report()
for args, least in MODES:
    r.case(" ".join(args), exact, [prog("points")] + args, least)
r.case("a point that is never met", never_met)
r.exit()
