#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# serial: of two observations that look at one process, the second may be told less
"""What was tried is what it says: reasons, hooks and answers of one report fit together, and nothing stays behind."""
import os
import subprocess
import tempfile
import time

import probelib

# Runs the program with mounts of its own, which no other test changes, and compares them.
RUN_ALONE = """unshare --mount sh -c '
cat /proc/self/mountinfo >"$0/before"; "$@"; code=$?
cat /proc/self/mountinfo >"$0/after"; exit $code' """


def left_in_shm():
    """Our files in /dev/shm; those of a probe beside this one live for microseconds."""
    return [n for n in os.listdir("/dev/shm") if n.startswith(".bprec-probe")]


if os.geteuid() != 0:
    probelib.skip("needs root")
c = probelib.Checks()
scratch = tempfile.TemporaryDirectory(prefix="bprec-probe-test.")
mounts = tempfile.TemporaryDirectory(prefix="bprec-probe-test.")
alone = os.path.join(mounts.name, "run")
with open(alone, "w", encoding="ascii") as f:
    f.write(f"#!/bin/sh\nset -- {mounts.name} {probelib.BPREC} \"$@\"\nexec {RUN_ALONE} \"$@\"\n")
os.chmod(alone, 0o755)
code, doc = probelib.report(program=alone, env={"TMPDIR": scratch.name})
probelib.need_observation(doc)
table = probelib.cells(doc)

before, after = (set(open(os.path.join(mounts.name, n), encoding="utf-8")) for n in ("before", "after"))
c.check(before and before == after, f"mounts that came or went: {before ^ after}")
c.check(not os.listdir(scratch.name), f"stayed behind: {os.listdir(scratch.name)}")
limit = time.monotonic() + 20
while left_in_shm() and time.monotonic() < limit:
    time.sleep(0.01)
c.check(not left_in_shm(), f"stayed behind in /dev/shm: {left_in_shm()}")

# The filesystem of TMPDIR is tried there, /dev/shm is tried as tmpfs.
here = subprocess.run(["stat", "-f", "-c", "%T", scratch.name], capture_output=True, text=True,
                      check=True).stdout.strip().replace("ext2/ext3", "ext4")
if here in probelib.FILESYSTEMS - {"tmpfs"}:
    cell = table["pwrite", here]
    c.check(cell["tried"] and scratch.name in cell["why"], f"not tried in TMPDIR: {cell}")
c.check(table["pwrite", "tmpfs"]["tried"], "tmpfs was not tried")

for (channel, filesystem), cell in table.items():
    if cell["seen"] in ("exact", "page"):
        c.check(cell["hooks"], f"seen without a hook: {cell}")
    if not cell["possible"]:
        c.check(cell["seen"] == "no", f"{cell}")

# The calls of the write family name their range; a store to tmpfs after a read is silent on every kernel up to 7.3.
for channel in ("write", "pwrite", "writev", "pwritev", "sendfile", "splice", "copy_file_range", "truncate",
                "open-trunc", "fallocate"):
    c.check(table[channel, "tmpfs"]["seen"] == "exact", f"{table[channel, 'tmpfs']}")
c.check(table["mmap-store", "tmpfs"]["seen"] == "compare", f"{table['mmap-store', 'tmpfs']}")
c.check(not table["clone", "tmpfs"]["possible"], f"{table['clone', 'tmpfs']}")
if table["mmap-store", "ext4"]["tried"]:
    c.check(table["mmap-store", "ext4"]["seen"] == "page", f"{table['mmap-store', 'ext4']}")

# The kernel's own changes are tried too, not asserted: what it wrote has been looked at.
for channel in ("kernel", "kernel-shared", "uprobe"):
    c.check(table[channel, "tmpfs"]["tried"], f"{table[channel, 'tmpfs']}")
c.check("told" in table["kernel-shared", "tmpfs"]["why"], f"{table['kernel-shared', 'tmpfs']}")
c.check(not table["block-device", "tmpfs"]["possible"], f"{table['block-device', 'tmpfs']}")

# An observation needs these, so they can't be "no" where one was opened.
answers = {f["name"]: f["answer"] for f in doc["features"]}
for name in ("btf", "kernel_read", "tp_btf", "tracepoint", "iter_task_vma", "iter_task_file", "ringbuf"):
    c.check(answers[name] == "yes", f"{name}: {answers[name]}")
c.exit()
