#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# serial: of two observations that look at one process, the second may be told less
"""Filesystems that aren't mounted are made for the trial, with the block devices below them; without the means for one,
its answers are unknown, with the reason. Nothing of them stays behind."""
import os
import re
import shutil
import subprocess
import tempfile
import time

import probelib

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DISKS = {"ext4": "mkfs.ext4", "xfs": "mkfs.xfs", "btrfs": "mkfs.btrfs"}


def without(*commands):
    """A program that runs bprec where these commands can't be executed: its arguments are those of bprec."""
    hide = "".join(f"mount --bind /dev/null {shutil.which(x, path=PATH)} && " for x in commands)
    path = os.path.join(place.name, "run-" + "-".join(commands))
    with open(path, "w", encoding="ascii") as f:
        f.write(f"#!/bin/sh\nexec unshare --mount sh -c '{hide}exec {probelib.BPREC} \"$@\"' sh \"$@\"\n")
    os.chmod(path, 0o755)
    return path


def loops():
    """Loop devices that are backed by files of a probe."""
    out = subprocess.run(["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"], capture_output=True,
                         text=True, check=True).stdout
    return [line for line in out.splitlines() if re.search(r"/(ext4|xfs|btrfs)\.img|bprec-probe", line)]


place = tempfile.TemporaryDirectory(prefix="bprec-probe-test.")
code, doc = probelib.report()
probelib.need_observation(doc)
c = probelib.Checks()
table = probelib.cells(doc)
have = [x.split()[-1] for x in open("/proc/filesystems", encoding="ascii")]

for fs, mkfs in DISKS.items():
    if not shutil.which(mkfs, path=PATH) or fs not in have:
        print(f"skip {fs}: no {mkfs}, or the kernel has none")
        continue
    for channel in ("write", "pwrite", "truncate", "fallocate", "mmap-store", "direct-write"):
        cell = table[channel, fs]
        c.check(cell["tried"] and cell["known"] and cell["seen"] in ("exact", "page"), f"{cell}")
    cell = table["block-device", fs]
    c.check(cell["tried"] and cell["known"] and "/dev/loop" in cell["why"], f"{cell}")
if "xfs" in have and shutil.which("mkfs.xfs", path=PATH):
    for channel in ("clone", "dedupe"):
        c.check(table[channel, "xfs"]["seen"] == "exact", f"{table[channel, 'xfs']}")
if "overlay" in have:
    cell = table["pwrite", "overlayfs"]
    c.check(cell["tried"] and cell["seen"] in ("exact", "page"), f"{cell}")
    # The loop device's writer is one that no list names, although an overlay's file is listed beside the real one.
    c.check(table["kernel", "overlayfs"]["seen"] != "no", f"{table['kernel', 'overlayfs']}")

# Not mounted, and no means to make one: unknown, and said first.
mounted = {line.split()[2] for line in open("/proc/self/mounts", encoding="utf-8")}
for fs in set(DISKS) - mounted:
    if not shutil.which(DISKS[fs], path=PATH):
        continue
    runner = without(DISKS[fs])
    code, doc = probelib.report(program=runner)
    c.check(code == 1, f"without {DISKS[fs]}: exit status {code}")
    for (channel, at), cell in probelib.cells(doc).items():
        if at == fs:
            c.check(not cell["known"] and cell["seen"] == "no" and DISKS[fs] in cell["why"], f"{cell}")
        elif at == "tmpfs":
            c.check(cell["seen"] == table[channel, at]["seen"], f"{cell}, before {table[channel, at]}")
    code, text, err = probelib.run(program=runner)
    head = text.partition("\n\n")[0]
    c.check(re.search(rf"^changes of {fs} files: unknown: .*{DISKS[fs]}", head, re.M), f"first lines: {head}")
    break

# In a chroot, from where the root of a mount namespace is another place.
chroot = os.path.join(place.name, "chroot")
os.mkdir(chroot)
runner = os.path.join(place.name, "run-chroot")
with open(runner, "w", encoding="ascii") as f:
    f.write(f"""#!/bin/sh
exec unshare --mount sh -c 'd=$0; mount --rbind / $d && exec chroot $d "$@"' {chroot} {probelib.BPREC} "$@"
""")
os.chmod(runner, 0o755)
code, doc = probelib.report(program=runner)
for at, cell in probelib.cells(doc).items():
    c.check(cell["known"] == table[at]["known"] and cell["tried"] == table[at]["tried"],
            f"in a chroot: {cell}, outside {table[at]}")

limit = time.monotonic() + 20
while loops() and time.monotonic() < limit:
    time.sleep(0.01)
c.check(not loops(), f"stayed behind: {loops()}")
c.exit()
