#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_golden.py: makes the golden traces of this format version again, in tests/golden. To be run only when a version is
new: golden traces of older versions stay as they are. For NAME/ there is NAME.txt: what a reader of it must print."""
import contextlib
import io
import os
import shutil
import sys

import bad_traces
import read_trace
import sample_traces
from trace_spec import ROOT

VERSION = "v4-"

# One wrong trace of each kind; the test makes all the others.
BAD = ["event-000-", "event-097-", "frame-events-00", "frame-pages-15", "zstd-garbage", "zstd-legacy", "count-too-many",
       "page-hash", "frames-swapped", "frame-removed", "incomplete-damaged-bytes", "incomplete-without-pages",
       "manifest-pages_hash", "file-events-magic", "file-events-version", "file-pages-id", "clone-changed", "clone-short"]


def put(name, builder):
    folder = os.path.join(ROOT, "tests", "golden", name)
    shutil.rmtree(folder, ignore_errors=True)
    builder.write(folder)
    with contextlib.redirect_stderr(io.StringIO()), open(folder + ".txt", "w") as f:
        f.write("".join(line + "\n" for line in read_trace.lines(folder)))
    return folder


def main():
    for name, builder in sample_traces.good():
        put(VERSION + name, builder)
    wanted = list(BAD)
    for name, _, builder in bad_traces.bad():
        if wanted and any(part in name for part in wanted):
            wanted = [part for part in wanted if part not in name]
            put(VERSION + "bad-" + name, builder)
    folder = put(VERSION + "bad-link", sample_traces.everything())
    os.unlink(folder + "/events")
    os.symlink("../%sall-events/events" % VERSION, folder + "/events")
    with open(folder + ".txt", "w") as f:
        f.write("bad NOT_A_TRACE\n")
    return 1 if wanted else 0


if __name__ == "__main__":
    sys.exit(main())
