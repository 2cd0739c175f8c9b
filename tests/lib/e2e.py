# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: building the small programs, recording, checking, waiting, reporting.

A test makes a Report, runs cases and ends with report.exit(). Every case is named in the output.
Nothing here waits for time: wait_until() polls a condition and fails loudly after a limit.
"""
import atexit
import contextlib
import ctypes
import fcntl
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BPREC = os.path.abspath(os.environ.get("BPREC", os.path.join(ROOT, "build", "bprec")))
PAGE = 4096
LIMIT = float(os.environ.get("E2E_LIMIT", "60"))  # longest wait for one condition, seconds
PYTHON = "/usr/bin/python3"  # Debian's own, not whichever comes first in PATH

# Programs of more than one source file, or with options of their own
EXTRA = {
    "insider": (["ops.c"], []),
    "outsider": (["ops.c"], []),
    "holder": (["ops.c"], []),
    "burst": (["ring.c"], []),
    "pinned": (["ring.c"], []),
    "lmdb-reader": ([], ["-llmdb"]),
}


class Failed(Exception):
    """A case went wrong; the text says how."""


class Skip(Exception):
    """The machine can't do this; the text says why."""


def die_with_parent():
    """For preexec_fn: no child outlives a test that is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def tempdir(base=None):
    """A directory that is gone when the test ends."""
    path = tempfile.mkdtemp(prefix="bprec-e2e.", dir=base)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def copy_libraries(program, root):
    """Copies the files that the loader takes for it to below another root. Not by ldd: that runs the 32-bit loader, too, and a 32-bit process makes uncertain
    whatever is recorded meanwhile."""
    done = subprocess.run(["/lib64/ld-linux-x86-64.so.2", "--list", program], capture_output=True, text=True, check=True)
    for path in re.findall(r"(/\S+)", done.stdout):
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, root + path)


def need_bprec():
    """Fails the test if there is no program to test."""
    if not os.access(BPREC, os.X_OK):
        print(f"not ok - {BPREC} does not exist: run make first")
        sys.exit(1)


def need_root():
    """Skips the test without root."""
    if os.geteuid() != 0:
        print("skip: needs root (BPF, mounts)")
        sys.exit(77)


def need(command):
    """Path of a program of the machine. A missing one is a failure, not a skip."""
    path = command if command.startswith("/") else shutil.which(command, path=PATH)
    if not path or not os.access(path, os.X_OK):
        raise Failed(f"{command} is missing: install with scripts/deps.sh")
    return path


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def prog(name):
    """Builds tests/progs/NAME.c (once, under a lock) and returns the program's path."""
    src = os.path.join(ROOT, "tests", "progs")
    out = os.path.join(ROOT, "build", "tests", "progs")
    os.makedirs(out, exist_ok=True)
    more, flags = EXTRA.get(name, ([], []))
    files = [os.path.join(src, f) for f in [name + ".c"] + more]
    exe = os.path.join(out, name)
    heads = [os.path.join(src, f) for f in os.listdir(src) if f.endswith(".h")]
    with open(os.path.join(out, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        newest = max(os.path.getmtime(f) for f in files + heads)
        if not os.path.exists(exe) or os.path.getmtime(exe) < newest:
            cc = [os.environ.get("CC", "gcc"), "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-D_GNU_SOURCE",
                  "-pthread", "-o", exe + ".tmp", *files, *flags]
            subprocess.run(cc, check=True)
            os.rename(exe + ".tmp", exe)
    return exe


def wait_until(what, condition, limit=None):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + (limit or LIMIT)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited in vain until {what}")
        time.sleep(0.002)


def state(pid, tid=None):
    """One letter: state of a task as in /proc/PID/stat, '' if it is gone."""
    try:
        with open(f"/proc/{pid}/task/{tid or pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def in_call(pid, nr, tid=None):
    """True if the task sleeps inside the system call with this number."""
    try:
        with open(f"/proc/{pid}/task/{tid or pid}/syscall") as f:
            words = f.read().split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state(pid, tid) in ("S", "D") and words[0] == str(nr)


def wait_blocked(pid, nr=0, tid=None):
    """Waits until a task is blocked in a system call (default: read)."""
    wait_until(f"task {tid or pid} is blocked in system call {nr}", lambda: in_call(pid, nr, tid))


def wait_running(pid):
    """Waits until a process runs in user mode: its time there has grown by two ticks."""
    def ticks():
        with open(f"/proc/{pid}/stat") as f:
            return int(f.read().rpartition(")")[2].split()[11])
    start = ticks()
    wait_until(f"process {pid} runs", lambda: ticks() >= start + 2)


def alive(pid):
    """True if there is such a process and it is no zombie."""
    return state(pid) not in ("", "Z", "X")


def children(pid):
    """Pids of the children of all threads of a process."""
    found = []
    with contextlib.suppress(OSError):
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/children") as f:
                found += [int(x) for x in f.read().split()]
    return found


def descendants(pid):
    """Pids of all descendants."""
    found = []
    for child in children(pid):
        found += [child] + descendants(child)
    return found


class Peer:
    """A program that answers one line for each line it is told."""

    def __init__(self, argv, stderr=None, **kw):
        self.argv = argv
        self.proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                                     preexec_fn=die_with_parent, **kw)
        self.buf = b""
        atexit.register(self.kill)

    def tell(self, line):
        """Sends a line."""
        self.proc.stdin.write(line.encode() + b"\n")
        self.proc.stdin.flush()

    def hear(self, limit=None):
        """Waits for a line."""
        end = time.monotonic() + (limit or LIMIT)
        while b"\n" not in self.buf:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.proc.stdout], [], [], left)[0]:
                raise Failed(f"no answer within {limit or LIMIT:.0f} s from {' '.join(self.argv)}{self.why()}")
            data = os.read(self.proc.stdout.fileno(), 65536)
            if not data:
                raise Failed(f"{' '.join(self.argv)} ended unexpectedly (status {self.proc.wait()}){self.why()}")
            self.buf += data
        line, _, self.buf = self.buf.partition(b"\n")
        return line.decode()

    def why(self):
        """What can be said about a failure beside."""
        return ""

    def ask(self, line, limit=None):
        """Sends a line and waits for the answer, which must not begin with 'error'."""
        self.tell(line)
        answer = self.hear(limit)
        if answer.startswith("error"):
            raise Failed(f"{os.path.basename(self.argv[-1])} says: {answer} (to: {line})")
        return answer

    def end(self, limit=None):
        """Closes its stdin and waits for its end; returns the status."""
        self.proc.stdin.close()
        try:
            status = self.proc.wait(limit or LIMIT)
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(self.argv)} does not end{self.why()}") from None
        self.proc.stdout.close()
        return status

    def kill(self):
        """Ends it for good; allowed at any time."""
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()


class Outsider(Peer):
    """tests/progs/outsider as a server; `pid` is its process id."""

    def __init__(self, wrap=(), **kw):
        super().__init__([*wrap, prog("outsider")], **kw)
        self.hear()
        self.pid = self.proc.pid
        while wrap and not os.readlink(f"/proc/{self.pid}/exe").endswith("/outsider"):
            self.pid = children(self.pid)[0]

    def do(self, op, path, offset=0, length=0, byte=1):
        """One operation of tests/progs/ops.c; returns the pid of the process that did it."""
        return int(self.ask(f"{op} {path} {offset} {length} {byte}").split()[1]) or self.pid


class Insider(Peer):
    """A program (default: tests/progs/insider) under bprec record, or another command of bprec's."""

    def __init__(self, argv=None, trace=None, options=(), command="record", **kw):
        self.command = command
        self.trace = trace or os.path.join(tempdir(), "trace")
        self.errors = self.trace.rstrip("/") + ".stderr"
        argv = argv or [prog("insider")]
        with open(self.errors, "wb") as err:
            super().__init__([BPREC, command, "-o", self.trace, *options, "--", *argv], stderr=err, **kw)
        if "ready" not in (answer := self.hear()):
            raise Failed(f"unexpected first line of the insider: {answer}")
        self.pid = int(answer.split()[1])

    def why(self):
        with open(self.errors, errors="replace") as f:
            return "; stderr: " + f.read().strip()[-1000:]

    def blocked(self):
        """Waits until it is blocked in read(0)."""
        wait_blocked(self.pid)

    def map(self, path, kind="shared", offset=0, length=0, touch="touch"):
        """Maps a file (length 0: all of it, rounded up); returns the mapping's number."""
        return int(self.ask(f"map {path} {kind} {offset} {length} {touch}").split()[1])

    def hash(self, mapping, page):
        """What it sees of a page: FNV-1a in hex, or 'bus'."""
        return self.ask(f"hash {mapping} {page}").split()[3]

    def finish(self, status=0):
        """Ends the recording, which must return `status`, and returns check's result."""
        got = self.end()
        if got != status:
            raise Failed(f"bprec {self.command} returned {got}, expected {status}{self.why()}")
        return check(self.trace)


def fnv(data):
    """FNV-1a, 64 bits, as tests/progs/insider prints it."""
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


class Verdict:
    """Result of `bprec check --json`."""

    def __init__(self, code, doc, text):
        self.code, self.doc, self.text = code, doc, text
        self.verdict = doc.get("verdict")
        self.changes = doc.get("changes", [])
        self.exposures = doc.get("exposures", [])
        self.gaps = doc.get("observation", {}).get("gaps", [])

    def of(self, path):
        """Changes of the object behind a path (which must be a name on the real filesystem)."""
        return [c for c in self.changes if same_object(c["object"], path)]

    def brief(self):
        """For error messages."""
        lines = [f"verdict {self.verdict}"]
        for c in self.changes[:8]:
            o = c["object"] or {"path": "memory"}
            lines.append(f"change {o.get('path')}#{o.get('inode')} {c['channel']} "
                         f"[{c['offset']},+{c['length']}) by {(c.get('by') or {}).get('pid')} {c['outcome']}")
        for g in self.gaps[:6]:
            lines.append(f"gap {g}")
        lines += [f"{k}: {n}" for k, n in self.doc.get("observation", {}).items() if k not in ("gaps", "hooks")]
        return "; ".join(lines)


def same_object(obj, path):
    """True if an "object" of the JSON is the file behind path."""
    st = os.stat(path) if not isinstance(path, os.stat_result) else path
    return obj.get("inode") == st.st_ino and (obj.get("major"), obj.get("minor")) == (
        os.major(st.st_dev), os.minor(st.st_dev))


def dump(trace):
    """The events of a trace as text, also while it is made; nothing if there is none yet."""
    return subprocess.run([BPREC, "dump", "--events", trace], capture_output=True, text=True, timeout=LIMIT).stdout


def wait_saved(insider, path):
    """Waits until the insider is blocked and the contents of a file are in the trace: what changes after that is known to be newer."""
    def saved():
        out = dump(insider.trace)
        number = re.search(rf" object +object=(\d+) path=\S*{re.escape(os.path.basename(path))} ", out)
        return number and re.search(rf" pages +object={number[1]} ", out)
    insider.blocked()
    wait_until("its contents are saved", saved)


def check(trace, expect_complete=True):
    """Runs check --json and holds its exit status against its verdict."""
    run = subprocess.run([BPREC, "check", "--json", trace], capture_output=True, timeout=LIMIT)
    if run.returncode not in (0, 1):
        raise Failed(f"bprec check returned {run.returncode}: {run.stderr.decode(errors='replace').strip()}")
    doc = json.loads(run.stdout)
    wanted = 0 if doc["verdict"] in ("clean", "resnapshotted") else 1
    if run.returncode != wanted:
        raise Failed(f"bprec check returned {run.returncode} for verdict {doc['verdict']}")
    if expect_complete and not doc["complete"]:
        raise Failed("check says the trace is incomplete")
    return Verdict(run.returncode, doc, run.stderr.decode(errors="replace"))


def expect(condition, text):
    """Fails the case with text unless condition."""
    if not condition:
        raise Failed(text)


def expect_verdict(v, *allowed):
    """The verdict must be one of `allowed`."""
    expect(v.verdict in allowed, f"expected {' or '.join(allowed)}: {v.brief()}")


class Report:
    """Names every case in the output and remembers failures."""

    def __init__(self):
        need_bprec()
        self.failed = self.passed = 0
        self.only = sys.argv[1:]  # names of cases; default all

    def case(self, name, fn, *args, **kw):
        """Runs one case."""
        if self.only and not any(word in name for word in self.only):
            return
        start = time.monotonic()
        try:
            fn(*args, **kw)
        except Skip as e:
            print(f"skip - {name}: {e}", flush=True)
        except Failed as e:
            self.fail(name, str(e))
        except subprocess.TimeoutExpired as e:
            self.fail(name, f"does not end: {e}")
        except Exception:
            self.fail(name, traceback.format_exc())
        else:
            self.ok(name, f" ({time.monotonic() - start:.1f} s)")

    def ok(self, name, more=""):
        """Notes a success."""
        self.passed += 1
        print(f"ok - {name}{more}", flush=True)

    def fail(self, name, text):
        """Notes a failure."""
        self.failed += 1
        print(f"not ok - {name}: {text}", flush=True)

    def exit(self):
        """Ends the test."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)
