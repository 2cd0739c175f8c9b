# SPDX-License-Identifier: MIT
"""What the tests of the kernel side share: the driver as an object, and processes inside and outside its tree."""
import os
import subprocess
import sys

import ops

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))

INSIDER, KTHREAD, RANGE_UNKNOWN, APPEND, DIRECT, SHRINK, READONLY_NOW, FAILED = (1 << i for i in range(8))


class Talker:
    """A child that answers lines with lines."""

    def __init__(self, *argv):
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.pid = self.child.pid

    def line(self):
        text = self.child.stdout.readline()
        if not text:
            raise EOFError(f"{self.child.args[0]} is gone: {self.child.wait()}")
        return text.rstrip("\n")

    def send(self, *words):
        self.child.stdin.write(" ".join(str(w) for w in words) + "\n")

    def ask(self, *words):
        self.send(*words)
        return self.line()

    def end(self):
        self.child.stdin.close()
        return self.child.wait()


class Driver(Talker):
    """kern-driver; skips the test where it can't work."""

    def __init__(self, *args):
        super().__init__(os.path.join(BUILD, "tests", "bpf", "kern-driver"), *args)
        first = self.line()
        if first != ".":
            print(first)
            sys.exit(77)

    def command(self, *words):
        """The answer's lines as dictionaries; numbers are int."""
        self.send(*words)
        rows = []
        while (text := self.line()) != ".":
            row = dict(word.split("=", 1) for word in text.split(" ") if "=" in word)
            rows.append({k: int(v) if v.lstrip("-").isdigit() else v for k, v in row.items()})
        return rows

    def drain(self, **want):
        """Events whose fields are those in want."""
        return [e for e in self.command("drain") if all(e[k] == v for k, v in want.items())]


class Insider(Talker):
    """tests/progs/insider in the tree of a driver."""

    def __init__(self, driver):
        super().__init__(os.path.join(BUILD, "tests", "progs", "insider"))
        self.line()
        driver.command("tree", self.pid)


def program(name):
    """A program of tests/progs as a Talker, past its greeting."""
    t = Talker(os.path.join(BUILD, "tests", "progs", name))
    t.line()
    return t


def outsider(op, *args):
    """Runs one operation of ops.py in a process of its own. Pid, channel, offset, length."""
    r, w = os.pipe()
    pid = os.fork()  # a new interpreter would take a second on an emulated machine
    if pid == 0:
        code = 1
        try:
            os.write(w, " ".join(map(str, getattr(ops, "op_" + op)(*(args[1:] or args)))).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(w)
    with os.fdopen(r) as answer:
        text = answer.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise RuntimeError(f"{op}: exit {code}")
    if text.startswith("skip"):
        return pid, "skip", text[5:].strip(), 0
    channel, offset, length = text.split()
    return pid, channel, int(offset), int(length)
