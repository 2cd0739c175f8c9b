#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 600
"""Programs that put out something else each time: a replay puts out what the recording did, where nothing of them is left."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
from e2e import Failed, Report, prog  # noqa: E402
from replay import same  # noqa: E402

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


r = Report()
for NAME, ARGV in CHANCE:
    r.case(f"{NAME}: replay, another run differs", chance, ARGV)
r.case("input from a server outside", network)
r.case("recordings of a race", racy_often)
r.exit()
