#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""Nothing missed: every channel through a bind mount, where insider and outsider use different names."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import matrix  # noqa: E402
import mounts  # noqa: E402

matrix.main(mounts.bind, "bind mount")
