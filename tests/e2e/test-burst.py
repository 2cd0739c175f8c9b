#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
# serial: a recorder that is kept from its processor by other tests may lose records, and says so
"""Bursts: an outsider changes watched pages as fast as it can. Every change is counted, none is lost, the last snapshot is what
the file holds, and neither the events nor the memory of the recorder grow with their number.

BURST_WRITES, BURST_PAGES: how many (default 1,000,000 and 100,000).
"""
import mmap
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
import mounts  # noqa: E402
import tracefile  # noqa: E402
from e2e import PAGE, Insider, Report, expect, expect_verdict, need_root, prog  # noqa: E402

TURNS = 5000
WRITES = int(os.environ.get("BURST_WRITES", "1000000"))
PAGES = int(os.environ.get("BURST_PAGES", "100000"))
MIB = 1 << 20
STEP = 7919  # prime: each page once, neighbours far apart in time


class Recorded(Insider):
    """An insider, and the peak memory of its recorder."""

    def peak(self):
        """VmHWM of the recorder so far, in bytes."""
        with open(f"/proc/{self.proc.pid}/status") as f:
            return int(f.read().split("VmHWM:")[1].split()[0]) * 1024


def fresh(place, name, pages):
    path = os.path.join(place.real, name)
    with open(path, "wb") as f:
        f.write(b"\xff" * PAGE * pages)
    return path


def burst(path, n, pages, step=1, how="pwrite"):
    """Runs the outsider; returns its pid."""
    with subprocess.Popen([prog("burst"), path, str(n), str(pages), str(step), how], stdout=subprocess.PIPE,
                          preexec_fn=e2e.die_with_parent) as p:
        p.communicate(timeout=e2e.LIMIT * 3)
        expect(p.returncode == 0, f"burst returned {p.returncode}")
        return p.pid


def nothing_lost(v):
    expect(not v.doc["observation"]["losses"] and not v.doc["observation"]["lost_events"], f"lost: {v.doc['observation']}")


def all_of(v, path, pid):
    """The changes, which are all of this writer; how many single ones they sum up."""
    found = v.of(path)
    expect(found and all((c["by"] or {}).get("pid") == pid for c in found), f"not all by {pid}: {v.brief()}")
    return found, sum(c["count"] for c in found)


def same_at_end(insider, path, pages):
    """What is in the trace last is what the file holds."""
    trace = tracefile.Trace(insider.trace)
    obj = trace.object_of(os.stat(path))
    with open(path, "rb") as f:
        for n in pages:
            f.seek(n * PAGE)
            expect(trace.page_at_end(obj, n) == f.read(PAGE), f"page {n} in the trace is not the file's")
    return len(trace.events)


def one_page(place, how):
    """The insider is blocked meanwhile: all of it is one change after the other, each saved before it can be seen."""
    path = fresh(place, "one-" + how, 1)
    insider = Recorded()
    m = insider.map(path)
    insider.blocked()
    pid = burst(path, WRITES, 1, 1, how.replace("io_", ""))
    with open(path, "rb") as f:
        last = f.read(PAGE)
    expect(struct.unpack("<Q", last[:8])[0] == WRITES - 1, "the test is wrong: the file does not hold the last write")
    expect(insider.hash(m, 0) == e2e.fnv(last), "the insider sees something else")
    peak = insider.peak()
    v = insider.finish()
    expect_verdict(v, "resnapshotted")
    nothing_lost(v)
    found, n = all_of(v, path, pid)
    expect(n == WRITES, f"{WRITES} writes, but {n} counted in {len(found)} changes")
    expect({(c["offset"], c["length"], c["channel"]) for c in found} == {(0, 8, how)}, f"another range: {v.brief()}")
    expect(peak < 64 * MIB, f"peak memory of the recorder: {peak / MIB:.1f} MiB")
    events = same_at_end(insider, path, [0])
    expect(events < WRITES / 10 or events < 10000, f"{events} events")


def one_page_stored(place):
    """Each store faults. How many there were nobody counts: a fault tells that stores begin, nothing that they end."""
    path = fresh(place, "faults", 1)
    insider = Recorded()
    insider.map(path)
    insider.blocked()
    pid = burst(path, WRITES // 10, 1, 1, "faults")
    peak = insider.peak()
    v = insider.finish()
    expect_verdict(v, "divergent")
    nothing_lost(v)
    all_of(v, path, pid)
    expect(peak < 64 * MIB, f"peak memory of the recorder: {peak / MIB:.1f} MiB")
    events = same_at_end(insider, path, [0])
    expect(events < WRITES / 10 or events < 10000, f"{events} events")


def store_in_turn(path, rounds, between):
    """Two outsiders store into one page, each after the other, and each store faults. Calls between() every so often."""
    there, here = os.pipe(), os.pipe()
    pid = os.fork()
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), PAGE) as m:
        for i in range(rounds):
            if not pid or i:
                os.read(there[0] if not pid else here[0], 1)
            m[i % PAGE] = i % 256
            m.madvise(mmap.MADV_DONTNEED)
            os.write(here[1] if not pid else there[1], b".")
            if pid and i % TURNS == 0:
                between()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def in_turn(place):
    """Memory of the recorder doesn't grow with the number of stores. It did: by an entry for each."""
    path = fresh(place, "in-turn", 1)
    insider = Recorded()
    insider.map(path)
    insider.blocked()
    peaks = []
    pid = store_in_turn(path, 12 * TURNS + 1, lambda: peaks.append(insider.peak()))
    v = insider.finish()
    expect_verdict(v, "divergent")
    nothing_lost(v)
    expect({(c["by"] or {}).get("pid") for c in v.of(path)} <= {os.getpid(), pid}, v.brief())
    expect(peaks[-1] - peaks[2] < 4 * MIB, f"it grows: {[p >> 10 for p in peaks]} KiB")
    same_at_end(insider, path, [0])


def while_it_runs(place):
    """The insider polls the page meanwhile: nothing may be called exact that isn't."""
    path = fresh(place, "spin", 1)
    insider = Recorded()
    m = insider.map(path)
    insider.tell(f"spin {m} 4000 1")
    expect(insider.hear().startswith("spinning"), "the insider does not spin")
    pid = burst(path, WRITES // 10, 1)
    with open(path, "r+b") as f:
        f.seek(4000)
        f.write(b"\x01")
    expect("saw" in insider.hear(), "the insider did not see the end")
    v = insider.finish()
    expect_verdict(v, "divergent")
    nothing_lost(v)
    n = sum(c["count"] for c in v.of(path) if (c["by"] or {}).get("pid") == pid)
    expect(n == WRITES // 10, f"{WRITES // 10} writes, but {n} counted")
    same_at_end(insider, path, [0])


def many_pages(place, how, step):
    """One change for each of many pages, in order or not."""
    path = fresh(place, f"many-{how}-{step}", PAGES)
    insider = Recorded(options=("--compare-budget=100",))
    m = insider.map(path)
    insider.blocked()
    before = insider.peak()
    pid = burst(path, PAGES, PAGES, step, how)
    insider.hash(m, PAGES // 2)
    peak = insider.peak()
    v = insider.finish()
    nothing_lost(v)
    if how == "pwrite":
        expect_verdict(v, "resnapshotted")
        found, n = all_of(v, path, pid)
        expect(n == PAGES, f"{PAGES} writes, but {n} counted in {len(found)} changes")
    else:
        expect_verdict(v, "divergent")  # stores: the fault tells that they begin, nothing tells that they end
        found, n = all_of(v, path, pid)
    same_at_end(insider, path, range(0, PAGES, 97))
    pages = sum(c["pages_changed"] for c in found)
    expect(pages == PAGES, f"{PAGES} pages changed, but {pages} told")
    expect(peak < before + 48 * MIB, f"memory of the recorder: {before / MIB:.1f} MiB before, {peak / MIB:.1f} MiB after")
    os.unlink(path)


def appended(place):
    """Through O_APPEND: where each write lands is known when it is over."""
    path = fresh(place, "append", 1)
    insider = Recorded()
    insider.map(path, length=64 * PAGE, touch="notouch")
    insider.blocked()
    pid = burst(path, 20000, 1, 1, "append")
    v = insider.finish()
    expect_verdict(v, "resnapshotted")
    nothing_lost(v)
    found, n = all_of(v, path, pid)
    expect(n == 20000, f"20000 writes, but {n} counted")
    expect(min(c["offset"] for c in found) == PAGE, f"it began elsewhere: {v.brief()}")
    expect(max(c["offset"] + c["length"] for c in found) == PAGE + 20000 * 8, f"it ended elsewhere: {v.brief()}")
    same_at_end(insider, path, range(40))


def pages_between(place):
    """Pages 0 and 2 are changed, by turns, an insider maps page 1: nothing that it could see has changed."""
    path = fresh(place, "between", 3)
    insider = Recorded()
    m = insider.map(path, offset=PAGE, length=PAGE)
    insider.tell(f"spin {m} 0 7")
    expect(insider.hear().startswith("spinning"), "the insider does not spin")
    burst(path, 20000, 4, 2)
    with open(path, "r+b") as f:  # our own, so that it ends
        f.seek(PAGE)
        f.write(b"\x07")
    expect("saw" in insider.hear(), "the insider did not see the end")
    v = insider.finish()
    pids = {(c["by"] or {}).get("pid") for c in v.of(path)}
    expect(pids == {os.getpid()}, f"changes of pages that nobody maps: {v.brief()}")


def main():
    need_root()
    r = Report()
    shm = mounts.tmpfs("1G")
    r.case(f"{WRITES} writes to one page, insider blocked", one_page, shm, "pwrite")
    r.case(f"{WRITES} requests of io_uring to one page", one_page, shm, "io_uring")
    r.case(f"{WRITES // 10} faults by stores to one page", one_page_stored, shm)
    r.case(f"{12 * TURNS} times two stores in turn", in_turn, shm)
    r.case(f"{WRITES // 10} writes to one page, insider runs", while_it_runs, shm)
    r.case(f"{PAGES} pages in order", many_pages, shm, "pwrite", 1)
    r.case(f"{PAGES} pages in another order", many_pages, shm, "pwrite", STEP)
    r.case(f"stores into {PAGES} pages", many_pages, shm, "store", 1)
    r.case("appended", appended, shm)
    r.case("pages on both sides of a mapped one", pages_between, shm)
    r.exit()


main()
