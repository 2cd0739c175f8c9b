#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
"""Transparent: compilers, make and git give the same when recorded."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import Report, need  # noqa: E402
from programs import GIT  # noqa: E402
from projects import c_file, c_project, texts  # noqa: E402
from transparent import same  # noqa: E402


def compile_one():
    same(["gcc", "-O2", "-o", "prog", "long.c"], setup=lambda d: c_file(os.path.join(d, "long.c")))


def make():
    need("gcc")
    same(["make", "-j2"], setup=c_project)


def git():
    need("git")
    same(["bash", "-c", GIT], setup=texts, ignore=[".git/index", ".git/logs/*", ".git/gc.pid"])


r = Report()
r.case("gcc -O2 on a file of 1,000 lines", compile_one)
r.case("make -j2 of a project of 40 files", make)
r.case("git init, add, commit, log, gc", git)
r.exit()
