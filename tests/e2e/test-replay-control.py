#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""Signals, threads and processes in a replay: handlers in handlers and out of them by a jump, stacks that overflow, timers,
vfork, processes that share memory, exec by a thread, threads that come and go, owners of locks that die."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import Report, prog  # noqa: E402
from replay import same  # noqa: E402

SCENARIOS = ["nested", "overflow", "timer", "vforks", "clone-vm", "thread-exec", "thread-lives", "robust-locks", "leader-ends",
             "queued"]


def scenario(name):
    for options in ((), ("--checksum=all",)):
        same([prog("control"), name], options=options)


r = Report()
for NAME in SCENARIOS:
    r.case(NAME, scenario, NAME)
r.exit()
