#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 240
"""Situations from real life in which a process outside changes what a program has mapped: by record and by watch never
clean, the writer named, and the program behaves as it does by itself."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import (LIMIT, PAGE, Insider, Peer, Report, expect, need, need_root, prog,  # noqa: E402
                 tempdir, wait_blocked, wait_until)

ROUNDS = 400
KEYS = 500


class Alone(Peer):
    """The program by itself: what it answers is what it has to answer."""

    def __init__(self, argv):
        super().__init__(argv)
        expect("ready" in self.hear(), "the program does not begin")

    def finish(self):
        """No verdict."""
        expect(self.end() == 0, f"{self.argv} failed")


def start(how, argv):
    """The reader: by itself, or under a command of bprec's."""
    return Alone(argv) if how == "alone" else Insider(argv, command=how, options=("--follow",) if how == "watch" else ())


def in_trace(reader, path):
    """Waits until what a watched program has mapped is in the trace (a recorded one waits for that itself), and it waits."""
    def known():
        done = subprocess.run([reader.argv[0], "dump", "--events", reader.trace], capture_output=True, text=True)
        return " pages " in done.stdout.partition(f"path={path} ")[2]
    if getattr(reader, "command", "") == "watch":
        wait_until(f"{path} is in the trace", known)
    wait_blocked(getattr(reader, "pid", reader.proc.pid))


def judge(v, path, pid, exe, channels, exposed=False):
    """Never clean; the process is named as who changed the file, by all these channels, or as who could."""
    if v is None:
        return
    expect(v.verdict != "clean", f"clean: {v.brief()}")
    inode = os.stat(path).st_ino
    by = [c["by"] for c in v.of(path) if c["channel"] in channels]
    if exposed:
        by += [x["by"] for x in v.exposures
               if x["object"].get("inode") == inode and x["kind"] == "writable-mapping"]
    found = {b["pid"]: b["exe"] for b in by if b}
    expect(found.get(pid, "").endswith("/" + exe), f"pid {pid} ({exe}) is not named for {path}: {found}; {v.brief()}")
    for channel in channels:
        expect(any(c["channel"] == channel for c in v.of(path)) or exposed, f"no {channel}: {v.brief()}")


def by_itself_and_under(name, act, report):
    """Runs a case three times; the answers must be the same."""
    answers = {}

    def one(how):
        answers[how] = act(how)
        expect(answers[how] == answers["alone"], f"{how}: {answers[how]}, by itself {answers['alone']}")
    for how in ("alone", "record", "watch"):
        report.case(f"{name}, {how}", one, how)


def library(how):
    """cp over a shared library that is in use: its text changes, and what the program stored in its data is lost."""
    top = tempdir("/dev/shm")
    for n in (1, 2):
        src = os.path.join(top, f"{n}.c")
        with open(src, "w", encoding="ascii") as f:
            f.write(f"int kept = {n}{n};\nint answer(void)\n{{\n\treturn {n};\n}}\n")
        subprocess.run([need("gcc"), "-O1", "-shared", "-fPIC", "-nostdlib", "-o", f"{top}/{n}.so", src], check=True)
    path = os.path.join(top, "used.so")
    subprocess.run([need("cp"), f"{top}/1.so", path], check=True)
    reader = start(how, [prog("plugin")])
    answers = [reader.ask(f"load {path}"), reader.ask("call"), reader.ask("set 99"), reader.ask("get")]
    in_trace(reader, path)
    cp = subprocess.Popen([need("cp"), f"{top}/2.so", path])
    expect(cp.wait(LIMIT) == 0, "cp failed")
    answers += [reader.ask("call"), reader.ask("get")]
    expect(answers == ["loaded", "1", "set", "99", "2", "22"], f"the case did not happen: {answers}")
    v = reader.finish()
    judge(v, path, cp.pid, "cp", ["open-trunc"])
    if v:
        found = [(c["channel"], c["outcome"]) for c in v.of(path)]
        # cp tries FICLONE, which tmpfs refuses, then copies, and then asks for more, of which there is none.
        expect(len(found) == 2 and found[1][0] in ("write", "copy_file_range"), f"who filled it again? {v.brief()}")
        # Both may be over when the file is looked at: the bytes count for the first one then.
        expect(how == "watch" or {x[1] for x in found} <= {"exact", "same-bytes"}, f"not exact: {v.brief()}")
    return answers


def shortened(how):
    """truncate(1) on a mapped file, and grown again: SIGBUS, then zeros, and a copied private page is gone too."""
    path = os.path.join(tempdir("/dev/shm"), "file")
    with open(path, "wb") as f:
        f.write(b"A" * 16 * PAGE)
    reader = start(how, [prog("insider")])
    shared, private = (int(reader.ask(f"map {path} {kind} 0 0 touch").split()[1]) for kind in ("shared", "privaterw"))
    reader.ask(f"store {private} {2 * PAGE} 66")
    in_trace(reader, path)
    answers, pids = [], []

    def look():
        answers.extend(reader.ask(f"hash {m} {n}") for m in (shared, private) for n in (0, 2))
    look()
    for size in (PAGE, 16 * PAGE):
        changer = subprocess.Popen([need("truncate"), "-s", str(size), path])
        expect(changer.wait(LIMIT) == 0, "truncate failed")
        pids.append(changer.pid)
        look()
    words = [a.split()[3] for a in answers]
    expect(words[5] == words[7] == "bus" and words[9] == words[11] and words[1] != words[3],
           f"the case did not happen: {words}")
    v = reader.finish()
    judge(v, path, pids[0], "truncate", ["truncate"])
    return answers


def pingpong(how):
    """Both sides store into one page, and wait in loops: no system call, no fault. Only that it could be is known."""
    path = os.path.join(tempdir("/dev/shm"), "page")
    with open(path, "wb") as f:
        f.write(bytes(PAGE))
    writer = Peer([prog("spinner"), path, "answer", str(ROUNDS)])
    expect("ready" in writer.hear(), "the outsider does not begin")
    reader = start(how, [prog("spinner"), path, "ask", str(ROUNDS)])
    mine, other = reader.hear(), writer.hear()
    expect(mine == other and mine.startswith("sum "), f"the case did not happen: {mine}, {other}")
    v = reader.finish()
    expect(writer.end() == 0, "the outsider failed")
    judge(v, path, writer.proc.pid, "spinner", ["mmap-store"], exposed=True)
    return mine


def load(top, word):
    """mdb_load with as many keys; its process."""
    loader = subprocess.Popen([need("mdb_load"), "-f", "/dev/stdin", top], stdin=subprocess.PIPE, text=True)
    rows = "".join(f" k{i:06d}\n {(word * 280)[:280]}\n" for i in range(KEYS))
    loader.communicate(f"VERSION=3\nformat=print\ntype=btree\nmapsize=16777216\nHEADER=END\n{rows}DATA=END\n", LIMIT)
    expect(loader.returncode == 0, "mdb_load failed")
    return loader.pid


def lmdb(how):
    """LMDB: a reader renews its transaction after mdb_load has committed others (pwrite, and stores into lock.mdb)."""
    top = tempdir("/dev/shm")
    load(top, "old")
    reader = start(how, [prog("lmdb-reader"), top])
    answers = [reader.ask("k000042")]
    data, lock = (os.path.join(top, x) for x in ("data.mdb", "lock.mdb"))
    in_trace(reader, data)
    pid = load(top, "new")
    answers += [reader.ask("k000042"), reader.ask("k000007")]
    expect(answers[0].startswith("oldoldol ") and answers[1].startswith("newnewne "), f"it did not happen: {answers}")
    v = reader.finish()
    judge(v, data, pid, "mdb_load", ["pwrite"])
    judge(v, lock, pid, "mdb_load", ["mmap-store"], exposed=True)
    return answers


def main():
    need_root()
    r = Report()
    by_itself_and_under("cp over a library in use", library, r)
    by_itself_and_under("a file made shorter and longer", shortened, r)
    by_itself_and_under("stores by both sides, no call", pingpong, r)
    by_itself_and_under("LMDB", lmdb, r)
    r.exit()


main()
