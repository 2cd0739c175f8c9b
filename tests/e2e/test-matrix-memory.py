#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""A part of the matrix (tests/lib/cells.py): objects in memory and ways to reach them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import cells  # noqa: E402
import kinds  # noqa: E402

cells.main(kinds.MEMORY)
