#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# serial: of two observations that look at one process, the second may be told less
"""Without privileges probe still prints; what it could not try is unknown, never yes and never no."""
import os
import shutil
import tempfile

import probelib

if os.geteuid() != 0:
    probelib.skip("needs root to become nobody")

# Somewhere nobody can read it from.
place = tempfile.TemporaryDirectory(prefix="bprec-probe-test.")
os.chmod(place.name, 0o755)
program = shutil.copy(probelib.BPREC, os.path.join(place.name, "bprec"))
os.chmod(program, 0o755)
nobody = {"program": program, "user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}

c = probelib.Checks()
code, doc = probelib.report(**nobody)
c.check(code == 1, f"exit status {code}")
c.check(doc["usable"] is False, "usable")
for f in doc["features"]:
    if f["name"] in probelib.NEED_ROOT:
        c.check(f["answer"] == "unknown" and "needs root" in f["why"], f"{f}")
for cell in doc["channels"]:
    c.check(cell["seen"] == "no" and "root" in cell["why"] and not cell["hooks"], f"{cell}")

# What needs no privileges is answered as ever.
as_root = probelib.features(probelib.report()[1])
for name, f in probelib.features(doc).items():
    if f["answer"] != "unknown":
        c.check(f["answer"] == as_root[name]["answer"], f"{f}, as root {as_root[name]}")
c.check(probelib.features(doc)["ptrace_seize"]["answer"] == "yes", "ptrace needs no root")

code, text, err = probelib.run(**nobody)
c.check(code == 1 and not err and "needs root" in text, f"text: {code} {err!r}")
c.exit()
