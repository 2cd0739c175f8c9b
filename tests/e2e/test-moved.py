#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 200
"""Size and times of files: a change of which no hook tells (one is switched off here) is found by looking once more, and what didn't
change isn't."""
import functools
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
import mounts  # noqa: E402
import tracefile  # noqa: E402
from e2e import PAGE, Insider, expect, expect_verdict  # noqa: E402

PAGES = 6
HOOKS = ("tracepoint/syscalls/sys_enter_truncate", "fentry/notify_change")


@functools.cache
def options():
    """Nothing shows truncate(path), in either tier."""
    out = subprocess.run([e2e.BPREC, "probe", "--json"], capture_output=True, text=True, check=False).stdout
    choke = any(f["name"] == "fentry" and f["answer"] == "yes" for f in json.loads(out)["features"])
    return [f"--disable-hook={HOOKS[choke]}"]


def fresh(place, name):
    """A file of some pages, none of them zero, that changed a while ago."""
    place.create(name, bytes(range(1, 1 + PAGES)) * PAGE)
    path = os.path.join(place.inside, name)
    os.utime(path, (1000, 1000))
    return path


def blank(path, page):
    """Makes all pages from this one on zeros, by the file's name only. Another process does it: no file is open for writing."""
    subprocess.run([sys.executable, "-c", "import os, sys\nfor n in sys.argv[2:]: os.truncate(sys.argv[1], int(n))",
                    path, str(page * PAGE), str(PAGES * PAGE)], check=True)


def looks(trace):
    """Number of looks at contents that the trace tells of."""
    return e2e.dump(trace).count(" compare ")


def found(place, command, kind):
    """What changed while it was mapped is a change of which nothing more is known."""
    path = fresh(place, f"found-{command}-{kind}")
    insider = Insider(options=options(), command=command)
    insider.map(path, kind)
    e2e.wait_saved(insider, path)
    blank(path, 2)
    v = insider.finish()
    expect_verdict(v, "divergent")
    got = [(c["channel"], c["by"], c["offset"], c["length"]) for c in v.of(path)]
    expect(got == [("unknown", None, 2 * PAGE, (PAGES - 2) * PAGE)], f"changes: {v.brief()}")


def mapped_again(place, command):
    """The same, found when it is mapped once more; and the new mapping's contents are those of the file."""
    path = fresh(place, f"again-{command}")
    insider = Insider(options=options(), command=command)
    insider.map(path, "shared", 0, 3 * PAGE)
    e2e.wait_saved(insider, path)
    blank(path, 2)
    insider.map(path, "shared", 0, PAGES * PAGE)
    v = insider.finish()
    expect_verdict(v, "divergent")
    got = [(c["channel"], c["offset"], c["length"]) for c in v.of(path)]
    expect(got == [("unknown", 2 * PAGE, PAGE)], f"changes: {v.brief()}")
    expect_contents(insider.trace, path)


def expect_contents(trace, path):
    """At its end the trace holds what the file holds."""
    t = tracefile.Trace(trace)
    with open(path, "rb") as f:
        data = f.read()
    number = next(n for n, o in t.objects.items() if o["inode"] == os.stat(path).st_ino)
    for n in range(PAGES):
        held = t.page_at_end(number, n)
        expect(held == data[n * PAGE:(n + 1) * PAGE], f"page {n} in the trace is {tracefile.describe(held)}")


def not_mapped(place, command):
    """What changed while nobody mapped it is no outside change, and isn't taken for known when it is mapped again."""
    path = fresh(place, f"unmapped-{command}")
    insider = Insider(options=options(), command=command)
    m, address = (int(x) for x in insider.ask(f"map {path} shared 0 0 touch").split()[1:])
    e2e.wait_saved(insider, path)
    insider.ask(f"unmap {m}")
    insider.blocked()
    e2e.wait_until("that is known", lambda: re.search(rf" unmap +addr={address:#x} ", e2e.dump(insider.trace)))
    blank(path, 2)
    insider.map(path, "shared")
    v = insider.finish()
    expect(not v.of(path), f"changes: {v.brief()}")
    expect_contents(insider.trace, path)


def touched(place, command):
    """Times that move without a change of contents cost a look, no more; and without that there is none."""
    path, other = fresh(place, f"touched-{command}"), fresh(place, f"left-{command}")
    for name, least in ((other, 0), (path, 1)):
        insider = Insider(command=command)
        insider.map(name, "shared")
        e2e.wait_saved(insider, name)
        os.utime(path)
        v = insider.finish()
        expect_verdict(v, "clean")
        n = looks(insider.trace)
        expect(n >= 1 if least else n == 0, f"{n} looks at {name}")


def main():
    e2e.need_root()
    r = e2e.Report()
    for fs, place in {"ext4": mounts.ext4(), "tmpfs": mounts.tmpfs()}.items():
        for command in ("record", "watch"):
            for kind in ("shared", "private"):
                r.case(f"cut by its name, {kind}, {fs}, {command}", found, place, command, kind)
            r.case(f"cut by its name and mapped again, {fs}, {command}", mapped_again, place, command)
            r.case(f"cut by its name while nobody maps it, {fs}, {command}", not_mapped, place, command)
            if fs == "ext4":
                r.case(f"touched, {fs}, {command}", touched, place, command)
    r.exit()


main()
