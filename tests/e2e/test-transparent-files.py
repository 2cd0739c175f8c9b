#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
"""Transparent: programs that walk, pack and search files give the same when recorded."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import Report, need  # noqa: E402
from projects import texts  # noqa: E402
from transparent import same  # noqa: E402


def bash(script, **kw):
    return same(["bash", "-c", script], **kw)


def tar_zstd():
    need("zstd")
    bash("tar c --sort=name --mtime=@1 . | zstd -q | tar t --zstd | sort", setup=texts)


def ripgrep():
    same(["rg", "--sort", "path", "-n", "line 1.7 of", "."], setup=texts)
    same(["rg", "-c", "no such words", "."], setup=texts, status=1)


def fzf():
    same(["fzf", "--filter", "tx1"], stdin=b"".join(b"text%02d.txt\n" % i for i in range(20)))


def copies():
    bash("cp -r folder copy; cat *.txt | sort | uniq -c | sort -rn > sorted; tail -3 sorted; ln -s sorted link;"
         "mkfifo fifo; dd if=sorted of=part bs=1000 count=3 status=none; truncate -s 12345 hole; wc -c *.txt sorted part",
         setup=texts)


r = Report()
r.case("true", same, ["true"])
r.case("echo", same, ["echo", "hello"])
r.case("cat, its input from a pipe", same, ["cat"], stdin=b"x" * 300000)
r.case("ls -lR /usr/include", same, ["ls", "-lR", "/usr/include"])
r.case("find /usr/share -name '*.h'", same, ["find", "/usr/share", "-name", "*.h"])
r.case("tar | zstd | tar", tar_zstd)
r.case("ripgrep", ripgrep)
r.case("fzf --filter", fzf)
r.case("coreutils: cp, sort, uniq, dd, truncate, mkfifo", copies)
r.exit()
