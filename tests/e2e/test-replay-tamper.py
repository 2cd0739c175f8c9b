#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 200
"""A trace that was tampered with, all checksums right, is caught by replay at the event that was changed."""
import os
import re
import shutil
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "tools")]
from e2e import BPREC, Failed, Report, Skip, die_with_parent, tempdir  # noqa: E402
from replay import DONE, record  # noqa: E402
from tamper import EVENT, REG_HASH, SYSCALL, events, write  # noqa: E402

LOGGED = 32  # SYSCALL_LOGGED
OPENAT, GETPPID = 257, 110

def replay(folder):
    return subprocess.run([BPREC, "replay", "-q", folder], stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                          preexec_fn=die_with_parent)


def calls(evs, nr):
    """Numbers of the events that are calls with this number and bring bytes."""
    return [i for i, e in enumerate(evs) if EVENT.unpack_from(e)[1] == SYSCALL and struct.unpack_from("<I", e, 32)[0] == nr]


def tampered(change):
    """Records `cat` of a short file into the pipe, changes the events, replays. Returns (event changed, first line)."""
    top = tempdir()
    with open(top + "/in", "wb") as f:
        f.write(b"some text\n" * 3)
    record(["sh", "-c", f"while read a b; do [ $b = text ] && echo $a; done <{top}/in"], top + "/trace")
    head, evs = events(top + "/trace")
    shutil.copytree(top + "/trace", top + "/same")
    write(top + "/same", head, evs)
    run = replay(top + "/same")
    if run.returncode != 0 or b"no difference" not in run.stderr:
        raise Failed(f"the same events in other frames: {run.stderr!r}")
    number = change(evs)
    write(top + "/trace", head, evs)
    run = replay(top + "/trace")
    first = run.stderr.split(b"\n")[0].decode()
    if run.returncode != 125 or DONE.search(run.stderr):
        raise Failed(f"not caught: {run.returncode} {run.stderr!r}")
    return number, first


def named(first, low, high):
    m = re.match(r"bprec: event (\d+) ", first)
    if not m or not low <= int(m.group(1)) <= high:
        raise Failed(f"expected event {low} to {high}: {first}")


def buffer_byte():
    """One byte of what a read brought: the program takes another way soon after."""
    def change(evs):
        for i in calls(evs, 0):  # the shell reads one byte at a time
            if evs[i][-8:] == b"x" + bytes(7):
                evs[i][-8] ^= 1
                return i
        raise Failed("no read of the text in the trace")

    number, first = tampered(change)
    named(first, number + 1, number + 12)


def register_hash():
    def change(evs):
        i = calls(evs, 0)[-1]
        evs[i][REG_HASH] ^= 1
        return i

    number, first = tampered(change)
    named(first, number, number)


def is_logged(event):
    return struct.unpack_from("<I", event, 36)[0] & LOGGED


def result(logged):
    """The result of a call: the hash of the registers doesn't fit it. One that was logged has none: the next that stops has."""
    def change(evs):
        found = [i for i in calls(evs, OPENAT if logged else GETPPID) if bool(is_logged(evs[i])) == logged]
        if not found and logged:
            raise Skip("no open of this machine's C library is logged")
        i = found[-1]
        evs[i][32 + 56] ^= 1
        return i

    number, first = tampered(change)
    named(first, number, number + (3 if logged else 0))


def event_removed():
    def change(evs):
        i = calls(evs, 0)[1]
        del evs[i]
        return i

    number, first = tampered(change)
    named(first, number, number + 3)


r = Report()
r.case("the same events in other frames; one byte of a read buffer", buffer_byte)
r.case("one register hash", register_hash)
r.case("the result of a call that stops", result, False)
r.case("the result of a call that was logged", result, True)
r.case("one event removed", event_removed)
r.exit()
