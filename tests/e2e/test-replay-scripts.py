#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 900
"""Replays: interpreters, with threads, a just-in-time compiler and job control among them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import PYTHON, Report  # noqa: E402
from programs import BASH, NODE, PERL, PY, SET_M, VIM  # noqa: E402
from projects import texts  # noqa: E402
from replay import same  # noqa: E402
from transparent import ENV  # noqa: E402


def here(argv, status=0, env=None):
    same(argv, setup=texts, env={**ENV, **(env or {})}, status=status)


r = Report()
r.case("python3 with threads, subprocesses and json", here, [PYTHON, "-c", PY])
r.case("perl with a child, a pipe and an alarm", here, ["perl", "-e", PERL])
r.case("bash with pipes, traps and background jobs", here, ["bash", "-c", BASH], 7)
r.case("bash with job control", here, ["bash", "-c", SET_M], 0, {"PS1": ""})
r.case("vim -es", here, VIM)
r.case("node -e with workers' promises, a child and files", here, ["node", "-e", NODE])
r.case("java -version", here, ["java", "-version"])
r.exit()
