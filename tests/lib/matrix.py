# SPDX-License-Identifier: MIT
"""Nothing missed: every channel x age of the outsider x kind of mapping x place in the file, on one file system.

One recording serves all cells: each cell has a file of its own, which one insider maps; it is blocked in read(0) while
outsiders change the files. Then the recording ends, and each cell is held against what check says of its file: right
pid, channel and byte range, and bytes in the trace that equal those the test saved itself right after the change.
"""
import os
import subprocess
import zlib

import tracefile
from e2e import (BPREC, PAGE, Failed, Insider, Outsider, Report, Verdict, expect, fnv, need_root, same_object,
                 wait_until)

SIZE = 4 * PAGE + 1000  # five pages, the last one partial
PLACES = {"first": 10, "middle": 2 * PAGE + 4000, "last": 4 * PAGE + 100}  # offsets; "middle" ends in the page after
LENGTH = 200
ALL = "whole file"

# operation of ops.c -> (channels that may be named, kind of range)
CALLS = {
    "write": (("write",), "exact"), "pwrite64": (("pwrite",), "exact"), "writev": (("writev",), "exact"),
    "pwritev": (("pwritev",), "exact"), "pwritev2": (("pwritev",), "exact"),
    "write-dup": (("write",), "exact"), "write-scm": (("write",), "covered"), "write-inherited": (("write",), "covered"),
    "append": (("write",), "append"), "fallocate": (("fallocate",), "exact"),
    "truncate": (("truncate",), "to the end"), "ftruncate": (("truncate",), "to the end"),
    "open-trunc": (("open-trunc",), "to the end"),
    "store": (("mmap-store",), "pages"), "store-kernel": (("mmap-store", "read-into-mapping"), "told or pages"),
}
ONCE = ("append", "open-trunc")  # the place in the file is given by the channel


class Cell:
    """One file and what happens to it."""

    def __init__(self, op, age, kind, place, fs):
        self.op, self.age, self.kind, self.place = op, age, kind, place
        self.channels, self.range = CALLS[op]
        self.name = f"{op}-{age}-{kind}-{place}"
        self.inside, self.outside, self.real = (os.path.join(d, self.name) for d in (fs.inside, fs.outside, fs.real))
        self.offset = {"append": SIZE, "open-trunc": 0}.get(op, PLACES.get(place, 0))
        self.length = {"append": 50, "open-trunc": 0}.get(op, LENGTH)
        self.fs = fs
        self.pid = self.mapping = self.stat = None
        self.saved = b""

    def make(self):
        """The file, with contents of its own."""
        seed = zlib.crc32(self.name.encode())
        self.fs.create(self.name, bytes((seed + i * 7) & 0xFF for i in range(SIZE)))
        self.stat = os.stat(self.real)

    def change(self, outsider):
        """The change, and a copy of the file right after it."""
        self.pid = outsider.do(self.op, self.outside, self.offset, self.length, 0x41)
        with open(self.real, "rb") as f:
            self.saved = f.read()
        self.stat = os.stat(self.real)

    def touch(self):
        """Every third cell's mapping is not touched before the change."""
        return "notouch" if zlib.crc32(self.name.encode()) % 3 == 0 else "touch"

    def page(self, n):
        """Page n of the saved copy as a mapping shows it; None beyond the end."""
        data = self.saved[n * PAGE:(n + 1) * PAGE]
        return data.ljust(PAGE, b"\0") if data else None


def cells(fs, ops=None):
    """All cells of a file system."""
    found = []
    for op in ops or CALLS:
        for age in ("older", "younger"):
            for kind in ("shared", "private"):
                for place in ((ALL,) if op in ONCE else PLACES):
                    found.append(Cell(op, age, kind, place.replace(" ", "-"), fs))
    return found


def prepare(cell, outsider):
    """An outsider older than the recording has the descriptor or the mapping already."""
    if cell.op.startswith("store"):
        outsider.ask(f"map {cell.outside}")
    elif cell.op not in ("truncate", "open-trunc", "append", "write-scm"):
        outsider.ask(f"open {cell.outside}")


def wait_saved(all_cells, trace):
    """Nobody is stopped in a watch: waits until all files are in the trace."""
    def saved():
        text = subprocess.run([BPREC, "dump", "--events", trace], capture_output=True, text=True).stdout
        last = all_cells[-1].name
        return f"/{last} " in text and " pages " in text.partition(f"/{last} ")[2]
    wait_until("all files are in the trace", saved)


def record(all_cells, wrap=(), command="record"):
    """The recording. Returns check's result and the trace."""
    for c in all_cells:
        c.make()
    older = Outsider(wrap)
    for c in all_cells:
        if c.age == "older":
            prepare(c, older)
    insider = Insider(command=command)
    younger = Outsider(wrap)
    for c in all_cells:
        c.mapping = insider.map(c.inside, c.kind, touch=c.touch())
    insider.blocked()
    if command == "watch":
        wait_saved(all_cells, insider.trace)
    for c in all_cells:
        c.change(older if c.age == "older" else younger)
    for c in all_cells:
        compare_view(c, insider)
    v = insider.finish()
    older.end()
    younger.end()
    return v, tracefile.Trace(insider.trace)


def compare_view(cell, insider):
    """The insider must see what the test saved: this holds the test itself against the machine."""
    n = min(cell.offset, SIZE - 1) // PAGE
    seen, page = insider.hash(cell.mapping, n), cell.page(n)
    wanted = fnv(page) if page else "bus"
    if seen != wanted:
        raise Failed(f"{cell.name}: the insider does not see what is in the file: {seen}, expected {wanted}")


def covers(change, lo, hi):
    """True if the change's range holds [lo, hi)."""
    length = change["length"]
    end = 1 << 64 if length is None or length < 0 else change["offset"] + length
    return change["offset"] <= lo and end >= hi


def range_is_right(cell, change):
    """The byte range of the change against what was done."""
    lo, hi = cell.offset, cell.offset + cell.length
    if cell.range == "exact":
        return (change["offset"], change["length"]) == (lo, hi - lo)
    if cell.range == "append":
        return covers(change, lo, hi) and change["offset"] == lo
    if cell.range == "to the end":
        return change["offset"] == lo and covers(change, lo, SIZE)
    if cell.range == "told or pages" and (change["offset"], change["length"]) == (lo, hi - lo):
        return True  # by the call's hooks; before they were attached by its faults
    if "pages" in cell.range:
        return covers(change, lo, hi) and change["offset"] % PAGE == 0 and change["length"] <= 16 * PAGE
    return covers(change, lo, hi)


def stores_are_several(cell, mine):
    """A store over the edge of two pages is two faults: their union must cover it."""
    ends = sorted((c["offset"], c["offset"] + c["length"]) for c in mine)
    at = cell.offset
    for lo, hi in ends:
        if lo <= at:
            at = max(at, hi)
    return at >= cell.offset + cell.length and all(c["offset"] % PAGE == 0 for c in mine)


def judge(cell, v, trace):
    """Holds check's changes of the cell's file against what was done."""
    mine = [c for c in v.changes if same_object(c["object"], cell.stat)]
    brief = Verdict(0, {"verdict": v.verdict, "changes": mine}, "").brief()
    expect(mine, f"no change is known of {cell.inside}")
    for c in mine:
        expect(c["channel"] in cell.channels, f"channel {c['channel']}, expected {cell.channels}: {brief}")
        pid = (c["by"] or {}).get("pid")
        expect(pid == cell.pid, f"by pid {pid}, expected {cell.pid}: {brief}")
    good = [c for c in mine if range_is_right(cell, c)] or (
        "pages" in cell.range and stores_are_several(cell, mine) and mine)
    expect(good, f"range, expected {cell.range} [{cell.offset},+{cell.length}): {brief}")
    judge_outcomes(cell, v, mine, brief)
    judge_bytes(cell, mine, trace)


def judge_outcomes(cell, v, mine, brief):
    """The insider was blocked in a read that can't touch the page: a change by a call is exact. A store may leave an
    exposure behind, and then the outcome may be less, but never more than true."""
    if v.doc["watched"]:
        expect(all(c["outcome"] == "possible" for c in mine), f"outcome, expected possible: {brief}")
    elif not cell.op.startswith("store"):
        expect(all(c["outcome"] == "exact" for c in mine), f"outcome, expected exact: {brief}")
    expect(all(c["outcome"] in ("exact", "same-bytes", "possible") for c in mine), f"outcome: {brief}")


def judge_bytes(cell, mine, trace):
    """At its end the trace holds for each page what the test saved."""
    if not any(c["outcome"] in ("exact", "possible") for c in mine):
        raise Failed("no outcome says that the new bytes are in the trace")
    obj = trace.object_of(cell.stat)
    expect(obj, f"the trace has no object for {cell.inside}")
    for n in range((SIZE + PAGE - 1) // PAGE):
        held, wanted = trace.page_at_end(obj, n), cell.page(n)
        if held != wanted:
            raise Failed(f"page {n} in the trace is not the file's ({tracefile.describe(held)}, "
                         f"expected {tracefile.describe(wanted)})")


def main(make_place, what, ops=None, wrap=(), command="record"):
    """The test program for one file system."""
    need_root()
    r = Report()
    all_cells = []

    def recording():
        all_cells.extend(cells(make_place(), ops))
        v, trace = record(all_cells, wrap, command)
        expect(v.verdict != "clean", f"the verdict is {v.verdict}")
        expect(v.doc["observation"]["active"], "the recording was not observed")
        recording.result = v, trace

    r.case(f"{what}: one recording of all cells, not clean", recording)
    if r.failed:
        r.exit()
    v, trace = recording.result
    groups = {}
    for c in all_cells:
        groups.setdefault((c.op, c.age), []).append(c)
    for (op, age), group in groups.items():
        r.case(f"{what}: {op}, {age} outsider: shared, private; first, middle, last page", judge_all, group, v,
               trace)
    r.exit()


def judge_all(group, v, trace):
    """All cells of one operation and age; the failure names the first and counts the others."""
    failures = []
    for c in group:
        try:
            judge(c, v, trace)
        except Failed as e:
            failures.append(f"{c.name}: {e}")
    expect(not failures, f"{len(failures)} of {len(group)} cells fail, first {failures[0] if failures else ''}")
