#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""Nothing missed: the insider maps a file of an overlay, the outsider changes it in the upper directory."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import matrix  # noqa: E402
import mounts  # noqa: E402

matrix.main(lambda: mounts.overlay("upper"), "overlayfs, upper",
            ["write", "pwrite64", "ftruncate", "open-trunc", "fallocate", "store", "store-kernel"])
