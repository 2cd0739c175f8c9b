#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""Share groups are replayed at the same time, in the recorded order of all they put out; and one of them alone."""
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "tools")]
from e2e import BPREC, Failed, Report, die_with_parent, prog, tempdir  # noqa: E402
from replay import DONE, jail, record, replay  # noqa: E402
from tamper import EVENT, REG_HASH, SYSCALL, events, write  # noqa: E402

AHEAD = re.compile(rb"ran ahead (\d+) times")
PLAYED = re.compile(rb"replayed (\d+) events in (\d+) processes")


def again(trace, out, status, *options):
    """A replay that puts out `out`; its stderr."""
    run = replay(jail(trace), "--stats", *options)
    if run.returncode != status or run.stdout != out or not DONE.search(run.stderr):
        raise Failed(f"{options}: {run.returncode} (recorded {status}), {run.stdout!r} instead of {out!r}: {run.stderr!r}")
    return run.stderr


def pids(out):
    """Process ids in the order of their first line."""
    return list(dict.fromkeys(int(line.split()[0]) for line in out.splitlines()))


def burn(top):
    out, _, status = record([prog("groups"), "burn", "20000000", "4"], top + "/trace")
    if status != 7 or len(pids(out)) != 3:
        raise Failed(f"{status} {out!r}")
    return out


def at_the_same_time():
    top = tempdir()
    out = burn(top)
    err = again(top + "/trace", out, 7)
    if int(AHEAD.search(err).group(1)) < 2:
        raise Failed(f"nobody ran beside another: {err!r}")


def one_group():
    """Processes that share memory run one after the other."""
    top = tempdir()
    out, _, status = record([prog("groups"), "shared", "20"], top + "/trace")
    # the other one may go on between a step and its line
    if sorted(int(line.split()[2], 16) for line in out.splitlines()[:-1]) != list(range(40)):
        raise Failed(f"recorded {out!r}")
    err = again(top + "/trace", out, status)
    if int(AHEAD.search(err).group(1)):
        raise Failed(f"ran ahead within a group: {err!r}")


def outside_change():
    """A page that two groups map is changed from outside between their steps: each sees what it saw."""
    top = tempdir()
    with open(top + "/file", "wb") as f:
        f.write(b"A" * 4096)
    with subprocess.Popen([BPREC, "record", "-q", "-o", top + "/trace", "--", prog("groups"), "watch", top + "/file", "3000000"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent) as p:
        out = b""
        for i in range(8):
            with open(top + "/file", "r+b", buffering=0) as f:
                f.write(bytes([ord("A") + i]) * 4096)
            p.stdin.write(b"xy")
            p.stdin.flush()
            out += p.stdout.readline() + p.stdout.readline()
        p.stdin.close()
        out += p.stdout.read()
    seen = {line.split()[1] for line in out.splitlines()}
    if len(seen) < 8:
        raise Failed(f"recorded {out!r}")
    for _ in range(3):
        again(top + "/trace", out, p.returncode)


def first_difference():
    """Of two groups that both leave the trace, the one that comes first in the trace is told."""
    top = tempdir()
    burn(top)
    head, evs = events(top + "/trace")
    last = {}
    for i, e in enumerate(evs):
        _, kind, _, tid, _, _, reg_hash = EVENT.unpack_from(e)
        if kind == SYSCALL and reg_hash:
            last[tid] = i
    children = sorted(last.values())[:2]
    for i in children:
        evs[i][REG_HASH] ^= 1
    write(top + "/trace", head, evs)
    for _ in range(3):
        run = subprocess.run([BPREC, "replay", "-q", top + "/trace"], capture_output=True, preexec_fn=die_with_parent)
        if run.returncode != 125 or not run.stderr.startswith(b"bprec: event %d " % children[0]):
            raise Failed(f"expected a difference at event {children[0]}: {run.stderr!r}")


def one_process():
    """Each process alone puts out its own lines and no others; those it comes from run up to the fork."""
    top = tempdir()
    out = burn(top)
    everything = int(PLAYED.search(again(top + "/trace", out, 7)).group(1))
    statuses = []
    for pid in pids(out):
        own = b"".join(line for line in out.splitlines(True) if line.startswith(b"%d " % pid))
        run = replay(jail(top + "/trace"), "--trace", "--process", str(pid))
        if run.stdout != own or not DONE.search(run.stderr):
            raise Failed(f"--process {pid}: {run.stdout!r} instead of {own!r}: {run.stderr[-300:]!r}")
        if int(PLAYED.search(run.stderr).group(1)) >= everything:
            raise Failed(f"--process {pid} ran all: {run.stderr[-300:]!r}")
        statuses.append(run.returncode)
    if sorted(statuses[:2]) != [3, 4] or statuses[2] != 7:
        raise Failed(f"statuses {statuses}")


def after_exec():
    """A grandchild that has a new image; its parents' output isn't put out."""
    top = tempdir()
    script = 'echo $$ outer; (sh -c "echo \\$\\$ inner; exit 5"; echo behind >&2); echo $$ last; exit 6'
    out, _, status = record(["bash", "-c", script], top + "/trace")
    lines = out.splitlines(True)
    again(top + "/trace", lines[1], 5, "--process", lines[1].split()[0].decode())
    again(top + "/trace", lines[0] + lines[2], status, "--process", lines[0].split()[0].decode())


def unknown_process():
    top = tempdir()
    burn(top)
    for wrong, text in (("4194304", b"no process 4194304 in this trace"), ("0", b"--process wants a process id"),
                        ("1x", b"--process wants a process id"), ("-5", b"--process wants a process id")):
        run = subprocess.run([BPREC, "replay", f"--process={wrong}", top + "/trace"], capture_output=True)
        if run.returncode != 125 or text not in run.stderr.split(b"\n")[0] or run.stdout:
            raise Failed(f"--process={wrong}: {run.returncode} {run.stderr!r}")


def stops_in_time():
    """Nobody runs towards an event beyond the one that --until names: output and counts are those of that event."""
    top = tempdir()
    out = burn(top)
    where = jail(top + "/trace")
    _, evs = events(top + "/trace")
    shown, stops = 0, 0
    for i, e in enumerate(evs):
        if EVENT.unpack_from(e)[1] == SYSCALL and int.from_bytes(e[32:36], "little") == 1:
            shown += int.from_bytes(e[32 + 56:32 + 64], "little")
            run = replay(where, "--until", str(i))
            if run.stdout != out[:shown] or b"replayed %d events" % (i + 1) not in run.stderr:
                raise Failed(f"--until {i}: {run.stdout!r} instead of {out[:shown]!r}: {run.stderr!r}")
            stops += 1
    if stops < 8:
        raise Failed(f"only {stops} writes")
    shutil.rmtree(where)


r = Report()
r.case("two groups at the same time", at_the_same_time)
r.case("one group in turn", one_group)
r.case("an outside change between groups", outside_change)
r.case("the first difference in the trace is told", first_difference)
r.case("--process: each alone", one_process)
r.case("--process: after an exec", after_exec)
r.case("--process: unknown", unknown_process)
r.case("--until with several groups", stops_in_time)
r.exit()
