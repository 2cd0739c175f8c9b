#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# serial: of two observations that look at one process, the second may be told less
"""A hook that is left out on purpose changes the answers that rest on it, and no others."""
# timeout 240
import probelib

CASES = (
    # hook, cells that get worse: what they become
    ("tracepoint/syscalls/sys_enter_pwrite64", {("pwrite", "tmpfs"): "compare", ("pwrite", "xfs"): "compare"}),
    ("tracepoint/syscalls/sys_exit_ftruncate", {("truncate", "tmpfs"): "no", ("truncate", "ext4"): "no"}),
    ("tracepoint/syscalls/sys_exit_pwritev", {("pwritev", "tmpfs"): "compare", ("pwritev", "overlayfs"): "compare"}),
    ("tp_btf/page_fault_user", {("mmap-store", "ext4"): "compare", ("mmap-store", "btrfs"): "compare"}),
)
# The same where choke points are used (tier 2).
CHOKE_CASES = (
    ("fexit/generic_write_checks", {("pwrite", "tmpfs"): "compare", ("writev", "ext4"): "compare"}),
    ("fexit/notify_change", {("truncate", "tmpfs"): "no", ("open-trunc", "ext4"): "no"}),
    ("fentry/handle_mm_fault", {("mmap-store", "ext4"): "compare"}),
)
UNTOUCHED = (("write", "tmpfs"), ("fallocate", "tmpfs"), ("writev", "ext4"))

c = probelib.Checks()
code, whole = probelib.report()
probelib.need_observation(whole)
before = probelib.cells(whole)
for hook, worse in CHOKE_CASES if whole["tiers"] == 2 else CASES:
    code, doc = probelib.report("--disable-hook", hook)
    after = probelib.cells(doc)
    c.check(code == 1, f"{hook}: exit status {code}")
    for at, seen in worse.items():
        if not before[at]["known"]:
            continue  # no such filesystem can be had here
        c.check(hook in before[at]["hooks"], f"{hook} is not named: {before[at]}")
        c.check(before[at]["seen"] in ("exact", "page"), f"before: {before[at]}")
        c.check(after[at]["seen"] == seen, f"{hook} left out: {after[at]}")
        c.check(after[at]["tried"] and hook in after[at]["why"] and hook not in after[at]["hooks"], f"{hook}: {after[at]}")
    for at in UNTOUCHED:
        c.check(hook in before[at]["hooks"] or after[at]["seen"] == before[at]["seen"], f"{hook}: {after[at]}")
c.exit()
