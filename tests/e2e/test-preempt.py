#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 900
"""Programs that are interrupted where they make no calls replay exactly: each prints something that depends on where it was.
PREEMPT_ROUNDS=20 replays each recording that often, PREEMPT_RACES=100 makes so many recordings of threads that race."""
import os
import re
import shutil
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
RACES = int(os.environ.get("PREEMPT_RACES", "5"))
STATS = re.compile(rb"(\d+) stops, (\d+) preemption points \((\d+) compared in line\)")
SIGNAL, REGS, PREEMPT = 9, 10, 2  # types of events, kind of the second
RIP, FLAGS, RSP, REGS_BEFORE = 16, 18, 19, 24 + 128  # indices of registers; where a signal has them in its body
LOADED_AT = 0x555555554000  # no random addresses while recording

# program and arguments, least number of points; each prints where it was interrupted
MODES = [
    (["points", "register", "300"], 200),
    (["points", "memory"], 1),
    (["points", "frame"], 1),
    (["points", "nested"], 1),
    (["points", "nested-frame"], 1),
    (["points", "stosb"], 1),
    (["points", "khz"], 200),
    (["points", "compute"], 1),
    (["points", "spin", "5"], 1),
    (["points", "race", "2"], 1),
    (["codes", "jit", "10"], 1),
    (["codes", "shared", "10"], 1),
    (["codes", "vector", "10"], 1),
    (["codes", "wide", "10"], 1),
    (["codes", "dense", "10"], 1),
    (["codes", "calls", "10"], 1),
    (["codes", "modify", "10"], 1),
    (["codes", "pushf", "10"], 1),
    (["points", "race-signals"], 1),
    (["points", "stopped"], 4),
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
    last = [i for i, e in enumerate(evs) if EVENT.unpack_from(e)[1] == REGS and struct.unpack_from("<I", e, 32)[0] == PREEMPT][-1]
    evs[last][32 + 8 + RSP * 8] ^= 0x40
    write(folder, head, evs)
    run = replay(folder)
    if run.returncode != 125 or not re.match(rf"bprec: event {last} .*: the preemption point at 0x[0-9a-f]+ was not met in ",
                                             run.stderr.decode()):
        raise Failed(f"{run.returncode} {run.stderr.decode()[:400]}")


def after_inc(path, rip):
    """Does the address follow the loop's `inc`? Then its flags are those of the counter."""
    with open(path, "rb") as f:
        f.seek(rip - LOADED_AT - 3)
        return f.read(2) == b"\x48\xff"


def flags_of(flags, counter):
    """What `inc` makes of the flags (PF, AF), where neither sign nor overflow changes."""
    even = bin(counter & 0xff).count("1") % 2 == 0
    return flags & ~0x14 | (4 if even else 0) | (0x10 if counter & 15 == 0 else 0)


def twice_at_one_place(evs):
    """(event, event, register): the program stopped twice in a row at one address, with one register different; else None."""
    at = [i for i, e in enumerate(evs) if EVENT.unpack_from(e)[1] == REGS]  # after a handler, at the next point, ...
    for before, point in zip(at, at[1:]):
        old, new = (struct.unpack_from("<27Q", evs[i], 40) for i in (before, point))
        counters = [i for i in range(15) if old[i] != new[i]]
        if EVENT.unpack_from(evs[point + 1])[1] == SIGNAL and old[RIP] == new[RIP] and len(counters) == 1:
            return before, point, counters[0]
    return None


def every_arrival():
    """The loop comes by one to six times before the point: by breakpoint, then by comparison in line, and none is missed."""
    top = tempdir()
    for attempt in range(50):  # where the timer comes is chance: in every third recording, always elsewhere
        folder = f"{top}/recorded-{attempt}"
        record([prog("points"), "register", "9"], folder)
        head, evs = events(folder)
        if found := twice_at_one_place(evs):
            break
    else:
        raise Failed("no two places at one address in 50 recordings")
    before, point, counter = found
    old, new = (struct.unpack_from("<27Q", evs[i], 40) for i in (before, point))
    for rounds in range(1, 7):
        count = old[counter] + rounds
        flags = flags_of(new[FLAGS], count) if after_inc(prog("points"), new[RIP]) else new[FLAGS]
        for event, offset in ((point, 40), (point + 1, 32 + REGS_BEFORE)):
            struct.pack_into("<Q", evs[event], offset + 8 * counter, count)
            struct.pack_into("<Q", evs[event], offset + 8 * FLAGS, flags)
        shutil.copytree(folder, f"{top}/{rounds}")
        write(f"{top}/{rounds}", head, evs)
        run = replay(f"{top}/{rounds}")
        if b"no difference" not in run.stderr:
            raise Failed(f"{rounds} rounds: {run.stderr.decode()[:400]}")


def races():
    """Eight threads print who came when: each recording replays its own output, and they are not all the same."""
    seen = set()
    for _ in range(RACES):
        folder = tempdir() + "/trace"
        out, _, status = record([prog("racy")], folder)
        run = replay(folder)
        if not DONE.search(run.stderr) or (run.stdout, run.returncode) != (out, status):
            raise Failed(f"{out!r}, replayed {run.stdout!r}: {run.stderr.decode(errors='replace')[-400:]}")
        seen.add(out)
    print(f"# {RACES} recordings, {len(seen)} different outputs", flush=True)
    if len(seen) < 2:
        raise Failed("each recording puts out the same: this test could not fail")


r = Report()
for args, least in MODES:
    r.case(" ".join(args), exact, [prog(args[0])] + args[1:], least)
r.case("a point that is never met", never_met)
r.case("every arrival", every_arrival)
r.case("eight threads", races)
r.exit()
