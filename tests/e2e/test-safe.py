#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 200
"""Safe: traces are for their owner alone; check, dump and ps of a hostile trace write nothing, follow no path out of it, and
end with one clear line; with --user the recorder and the program run without root once BPF is loaded."""
import os
import random
import re
import shutil
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
import mounts  # noqa: E402
from e2e import BPREC, PAGE, Insider, Outsider, Report, expect, expect_verdict, need, prog, tempdir  # noqa: E402
from transparent import ENV  # noqa: E402

FILES = ("events", "pages", "manifest")
NOBODY = 65534


def recorded(folder):
    """A small trace."""
    trace = os.path.join(folder, "trace")
    subprocess.run([BPREC, "record", "-q", "-o", trace, "--", "sh", "-c", "ls / > /dev/null; exit 0"], check=True,
                   timeout=e2e.LIMIT, env=ENV, umask=0)
    return trace


def modes():
    trace = recorded(tempdir())
    mode = stat.S_IMODE(os.stat(trace).st_mode)
    expect(mode == 0o700, f"the directory has mode {mode:o}")
    for name in os.listdir(trace):
        mode = stat.S_IMODE(os.lstat(os.path.join(trace, name)).st_mode)
        expect(mode == 0o600, f"{name} has mode {mode:o}")


def reads(*words):
    """Runs a command that reads a trace."""
    done = subprocess.run([BPREC, *words], capture_output=True, timeout=e2e.LIMIT, env=ENV, stdin=subprocess.DEVNULL)
    done.err = done.stderr.decode(errors="replace")
    return done


def trouble(trace, what):
    """All of them: exit 2, and one clear line."""
    for words in (("check",), ("check", "--json"), ("dump",), ("dump", "--json", "--pages"), ("ps",)):
        done = reads(*words, trace)
        expect(done.returncode == 2, f"{what}: {' '.join(words)} returned {done.returncode}: {done.err.strip()[:200]}")
        expect(done.err.startswith("bprec: ") and done.err.count("\n") == 1, f"{what}: {words}: stderr is {done.err!r}")


def links_out():
    """Each file of the trace is a link to itself outside: a reader must not follow it."""
    folder = tempdir()
    trace = recorded(folder)
    outside = os.path.join(folder, "outside")
    os.mkdir(outside)
    for name in FILES:
        shutil.move(os.path.join(trace, name), os.path.join(outside, name))
        os.symlink(os.path.join(outside, name), os.path.join(trace, name))
        trouble(trace, f"{name} is a symbolic link")
        os.unlink(os.path.join(trace, name))
        shutil.move(os.path.join(outside, name), os.path.join(trace, name))
    expect(reads("check", trace).returncode == 0, "the whole trace is not clean")


def no_files():
    """A fifo, a directory and a device in place of a file: no hanging, no crash."""
    for name in FILES:
        for what, make in (("a fifo", os.mkfifo), ("a directory", os.mkdir),
                           ("a socket", lambda p: os.mknod(p, stat.S_IFSOCK | 0o600))):
            trace = recorded(tempdir())
            os.unlink(os.path.join(trace, name))
            make(os.path.join(trace, name))
            trouble(trace, f"{name} is {what}")


def no_trace():
    folder = tempdir()
    trouble(folder, "an empty directory")
    trouble(os.path.join(folder, "nothing"), "no directory")
    trouble("/etc/passwd", "a file")


def foreign():
    """A file of another trace."""
    one, two = recorded(tempdir()), recorded(tempdir())
    for name in FILES:
        shutil.copy(os.path.join(one, name), os.path.join(one, "keep"))
        shutil.copy(os.path.join(two, name), os.path.join(one, name))
        trouble(one, f"{name} of another trace")
        os.rename(os.path.join(one, "keep"), os.path.join(one, name))


def flipped():
    """Bits flipped anywhere: check finds each."""
    trace = recorded(tempdir())
    rng = random.Random(1)
    for _ in range(120):
        name = rng.choice(FILES)
        path = os.path.join(trace, name)
        at = rng.randrange(os.path.getsize(path))
        with open(path, "r+b") as f:
            f.seek(at)
            old = f.read(1)[0]
            f.seek(at)
            f.write(bytes([old ^ 1 << rng.randrange(8)]))
        done = reads("check", trace)
        expect(done.returncode == 2, f"a bit flipped in {name} at {at}: check returned {done.returncode}")
        expect(done.err.startswith("bprec: ") and done.err.count("\n") == 1, f"{name} at {at}: stderr is {done.err!r}")
        dump = reads("dump", "--json", trace)
        expect(dump.returncode in (0, 2), f"a bit flipped in {name} at {at}: dump returned {dump.returncode}")
        with open(path, "r+b") as f:
            f.seek(at)
            f.write(bytes([old]))
    expect(reads("check", trace).returncode == 0, "the mended trace is not clean")


def cut():
    """Files cut short: damage while there is a manifest; without one, read to the last frame."""
    whole = recorded(tempdir())
    rng = random.Random(2)
    for name in FILES:
        size = os.path.getsize(os.path.join(whole, name))
        for length in sorted({0, 7, 40, size - 1, *(rng.randrange(size) for _ in range(8))}):
            trace = os.path.join(tempdir(), "cut")
            shutil.copytree(whole, trace)
            os.truncate(os.path.join(trace, name), length)
            done = reads("check", trace)
            expect(done.returncode == 2, f"{name} cut to {length} of {size}: check returned {done.returncode}")
            os.unlink(os.path.join(trace, "manifest"))
            done = reads("check", trace)
            expect(done.returncode in (1, 2), f"{name} cut to {length}, no manifest: check returned {done.returncode}")
            if length > 40 and name != "pages":  # pages are written before the events that refer to them
                expect(done.returncode == 1, f"{name} cut to {length}, no manifest: check returned 2: {done.err}")


def writes_nothing():
    """What check, dump and ps open: the trace and libraries, all for reading; nothing is made, renamed or removed."""
    trace = recorded(tempdir())
    for words in (("check",), ("check", "--json"), ("dump",), ("dump", "--pages"), ("ps",)):
        log = os.path.join(tempdir(), "log")
        subprocess.run([need("strace"), "-f", "-qq", "-e", "trace=%file,ftruncate,mkdirat,connect", "-o", log, BPREC, *words,
                        trace], stdout=subprocess.DEVNULL, check=True, timeout=e2e.LIMIT, env=ENV)
        for line in open(log, errors="replace").read().splitlines():
            if "execve(" in line or "ENOENT" in line:
                continue
            expect(not re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|mkdir|unlink|rename|symlink|ftruncate|connect|chmod|chown",
                                 line), f"{words}: {line}")
            path = re.search(r'"([^"]*)"', line)
            if path and re.search(r"open", line):
                expect(re.match(rf"{re.escape(trace)}|(events|pages|manifest|clone-\d+)$|\.?$|/etc/ld|/lib|/usr/lib|/proc|/sys|"
                                r"/usr/share|/etc/localtime|/dev/", path[1]), f"{words} opens {path[1]}")


def as_nobody():
    """--user: neither the recorder nor the program is root, and changes are noticed all the same."""
    if os.geteuid() != 0:
        raise e2e.Skip("needs root")
    place = mounts.tmpfs()
    os.chmod(place.real, 0o755)
    home = os.path.join(place.real, "home")
    os.mkdir(home)
    os.chown(home, NOBODY, -1)
    place.create("mapped", bytes(3 * PAGE))
    path = os.path.join(place.real, "mapped")
    exe = os.path.join(place.real, "insider")
    shutil.copy(prog("insider"), exe)
    insider = Insider([exe], trace=os.path.join(home, "trace"), options=("--user", "nobody"))
    outsider = Outsider()
    insider.map(path)
    insider.blocked()
    for pid in (insider.proc.pid, insider.pid):
        with open(f"/proc/{pid}/status") as f:
            status = f.read()
        ids = re.search(r"^Uid:\s*(.*)$", status, re.M)[1].split()
        expect(set(ids) == {str(NOBODY)}, f"process {pid} ({os.readlink(f'/proc/{pid}/exe')}) has uids {ids}")
        expect(int(re.search(r"^CapEff:\s*(\w+)", status, re.M)[1], 16) == 0, f"process {pid} has capabilities")
        groups = re.search(r"^Groups:\s*(.*)$", status, re.M)[1].split()
        expect("0" not in groups, f"process {pid} has groups {groups}")
    outsider.do("pwrite64", path, PAGE + 5, 10, 7)
    v = insider.finish()
    expect_verdict(v, "resnapshotted")
    expect(v.of(path)[0]["by"]["pid"] == outsider.pid, f"not named: {v.brief()}")
    expect(os.stat(insider.trace).st_uid == NOBODY, "the trace belongs to another user")
    expect(v.doc["observation"]["active"], "not observed")


def setuid_as_nobody():
    """A setuid program below --user gets no rights: the kernel gives none to a program traced by a user without them."""
    if os.geteuid() != 0:
        raise e2e.Skip("needs root")
    folder = tempdir()
    os.chmod(folder, 0o777)
    exe = os.path.join(folder, "ids")
    shutil.copy(prog("ids"), exe)
    os.chmod(exe, 0o4755)
    done = subprocess.run([BPREC, "record", "-q", "--user", "nobody", "-o", os.path.join(folder, "trace"), "--", exe],
                          capture_output=True, text=True, timeout=e2e.LIMIT, env={**ENV, "HOME": folder}, cwd="/")
    expect(f"uid {NOBODY} euid {NOBODY} " in done.stdout, f"it prints {done.stdout!r} {done.stderr!r}")


def without_privileges():
    """A user without rights records too; the verdict is uncertain, and --require-observation makes it an error."""
    if os.geteuid() != 0:
        raise e2e.Skip("needs root to become another user")
    folder = tempdir()
    os.chmod(folder, 0o777)
    exe = os.path.join(folder, "bprec")
    shutil.copy(BPREC, exe)
    become = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    trace = os.path.join(folder, "trace")
    done = subprocess.run([*become, exe, "record", "-o", trace, "--", "sh", "-c", "echo hello"], capture_output=True, text=True,
                          timeout=e2e.LIMIT, env={**ENV, "HOME": folder}, cwd="/")
    expect(done.returncode == 0 and done.stdout == "hello\n", f"it returned {done.returncode}: {done.stderr}")
    expect(re.search(r"bprec: .*without observation", done.stderr), f"no warning: {done.stderr!r}")
    v = e2e.check(trace)
    expect_verdict(v, "uncertain")
    expect(not v.doc["observation"]["active"], "it says it was observed")
    expect(reads("check", "--allow-uncertain", trace).returncode == 0, "--allow-uncertain does not help")
    done = subprocess.run([*become, exe, "record", "--require-observation", "-o", trace + "2", "--", "true"],
                          capture_output=True, text=True, timeout=e2e.LIMIT, env={**ENV, "HOME": folder}, cwd="/")
    expect(done.returncode == 125, f"--require-observation: it returned {done.returncode}: {done.stderr}")


r = Report()
r.case("modes 0700 and 0600 under umask 0", modes)
r.case("files that are links out of the trace", links_out)
r.case("files that are none", no_files)
r.case("no trace", no_trace)
r.case("files of another trace", foreign)
r.case("120 flipped bits", flipped)
r.case("files cut short", cut)
r.case("check, dump and ps write nothing and stay inside", writes_nothing)
r.case("--user nobody", as_nobody)
r.case("a setuid program under --user", setuid_as_nobody)
r.case("without privileges", without_privileges)
r.exit()
