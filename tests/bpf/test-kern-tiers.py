#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""Choke points (tier 2) tell the same as tracepoints (tier 1), cost calls that have nothing to do with it nothing, and are replaced by tracepoints where the kernel refuses one."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kern
import mounts

SIZE = 65536
OPS = """write append pwrite writev pwritev pwritev2 pwritev2_append sendfile splice copy_file_range fallocate_punch
    ftruncate_shrink ftruncate_grow truncate open_trunc creat openat2_trunc clone clone_range dedupe madvise_remove aio uring
    uring_async uring_fixed store read_into_mapping""".split()
CALLS = 20000
failures = []


def case(name, good, details=""):
    print(("ok " if good else "not ok ") + name + ("" if good else f": {details}"))
    if not good:
        failures.append(name)


def watched(driver, path, inside=None):
    """An insider that maps the file (by another name), and the object's key."""
    with open(path, "wb") as f:
        f.write(bytes(SIZE))
    insider = kern.Insider(driver)
    insider.ask("map", inside or path, "shared", 0, SIZE, "notouch")
    return insider, driver.drain(tgid=insider.pid, type="watch")[0]["object"]


def told(driver, path, obj, op):
    """What is told of one operation: changes as they really were, and pages of faults; sorted, each once."""
    with open(path, "r+b") as f:
        f.truncate(SIZE)
        f.write(bytes(SIZE))
    driver.command("drain")
    pid, channel, *_ = kern.outsider(op, path)
    if channel == "skip":
        return "skip"
    events = driver.drain(tgid=pid, object=obj)
    begins = {e["aux"] for e in events if e["type"] == "begin"}
    rows = {("opened",) for e in events if e["type"] == "opened"}
    for e in events:
        assert e["type"] != "end" or e["aux"] in begins, f"{op}: an end without a beginning: {events}"
        # what the filesystem refused may have been seen to begin or not
        if e["type"] == "end" and not e["flags"] & kern.FAILED:
            rows.add(("change", e["channel"], e["offset"], e["length"], e["flags"] & kern.SHRINK))
        elif e["type"] in ("fault", "mapped"):
            rows.add((e["type"], e["channel"], e["offset"], e["length"]))
    return sorted(rows)


def all_told(place, ops, *options):
    """Each operation, and what was told; the tiers in use."""
    driver = kern.Driver("", "0", *options)
    name = "f" + "".join(o[0] for o in options)
    path = os.path.join(place.outside, name)
    insider, obj = watched(driver, path, os.path.join(place.inside, name))
    rows = {op: told(driver, path, obj, op) for op in ops}
    lost = driver.command("losses")
    tiers = driver.command("tiers")[0]["tiers"]
    insider.end()
    driver.end()
    case(f"nothing lost {options}", not lost, lost)
    return tiers, rows


def compare(name, place, without=()):
    ops = [op for op in OPS if op not in without]
    one, old = all_told(place, ops, "tier1")
    two, new = all_told(place, ops)
    case(f"{name}: tiers", (one, two) == (1, 2), (one, two))
    for op in ops:
        case(f"{name}: {op}", old[op] == new[op], f"tier 1 {old[op]}, tier 2 {new[op]}")


def test_nothing_added(path):
    """Calls that have nothing to do with files run no program of ours, and no tracepoint of calls is in use."""
    driver = kern.Driver()
    insider, _ = watched(driver, path)
    driver.command("runs")
    before = {r["hook"]: r["runs"] for r in driver.command("runs")}
    for _ in range(CALLS):
        os.getppid()
        os.umask(0o22)
    after = {r["hook"]: r["runs"] for r in driver.command("runs")}
    more = {h: after[h] - before[h] for h in after}
    case("runs are counted", sum(after.values()) > 0, after)
    # what else goes on (the tests' own pipes, other processes) is far less than one run per call
    busy = {h: n for h, n in more.items() if n > CALLS // 20}
    case(f"{2 * CALLS} unrelated calls run nothing", not busy, busy)
    calls = [h for h in after if "sys_enter" in h or "sys_exit" in h]
    case("no hook on the entry or exit of calls", not calls, calls)
    print("#", sum(r["insns"] for r in driver.command("runs")), "instructions verified;", len(after), "hooks;", sum(more.values()), "runs")
    insider.end()
    driver.end()


def test_refused(path):
    """One choke point can't be attached: tracepoints show its channel, choke points the others."""
    driver = kern.Driver("", "0", "refuse=fexit/vfs_write")
    insider, obj = watched(driver, path)
    case("refused: both tiers", driver.command("tiers")[0]["tiers"] == 3)
    states = {h["hook"]: h["state"] for h in driver.command("hooks")}
    want = {"fexit/vfs_write": "failed", "fexit/generic_write_checks": "spare", "fentry/vfs_fallocate": "attached",
            "tracepoint/syscalls/sys_enter_write": "attached", "tracepoint/syscalls/sys_enter_fallocate": "spare"}
    case("refused: states", all(states[h] == s for h, s in want.items()), {h: states[h] for h in want})
    for op, change in (("pwrite", ("pwrite", 5000, 4)), ("fallocate_punch", ("fallocate", 4096, 4096))):
        rows = told(driver, path, obj, op)
        case(f"refused: {op}", ("change", *change, 0) in rows, rows)
    insider.end()
    driver.end()


def test_left_out(path):
    """A choke point that is left out on purpose isn't replaced; but the end of a write is looked at, too, so soon after the object was
    entered: it is told as one that began before, of unknown range."""
    driver = kern.Driver("fexit/generic_write_checks")
    insider, obj = watched(driver, path)
    rows = told(driver, path, obj, "pwrite")
    case("left out", all(r == ("change", "pwrite", 0, -1, 0) for r in rows if r[0] == "change"), rows)
    insider.end()
    driver.end()


def main():
    driver = kern.Driver()
    tiers = driver.command("tiers")[0]["tiers"]
    driver.end()
    if tiers == 1:
        print("this kernel takes no fentry programs")
        sys.exit(77)
    tmpfs = mounts.tmpfs()
    compare("tmpfs", tmpfs)
    compare("ext4", mounts.ext4())
    # What only choke points know: on 6.1 the flag is lost on its way to the real file; the call succeeds, and says of each file
    # by itself that it was not possible.
    compare("overlay", mounts.overlay(), ["pwritev2_append", "dedupe"])
    test_nothing_added(os.path.join(tmpfs.real, "nothing"))
    test_refused(os.path.join(tmpfs.real, "refused"))
    test_left_out(os.path.join(tmpfs.real, "out"))
    sys.exit(bool(failures))


main()
