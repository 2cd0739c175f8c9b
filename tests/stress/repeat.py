# SPDX-License-Identifier: MIT
"""Race-prone cases of other tests, again and again, as many at once as there are processors."""
import concurrent.futures
import os
import re
import subprocess
import time

import e2e
from e2e import Failed

RUNS = int(os.environ.get("STRESS_RUNS", "20"))
E2E = os.path.join(e2e.ROOT, "tests", "e2e")
# test, part of its cases' names: what comes of them depends on who is faster. (Of replay only what takes seconds.)
CASES = [
    ("test-sound-writes", "a write in flight when the insider ends"),
    ("test-sound-writes", "a write in flight when the insider unmaps"),
    ("test-sound-writes", "the insider reads while a write is in flight"),
    ("test-sound-writes", "ping-pong"),
    ("test-sound-writes", "rule 1: the file is mapped while a"),
    ("test-no-false-alarm", "mapped first while it is written, tmpfs"),
    ("test-sound-stops", "an insider that runs"),
    ("test-sound-mutants", "stores right before each unmap"),
    ("test-sound-mutants", "stores right before the end"),
    ("test-sound-mutants", "copied while the write is in flight"),
    ("test-compare", "right before the end"),
    ("test-compare", "the outsider leaves"),
    ("test-replay-memory", "a change whose order can't be known"),
    ("test-exposures", "forked-writable-mapping"),
    ("test-watch", "short lived"),
    ("test-watch", "unmapped before"),
    ("test-watch", "away and back"),
    ("test-watch", "gone before we look"),
]


def once(argv):
    """Runs a case; what it says if it fails, None if all is well."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, timeout=e2e.LIMIT * 5, preexec_fn=e2e.die_with_parent)
    if done.returncode == 77:
        raise e2e.Skip(done.stdout.strip())
    if not re.search(r"^(not )?ok - ", done.stdout, re.M):
        raise Failed(f"there is no such case: {done.stdout[-300:]}")
    return done.stdout[-1500:] if done.returncode else None


def again(test, case):
    """RUNS times; all failures are told."""
    start, argv = time.monotonic(), [os.path.join(E2E, test + ".py"), case]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        bad = [said for said in pool.map(lambda _: once(argv), range(RUNS)) if said]
    if bad:
        raise Failed(f"{len(bad)} of {RUNS} runs failed; the first: {bad[0]}")
    print(f"# {test} '{case}': {RUNS} runs in {time.monotonic() - start:.0f} s, none failed", flush=True)


def repeat(r):
    for test, case in CASES:
        r.case(f"{RUNS} runs of {test} '{case}'", again, test, case)
