#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
"""An insider, or a child of it, changes files that it maps, through every channel; a replay shows the same pages after each."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
import mounts  # noqa: E402
from e2e import BPREC, PAGE, Failed, Insider, Report, expect, need_root  # noqa: E402
from replay import DONE  # noqa: E402

SIZE = 12 * PAGE + 100
OPS = ["write", "pwrite64", "writev", "pwritev", "pwritev2", "write-dup", "write-scm", "write-inherited", "append", "fallocate",
       "truncate", "ftruncate", "open-trunc", "store", "store-kernel", "store-after-read", "store-populate", "store-madvise",
       "store-mprotect", "store-fork", "rename-over"]


class Teller(Insider):
    """An insider; keeps what it put out."""

    def __init__(self):
        self.out = b""
        super().__init__(options=("--checksum=all",))

    def hear(self, limit=None):
        line = super().hear(limit)
        self.out += line.encode() + b"\n"
        return line


def channels(place, how, kind):
    insider, seen = Teller(), set()
    for n, op in enumerate(OPS):
        name = f"{how}-{kind}-{op}"
        place.create(name, b"".join(k.to_bytes(2, "little") * (PAGE // 2) for k in range(1, SIZE // PAGE + 2))[:SIZE])
        path = os.path.join(place.real, name)
        m = insider.map(path, kind)
        for k in range(2):
            insider.ask(f"{how} {op} {path} {(3 + k) * PAGE + 10} 5000 {n + 1 + k}")
            seen.update(insider.hash(m, page) for page in (0, 3, 4, 5, 12))
    expect(len(seen) > len(OPS), f"it saw {len(seen)} different pages")
    insider.finish()
    run = subprocess.run([BPREC, "replay", insider.trace], stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                         preexec_fn=e2e.die_with_parent)
    if run.returncode or not DONE.search(run.stderr):
        raise Failed(f"replay returned {run.returncode}: {run.stderr.decode()[:700]}")
    expect(run.stdout == insider.out, "the replay put out something else")


need_root()
r = Report()
for FS, PLACE in (("tmpfs", mounts.tmpfs()), ("ext4", mounts.ext4())):
    for HOW, WHO in (("op", "by itself"), ("childop", "by a child")):
        for KIND in ("shared", "private"):
            r.case(f"{len(OPS)} channels, {WHO}, {KIND}, {FS}", channels, PLACE, HOW, KIND)
r.exit()
