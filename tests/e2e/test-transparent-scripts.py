#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
"""Transparent: interpreters, with threads and a just-in-time compiler among them, give the same when recorded."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import PYTHON, Report  # noqa: E402
from programs import BASH, NODE, PERL, PY, VIM  # noqa: E402
from projects import texts  # noqa: E402
from transparent import same  # noqa: E402

r = Report()
r.case("python3 with threads, subprocesses and json", same, [PYTHON, "-c", PY])
r.case("perl", same, ["perl", "-e", PERL], setup=texts)
r.case("bash with pipes, traps and background jobs", same, ["bash", "-c", BASH], status=7)
r.case("vim -es", same, VIM, setup=texts)
r.case("node -e", same, ["node", "-e", NODE])
r.case("java -version", same, ["java", "-version"])
r.exit()
