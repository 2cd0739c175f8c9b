#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 200
"""Robust: calls with very many buffers; programs whose seccomp filter kills for what they don't call
themselves; processors."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import Report, prog  # noqa: E402
from transparent import same  # noqa: E402


def many_buffers():
    same([prog("many-buffers")])


def strict_filter(mode):
    same([prog("strict-filter"), mode], status=5)


def cpus(prefix=()):
    same([*prefix, prog("cpus")])


r = Report()
r.case("readv and recvmmsg with as many buffers as the kernel takes", many_buffers)
r.case("a filter that kills: a call that bprec refuses", strict_filter, "refused")
r.case("a filter that kills: threads wait for each other in large reads", strict_filter, "threads")
r.case("processors that a program may use", cpus)
r.case("processors that taskset allows", cpus, ["taskset", "-c", str(max(os.sched_getaffinity(0)))])
r.exit()
