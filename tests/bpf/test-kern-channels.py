#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""Every way of changing a file, by an outsider, on each kind of file system: the kernel side names process, channel and range."""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kern
import mounts
import e2e
from e2e import Skip

SIZE = 65536
WRITES = """write append pwrite_append pwrite writev pwritev pwritev2 pwritev2_append direct sendfile splice
    copy_file_range fallocate_punch fallocate_collapse fallocate_insert fallocate_zero ftruncate_shrink ftruncate_grow truncate open_trunc creat
    openat2_trunc clone clone_range dedupe madvise_remove aio uring uring_async uring_fixed uring_writev uring_fallocate
    uring_truncate uring_open_trunc""".split()
STORES = ["store", "read_into_mapping"]
# after those: the hooks are attached once an outsider is known to map the file
INTO = """into_read into_read_short into_direct into_readv into_pipe into_recv into_recvmsg into_vm_readv
    into_vmsplice""".split()
MAY_FAIL = ("fallocate_collapse", "fallocate_insert", "fallocate_zero", "direct", "into_direct", "uring_truncate")


def with_reflinks(kind):
    """xfs or btrfs on a loop device: there clone and copy_file_range share blocks, and no write happens."""
    if not shutil.which(f"mkfs.{kind}"):
        raise Skip(f"no mkfs.{kind}")
    top = e2e.tempdir()
    image = os.path.join(top, "image")
    mounts.run("truncate", "-s", "400M", image)
    mounts.run(f"mkfs.{kind}", "-q", image)
    return mounts.Place(mounts.mount(os.path.join(top, "mnt"), "-o", "loop", image))


PLACES = {"tmpfs": mounts.tmpfs, "ext4": mounts.ext4, "overlay": mounts.overlay, "bind": mounts.bind,
          "overlay-upper": lambda: mounts.overlay("upper"), "overlay-lower": lambda: mounts.overlay("lower"),
          "xfs": lambda: with_reflinks("xfs"), "btrfs": lambda: with_reflinks("btrfs")}
REFLINKS = ("xfs", "btrfs")


def restore(path):
    """The file as it was."""
    with open(path, "r+b") as f:
        f.truncate(SIZE)
        f.write(bytes(SIZE))


def check_write(events, op, channel, offset, length):
    """One BEGIN and one END that belong together, with the range of what was done."""
    begins = [e for e in events if e["type"] == "begin" and e["channel"] == channel]
    ends = [e for e in events if e["type"] == "end" and e["channel"] == channel]
    assert len(begins) == 1 and len(ends) == 1, f"{op}: begins {begins} ends {ends} of {events}"
    begin, end = begins[0], ends[0]
    assert begin["aux"] == end["aux"] and begin["ns"] <= end["ns"], f"{op}: {begin} {end}"
    assert (end["offset"], end["length"]) == (offset, length), f"{op}: {end}, not {offset}+{length}"
    assert not end["flags"] & (kern.INSIDER | kern.RANGE_UNKNOWN), f"{op}: {end}"
    covered = begin["length"] == -1 or begin["offset"] + begin["length"] >= offset + max(length, 0)
    assert begin["offset"] <= offset and covered, f"{op}: {begin} doesn't cover {end}"


def check_store(events, op, _channel, offset, length):
    faults = [e for e in events if e["type"] == "fault"]
    assert any(e["offset"] == offset and e["length"] == length for e in faults), f"{op}: {events}"
    assert any(e["type"] == "mapped" for e in events), f"{op}: {events}"


def check_shared(events, op, channel, offset, length):
    """Where the file system can share blocks, the call must have gone through."""
    check_write(events, op, channel, offset, length)
    failed = [e for e in events if e["type"] == "end" and e["flags"] & kern.FAILED]
    assert not failed, f"{op}: {failed}"


def run_op(driver, obj, path, op, check):
    """One operation; returns a line for the report."""
    restore(path)
    driver.command("drain")
    try:
        pid, channel, offset, length = kern.outsider(op, path)
    except RuntimeError as e:
        return f"skip {op}: {e}" if op in MAY_FAIL else f"not ok {op}: {e}"
    if channel == "skip":
        return f"skip {op}: {offset}"
    events = driver.drain(tgid=pid, object=obj)
    try:
        check(events, op, channel, offset, length)
    except AssertionError as e:
        return f"not ok {e}"
    return f"ok {op}"


def run_place(driver, name):
    place = PLACES[name]()
    place.create("f", bytes(SIZE))
    path = os.path.join(place.outside, "f")
    insider = kern.Insider(driver)
    driver.command("drain")
    insider.ask("map", os.path.join(place.inside, "f"), "shared", 0, SIZE, "notouch")
    watches = driver.drain(tgid=insider.pid, type="watch")
    inode = os.stat(os.path.join(place.real, "f")).st_ino
    good = len(watches) == 1 and watches[0]["inode"] == inode and watches[0]["flags"] & kern.INSIDER
    print("ok" if good else f"not ok {watches}", f"{name} watch")
    obj = watches[0]["object"]
    held = [h for h in driver.command("watch", insider.pid) if h["inode"] == inode]
    print("ok" if held and held[0]["object"] == obj else f"not ok {held}", f"{name} watch-process")
    check = check_shared if name in REFLINKS else check_write
    lines = [run_op(driver, obj, path, op, check) for op in WRITES]
    lines += [run_op(driver, obj, path, op, check_store) for op in STORES]
    lines += [run_op(driver, obj, path, op, check_write) for op in INTO]
    for line in lines:
        word, rest = line.split(" ", 1) if not line.startswith("not ok") else ("not ok", line[7:])
        print(word, name, rest)
    insider.end()
    return good and not any(line.startswith("not ok") for line in lines)


def main():
    driver = kern.Driver()
    good = True
    for name in sys.argv[1:] or PLACES:
        try:
            good = run_place(driver, name) and good
        except Skip as e:
            print(f"skip {name}: {e}")
    lost = driver.command("losses")
    print("ok" if not lost else f"not ok {lost}", "losses")
    driver.end()
    sys.exit(not good or bool(lost))


main()
