#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 900
"""Replays: compilers, make and git; programs that walk, pack and search files."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import Report, need  # noqa: E402
from programs import GIT  # noqa: E402
from projects import c_file, c_project, texts  # noqa: E402
from replay import same  # noqa: E402
from transparent import ENV  # noqa: E402


def compiler():
    same(["gcc", "-O2", "-o", "prog", "long.c"], setup=lambda d: c_file(os.path.join(d, "long.c")), status=0)


def shell(script):
    same(["bash", "-c", script], setup=texts, env=ENV, status=0)


for name in ("gcc", "make", "git", "tar", "zstd", "rg", "fzf"):
    need(name)
NAMES = b"".join(b"text%02d.txt\n" % i for i in range(20))
r = Report()
r.case("ls -lR /usr/include", same, ["ls", "-lR", "/usr/include"], status=0)
r.case("find /usr/share -name '*.h'", same, ["find", "/usr/share", "-name", "*.h"], status=0)
r.case("gcc -O2 on a file of 1,000 lines", compiler)
r.case("make -j2 of a project of 40 files", same, ["make", "-j2"], setup=c_project, status=0)
r.case("git init, add, commit, log, gc", shell, GIT)
r.case("tar | zstd | tar", shell, "tar c . | zstd | tar t --zstd | sort")
r.case("ripgrep (Rust)", same, ["rg", "-n", "line 1.7 of", "."], setup=texts, status=0)
r.case("fzf --filter (Go)", same, ["fzf", "--filter", "tx1"], stdin=NAMES, status=0)
r.case("fzf --filter, rdtsc and cpuid found by Go's own table", same, ["fzf", "--filter", "tx1"], stdin=NAMES, status=0,
       options=["--no-tsc-fault"])
r.exit()
