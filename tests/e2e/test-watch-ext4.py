#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""bprec watch: every channel on ext4."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import matrix  # noqa: E402
import mounts  # noqa: E402

matrix.main(mounts.ext4, "watch, ext4", command="watch")
