#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
"""bprec watch: the same observation of a program that nobody stops."""
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import (BPREC, LIMIT, PAGE, Insider, Outsider, Peer, Report, alive, check, children, dump, expect,  # noqa: E402
                 expect_verdict, need, need_root, prog, tempdir, wait_saved, wait_until)

PLACES = {"tmpfs": "/dev/shm", "disk": os.environ.get("TMPDIR", "/var/tmp")}


class Watched(Insider):
    """An insider under bprec watch, whose changes are printed as they happen."""

    def __init__(self, argv=None, options=("--follow",), **kw):
        super().__init__(argv, command="watch", options=options, **kw)

    def lines(self):
        """What bprec has said so far."""
        with open(self.errors, errors="replace") as f:
            return f.read().splitlines()

    def wait_line(self, *words):
        """Waits for a line with all these words, while the program still runs; returns it."""
        def found():
            return [x for x in self.lines() if all(w in x for w in words)]
        line = wait_until(f"bprec says {words}", found)[0]
        expect(self.proc.poll() is None, "the line came after the end")
        return line


def new_file(place="tmpfs", pages=4):
    path = os.path.join(tempdir(PLACES[place]), "file")
    with open(path, "wb") as f:
        f.write(bytes(range(256)) * (pages * PAGE // 256))
    return path


def watch(*argv, options=(), **kw):
    """Runs a command to its end; returns exit status, check's result and what was said."""
    trace = os.path.join(tempdir(), "trace")
    done = subprocess.run([BPREC, "watch", "-o", trace, *options, "--", *argv], capture_output=True, text=True,
                          timeout=LIMIT, stdin=subprocess.DEVNULL, **kw)
    return done, check(trace) if os.path.exists(os.path.join(trace, "manifest")) else None


def one_change(v, path, channel, pid, offset=None, length=None):
    """The change of this file by this channel and process; its outcome can't be better than possible."""
    found = [c for c in v.of(path) if c["channel"] == channel and (c["by"] or {}).get("pid") == pid]
    expect(found, f"no {channel} by {pid}: {v.brief()}")
    c = found[0]
    if offset is not None:
        expect((c["offset"], c["length"]) == (offset, length), f"range of {c}, expected {offset}+{length}")
    expect(c["outcome"] in ("possible", "lost"), f"nobody was stopped, and yet: {c['outcome']}")
    return c


def clean():
    done, v = watch("/bin/sh", "-c", "ls /usr/lib >/dev/null; cat /etc/passwd | sort >/dev/null; exit 3")
    expect(done.returncode == 3, f"exit status {done.returncode}: {done.stderr}")
    expect_verdict(v, "clean")
    expect(v.doc["watched"] is True and v.doc["exit"] == {"status": 3}, str(v.doc["exit"]))
    lines = done.stderr.splitlines()
    expect(len(lines) == 1 and lines[0].startswith("bprec: trace ") and lines[0].endswith(": clean"), done.stderr)


def by_call(place, op, channel, offset, length, exact):
    path, out, ins = new_file(place), Outsider(), Watched()
    ins.map(path)
    pid = out.do(op, path, offset, length, 0x41)
    line = ins.wait_line(channel, str(pid))
    expect(path in line and "outsider" in line and "possible" in line, line)
    v = ins.finish()
    expect_verdict(v, "divergent")
    one_change(v, path, channel, pid, *((offset, length) if exact else ()))
    out.end()


def by_store(place):
    """A store through a mapping; on tmpfs there may be no event, so contents are compared."""
    path, out, ins = new_file(place), Outsider(), Watched()
    out.ask(f"mapread {path}")
    ins.map(path)
    wait_saved(ins, path)
    out.do("store-after-read", path, 2 * PAGE + 5, 3, 0x41)
    ins.wait_line("mmap-store", str(out.pid))
    v = ins.finish()
    expect_verdict(v, "divergent")
    c = one_change(v, path, "mmap-store", out.pid)
    expect(c["offset"] <= 2 * PAGE + 5 and c["offset"] + c["length"] >= 2 * PAGE + 8, str(c))
    out.end()


def own_writes():
    """The tree's own changes are none from outside: by itself, by a child, to what it maps."""
    path, ins = new_file(), Watched()
    ins.map(path)
    ins.ask(f"op pwrite64 {path} 100 50 65")
    ins.ask(f"childop pwrite64 {path} 5000 50 65")
    ins.ask(f"childop truncate {path} {3 * PAGE} 0 0")
    expect_verdict(ins.finish(), "clean")


def same_bytes():
    """An outsider writes what is there already, and nothing else happens."""
    path, out, ins = new_file(), Outsider(), Watched()
    ins.map(path)
    wait_saved(ins, path)
    out.do("pwrite64", path, 10, 20, 10)  # writes 10, 11, 12 ..., as new_file did
    ins.wait_line("pwrite", "same-bytes")
    v = ins.finish()
    expect_verdict(v, "resnapshotted")
    expect([c["outcome"] for c in v.of(path)] == ["same-bytes"], v.brief())
    out.end()


def away_and_back():
    """Emptied and filled again with the same bytes: the program could see it in between."""
    path, out, ins = new_file(), Outsider(), Watched()
    ins.map(path)
    wait_saved(ins, path)
    out.do("open-trunc", path)
    out.do("pwrite64", path, 0, 4 * PAGE, 0)
    ins.wait_line("pwrite")
    v = ins.finish()
    expect_verdict(v, "divergent")
    one_change(v, path, "open-trunc", out.pid)
    out.end()


def short_lived():
    """A writer that is gone at once is named; a reader that has gone before the change doesn't count."""
    path, ins = new_file(), Watched()
    ins.map(path)
    writer = subprocess.Popen([prog("outsider")], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    writer.communicate(f"pwrite64 {path} 7 9 65\n".encode())
    line = ins.wait_line("pwrite", str(writer.pid))
    expect("/outsider" in line, line)
    v = ins.finish()
    one_change(v, path, "pwrite", writer.pid, 7, 9)


def unmapped_before():
    """What was unmapped before the change isn't the program's affair."""
    path, out, ins = new_file(), Outsider(), Watched()
    mapping, address = (int(x) for x in ins.ask(f"map {path} shared 0 0 touch").split()[1:])
    ins.ask(f"unmap {mapping}")
    wait_until("the unmapping is known", lambda: re.search(rf" unmap +addr={address:#x} ", dump(ins.trace)))
    out.do("pwrite64", path, 0, 100, 0x41)
    v = ins.finish()
    expect(not v.of(path), v.brief())
    expect_verdict(v, "clean")
    out.end()


def gone_before_we_look(after=False):
    """Who could store when the program mapped the file is gone when we come to look: that there was somebody is known. after: he came
    when the file was watched already, because of a mapping that failed."""
    path, out, ins = new_file(), Outsider(), Watched()
    os.kill(ins.proc.pid, signal.SIGSTOP)
    try:
        if after:
            ins.tell(f"map {path} shared 0 {1 << 50} notouch")
            expect(ins.hear().startswith("error"), "so much can be mapped")
        out.ask(f"map {path}")
        mapping = ins.map(path)
        before = ins.hash(mapping, 1)
        out.do("store", path, PAGE + 5, 1, 7)
        out.end()
        expect(ins.hash(mapping, 1) != before, "the store was not seen: the test is wrong")
    finally:
        os.kill(ins.proc.pid, signal.SIGCONT)
    v = ins.finish()
    expect_verdict(v, "uncertain")
    inode = os.stat(path).st_ino
    expect(any(g["kind"] == "hidden-stores" and (g["identity"] or {}).get("inode") == inode for g in v.gaps), v.brief())


def library():
    """cp over a file that is mapped privately: O_TRUNC and write, by name."""
    path, ins = new_file("disk"), Watched()
    ins.map(path, "private")
    other = new_file("disk", 3)
    cp = subprocess.Popen([need("cp"), other, path])
    cp.wait(LIMIT)
    ins.wait_line("open-trunc", str(cp.pid))
    v = ins.finish()
    expect_verdict(v, "divergent")
    one_change(v, path, "open-trunc", cp.pid)
    expect(any(c["by"]["exe"].endswith("/cp") for c in v.of(path)), v.brief())


def child_maps():
    """A forked child that maps; its parent has ended. The watch goes on until it ends too."""
    path = new_file()
    code = ("import mmap,os,sys\n"
            "if os.fork():\n    os._exit(5)\n"
            "m = mmap.mmap(os.open(sys.argv[1], os.O_RDONLY), 0, prot=mmap.PROT_READ)\n"
            "print('ready', os.getpid(), flush=True)\n"
            "sys.stdin.readline()\n")
    out = Outsider()
    ins = Watched(["/usr/bin/python3", "-c", code, path])
    out.do("pwrite64", path, 0, 10, 0x41)
    ins.wait_line("pwrite", str(out.pid))
    v = ins.finish(5)
    c = one_change(v, path, "pwrite", out.pid, 0, 10)
    expect(ins.pid in [m["pid"] for m in c["mapped_by"]], str(c))
    out.end()


def statuses():
    for words, status in ((["sh", "-c", "exit 42"], 42), (["sh", "-c", "kill -9 $$"], 137),
                          (["/dev/null/none"], 126), (["/no/such/file"], 127), (["bprec-none-such"], 127),
                          (["/etc/passwd"], 126)):
        done, _ = watch(*words)
        expect(done.returncode == status, f"{words}: {done.returncode}, not {status}: {done.stderr}")
    unprivileged = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", BPREC, "watch", "-o",
                                   os.path.join(tempdir(), "t"), "--", "touch", os.path.join(tempdir(), "touched")],
                                  capture_output=True, text=True)
    expect(unprivileged.returncode == 125 and "bprec: " in unprivileged.stderr, str(unprivileged))


def signals():
    """SIGTERM to bprec alone reaches the command, which may do with it what it likes."""
    ins = Watched(["/bin/sh", "-c", "trap 'exit 9' TERM; echo ready $$; while :; do sleep 0.05; done"])
    ins.proc.send_signal(signal.SIGTERM)
    ins.finish(9)


def attach():
    """--pid: a program that runs already, with a child; what they mapped before is watched."""
    path, late, out = new_file(), new_file(), Outsider()
    ins = Peer([prog("insider")])
    pid = int(ins.hear().split()[1])
    expect(ins.ask(f"map {path} shared 0 0 touch").startswith("map"), "map")
    trace = os.path.join(tempdir(), "trace")
    with open(trace + ".err", "w+") as err:
        w = subprocess.Popen([BPREC, "watch", "--follow", "-o", trace, "--pid", str(pid)], stderr=err)
        wait_until("the program is watched", lambda: path in dump(trace))
        out.do("pwrite64", path, 1, 2, 0x41)
        ins.ask(f"map {late} shared 0 0 touch")
        out.do("pwrite64", late, 3, 4, 0x41)
        ins.ask(f"op pwrite64 {path} 100 50 65")

        def said():
            with open(err.name) as f:
                return f.read()
        wait_until("both changes are told", lambda: path in said() and late in said())
        expect(w.poll() is None and alive(pid), "it ended too early")
        ins.end()
        expect(w.wait(LIMIT) == 0, f"exit status {w.returncode}: {said()}")
    v = check(trace)
    one_change(v, path, "pwrite", out.pid, 1, 2)
    one_change(v, late, "pwrite", out.pid, 3, 4)
    expect(len(v.changes) == 2, v.brief())
    out.end()


def attach_and_leave():
    """SIGINT ends the watch of a running program, not the program; the trace is whole."""
    ins = Peer([prog("insider")])
    pid = int(ins.hear().split()[1])
    trace = os.path.join(tempdir(), "trace")
    w = subprocess.Popen([BPREC, "watch", "-o", trace, "--pid", str(pid)], stderr=subprocess.PIPE, text=True)
    wait_until("it is watched", lambda: "insider" in dump(trace))
    w.send_signal(signal.SIGINT)
    _, err = w.communicate(timeout=LIMIT)
    expect(w.returncode == 0 and err.rstrip().endswith(": clean"), f"{w.returncode}: {err}")
    expect(alive(pid), "the program is gone")
    v = check(trace)
    expect_verdict(v, "clean")
    expect(v.doc["exit"] is None, str(v.doc["exit"]))
    ins.end()


def one_memory():
    """--pid of a process whose memory another has, too: a store by that one comes by no record. Was: clean. The control: where
    both are watched, there is nothing to tell."""
    for which, verdict in (("child", "uncertain"), ("parent", "clean")):
        both = Peer([prog("onememory")])
        parent, child = (int(x) for x in both.hear().split()[1:])
        trace = os.path.join(tempdir(), "trace")
        w = subprocess.Popen([BPREC, "watch", "-q", "-o", trace, "--pid", str(child if which == "child" else parent)])
        # each of them is entered, and its mappings listed
        wait_until("it is watched", lambda: "onememory" in dump(trace)
                   and all(re.search(rf"\b{pid}\b.*onememory", dump(trace)) for pid in ([child] if which == "child" else [parent, child])))
        expect(both.ask("store") == "saw 1", "the test is wrong: nothing was stored")
        expect(both.end() == 0, "it fails")
        expect(w.wait(LIMIT) == 0, f"exit status {w.returncode}")
        v = check(trace)
        expect_verdict(v, verdict)
        expect([g["kind"] for g in v.gaps] == ["hidden-stores"] * (which == "child"), v.brief())
        expect(which == "parent" or f"pid {parent} (onememory) has the same memory as pid {child} " in v.gaps[0]["reason"],
               v.brief())


def attach_tree():
    """Descendants are found too."""
    path, out = new_file(), Outsider()
    shell = subprocess.Popen(["/bin/sh", "-c", f"{prog('insider')}; exit 0"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    pid = int(shell.stdout.readline().split()[1])
    expect(pid in children(shell.pid), "the insider is the shell's child")
    shell.stdin.write(f"map {path} shared 0 0 touch\n")
    shell.stdin.flush()
    shell.stdout.readline()
    trace = os.path.join(tempdir(), "trace")
    w = subprocess.Popen([BPREC, "watch", "-q", "-o", trace, "--pid", str(shell.pid)])
    wait_until("the tree is watched", lambda: path in dump(trace))
    out.do("pwrite64", path, 1, 2, 0x41)
    shell.stdin.close()
    expect(w.wait(LIMIT) == 0 and shell.wait(LIMIT) == 0, "statuses")
    c = one_change(check(trace), path, "pwrite", out.pid, 1, 2)
    expect([m["pid"] for m in c["mapped_by"]] == [pid], str(c["mapped_by"]))
    out.end()


def beside_strace():
    """Next to a tracer: the traced program's file is changed by an outsider."""
    path, out = new_file(), Outsider()
    ins = Watched([need("strace"), "-f", "-o", "/dev/null", prog("insider")])
    ins.map(path)
    out.do("pwrite64", path, 1, 2, 0x41)
    ins.wait_line("pwrite", str(out.pid))
    one_change(ins.finish(), path, "pwrite", out.pid, 1, 2)
    done, v = watch(need("strace"), "-f", "-o", "/dev/null", "sh", "-c", "ls / >/dev/null; exit 4")
    expect(done.returncode == 4, done.stderr)
    expect_verdict(v, "clean")
    out.end()


def beside_record():
    """Next to bprec record: both see the same change."""
    path, out, inner = new_file(), Outsider(), os.path.join(tempdir(), "inner")
    ins = Watched([BPREC, "record", "-q", "-o", inner, "--", prog("insider")])
    ins.map(path)
    out.do("pwrite64", path, 1, 2, 0x41)
    ins.wait_line("pwrite", str(out.pid))
    outer = ins.finish()
    one_change(outer, path, "pwrite", out.pid, 1, 2)
    found = check(inner).of(path)
    expect([(c["channel"], c["by"]["pid"]) for c in found] == [("pwrite", out.pid)], str(found))


def other_commands():
    """dump and ps read such a trace; replay refuses it in one line."""
    trace = os.path.join(tempdir(), "trace")
    subprocess.run([BPREC, "watch", "-q", "-o", trace, "--", "/bin/true"], check=True, timeout=LIMIT)
    for words in (["dump", "--maps"], ["dump", "--pages"], ["dump", "--changes"], ["ps"], ["ps", "--json"]):
        subprocess.run([BPREC, *words, trace], check=True, capture_output=True)
    done = subprocess.run([BPREC, "replay", trace], capture_output=True, text=True)
    expect(done.returncode == 125 and "bprec watch" in done.stderr and len(done.stderr.splitlines()) == 1, str(done))


def killed():
    """bprec is killed: the program goes on, the trace is readable and uncertain at best."""
    ins = Watched()
    wait_until("the trace has begun", lambda: "insider" in dump(ins.trace))
    ins.proc.kill()
    ins.proc.wait()
    expect(alive(ins.pid), "the program died with bprec")
    expect(ins.ask("status 0") is not None, "it answers")
    expect_verdict(check(ins.trace, expect_complete=False), "uncertain")


def disabled():
    """A hook that is left out is a gap. (The end of mmap: a call that began and isn't seen to end was ended by the next one, with
    its result for an address, and the recording broke off.)"""
    for hook in ("sys_enter_pwrite64", "sys_exit_mmap"):
        done, v = watch("/bin/true", options=("--disable-hook", f"tracepoint/syscalls/{hook}"))
        expect_verdict(v, "uncertain")
        expect("ended early" not in done.stderr, f"{hook}: {done.stderr}")


def many_forks():
    """Hundreds of short-lived processes, each with mappings of its own: nothing lost, nothing invented."""
    done, v = watch("/bin/sh", "-c", "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done")
    expect(done.returncode == 0, done.stderr)
    expect_verdict(v, "clean")


def main():
    need_root()
    report = Report()
    report.case("clean", clean)
    for place in PLACES:
        for op, channel, offset, length, exact in (("pwrite64", "pwrite", PAGE + 3, 100, True),
                                                   ("write", "write", 5, 10, True),
                                                   ("truncate", "truncate", PAGE + 9, 0, False),
                                                   ("fallocate", "fallocate", PAGE, PAGE, True)):
            report.case(f"{op} on {place}", by_call, place, op, channel, offset, length, exact)
        report.case(f"store on {place}", by_store, place)
    for fn in (own_writes, same_bytes, away_and_back, short_lived, unmapped_before,
               gone_before_we_look, library, child_maps, statuses, signals,
               attach, attach_and_leave, one_memory, attach_tree, beside_strace, beside_record, other_commands, killed, disabled,
               many_forks):
        report.case(fn.__name__.replace("_", " "), fn)
    report.case("gone before we look, came after a mapping that failed", gone_before_we_look, True)
    report.exit()


if __name__ == "__main__":
    main()
