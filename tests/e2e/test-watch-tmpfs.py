#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""bprec watch: every channel on tmpfs."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import matrix  # noqa: E402
import mounts  # noqa: E402

matrix.main(mounts.tmpfs, "watch, tmpfs", command="watch")
