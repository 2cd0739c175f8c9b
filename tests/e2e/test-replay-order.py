#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""Replay: what threads of a share group do is in the order in which it happened."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import Report, prog  # noqa: E402
from replay import same  # noqa: E402

ROUNDS = int(os.environ.get("REPLAY_ROUNDS", "3"))


def often(name):
    for _ in range(ROUNDS):
        same([prog(name)])


r = Report()
r.case("a read ends while another thread is inside a call that doesn't wait", often, "exit-order")
r.exit()
