#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 200
"""A trace whose memory, signals, mappings or order of threads were tampered with, all checksums right: replay names the first
event at which that can be felt."""
import os
import re
import shutil
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "tools")]
from e2e import BPREC, Failed, Report, die_with_parent, need_root, prog, tempdir  # noqa: E402
from replay import DONE, record  # noqa: E402
from tamper import EVENT, events, write  # noqa: E402

SYSCALL, SIGNAL, PAGES, MAP, MEM, MEMHASH = 6, 9, 12, 13, 17, 32
WRITTEN_BY_INSIDER, SCHED_YIELD = 4, 24
BODY = EVENT.size


def kind(ev):
    return EVENT.unpack_from(ev)[1]


def tid(ev):
    return EVENT.unpack_from(ev)[3]


def word(ev, at):
    """A 32-bit number of the body."""
    return struct.unpack_from("<I", ev, BODY + at)[0]


def replay(folder):
    return subprocess.run([BPREC, "replay", "-q", folder], stdin=subprocess.DEVNULL, capture_output=True, timeout=100,
                          preexec_fn=die_with_parent)


def tampered(argv, change):
    """Records, changes the events, replays. `change` returns the numbers of the first and last event at which it may be felt."""
    top = tempdir()
    record([prog(argv[0]), *argv[1:]], top + "/trace", options=("--checksum=all",))
    head, evs = events(top + "/trace")
    shutil.copytree(top + "/trace", top + "/same")
    write(top + "/same", head, evs)
    run = replay(top + "/same")
    if not DONE.search(run.stderr.replace(b"; the trace ends here: its recording was cut short", b"")):
        raise Failed(f"the same events in other frames: {run.stderr!r}")
    low, high = change(evs)
    write(top + "/trace", head, evs)
    run = replay(top + "/trace")
    first = run.stderr.split(b"\n")[0].decode()
    m = re.match(r"bprec: event (\d+) ", first)
    if run.returncode != 125 or not m or not low <= int(m.group(1)) <= high:
        raise Failed(f"expected event {low} to {high}: {run.returncode} {first}")


def next_hash(evs, i):
    """The first event after i that has hashes of memory."""
    return next(k for k in range(i, len(evs)) if kind(evs[k]) == MEMHASH)


def page_of_object():
    """A page that an insider's call wrote is another one: the next hash of memory tells."""
    def change(evs):
        at = [i for i, e in enumerate(evs) if kind(e) == PAGES and word(e, 4) == WRITTEN_BY_INSIDER]
        one, other = at[10], at[20]
        evs[one][BODY + 48:BODY + 56] = evs[other][BODY + 48:BODY + 56]
        return one, next_hash(evs, one)

    tampered(["sharers", "own-write"], change)


def page_of_image(which):
    """A page of a new image (data of the dynamic linker, or the stack) is that of another place."""
    def change(evs):
        at = [i for i, e in enumerate(evs) if kind(e) == MEM]
        one, other = at[which], at[0]
        evs[one][BODY + 24:BODY + 32] = evs[other][BODY + 24:BODY + 32]
        return one, next_hash(evs, one)

    tampered(["control", "hello"], change)


def signal(program, scenario, count):
    """A signal is left out: the thread doesn't enter the handler, or runs into a fault that isn't in the trace."""
    def change(evs):
        i = [k for k, e in enumerate(evs) if kind(e) == SIGNAL][count]
        del evs[i]
        return i, i + 2

    tampered([program, scenario], change)


def mapping():
    """A mapping is left out: the first store there faults."""
    def change(evs):
        i = [k for k, e in enumerate(evs) if kind(e) == MAP][-1]
        del evs[i]
        return i, next_hash(evs, next_hash(evs, i) + 1)

    tampered(["mappings", "generated"], change)


def order():
    """Two threads that change the same word change places: each from its event before to its call."""
    def change(evs):
        calls = [i for i, e in enumerate(evs) if kind(e) == SYSCALL and word(e, 0) == SCHED_YIELD]
        a, b = next((a, b) for a, b in zip(calls, calls[1:])
                    if tid(evs[a]) != tid(evs[b]) and b == a + 2 and tid(evs[b]) not in (tid(e) for e in evs[a - 2:a]))
        evs[a:b + 2] = evs[b:b + 2] + evs[a:b]
        return a, b + 2

    tampered(["control", "clone-vm"], change)


need_root()
r = Report()
r.case("a page of a file", page_of_object)
r.case("a page of the dynamic linker", page_of_image, 1)
r.case("a page of the stack", page_of_image, 2)
r.case("a signal that was sent", signal, "control", "nested", 3)
r.case("a signal that an instruction raised", signal, "mappings", "protection", 4)
r.case("a mapping", mapping)
r.case("the order of two threads", order)
r.exit()
