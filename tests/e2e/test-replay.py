#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 600
"""Replays put out what the recording did, to the byte, where nothing of the program is left; and run nothing again."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
from e2e import BPREC, Failed, Report, prog, tempdir  # noqa: E402
from replay import DONE, jail, record, replay, same  # noqa: E402

# name, command: programs whose output is the same each time
STEADY = [
    ("ls", ["ls", "-lR", "/usr/include/linux"]),
    ("find", ["find", "/usr/share/doc", "-name", "*.gz"]),
    ("gcc", ["sh", "-c", "cd $(mktemp -d) && echo 'int main(void){return 4;}' >a.c && gcc -O2 a.c && ./a.out; echo $?; rm -r $PWD"]),
    ("git", ["sh", "-c", "cd $(mktemp -d) && git init -q . && echo a >a && git add a && git -c user.name=a -c user.email=b commit -qm x"
             " && git log --format=%s && git gc -q; rm -rf $PWD"]),
    ("sqlite3", ["sqlite3", ":memory:", "create table t(a); with recursive c(x) as (select 1 union all select x+1 from c where "
                 "x<20000) insert into t select x from c; select sum(a) from t"]),
    ("node", ["node", "-e", "console.log([1,2,3].map(x => x * x).join())"]),
    ("java", ["java", "-version"]),
    ("rg", ["rg", "-c", "define", "/usr/include/stdio.h"]),
    ("curl", ["curl", "-s", "file:///etc/passwd"]),
    ("vim", ["vim", "-u", "NONE", "-es", "-c", "put =join(range(9))", "-c", "%print", "-c", "qa!"]),
    ("faults, mappings, shared memory", [prog("memory")]),
]
# programs whose output is another one each time
CHANCE = [
    ("date", ["date", "+%s.%N"]),
    ("shell's pid", ["sh", "-c", "echo $$"]),
    ("bash RANDOM", ["bash", "-c", "echo $RANDOM $RANDOM $SRANDOM"]),
    ("mktemp -u", ["mktemp", "-u"]),
    ("urandom", ["sh", "-c", "head -c 16 /dev/urandom | od -An -tx1"]),
    ("uuid", ["cat", "/proc/sys/kernel/random/uuid"]),
    ("own stat", ["cat", "/proc/self/stat"]),
    ("own maps by pid", ["sh", "-c", "ls -l /proc/self/fd; echo $$"]),
    ("uptime", ["sh", "-c", "cat /proc/uptime; date +%N"]),
    ("schedstat", ["sh", "-c", "cat /proc/self/schedstat; date +%N"]),
    ("openssl rand", ["openssl", "rand", "-hex", "8"]),
    ("perl rand", ["perl", "-e", "print rand, ' ', $$, \"\\n\""]),
    ("perl time", ["perl", "-MTime::HiRes=time", "-e", "print time"]),
    ("perl fork", ["perl", "-e", "$|=1; for (1..5) { if (!fork) { print \"$$\\n\"; exit } } 1 while wait > 0"]),
    ("awk srand", ["sh", "-c", "awk 'BEGIN { srand(); print rand() }'; date +%N"]),
    ("shuf", ["shuf", "-i", "1-1000", "-n", "8"]),
    ("python time", ["/usr/bin/python3", "-c", "import time; print(time.time(), time.perf_counter())"]),
    ("python random", ["/usr/bin/python3", "-c", "import random; print(random.random())"]),
    ("python uuid", ["/usr/bin/python3", "-c", "import uuid; print(uuid.uuid4())"]),
    ("python hash", ["/usr/bin/python3", "-c", "print(hash('a'))"]),
    ("python secrets", ["/usr/bin/python3", "-c", "import secrets; print(secrets.token_hex())"]),
    ("python subprocess", ["/usr/bin/python3", "-c", "import subprocess; print(subprocess.check_output(['sh', '-c', 'echo $$']))"]),
    ("python pipe", ["/usr/bin/python3", "-c", "import os; r, w = os.pipe(); p = os.fork()\nif not p: os.write(w, str(os.getpid())"
                     ".encode()); os._exit(0)\nos.wait(); print(os.read(r, 99))"]),
    ("sqlite3 random", ["sqlite3", ":memory:", "select random()"]),
    ("node random", ["node", "-e", "console.log(Math.random(), Date.now(), process.pid)"]),
    ("50 children", ["bash", "-c", "for i in $(seq 50); do (echo $BASHPID) & done; wait"]),
    ("pipeline", ["sh", "-c", "date +%N | sed s/1/one/ | tr a-z A-Z; echo $$"]),
    ("stdout kept elsewhere", ["bash", "-c", "exec 5>&1 >/dev/null; echo lost; echo $$ >&5; echo $RANDOM >/dev/fd/5"]),
    ("stat of a new file", ["sh", "-c", "f=$(mktemp); stat -c '%i %z' $f; rm $f"]),
    ("threads racing", [prog("racy")]),
]


def differs_each_time(argv, out):
    """A plain run must not put out the same, or the test shows nothing."""
    for _ in range(20):
        if subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True).stdout != out:
            return
    raise Failed("another run puts out the same: this test could not fail")


def chance(argv):
    differs_each_time(argv, same(argv, rounds=2))


def network():
    """What a server outside sent."""
    server = ("import os,socket; s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(1); print(s.getsockname()[1],flush=True); "
              "c=s.accept()[0]; c.send(os.urandom(8).hex().encode())")
    with subprocess.Popen(["/usr/bin/python3", "-c", server], stdout=subprocess.PIPE, preexec_fn=e2e.die_with_parent) as p:
        port = p.stdout.readline().decode().strip()
        out = same(["/usr/bin/python3", "-c", f"import socket; c=socket.create_connection(('127.0.0.1',{port})); print(c.recv(99))"])
        p.wait()
    if len(out) < 16:
        raise Failed(f"nothing came from the server: {out!r}")


def racy_often():
    """Recordings of a racy program: each replays its own output."""
    seen = {same([prog("racy")]) for _ in range(int(os.environ.get("REPLAY_RECORDINGS", "12")))}
    if len(seen) < 2:
        raise Failed("the recordings are all equal: this test could not fail")


def nothing_outside():
    """strace sees bprec itself: the stubs make no call of the program's."""
    top = tempdir()
    record(["sh", "-c", f"echo a >{top}/made; rm {top}/made; date"], top + "/trace")
    log = top + "/strace"
    run = subprocess.run(["strace", "-f", "-o", log, BPREC, "replay", top + "/trace"], capture_output=True, cwd="/",
                         preexec_fn=e2e.die_with_parent)
    if not DONE.search(run.stderr):
        raise Failed(f"replay under strace: {run.stderr!r}")
    if os.path.exists(top + "/made"):
        raise Failed("the replay made the program's file")
    with open(log, encoding="utf-8", errors="replace") as f:
        calls = [line.split(None, 1)[1] for line in f]
    opens = [c for c in calls if c.startswith("openat") and " ENOENT" not in c]
    after = opens[next(i for i, c in enumerate(opens) if top in c):]
    for c in calls:
        if c.startswith(("socket(", "connect(", "unlink", "rename", "mkdir", "bind(", "execve(")) and BPREC not in c:
            raise Failed(f"reached the outside: {c}")
    for c in after:
        if "O_WRONLY" in c or "O_RDWR" in c or not any(n in c for n in ("trace", "events", "pages", "manifest")):
            raise Failed(f"opened: {c}")


def until():
    """--until stops where it is told."""
    top = tempdir()
    record(["date"], top + "/trace")
    run = replay(jail(top + "/trace"), "--until", "40")
    if run.returncode != 0 or b"replayed 41 events" not in run.stderr or b"stopped as asked" not in run.stderr:
        raise Failed(f"--until 40: {run.returncode} {run.stderr!r}")


def core():
    """--core writes what a debugger opens: the registers and memory at that event."""
    top = tempdir()
    record([prog("racy")], top + "/trace")
    run = subprocess.run([BPREC, "replay", "-q", "--until", "350", "--core", top + "/core", top + "/trace"], capture_output=True,
                         preexec_fn=e2e.die_with_parent)
    if run.returncode or os.stat(top + "/core").st_mode & 0o77:
        raise Failed(f"--core: {run.returncode} {run.stderr!r}")
    with open(top + "/core", "rb") as f:
        data = f.read()
    if data[:4] != b"\x7fELF" or prog("racy").encode() not in data or b"CORE" not in data:
        raise Failed(f"the core file: {data[:400]!r}")


r = Report()
for NAME, ARGV in STEADY:
    r.case(f"{NAME}: replay", same, ARGV)
for NAME, ARGV in CHANCE:
    r.case(f"{NAME}: replay, another run differs", chance, ARGV)
r.case("input from a server outside", network)
r.case("recordings of a race", racy_often)
r.case("nothing reaches the outside", nothing_outside)
r.case("--until", until)
r.case("--core", core)
r.exit()
