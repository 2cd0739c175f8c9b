#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every command that reads traces, on every golden trace: right ones, malformed ones. Never a crash, never a hang; trouble
is exit 2 with one line, and a malformed trace is always trouble for check."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "golden")
BPREC = os.environ.get("BPREC", os.path.join(HERE, "..", "..", "build", "bprec"))
COMMANDS = [["check"], ["check", "--json"], ["dump"], ["dump", "--json"], ["dump", "--maps"], ["dump", "--pages"],
            ["dump", "--changes"], ["dump", "--object", "1"], ["dump", "--page", "1"], ["ps"], ["ps", "--json"]]


def problem(words, bad, trace):
    """What is wrong with a command's answer, "" if nothing is."""
    try:
        done = subprocess.run([BPREC] + words + [trace], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "takes forever"
    if done.returncode not in (0, 1, 2) or done.returncode == 1 and words[0] != "check":
        return "exit %d" % done.returncode
    lines = done.stderr.decode(errors="replace").splitlines()
    if (done.returncode == 2) != (len(lines) == 1 and lines[0].startswith("bprec: ")):
        return "exit %d with %r on stderr" % (done.returncode, lines)
    if bad and words[0] == "check" and done.returncode != 2:
        return "exit %d for a malformed trace" % done.returncode
    return ""


def main():
    failed = 0
    traces = sorted(t for t in os.listdir(GOLDEN) if os.path.isdir(os.path.join(GOLDEN, t)))
    if not traces:
        print("not ok no golden traces")
        return 1
    for trace in traces:
        bad = "-bad-" in trace
        whys = [(" ".join(w), problem(w, bad, os.path.join(GOLDEN, trace))) for w in COMMANDS]
        whys = ["%s: %s" % (words, why) for words, why in whys if why]
        failed += bool(whys)
        print("%s %s%s" % ("not ok" if whys else "ok", trace, ": " + "; ".join(whys) if whys else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
