# SPDX-License-Identifier: MIT
"""Records a command, then replays it where nothing of it is left: in a root directory that holds bprec, its libraries and
the trace and nothing else, without network, with no environment, another umask, another user, on another CPU, other clocks."""
import functools
import os
import re
import shutil
import subprocess

import e2e
from e2e import BPREC, Failed

NOBODY = 65534
DONE = re.compile(rb"^bprec: replayed (\d+) events in (\d+) processes, (\d+) checks, no difference$", re.M)


OTHER_TIME = ["-T", "--monotonic", "1000000", "--boottime", "2000000", "--fork", "--kill-child"]


@functools.cache
def other_time():
    """Can a process have other clocks (all but CLOCK_REALTIME) than the machine? Linux 5.6 on, if configured."""
    return subprocess.run(["unshare", *OTHER_TIME, "true"], capture_output=True).returncode == 0


def record(argv, folder, cwd=None, env=None, stdin=b"", limit=120, options=()):
    """Records, with options of `bprec record`; returns (stdout, stderr, status)."""
    run = subprocess.run([BPREC, "record", "-q", *options, "-o", folder, "--", *argv], cwd=cwd, env=env, input=stdin,
                         capture_output=True, timeout=limit, preexec_fn=e2e.die_with_parent)
    if run.returncode == 125:
        raise Failed(f"recording {argv}: {run.stderr.decode(errors='replace')}")
    return run.stdout, run.stderr, run.returncode


def jail(trace):
    """A directory with bprec, its libraries and a copy of the trace, which belongs to nobody."""
    top = e2e.tempdir()
    e2e.copy_libraries(BPREC, top)
    shutil.copy(BPREC, top + "/bprec")
    shutil.copytree(trace, top + "/trace")
    for at, dirs, names in os.walk(top):
        for name in [at] + [os.path.join(at, n) for n in dirs + names]:
            os.chown(name, NOBODY, NOBODY)
    os.chmod(top, 0o755)
    return top


def replay(top, *options, cpu=0, limit=240):
    """Replays in a jail; returns the finished process."""
    def before():
        e2e.die_with_parent()
        os.umask(0o777)
        os.sched_setaffinity(0, {cpu})

    elsewhere = ["unshare", "-n", *OTHER_TIME] if other_time() else ["unshare", "-n"]
    return subprocess.run([*elsewhere, "chroot", f"--userspec={NOBODY}:{NOBODY}", top, "/bprec", "replay", *options, "/trace"],
                          env={"PATH": os.environ["PATH"]}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=limit, preexec_fn=before)


def own_lines(err):
    """stderr without bprec's own lines."""
    return b"".join(line for line in err.splitlines(True) if not line.startswith(b"bprec: "))


def own_words(err):
    """What bprec says, its first lines."""
    return b"".join(re.findall(rb"bprec: .*\n", err))[:800].decode(errors="replace")


def same(argv, rounds=1, setup=None, status=None, **kw):
    """Records a command and replays it; all it put out must be equal. Returns its stdout.

    setup(folder) fills the directory that it works in, which is gone at the replay; status: what it must return."""
    top = e2e.tempdir()
    if setup:
        kw["cwd"] = top + "/work"
        os.mkdir(kw["cwd"])
        setup(kw["cwd"])
    out, err, got = record(argv, top + "/trace", **kw)
    if status is not None and got != status:
        raise Failed(f"recording {argv}: status {got}, expected {status}: {err.decode(errors='replace')[-600:]}")
    where, status = jail(top + "/trace"), got
    shutil.rmtree(top)
    cpus = sorted(os.sched_getaffinity(0))
    for i in range(rounds):
        run = replay(where, cpu=cpus[-1 - i % len(cpus)])
        if run.returncode == 125 or not DONE.search(run.stderr):
            raise Failed(f"replay of {argv}: {own_words(run.stderr)}")
        if run.stdout != out or run.returncode != status or own_lines(run.stderr) != own_lines(err):
            raise Failed(f"replay of {argv}: status {run.returncode}, recorded {status}; stdout {run.stdout[:300]!r}, "
                         f"recorded {out[:300]!r}; stderr {run.stderr[:300]!r}, recorded {err[:300]!r}")
    shutil.rmtree(where)
    return out
