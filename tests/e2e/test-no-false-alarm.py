#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
# serial: truncate(2) by name of another test may be taken for one of a file here, which grows at that moment (docs/VERDICTS.md)
"""No false alarm: what is no outside change of mapped memory leaves the verdict clean, and no change is listed."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mounts  # noqa: E402
from e2e import (BPREC, PAGE, Insider, Outsider, Report, check, expect, expect_verdict, need_root, prog,  # noqa: E402
                 tempdir)

SIZE = 4 * PAGE + 1000
OPS = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "write-dup", "write-scm", "write-inherited", "append", "fallocate",
       "store", "store-kernel", "store-after-read", "store-populate", "store-mprotect", "store-fork", "ftruncate", "truncate",
       "open-trunc")


def fresh(place, name):
    """A file of five pages."""
    place.create(name, bytes(i & 0xFF for i in range(SIZE)))
    return os.path.join(place.inside, name)


def clean(insider):
    """The recording ends, clean and without changes."""
    v = insider.finish()
    expect_verdict(v, "clean")
    expect(not v.changes, f"changes are listed: {v.brief()}")


def by_insider(place, how):
    """Every channel, by the program itself ("op") or its child ("childop"), each on a file that it maps."""
    insider = Insider()
    for op in OPS:
        path = fresh(place, f"{how}-{op}")
        for kind in ("shared", "private"):
            insider.map(path, kind)
        insider.ask(f"{how} {op} {path} {PAGE + 10} 100 65")
    clean(insider)


def own_store(place):
    path = fresh(place, "own")
    insider = Insider()
    m, n = insider.map(path, "sharedrw"), insider.map(path, "privaterw")
    for i in range(4):
        insider.ask(f"store {m} {i * PAGE + 5} 66")
        insider.ask(f"store {n} {i * PAGE + 6} 67")
    insider.ask(f"unmap {m}")
    clean(insider)


def stores_before(place, command):
    """The insider's mapping could be written, and can no more when it goes; another that reads stays."""
    path, other = fresh(place, f"before-{command}"), fresh(place, f"later-{command}")
    insider = Insider(command=command)
    for name in (path, other):
        m = insider.map(name, "sharedrw")
        insider.map(name, "shared")
        if name == other:
            insider.ask(f"protect {m} r")
            insider.ask(f"protect {m} w")
        insider.ask(f"store {m} {PAGE + 5} 66")
        insider.ask(f"protect {m} r")
        insider.ask(f"unmap {m}")
    clean(insider)


def others_cut(v):
    """Are its changes only truncations by path, by programs that have nothing to do with the file (other tests)? Nothing tells what
    such a call worked on, and a write to the end of a watched file may hide that it was this one (bpf/cut.bpf.c): said, and so it
    must be, but no false alarm of the kind that is looked for here."""
    return bool(v.changes) and all(c["channel"] == "truncate" and not c["certain"] and c["by"]["comm"] != "churn"
                                   for c in v.changes)


def churn(path, command):
    """The verdict on a run of progs/churn."""
    trace = os.path.join(tempdir(), "trace")
    subprocess.run([BPREC, command, "-q", "-o", trace, prog("churn"), path], check=True, timeout=120)
    return check(trace)


def churned(place, command):
    """An insider writes, cuts and grows a file while another maps it, again and again: looks at it find what calls under way have
    done, and zeros between what was the end and what was written behind it."""
    good, runs = 0, 0
    while good < 6:
        v = churn(os.path.join(place.inside, f"churned-{command}-{runs}"), command)
        runs += 1
        if runs < 20 and others_cut(v):
            continue
        expect(not v.changes, v.brief())
        if command == "record":  # the order of its events is known, too
            expect_verdict(v, "clean")
        good += 1


def mapped_meanwhile(place, command, known):
    """An insider maps what another is writing by a call that is under way: it goes on when that is over, so the order is known. Of a
    file that nobody has mapped before, the beginning of the call was told by nothing."""
    path, trace = os.path.join(place.inside, f"meanwhile-{command}"), os.path.join(tempdir(), "trace")
    subprocess.run([BPREC, command, "-q", "-o", trace, prog("midwrite"), path, *known], check=True, timeout=120)
    os.unlink(path)
    expect_verdict(check(trace), "clean")


def nobody_maps(place):
    """All channels on files that nobody maps, beside one that is mapped; and on one that was mapped and is no more."""
    insider, outsider = Insider(), Outsider()
    insider.map(fresh(place, "mapped"))
    was = fresh(place, "was")
    insider.ask(f"unmap {insider.map(was)}")
    insider.blocked()
    for op in OPS:
        outsider.do(op, fresh(place, f"nobody-{op}"), PAGE + 10, 100, 66)
        outsider.do(op, was, 0, 100, 66) if op == "pwrite64" else None
    clean(insider)


def beyond(place):
    """The first two pages are mapped; the outsider changes pages behind them and makes the file longer."""
    path = fresh(place, "beyond")
    insider, outsider = Insider(), Outsider()
    insider.map(path, "shared", 0, 2 * PAGE)
    insider.map(path, "private", 0, 2 * PAGE)
    insider.blocked()
    for op, off, length in (("pwrite64", 2 * PAGE, 50), ("write", 3 * PAGE + 5, 100), ("fallocate", 3 * PAGE, PAGE),
                            ("append", 0, 500), ("truncate", 3 * PAGE, 0), ("pwrite64", 20 * PAGE, 10)):
        outsider.do(op, path, off, length, 67)
    clean(insider)


def rename_over(place):
    path = fresh(place, "renamed")
    insider, outsider = Insider(), Outsider()
    m = insider.map(path)
    before = insider.hash(m, 0)
    insider.blocked()
    outsider.do("rename-over", path, 0, 100, 68)
    expect(insider.hash(m, 0) == before, "the test is wrong: the mapping changed")
    clean(insider)


def reader(place):
    path = fresh(place, "read")
    insider, outsider = Insider(), Outsider()
    insider.map(path)
    insider.blocked()
    outsider.do("read", path, 0, 100)
    with open(path, "rb") as f:
        f.read()
    clean(insider)


def old_reader(place):
    """A reader that had the file open and mapped for reading only, before the recording."""
    import mmap
    path = fresh(place, "oldread")
    with open(path, "rb") as f, mmap.mmap(f.fileno(), SIZE, prot=mmap.PROT_READ) as m:
        expect(m[0] == 0, "not read")
        insider = Insider()
        insider.map(path)
        insider.blocked()
        expect(m[PAGE] == 0, "not read")
        clean(insider)


def copy_up(place):
    """The insider maps a file of the lower layer; the outsider opens it through the overlay for writing, which copies it up:
    another file from then on, and the insider's memory stays as it is."""
    path = fresh(place, "copyup")
    insider, outsider = Insider(), Outsider()
    m = insider.map(path)
    before = insider.hash(m, 0)
    insider.blocked()
    outsider.do("pwrite64", path, 0, 100, 69)
    expect(insider.hash(m, 0) == before, "the test is wrong: the mapping changed")
    clean(insider)


def unlinked(place):
    path = fresh(place, "unlinked")
    insider = Insider()
    insider.map(path)
    insider.blocked()
    os.unlink(path)
    clean(insider)


def metadata(place):
    path = fresh(place, "metadata")
    insider = Insider()
    insider.map(path)
    insider.blocked()
    os.chmod(path, 0o600)
    os.utime(path, (1, 1))
    os.link(path, path + ".link")
    clean(insider)


def main():
    need_root()
    r = Report()
    places = {"tmpfs": mounts.tmpfs(), "ext4": mounts.ext4()}
    for fs, place in places.items():
        r.case(f"every channel by an insider itself, {fs}", by_insider, place, "op")
        r.case(f"every channel by a child of an insider, {fs}", by_insider, place, "childop")
        r.case(f"stores by the insider through its own mappings, {fs}", own_store, place)
        for command in ("record", "watch"):
            r.case(f"stores by a mapping that is read-only later, {fs}, {command}", stores_before, place, command)
            r.case(f"written and mapped at once, {fs}, {command}", churned, place, command)
            r.case(f"mapped while it is written, {fs}, {command}", mapped_meanwhile, place, command, ["known"])
            r.case(f"mapped first while it is written, {fs}, {command}", mapped_meanwhile, place, command, [])
        r.case(f"files that nobody maps, {fs}", nobody_maps, place)
        r.case(f"pages beyond the mapping, {fs}", beyond, place)
        r.case(f"rename over a mapped file, {fs}", rename_over, place)
        r.case(f"a mapped file is unlinked, {fs}", unlinked, place)
        r.case(f"a reader outside, {fs}", reader, place)
        r.case(f"a reader outside that is older than the recording, {fs}", old_reader, place)
        r.case(f"mode, times and links of a mapped file, {fs}", metadata, place)
    r.case("copy-up of a mapped file of an overlay's lower layer", copy_up, mounts.overlay("lower"))
    r.exit()


main()
