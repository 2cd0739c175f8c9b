# SPDX-License-Identifier: MIT
"""What the tests of `bprec probe` share: running it, and looking into its JSON."""
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BPREC = os.path.abspath(os.environ.get("BPREC", os.path.join(ROOT, "build", "bprec")))

# Facts that need privileges: without them nobody can know.
NEED_ROOT = {"tp_btf", "raw_tp", "tracepoint", "fentry", "fexit", "fmod_ret", "kprobe", "lsm",
             "iter_task", "iter_task_vma", "iter_task_file", "ringbuf", "bpf_find_vma",
             "bpf_send_signal", "kernel_read", "lockdown"}
FILESYSTEMS = {"tmpfs", "ext4", "xfs", "btrfs", "overlayfs"}


def run(*args, program=BPREC, env=None, **more):
    """Runs `bprec probe ARGS`. Returns (exit status, stdout, stderr)."""
    done = subprocess.run([program, "probe", *args], capture_output=True, text=True, timeout=110 * float(os.environ.get("SLOWER", "1")),
                          stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}, **more)
    return done.returncode, done.stdout, done.stderr


def report(*args, **more):
    """Runs `bprec probe --json ARGS`. Returns (exit status, the JSON)."""
    code, out, err = run("--json", *args, **more)
    if err:
        sys.exit(f"unexpected words on stderr: {err}")
    return code, json.loads(out)


def features(doc):
    """Answers by name."""
    return {f["name"]: f for f in doc["features"]}


def cells(doc):
    """Cells by (channel, filesystem)."""
    return {(c["channel"], c["filesystem"]): c for c in doc["channels"]}


def skip(why):
    """Ends the test: the machine can't do this."""
    print(why)
    sys.exit(77)


def need_observation(doc):
    """Skips where nothing can be observed."""
    if os.geteuid() != 0:
        skip("needs root")
    if not doc["observes"]:
        skip("no observation on this kernel: " + doc["why"])


class Checks:
    """Collects what is wrong, and says it all at the end."""

    def __init__(self):
        self.wrong = []
        self.count = 0

    def check(self, fine, text):
        """One claim."""
        self.count += 1
        if not fine:
            self.wrong.append(text)

    def exit(self):
        """Ends the test."""
        for text in self.wrong:
            print("wrong:", text)
        print(f"{self.count} claims, {len(self.wrong)} wrong")
        sys.exit(1 if self.wrong or not self.count else 0)
