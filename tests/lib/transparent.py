# SPDX-License-Identifier: MIT
"""Runs a command twice, unrecorded and recorded, in the same (fresh) directory, and compares all that can be seen:
stdout, stderr, exit status, and the files it left (names, types, modes, contents)."""
import difflib
import fnmatch
import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile

import e2e
from e2e import Failed

ENV = {
    "PATH": e2e.PATH, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "dumb", "TZ": "UTC", "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_AUTHOR_DATE": "2001-02-03T04:05:06Z",
    "GIT_COMMITTER_NAME": "c", "GIT_COMMITTER_EMAIL": "c@example.org", "GIT_COMMITTER_DATE": "2001-02-03T04:05:06Z",
    "SOURCE_DATE_EPOCH": "1", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1",
}


class Run:
    """What one run left behind."""

    def __init__(self, status, out, err, files):
        self.status, self.out, self.err, self.files = status, out, err, files


def listing(top, ignore):
    """Name -> what is there, for all files below top but those that match a pattern of `ignore`."""
    found = {}
    for folder, dirs, names in os.walk(top):
        for name in dirs + names:
            path = os.path.join(folder, name)
            rel = os.path.relpath(path, top)
            if any(fnmatch.fnmatch(rel, p) for p in ignore):
                continue
            st = os.lstat(path)
            what = stat.filemode(st.st_mode)
            if stat.S_ISLNK(st.st_mode):
                what += " -> " + os.readlink(path)
            elif stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    what += f" {st.st_size} {hashlib.sha256(f.read()).hexdigest()[:16]}"
            found[rel] = what
    return found


def run_once(argv, work, setup, stdin, env, ignore, limit):
    """One run in a fresh directory `work`."""
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    if setup:
        setup(work)
    run = subprocess.run(argv, cwd=work, env={**ENV, "HOME": work, **(env or {})}, input=stdin or b"",
                         capture_output=True, timeout=limit, preexec_fn=e2e.die_with_parent)
    return Run(run.returncode, run.stdout, run.stderr, listing(work, ignore))


def shape(data, patterns):
    """Replaces what may differ between any two runs, by (regular expression, replacement)."""
    for pattern, new in patterns:
        data = re.sub(pattern, new, data)
    return data


def difference(what, native, recorded):
    """The first lines of the difference of two outputs, as one string."""
    a, b = (x.decode(errors="replace").splitlines() for x in (native, recorded))
    diff = list(difflib.unified_diff(a, b, "unrecorded", "recorded", lineterm="", n=0))[:12]
    return f"{what} differs: " + " | ".join(diff)


def compare(native, recorded, patterns, check_err):
    """Raises Failed at the first difference."""
    if native.status != recorded.status:
        tail = recorded.err.decode(errors="replace").strip()[-500:]
        raise Failed(f"exit status {native.status} unrecorded, {recorded.status} recorded; stderr: {tail}")
    pairs = [("stdout", native.out, recorded.out)] + ([("stderr", native.err, recorded.err)] if check_err else [])
    for what, a, b in pairs:
        a, b = shape(a, patterns), shape(b, patterns)
        if a != b:
            raise Failed(difference(what, a, b))
    if native.files != recorded.files:
        names = sorted(k for k in native.files.keys() | recorded.files.keys()
                       if native.files.get(k) != recorded.files.get(k))
        k = names[0]
        raise Failed(f"{len(names)} files differ, first {k}: unrecorded {native.files.get(k)}, "
                     f"recorded {recorded.files.get(k)}")


def same(argv, setup=None, stdin=None, env=None, ignore=(), patterns=(), check_err=True, limit=100, status=0,
         verdicts=("clean",), options=("-q",)):
    """Compares the two runs of argv, and demands one of `verdicts` (or verdict -> reason that a gap must contain)."""
    argv = [e2e.need(argv[0]), *argv[1:]]
    with tempfile.TemporaryDirectory(prefix="bprec-same.") as top:
        work, trace = os.path.join(top, "work"), os.path.join(top, "trace")
        native = run_once(argv, work, setup, stdin, env, ignore, limit)
        if status is not None and native.status != status:
            raise Failed(f"unrecorded exit status {native.status}, the test expected {status}: "
                         f"{native.err.decode(errors='replace')[-500:]}")
        record = [e2e.BPREC, "record", *options, "-o", trace, "--", *argv]
        recorded = run_once(record, work, setup, stdin, env, ignore, limit)
        compare(native, recorded, patterns, check_err)
        v = e2e.check(trace)
        judge(v, verdicts)
        return v


def judge(v, verdicts):
    """verdicts: allowed ones; a dict gives for each a text that some gap or exposure must mention ('' none)."""
    if v.verdict not in verdicts:
        raise Failed(f"expected verdict {' or '.join(verdicts)}: {v.brief()}")
    reason = verdicts[v.verdict] if isinstance(verdicts, dict) else ""
    if reason and reason not in str(v.gaps) + str(v.exposures):
        raise Failed(f"verdict {v.verdict} without its reason '{reason}': {v.brief()}")
