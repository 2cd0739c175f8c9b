#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# serial: of two observations that look at one process, the second may be told less
"""What probe says of the kernel is what this test finds by other ways, and what is known of Debian's kernels."""
import atexit
import ctypes
import fcntl
import mmap
import os
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import probelib  # noqa: E402
from e2e import Skip  # noqa: E402
from mounts import own_namespace  # noqa: E402

PAGEMAP_SCAN = 0xC0606610
SOFT_DIRTY = 1 << 55
PAGE = 4096
# Stock kernels as they are built: everything is there that their version has.
DEBIAN = {"fentry": "yes", "fexit": "yes", "fmod_ret": "yes", "kprobe": "yes", "lsm": "yes", "soft_dirty": "yes"}


def mounted(fstype):
    """A place where the file system is mounted, for this test alone."""
    place = tempfile.mkdtemp(prefix="bprec-probe-test.")
    atexit.register(os.rmdir, place)
    done = subprocess.run(["mount", "-t", fstype, "none", place], capture_output=True)
    if done.returncode:
        return None
    atexit.register(subprocess.run, ["umount", place])
    return place


def kprobe():
    """By tracefs, without BPF: a probe in the function of the write that this makes."""
    trace = mounted("tracefs")
    if not trace or not os.path.exists(trace + "/kprobe_events"):
        return "no"
    name = f"bprec_test_{os.getpid()}"
    events = os.open(trace + "/kprobe_events", os.O_WRONLY | os.O_APPEND)  # which can't seek, as open() would
    os.write(events, f"p:{name} security_file_permission\n".encode())
    switch = f"{trace}/events/kprobes/{name}/enable"
    try:
        with open(switch, "w") as f:
            f.write("1")
        with open("/dev/null", "wb", buffering=0) as f:
            f.write(b"x")
        with open(trace + "/kprobe_profile") as f:
            hits = re.search(rf"^ *{name} +(\d+)", f.read(), re.M)
        return "yes" if hits and int(hits[1]) else "no"
    finally:
        with open(switch, "w") as f:
            f.write("0")
        os.write(events, f"-:{name}\n".encode())
        os.close(events)


def lsm_list():
    """Names of security modules, in order; empty if the kernel doesn't say."""
    place = mounted("securityfs")
    try:
        with open(f"{place}/lsm") as f:
            return f.read().strip().split(",")
    except OSError:
        return []


def soft_dirty():
    """A page is stored to, cleared, and stored to again."""
    m = mmap.mmap(-1, PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(m))

    def bit():
        with open("/proc/self/pagemap", "rb") as f:
            f.seek(address // PAGE * 8)
            return bool(struct.unpack("Q", f.read(8))[0] & SOFT_DIRTY)
    m[0] = 1
    with open("/proc/self/clear_refs", "w") as f:
        f.write("4")
    before = bit()
    m[1] = 2
    return "yes" if not before and bit() else "no"


def pagemap_scan():
    """Whether the kernel knows the request at all."""
    with open("/proc/self/pagemap", "rb") as f:
        try:
            fcntl.ioctl(f, PAGEMAP_SCAN, struct.pack("12Q", 96, 0, 0, PAGE, 0, 0, 0, 0, 0, 0, 0, 0))
        except OSError:
            return "no"
    return "yes"


def main():
    if os.geteuid() != 0:
        probelib.skip("needs root")
    try:
        own_namespace()
    except Skip as e:
        probelib.skip(str(e))
    _, doc = probelib.report()
    probelib.need_observation(doc)
    answers = {f["name"]: f["answer"] for f in doc["features"]}
    c = probelib.Checks()
    found = {"kprobe": kprobe(), "soft_dirty": soft_dirty(), "pagemap_scan": pagemap_scan()}
    for name, answer in found.items():
        c.check(answers[name] == answer, f"{name}: probe says {answers[name]}, the test finds {answer}")
    modules = lsm_list()
    print("kernel", doc["kernel"], {n: answers[n] for n in (*DEBIAN, "pagemap_scan")}, "tier", doc["tiers"], "modules", modules)
    if modules and "bpf" not in modules:
        c.check(answers["lsm"] == "no", f"lsm: {answers['lsm']}, modules {modules}")
    # the tier follows from what loads, and it is said of no kernel that it could do better than its tier
    c.check((doc["tiers"] == 1) == (answers["fentry"] == "no"), f"tier {doc['tiers']}, fentry: {answers['fentry']}")
    if re.search(r"(\+deb\d+|-\d+)-amd64$", doc["kernel"]):
        for name, answer in DEBIAN.items():
            c.check(answers[name] == answer, f"{name}: {answers[name]} on a kernel of Debian")
        c.check(doc["tiers"] == 2, f"tier {doc['tiers']} on a kernel of Debian")
    c.exit()


main()
