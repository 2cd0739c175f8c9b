#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
"""Crash-safe: bprec is killed (SIGKILL) at 50 system calls spread over its life, printed; afterwards the recorded tree is
gone, the trace can be read to its last frame, and check calls it incomplete. A full disk ends a recording with a clear
message, status 125 and a readable trace."""
import collections
import json
import os
import re
import subprocess
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
import mounts  # noqa: E402
import tracefile  # noqa: E402
from e2e import BPREC, Report, expect, prog, tempdir  # noqa: E402
from transparent import ENV  # noqa: E402

MOMENTS = 50
# Two processes beside the shell, mappings, and enough bytes that do not compress for several frames
SCRIPT = "sleep 1000 & dd if=noise of=copy bs=64k status=none; kill $!; wait; exit 0"
NAMES = {0: "read", 1: "write", 3: "close", 9: "mmap", 17: "pread64", 18: "pwrite64", 20: "writev", 56: "clone", 57: "fork",
         61: "wait4", 74: "fsync", 75: "fdatasync", 77: "ftruncate", 101: "ptrace", 257: "openat", 264: "renameat",
         267: "readlinkat", 296: "pwritev", 310: "process_vm_readv", 316: "renameat2", 321: "bpf", 424: "pidfd_send_signal"}
PHASES = ("start", "mapping", "flush", "manifest", "other")


def setup(folder):
    """The files of SCRIPT."""
    with open(os.path.join(folder, "noise"), "wb") as f:
        f.write(os.urandom(6 << 20))


def run(how, folder, mark):
    """Runs the script recorded, under killat; returns what killat says."""
    trace = os.path.join(folder, "trace-" + mark)
    argv = [prog("killat"), *how, "--", BPREC, "record", "-q", "-o", trace, "--", "bash", "-c", SCRIPT]
    out = subprocess.run(argv, cwd=folder, env={**ENV, "BPREC_CRASH_TEST": mark}, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, timeout=e2e.LIMIT, preexec_fn=e2e.die_with_parent).stdout.decode()
    return trace, out.strip().splitlines()[-1] if out.strip() else ""


def phase(nr, name, started):
    """Which part of a recording a call belongs to; it has started when there was a ptrace call."""
    if name.startswith("manifest"):
        return "manifest"
    if not started:
        return "start"
    if name in ("events", "pages") and nr in (1, 18, 20, 296, 74, 75, 77):
        return "flush"
    if nr in (310, 17) or name == "mem":
        return "mapping"
    return "other"


def choose(log):
    """MOMENTS (phase, number, name, k): as even as possible over the phases, and within a phase over its calls."""
    calls = collections.defaultdict(list)
    counts, started = collections.Counter(), False
    for line in log:
        nr, name = line.rstrip("\n").split(" ", 1)
        counts[nr, name] += 1
        started |= nr == "101"
        calls[phase(int(nr), name, started)].append((int(nr), name, counts[nr, name]))
    present = [p for p in PHASES if calls[p]]
    chosen, left = [], MOMENTS
    for i, p in enumerate(sorted(present, key=lambda p: len(calls[p]))):
        n = min(len(calls[p]), left // (len(present) - i))
        left -= n
        chosen += [(p, *calls[p][j * len(calls[p]) // n]) for j in range(n)]
    return sorted(chosen)


def processes(mark):
    """Pids of all processes that have the mark in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                if f"BPREC_CRASH_TEST={mark}".encode() in f.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            pass
    return found


def check_cut_short(trace):
    """What is left of a trace whose recorder died."""
    done = subprocess.run([BPREC, "check", "--json", trace], capture_output=True, timeout=e2e.LIMIT)
    events = os.path.join(trace, "events")
    if not os.path.exists(events) or os.path.getsize(events) <= 40 or not os.path.exists(os.path.join(trace, "pages")):
        expect(done.returncode in (1, 2), f"check of next to nothing returned {done.returncode}")
        return "no event yet"
    err = done.stderr.decode(errors="replace")
    expect(done.returncode in (0, 1), f"check returned {done.returncode}: {err.strip()}")
    doc = json.loads(done.stdout)
    n = len(tracefile.Trace(trace).events)
    if not doc["complete"]:
        expect(done.returncode == 1, f"check of an incomplete trace returned {done.returncode}")
        expect(doc["verdict"] in ("uncertain", "divergent"), f"verdict {doc['verdict']}")
        return f"{n} events, incomplete"
    expect(os.path.exists(os.path.join(trace, "manifest")), "complete without a manifest")
    return f"{n} events, complete"


def kill_at(folder, where, nr, name, k):
    """One moment."""
    mark = uuid.uuid4().hex
    trace, said = run((str(nr), name, str(k)), folder, mark)
    e2e.wait_until("the recorded tree is gone", lambda: not processes(mark))
    left = check_cut_short(trace)
    print(f"  {said} in phase {where}, at {NAMES.get(nr, nr)} no. {k} on {name}: {left}", flush=True)
    subprocess.run(["rm", "-rf", trace], check=True)
    return said == "killed"


def killed_at_50_moments(r):
    folder = tempdir()
    setup(folder)
    log = os.path.join(folder, "log")
    trace, said = run(("log", log), folder, "log")
    expect(said == "ended 0", f"without a kill: {said}")
    with open(log, errors="replace") as f:
        moments = choose([line.replace(os.path.basename(trace), "TRACE") for line in f])
    expect(len(moments) == MOMENTS, f"only {len(moments)} moments")
    killed = 0
    for i, moment in enumerate(moments):
        got = []
        r.case(f"killed, {i + 1} of {MOMENTS}: {moment[0]}", lambda m=moment, g=got: g.append(kill_at(folder, *m)))
        killed += bool(got and got[0])
    expect(killed >= MOMENTS * 3 // 4, f"only {killed} of {MOMENTS} were killed before they ended")


def full_disk(size):
    """The trace on a tmpfs of this size, too small for it."""
    folder = tempdir()
    setup(folder)
    small = mounts.tmpfs(size).real
    trace = os.path.join(small, "trace")
    mark = uuid.uuid4().hex
    done = subprocess.run([BPREC, "record", "-o", trace, "--", "bash", "-c", SCRIPT], cwd=folder, timeout=e2e.LIMIT,
                          env={**ENV, "BPREC_CRASH_TEST": mark}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    err = done.stderr.decode(errors="replace")
    expect(done.returncode == 125, f"bprec record returned {done.returncode}: {err[-300:]}")
    expect(re.search(r"^bprec: .*([Nn]o space|full)", err, re.M), f"stderr does not say that the disk is full: {err[-300:]}")
    e2e.wait_until("the recorded tree is gone", lambda: not processes(mark))
    print(f"  {size}: {err.strip().splitlines()[-1]}; {check_cut_short(trace) if os.path.isdir(trace) else 'no trace'}")


def main():
    e2e.need_root()
    r = Report()
    r.case(f"SIGKILL at {MOMENTS} moments", killed_at_50_moments, r)
    for size in ("16k", "64k", "200k", "1m", "2500k", "5m"):
        r.case(f"a full disk of {size}", full_disk, size)
    r.exit()


main()
