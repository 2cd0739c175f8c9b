#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What check, dump and ps print, held against tests/cli/expected/*. With --update: writes these files anew."""
import json
import os
import pty
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import reports  # noqa: E402

BPREC = os.path.abspath(os.environ.get("BPREC", os.path.join(HERE, "..", "..", "build", "bprec")))
UPDATE = "--update" in sys.argv
failed = []


def run(work, *words):
    done = subprocess.run([BPREC] + list(words), cwd=work, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                          env={**os.environ, "NO_COLOR": "1"})
    return done.returncode, done.stdout, done.stderr


def report(name, why=""):
    print("%s %s%s" % ("not ok" if why else "ok", name, ": " + why if why else ""))
    if why:
        failed.append(name)


def snapshot(work, name, code, *words):
    """Runs a command and compares what it prints to stdout with expected/NAME."""
    path = os.path.join(HERE, "expected", name)
    got, out, err = run(work, *words)
    if UPDATE:
        with open(path, "wb") as f:
            f.write(out)
    with open(path, "rb") as f:
        expected = f.read()
    why = ""
    if got != code or err:
        why = "exit %d, expected %d; %s" % (got, code, err.decode(errors="replace"))
    elif out != expected:
        why = "differs from " + os.path.relpath(path)
        sys.stdout.write("# " + out.decode(errors="replace").replace("\n", "\n# ") + "\n")
    report(name, why)
    return out


def safe(name, out):
    """Nothing in a text may steer a terminal."""
    bad = [b for b in out if b < 32 and b != 10 or b == 127]
    text = out.decode(errors="surrogateescape")
    report(name, "unsafe bytes" if bad or "\u202e" in text or any(0xDC80 <= ord(c) <= 0xDCFF for c in text) else "")


def reports_of(work):
    for name, make in reports.STORIES.items():
        make().write(os.path.join(work, name))
        code = reports.CODES[name]
        out = snapshot(work, "check-" + name, code, "check", name)
        safe("check-%s safe" % name, out)
        out = snapshot(work, "check-%s.json" % name, code, "check", "--json", name)
        verdict = json.loads(out.decode())["verdict"]
        report("verdict-" + name, "" if verdict == ("uncertain" if name == "cut" else name) else verdict)
    snapshot(work, "check-divergent-v", 1, "check", "-v", "divergent")
    for story in ("uncertain", "divergent"):
        for what in ("events", "maps", "pages", "changes"):
            out = snapshot(work, "dump-%s-%s" % (what, story), 0, "dump", "--" + what, story)
            safe("dump-%s-%s safe" % (what, story), out)
            out = snapshot(work, "dump-%s-%s.json" % (what, story), 0, "dump", "--json", "--" + what, story)
            for line in out.splitlines():
                json.loads(line.decode())
    safe("ps safe", snapshot(work, "ps", 0, "ps", "clean"))
    json.loads(snapshot(work, "ps.json", 0, "ps", "--json", "clean").decode())


def expect(work, name, code, out, err, *words):
    """Runs a command; out: exact bytes, err: a part of the one line on stderr, "" for none."""
    got, stdout, stderr = run(work, *words)
    why = ""
    if got != code:
        why = "exit %d, expected %d" % (got, code)
    elif stdout != out:
        why = "%d bytes of output, expected others: %d" % (len(stdout), len(out))
    elif (stderr.decode().count("\n"), err in stderr.decode()) != (1 if err else 0, True):
        why = "stderr is " + repr(stderr)
    elif err and not stderr.startswith(b"bprec: "):
        why = "stderr doesn't begin with 'bprec: '"
    report(name, why)


def contents(work):
    """Raw contents of pages and objects, now and then."""
    p = [reports.page(i) for i in range(4)]
    zero = bytes(reports.PAGE)
    expect(work, "page", 0, p[1], "", "dump", "--page", "2", "clean")
    expect(work, "page zero", 0, zero, "", "dump", "--page", "0", "clean")
    expect(work, "page beyond", 2, b"", "page", "dump", "--page", "9", "clean")
    expect(work, "object", 0, p[0] + p[1] + 2 * zero, "", "dump", "--object", "1", "clean")
    expect(work, "object changed", 0, p[0] + p[1] + p[3] + zero, "", "dump", "--object", "1", "resnapshotted")
    expect(work, "object before", 0, p[0] + p[1] + 2 * zero, "", "dump", "--object", "1", "--at", "20", "resnapshotted")
    expect(work, "object by path", 0, p[0] + p[1] + p[3] + zero, "", "dump", "--path", "/dev/shm/x", "resnapshotted")
    expect(work, "object, partial page", 0, (p[2] + p[2])[:2 * reports.PAGE - 100], "", "dump", "--object", "2", "clean")
    expect(work, "object lost", 2, p[2], "not in the trace", "dump", "--object", "2", "divergent")
    expect(work, "object not there yet", 2, b"", "no object", "dump", "--object", "1", "--at", "4", "clean")
    expect(work, "no such object", 2, b"", "no object", "dump", "--object", "3", "clean")
    expect(work, "no such path", 2, b"", "no object", "dump", "--path", "/x", "clean")


def usage(work):
    expect(work, "two traces", 2, b"", "'cut'", "check", "clean", "cut")
    expect(work, "no trace", 2, b"", "nowhere", "check", "nowhere")
    expect(work, "two dumps", 2, b"", "--maps", "dump", "--events", "--maps", "clean")
    expect(work, "bad number", 2, b"", "'1x'", "dump", "--page", "1x", "clean")
    expect(work, "negative number", 2, b"", "'-1'", "dump", "--object=-1", "clean")
    expect(work, "object 0", 2, b"", "object 0", "dump", "--object=0", "clean")
    expect(work, "bad option", 2, b"", "--jso", "ps", "--jso", "clean")
    code, out, _ = run(work, "check", "--allow-uncertain", "uncertain")
    report("allow-uncertain", "" if code == 0 and out.startswith(b"uncertain") else "exit %d" % code)
    code, out, _ = run(work, "check", "--allow-uncertain", "divergent")
    report("allow-uncertain is not for divergent", "" if code == 1 else "exit %d" % code)
    before = sorted(os.listdir(work))
    os.chmod(os.path.join(work, "clean"), 0o500)
    code, _, _ = run(work, "check", "clean")
    report("check writes nothing", "" if code == 0 and before == sorted(os.listdir(work)) else "it did")


def on_terminal(work, **environment):
    """What check prints to a terminal."""
    at, terminal = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    env.update({"TERM": "xterm", **environment})
    child = subprocess.Popen([BPREC, "check", "divergent"], cwd=work, stdin=subprocess.DEVNULL, stdout=terminal, env=env)
    os.close(terminal)
    out = b""
    while True:
        try:
            more = os.read(at, 65536)
        except OSError:  # EIO: the other end is closed (man 4 pts)
            break
        if not more:
            break
        out += more
    child.wait()
    os.close(at)
    return out


def colours(work):
    report("colours on a terminal", "" if b"\x1b[1;31mdivergent\x1b[0m:" in on_terminal(work) else "there are none")
    report("NO_COLOR", "colours in spite of it" if b"\x1b" in on_terminal(work, NO_COLOR="1") else "")
    report("TERM=dumb", "colours in spite of it" if b"\x1b" in on_terminal(work, TERM="dumb") else "")


def main():
    with tempfile.TemporaryDirectory() as work:
        reports_of(work)
        contents(work)
        usage(work)
        colours(work)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
