# SPDX-License-Identifier: MIT
"""Many outsiders, many objects, many mappings, many processes."""
import collections
import os
import struct
import subprocess

import e2e
import mounts
import tracefile
from e2e import PAGE, Insider, Outsider, expect, expect_verdict, prog

OUTSIDERS, OBJECTS, WATCHED = 64, 10000, 50
FILES, PAGES = 500, 500
CHILDREN = 2000
LIMIT = 600  # seconds for one crowd: the machine may be busy


def crowd(*args):
    """One outsider, or the parent of many."""
    return subprocess.Popen([prog("crowd"), *map(str, args)], stdout=subprocess.PIPE, text=True, preexec_fn=e2e.die_with_parent)


def join(p):
    """Its output."""
    out = p.communicate(timeout=LIMIT)[0]
    expect(p.returncode == 0, f"{' '.join(p.args)} returned {p.returncode}")
    return out


def lost(v):
    """How many records the recorder says it lost."""
    return sum(x["count"] for x in v.doc["observation"]["losses"])


def told(v, path):
    """(pid, offset, length, channel) of each change of a file, with its count."""
    found = collections.Counter()
    for c in v.of(path):
        found[(c["by"] or {}).get("pid"), c["offset"], c["length"], c["channel"]] += c["count"]
    return found


def same_at_end(trace, path):
    """Pages that the trace holds last are the file's."""
    obj = trace.object_of(os.stat(path))
    with open(path, "rb") as f:
        data = f.read()
    for n in range((len(data) + PAGE - 1) // PAGE):
        page = trace.page_at_end(obj, n)
        expect(page is None or page == data[n * PAGE:(n + 1) * PAGE].ljust(PAGE, b"\0"), f"page {n} in the trace is not the file's")


def many_writers(place):
    """Each outsider writes each object once; of the watched ones every write is told, with its writer and bytes."""
    for i in range(OBJECTS):
        place.create(str(i), b"\xff" * PAGE)
    watched = [os.path.join(place.real, str(i)) for i in range(0, OBJECTS, OBJECTS // WATCHED)]
    insider = Insider()
    for path in watched:
        insider.map(path)
    insider.blocked()
    writers = [crowd("files", place.real, OBJECTS, i * 8) for i in range(OUTSIDERS)]
    for p in writers:
        join(p)
    v = insider.finish()
    trace, n = tracefile.Trace(insider.trace), 0
    for path in watched:
        same_at_end(trace, path)
        wanted = collections.Counter((p.pid, i * 8, 8, "pwrite") for i, p in enumerate(writers))
        found = told(v, path)
        expect(lost(v) or found == wanted, f"{path}: missing {list((wanted - found))[:4]}, too many {list((found - wanted))[:4]}")
        n += sum(found.values())
    if lost(v):
        expect_verdict(v, "uncertain", "divergent")
    else:
        expect_verdict(v, "resnapshotted")
    foreign = {c["object"]["inode"] for c in v.changes} - {os.stat(p).st_ino for p in watched}
    expect(not foreign, f"changes of files that nobody maps: {foreign}")
    return f"{OUTSIDERS * OBJECTS} writes, {n} of {OUTSIDERS * WATCHED} told, {lost(v)} lost, {v.verdict}"


def many_mappings(place):
    """An insider with 1,000 mappings: files of a page each, and pages of one file; an outsider changes all."""
    big = os.path.join(place.real, "big")
    place.create("big", b"\xff" * PAGE * PAGES)
    for i in range(FILES):
        place.create(f"m{i}", b"\xff" * PAGE)
    insider, outsider = Insider(), Outsider()
    seen = {}
    for i in range(FILES):
        path = os.path.join(place.real, f"m{i}")
        seen[path, 0] = insider.map(path)
    for i in range(PAGES):
        seen[big, i] = insider.map(big, offset=i * PAGE, length=PAGE)
    insider.blocked()
    for path, page in seen:
        outsider.do("pwrite64", path, page * PAGE + 16, 24, 7)
    insider.blocked()
    for (path, page), m in list(seen.items())[::37]:
        with open(path, "rb") as f:
            f.seek(page * PAGE)
            expect(insider.hash(m, 0) == e2e.fnv(f.read(PAGE)), f"the insider sees something else of {path}, page {page}")
    v = insider.finish()
    trace, n = tracefile.Trace(insider.trace), 0
    for path in {p for p, _ in seen}:
        same_at_end(trace, path)
        wanted = collections.Counter((outsider.pid, page * PAGE + 16, 24, "pwrite") for p, page in seen if p == path)
        found = told(v, path)
        n += sum(found.values())
        if path != big:
            expect(found == wanted, f"{path}: told {found}, expected {wanted}")
    expect(n == FILES + PAGES, f"{n} changes told")  # (of the big file some are summed up)
    expect_verdict(v, "resnapshotted")
    expect(not lost(v), f"{lost(v)} lost")
    outsider.end()
    return f"{len(seen)} mappings, {n} changes told, {v.verdict}"


def fork_bomb(place, how):
    """2,000 outsiders at the same time."""
    path = os.path.join(place.real, "bomb-" + how)
    place.create("bomb-" + how, bytes(CHILDREN * 8))
    insider = Insider(options=("--compare-budget=100",))
    insider.map(path)
    insider.blocked()
    pids = {int(line) for line in join(crowd("bomb", path, CHILDREN, how)).split()}
    with open(path, "rb") as f:
        values = struct.unpack(f"<{CHILDREN}Q", f.read())
    expect(set(values) == pids and len(pids) == CHILDREN, "the test is wrong: not every child changed its bytes")
    v = insider.finish()
    same_at_end(tracefile.Trace(insider.trace), path)
    found = told(v, path)
    named = {pid for pid, *_ in found} - {None}
    expect(named <= pids, f"somebody else is named: {sorted(named - pids)[:5]}")
    if how == "pwrite":
        wanted = collections.Counter((pid, 8 * values.index(pid), 8, how) for pid in pids)
        expect(lost(v) or found == wanted, f"missing {list((wanted - found))[:4]}, too many {list((found - wanted))[:4]}")
        expect_verdict(v, *(["uncertain", "divergent"] if lost(v) else ["resnapshotted"]))
    else:
        expect_verdict(v, "uncertain", "divergent")
        expect(v.of(path), "no change is told")
    return f"{CHILDREN} outsiders, {len(named)} named, {sum(found.values())} changes, {lost(v)} lost, {v.verdict}"


def case(r, name, fn, *args):
    """A case whose line says what was counted."""
    r.case(name, lambda: print(f"# {name}: {fn(*args)}", flush=True))


def outsiders(r):
    case(r, f"{OUTSIDERS} outsiders write {OBJECTS} objects, {WATCHED} of them watched", many_writers, mounts.tmpfs("1G"))


def mappings(r):
    case(r, f"{FILES + PAGES} mappings", many_mappings, mounts.tmpfs("256M"))


def forks(r):
    place = mounts.tmpfs("64M")
    for how in ("pwrite", "store", "inherited"):
        case(r, f"{CHILDREN} outsiders at once, {how}", fork_bomb, place, how)
