#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that are relocated by a part of the kernel's BTF are those that are relocated by all of it."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kern


def programs(*args):
    """What a driver loads: hook -> (number of instructions, hash)."""
    d = kern.Driver("", "0", *args)
    rows = {row["hook"]: (row["n"], row["hash"]) for row in d.command("programs")}
    d.end()
    return rows


part, whole = programs(), programs("whole")
loaded = [hook for hook, (n, _) in whole.items() if n]
wrong = [hook for hook in whole if part.get(hook) != whole[hook]]
print(f"{len(loaded)} programs, {sum(whole[h][0] for h in loaded)} instructions; different: {wrong or 'none'}")
if wrong or len(loaded) < 30 or len({whole[h] for h in loaded}) < 10:
    sys.exit("not the same programs")
