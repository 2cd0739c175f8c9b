#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# serial: of two observations that look at one process, the second may be told less
"""probe --json holds what the contract says, and text, JSON and exit status agree."""
import os
import re

import probelib

CHANNELS = """write pwrite writev pwritev sendfile splice vmsplice copy_file_range clone dedupe io_uring aio
fallocate madvise-remove truncate open-trunc direct-write read-into-mapping mmap-store kernel block-device
kernel-shared remote-memory ptrace proc-mem userfaultfd uprobe""".split()
REQUIRED = probelib.NEED_ROOT | {
    "btf", "ptrace_seize", "seccomp_trace", "sysemu", "single_step", "single_step_cpuid",
    "hw_breakpoint", "tsc_fault", "cpuid_fault", "pmu", "uffd_minor", "soft_dirty", "pagemap_scan",
    "pidfd_getfd", "rseq"}

c = probelib.Checks()
code, doc = probelib.report()

for key, kind in (("kernel", str), ("arch", str), ("usable", bool), ("observes", bool), ("features", list),
                  ("channels", list)):
    c.check(isinstance(doc.get(key), kind), f"{key} is {doc.get(key)!r}")
c.check(doc["kernel"] == os.uname().release, f"kernel {doc['kernel']}")
c.check(doc["arch"] == os.uname().machine, f"arch {doc['arch']}")

for f in doc["features"]:
    c.check(set(f) >= {"name", "answer", "why", "for"}, f"keys of {f}")
    c.check(f["answer"] in ("yes", "no", "unknown"), f"answer of {f}")
    c.check(f["why"] and f["for"], f"no reason or purpose: {f}")
    c.check("gave no answer" not in f["why"] and "broke off" not in f["why"], f"failed trial: {f}")
names = [f["name"] for f in doc["features"]]
c.check(len(names) == len(set(names)), "a feature twice")
c.check(REQUIRED <= set(names), f"missing: {REQUIRED - set(names)}")

for cell in doc["channels"]:
    c.check(set(cell) >= {"channel", "filesystem", "seen", "hooks", "why"}, f"keys of {cell}")
    c.check(cell["seen"] in ("exact", "page", "compare", "no"), f"seen of {cell}")
    c.check(all(isinstance(h, str) and h for h in cell["hooks"]), f"hooks of {cell}")
    c.check(bool(cell["why"]), f"no reason: {cell}")
    c.check(cell["tried"] or not cell["known"] or not cell["possible"], f"known without a trial: {cell}")
    c.check(cell["tried"] == cell["why"].startswith("tried in "), f"does not say where it was tried: {cell}")
    c.check(cell["known"] or (cell["seen"] == "no" and cell["possible"]), f"not known, and yet: {cell}")
table = probelib.cells(doc)
c.check(len(table) == len(doc["channels"]), "a cell twice")
for channel in CHANNELS:
    for filesystem in probelib.FILESYSTEMS:
        c.check((channel, filesystem) in table, f"no cell {channel}, {filesystem}")
c.check({cell["channel"] for cell in doc["channels"]} == set(CHANNELS), "other channels")

unseen = [x for x in doc["channels"] if x["seen"] == "no" and x["possible"] and x["known"] and
          x["channel"] not in ("block-device", "kernel-shared", "uprobe")]
c.check(doc["usable"] == (doc["observes"] and not unseen), f"usable {doc['usable']}, unseen {unseen}")
complete = all(cell["seen"] in ("exact", "page") for cell in doc["channels"] if cell["possible"])
c.check(code == (0 if complete else 1), f"exit status {code}, complete: {complete}")

text_code, text, err = probelib.run()
c.check(text_code == code and not err, f"text: exit status {text_code}, stderr {err!r}")
c.check("\033" not in text, "colour in a pipe")
for f in doc["features"]:
    c.check(re.search(rf"^{f['name']} +{f['answer']} ", text, re.M), f"text lacks {f['name']}")
if doc["observes"]:
    for channel in CHANNELS:
        c.check(re.search(rf"^{channel} +", text, re.M), f"text lacks {channel}")

for words, wrong in ((("--jsn",), "--jsn"), (("word",), "word"), (("--json=1",), "--json")):
    code, out, err = probelib.run(*words)
    c.check(code == 2, f"{words}: exit status {code}")
    c.check(not out and err.startswith("bprec: ") and wrong in err and err.count("\n") == 1,
            f"{words}: {out!r} {err!r}")
c.exit()
