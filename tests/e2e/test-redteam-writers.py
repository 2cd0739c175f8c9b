#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 120
"""Ways of changing what an insider sees that are easy to forget. Each case says in its docstring what the verdict was
before it was thought of. The outsider is this test itself."""
import atexit
import ctypes
import fcntl
import mmap
import os
import signal
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "bpf")]
import kinds  # noqa: E402
import mounts  # noqa: E402
import ops  # noqa: E402
from e2e import (BPREC, PAGE, Insider, Outsider, Peer, Report, Skip, descendants, dump, expect, expect_verdict, need_root,  # noqa: E402
                 prog, wait_until)

PAGES = 4
HOLE = 0x4030582B  # FS_IOC_UNRESVSP64 of <linux/falloc.h>
ZERO = 0x40305839  # FS_IOC_ZERO_RANGE
TRUNCATE = 76       # number of the call
libc = ctypes.CDLL(None, use_errno=True)
libc.process_vm_writev.restype = ctypes.c_ssize_t


class Handle(ctypes.Structure):
    """struct file_handle with room."""
    _fields_ = [("size", ctypes.c_uint), ("type", ctypes.c_int), ("bytes", ctypes.c_ubyte * 128)]


class Iovec(ctypes.Structure):
    """struct iovec."""
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def fresh(place, name):
    """A file of some pages that all differ."""
    place.create(name, bytes(i // PAGE + 1 for i in range(PAGES * PAGE)))
    return os.path.join(place.real, name)


def mapped(path, kind="shared"):
    """An insider that maps the file, what it sees, and the mapping's number."""
    insider = Insider()
    m = insider.map(path, kind)
    before = [insider.hash(m, n) for n in range(PAGES)]
    insider.blocked()
    return insider, m, before


def sees(insider, m):
    """What the insider sees of each page now."""
    now = [insider.hash(m, n) for n in range(PAGES)]
    insider.blocked()
    return now


def by(v, path):
    """Pids that the changes of a file name."""
    return {(c["by"] or {}).get("pid") for c in v.of(path)}


def truncated(place, how):
    """open(O_RDONLY | O_TRUNC) truncates, and so does open_by_handle_at. Was: clean, on ext4."""
    path = fresh(place, "trunc-" + how)
    insider, m, before = mapped(path)
    if how == "readonly":
        os.close(os.open(path, os.O_RDONLY | os.O_TRUNC))
    else:
        handle, mount_id = Handle(size=128), ctypes.c_int()
        if libc.name_to_handle_at(-100, path.encode(), ctypes.byref(handle), ctypes.byref(mount_id), 0):
            raise Skip("name_to_handle_at: " + os.strerror(ctypes.get_errno()))
        top = os.open(place.real, os.O_RDONLY)
        fd = libc.open_by_handle_at(top, ctypes.byref(handle), os.O_RDWR | os.O_TRUNC)
        expect(fd >= 0, "open_by_handle_at: " + os.strerror(ctypes.get_errno()))
        os.close(fd)
        os.close(top)
    expect(sees(insider, m) == ["bus"] * PAGES and "bus" not in before, "the test is wrong: it is not truncated")
    v = insider.finish()
    expect_verdict(v, "resnapshotted")
    expect(by(v, path) == {os.getpid()} and {c["channel"] for c in v.of(path)} == {"open-trunc"},
           f"pid {os.getpid()}, channel open-trunc: {v.brief()}")


def fallocated(place, number):
    """fallocate by ioctl, seen by the insider, and then the old bytes written back. Was: same-bytes, resnapshotted."""
    path = fresh(place, f"ioctl-{number:x}")
    fd = os.open(path, os.O_RDWR)
    old = os.pread(fd, PAGE, PAGE)
    insider, m, before = mapped(path)
    try:
        fcntl.ioctl(fd, number, struct.pack("hhqqiI4I", 0, 0, PAGE, PAGE, 0, 0, 0, 0, 0, 0))
    except OSError as e:
        insider.finish()
        raise Skip(f"ioctl: {e}") from None
    expect(sees(insider, m)[1] != before[1], "the test is wrong: nothing changed")
    os.pwrite(fd, old, PAGE)
    expect(sees(insider, m) == before, "the test is wrong: the old bytes are not back")
    os.close(fd)
    v = insider.finish()
    found = [(c["channel"], c["offset"], c["length"], c["outcome"]) for c in v.of(path)]
    expect(("fallocate", PAGE, PAGE, "exact") in found and ("pwrite", PAGE, PAGE, "exact") in found, v.brief())


def through_loop(place):
    """A loop device's writes go by no system call of a process, and no list shows the file that it keeps open. Another
    process has the file open, too, so that the list isn't empty. Was: clean, on tmpfs. And maps it: on overlayfs such a
    mapping has a file of its own below the one that is open. Was: counted twice, so that nobody was hidden."""
    fresh(place, "loop")
    path = os.path.join(place.outside, "loop")
    fd = os.open(path, os.O_RDWR)
    mapping = mmap.mmap(fd, PAGE)
    old = os.pread(fd, PAGE, PAGE)
    made = subprocess.run(["losetup", "-f", "--show", path], capture_output=True, text=True)
    if made.returncode:
        raise Skip("losetup: " + made.stderr.strip())
    device = made.stdout.strip()
    atexit.register(subprocess.run, ["losetup", "-d", device])

    def write(data):
        loop = os.open(device, os.O_RDWR)
        os.pwrite(loop, data, PAGE)
        os.fsync(loop)
        os.close(loop)
    insider, m, before = mapped(os.path.join(place.inside, "loop"))
    write(b"x" * PAGE)
    expect(sees(insider, m)[1] != before[1], "the test is wrong: nothing changed")
    write(old)
    expect(sees(insider, m) == before, "the test is wrong: the old bytes are not back")
    v = insider.finish()
    mapping.close()
    os.close(fd)
    expect(v.verdict in ("uncertain", "divergent"), f"too good: {v.brief()}")
    expect(any(g["kind"] == "unattributed-writer" for g in v.gaps), f"no gap names a hidden writer: {v.brief()}")


def all_listed(place):
    """The control of through_loop: writers that the lists show are not taken for hidden ones, however often they dup, and
    with a file that only a private mapping keeps open."""
    path = fresh(place, "listed")
    fds = [os.open(path, os.O_RDWR) for _ in range(3)]
    fds += [os.dup(fds[0]), os.dup(fds[1])]
    insider = Insider()
    insider.map(path, "privaterw")
    insider.map(path)
    insider.blocked()
    v = insider.finish()
    for fd in fds:
        os.close(fd)
    expect_verdict(v, "clean")


def remote(how):
    """Memory of a program is written under the number of a thread that isn't its first, and at an offset given by lseek.
    Was: clean; and range 0. By requests of io_uring: was clean."""
    source = ("import ctypes, os, sys, threading\n"
              "b = ctypes.create_string_buffer(4096)\n"
              "def run():\n"
              "    print('ready', os.getpid(), threading.get_native_id(), ctypes.addressof(b), flush=True)\n"
              "    os.read(0, 1)\n"
              "    print(b.raw[10], flush=True)\n"
              "    os.read(0, 1)\n"
              "t = threading.Thread(target=run)\n"
              "t.start()\n"
              "t.join()\n")
    lines = []

    class Remote(Insider):
        """Keeps its first line."""
        def hear(self, limit=None):
            lines.append(super().hear(limit))
            return lines[-1]
    insider = Remote(["/usr/bin/python3", "-c", source])
    _, pid, tid, addr = lines[0].split()
    target = int(pid) if how == "pid" else int(tid)
    at = int(addr) + 10
    size = 8
    if how.startswith("uring"):
        ops.AT, ops.DATA, size = at, b"\x2a" * 4, 4
        done = getattr(ops, "op_" + how)(f"/proc/{pid}/mem")
        if done[0] == "skip":
            raise Skip(done[1])
    elif how == "mem":
        with open(f"/proc/{pid}/task/{tid}/mem", "r+b", buffering=0) as f:
            f.seek(at)
            f.write(b"\x2a" * 8)
    else:
        data = ctypes.create_string_buffer(b"\x2a" * 8)
        here, there = Iovec(ctypes.addressof(data), 8), Iovec(at, 8)
        n = libc.process_vm_writev(target, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
        expect(n == 8, "process_vm_writev: " + os.strerror(ctypes.get_errno()))
    insider.tell("")
    expect(insider.hear() == "42", "the test is wrong: nothing changed")
    v = insider.finish()
    found = [(c["channel"], c["offset"], c["length"], (c["by"] or {}).get("pid")) for c in v.changes]
    channel = "remote-memory" if how in ("pid", "tid") else "proc-mem"
    expect((channel, at, size, os.getpid()) in found, f"expected {channel} at {at:#x}: {found}")
    expect(v.verdict == "divergent", f"too good: {v.verdict}: {v.changes}")


READER = ("import ctypes, os\n"
          "b = ctypes.create_string_buffer(64)\n"
          "print('ready', os.getpid(), ctypes.addressof(b), flush=True)\n"
          "os.read(0, 1)\n"
          "print(b.raw[8], flush=True)\n"
          "os.read(0, 1)\n")
THREAD_READER = """
import ctypes, os, threading
b = ctypes.create_string_buffer(64)
def wait():
    print('ready', threading.get_native_id(), ctypes.addressof(b), flush=True)
    os.read(0, 1)
thread = threading.Thread(target=wait)
thread.start()
thread.join()
print(b.raw[8], flush=True)
os.read(0, 1)
"""
IN_NAMESPACE = """
import ctypes, sys
pid, at = (int(x) for x in sys.argv[1:])
data = ctypes.create_string_buffer(b'*' * 8)
here, there = ((ctypes.c_size_t * 2)(a, 8) for a in (ctypes.addressof(data), at))
libc = ctypes.CDLL(None)
sys.exit(libc.process_vm_writev(pid, here, ctypes.c_long(1), there, ctypes.c_long(1), ctypes.c_long(0)) != 8)
"""


def poke(pid, addr):
    """A debugger comes, stores a word, and goes."""
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    expect(libc.ptrace(16, pid, None, None) == 0, "attach: " + os.strerror(ctypes.get_errno()))
    os.waitpid(pid, 0x40000000)  # __WALL
    expect(libc.ptrace(5, pid, addr, 42) == 0, "poke: " + os.strerror(ctypes.get_errno()))
    libc.ptrace(17, pid, None, None)


def numbered(top, local):
    """The process below `top` that has this number in a pid namespace of its own."""
    for pid in descendants(top):
        with open(f"/proc/{pid}/status") as f:
            numbers = next(line.split()[1:] for line in f if line.startswith("NSpid:"))
        if len(numbers) > 1 and int(numbers[-1]) == local:
            return pid
    return None


IN_A_NAMESPACE = ["/usr/bin/unshare", "-p", "-f", "--mount-proc"]


class Reader(Insider):
    """An insider that tells its number and an address, and says what is there when it is asked."""

    def __init__(self, wrap, command, script=READER):
        self.lines = []
        super().__init__([*wrap, "/usr/bin/python3", "-c", script], command=command)
        self.number, self.address = (int(x) for x in self.lines[0].split()[1:])

    def hear(self, limit=None):
        self.lines.append(super().hear(limit))
        return self.lines[-1]


def write_inside(real, number, at):
    """By process_vm_writev, by the number that process `real` has in its own pid namespace."""
    subprocess.run(["nsenter", "-t", str(real), "-p", "/usr/bin/python3", "-c", IN_NAMESPACE, str(number), str(at)], check=True)


def events(trace):
    """Events of a trace that is being written, a line each."""
    return dump(trace).splitlines()


def gone_when_looked_at(what, wrap):
    """The same, and the insider, or the thread that was named, ends before bprec comes to look whose memory it was: that it may have
    been one is said. Was: clean."""
    insider = Reader(wrap, "watch", READER if what == "process" else THREAD_READER)
    real = descendants(insider.proc.pid)[-1]
    os.kill(insider.proc.pid, signal.SIGSTOP)
    try:
        write_inside(real, insider.number, insider.address + 8)
        insider.tell("")
        expect(insider.hear() == "42", "the test is wrong: nothing changed")
        if what == "process":
            insider.tell("")
            wait_until("the insider is gone", lambda: not os.path.exists(f"/proc/{real}"))
        else:  # pthread_join is over a moment before the task is
            wait_until("the thread is gone", lambda: len(os.listdir(f"/proc/{real}/task")) == 1)
    finally:
        os.kill(insider.proc.pid, signal.SIGCONT)
    v = insider.finish()
    expect_verdict(v, "uncertain")
    expect(any("is gone: it may have been a recorded one" in g["reason"] for g in v.gaps), v.brief())


def of_another(command):
    """Memory of an outsider, who is gone before bprec comes to look whose it was: none of ours. Was: uncertain, beside every recording."""
    insider = Reader([], command)
    other = Peer(["/usr/bin/python3", "-c", READER])
    number, address = (int(x) for x in other.hear().split()[1:])
    os.kill(insider.proc.pid, signal.SIGSTOP)
    try:
        subprocess.run(["/usr/bin/python3", "-c", IN_NAMESPACE, str(number), str(address + 8)], check=True)
        other.end()
    finally:
        os.kill(insider.proc.pid, signal.SIGCONT)
    insider.tell("")
    expect(insider.hear() == "0", "the test is wrong: the insider's memory changed")
    v = insider.finish()
    expect(not any(g["channel"] == "remote-memory" for g in v.gaps) and not v.changes, v.brief())
    served = bool(v.gaps) and all("its file system gets contents" in g["reason"] for g in v.gaps)  # a virtual machine's root is 9p
    expect_verdict(v, "uncertain" if served else "clean")


def remote_watched(how, command):
    """Memory written by ptrace, and by process_vm_writev under a number of another pid namespace. Were: clean."""
    insider = Reader(IN_A_NAMESPACE if how == "namespace" else [], command)
    pid, addr = insider.number, insider.address
    at, channel = addr + 8, "ptrace"
    if how == "namespace":
        channel, real = "remote-memory", numbered(insider.proc.pid, pid)
        write_inside(real, pid, at)
        if command == "watch":  # else it may be gone when bprec comes to look
            wait_until("the change is in the trace",
                       lambda: any(" change " in line and "remote-memory" in line for line in events(insider.trace)))
    else:
        poke(pid, at)
    insider.tell("")
    expect(insider.hear() == "42", "the test is wrong: nothing changed")
    v = insider.finish()
    found = [(c["channel"], c["offset"], c["length"]) for c in v.changes]
    expect(found == [(channel, at, 8)], f"expected {channel} at {at:#x}: {found}")
    expect(how == "namespace" or v.changes[0]["by"]["pid"] == os.getpid(), str(v.changes))
    expect(v.verdict == "divergent", f"too good: {v.verdict}: {v.changes}")


WAITS_TO_BE_FILLED = f"""
import ctypes, fcntl, mmap, os, struct
fd = ctypes.CDLL(None).syscall(323, os.O_CLOEXEC)
m = mmap.mmap(-1, {PAGE}, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
at = ctypes.addressof(ctypes.c_char.from_buffer(m))
try:
    fcntl.ioctl(fd, 0xC018AA3F, bytearray(struct.pack("QQQ", 0xAA, 0, 0)))  # UFFDIO_API
    fcntl.ioctl(fd, 0xC020AA00, bytearray(struct.pack("QQQQ", at, {PAGE}, 1, 0)))  # UFFDIO_REGISTER
except (OSError, ValueError):
    fd = -1
print("ready", os.getpid(), fd, at, flush=True)
os.read(0, 1)
print(m[8], flush=True)
os.read(0, 1)
"""


def filled_by_another():
    """Private memory of a program is filled by somebody who has its userfaultfd (by pidfd_getfd). Under watch, as bprec record refuses
    userfaultfd. Was: clean."""
    lines = []

    class Waits(Insider):
        """Keeps its first line."""
        def hear(self, limit=None):
            lines.append(super().hear(limit))
            return lines[-1]
    insider = Waits(["/usr/bin/python3", "-c", WAITS_TO_BE_FILLED], command="watch")
    _, pid, theirs, at = (int(word) if word.lstrip("-").isdigit() else word for word in lines[0].split())
    if theirs < 0:
        raise Skip("no userfaultfd")
    pidfd = os.pidfd_open(pid)
    uffd = libc.syscall(438, pidfd, theirs, 0)  # pidfd_getfd
    expect(uffd >= 0, "pidfd_getfd: " + os.strerror(ctypes.get_errno()))
    page = ctypes.create_string_buffer(b"\x2a" * PAGE, PAGE)
    fcntl.ioctl(uffd, 0xC028AA03, bytearray(struct.pack("QQQQq", at, ctypes.addressof(page), PAGE, 0, 0)))
    os.close(uffd)
    os.close(pidfd)
    insider.tell("")
    expect(insider.hear() == "42", "the test is wrong: nothing changed")
    v = insider.finish()
    found = [(c["channel"], c["offset"], c["length"], (c["by"] or {}).get("pid")) for c in v.changes]
    expect(found == [("userfaultfd", at, PAGE, os.getpid())], f"expected userfaultfd at {at:#x}: {found}")
    expect(v.verdict == "divergent", f"too good: {v.verdict}: {v.changes}")


def cut_together():
    """Two truncate(path) to one length at once, one of a file that nobody maps: by whom the mapped one was cut isn't known, and
    the one who ended first was said to have done it, for certain."""
    fuse = kinds.Fuse("FUSE", "fuse")
    fuse.open()
    path, elsewhere = fresh(mounts.tmpfs(), "together"), fresh(fuse.place, "elsewhere")
    insider, _, _ = mapped(path)
    os.kill(fuse.daemon.pid, signal.SIGSTOP)
    try:
        other = truncation(elsewhere)
        wait_until("it is in truncate", lambda: syscall_of(other.pid) == TRUNCATE)
        mine = truncation(path)
        expect(mine.wait() == 0, f"truncate: {mine.returncode}")
    finally:
        os.kill(fuse.daemon.pid, signal.SIGCONT)
    expect(other.wait() == 0, f"the other one: {other.returncode}")
    v = insider.finish()
    found = [c for c in v.of(path) if c["channel"] == "truncate"]
    pids = {c["by"]["pid"] for c in found}
    if all(c["range_known"] for c in found):  # choke points see what a call works on
        expect(pids == {mine.pid}, f"{mine.pid}: {v.brief()}")
    else:
        expect(pids == {mine.pid, other.pid}, f"{mine.pid}, {other.pid}: {v.brief()}")
        expect(not any(c["range_known"] for c in found), v.brief())


def cut_while_written(offset):
    """truncate(path) of a file into which an insider writes all the time. Nothing says what that call works on; by the time at
    which it is over, a write has grown the file again, or has made its size known: then it was missed, and all was `clean`."""
    path, pids = fresh(mounts.tmpfs(), f"written-{offset}"), set()
    insider = Insider(argv=[prog("rewriter"), path, str(offset), str(PAGE // 2)])
    for i in range(8):
        cut = truncation(path, PAGE - 1 - i if offset else PAGE * (PAGES - 1) - i)
        expect(cut.wait() == 0, f"truncate: {cut.returncode}")
        pids.add(cut.pid)
    v = insider.finish()
    named = {c["by"]["pid"] for c in v.of(path) if c["channel"] == "truncate"}
    expect(named == pids, f"{sorted(pids - named)} not named: {v.brief()}")


def cut_elsewhere(command):
    """The same calls on a file that nobody maps: one of them may be told, as it isn't known to be of another file, but not as
    certain, and not as what makes a recording divergent. Was: divergent, by whoever cut anything."""
    place = mounts.tmpfs()
    path, other = fresh(place, f"kept-{command}"), fresh(place, f"cut-{command}")
    insider = Insider(argv=[prog("rewriter"), path, str(PAGES * PAGE - PAGE // 2), str(PAGE // 2)], command=command)
    for i in range(8):
        cut = truncation(other, PAGE - 1 - i)
        expect(cut.wait() == 0, f"truncate: {cut.returncode}")
    v = insider.finish()
    found = v.of(path)
    expect(found, f"the test is wrong: nothing is told: {v.brief()}")
    expect(not any(c["certain"] for c in found), v.brief())
    expect(v.verdict == "uncertain" if command == "watch" else v.verdict in ("resnapshotted", "uncertain"), v.brief())


def copied_up(command):
    """A file of an overlay's lower layer is mapped, copied up by an outsider who only opens it, and then changed in its layer: our
    descriptor shows the copy by then, in which nothing changed. Was: same-bytes, and resnapshotted."""
    place = mounts.overlay("lower")
    place.create("below", b"".join(bytes([65 + n]) * PAGE for n in range(PAGES)))
    insider = Insider(command=command)
    m = insider.map(os.path.join(place.inside, "below"))
    before = [insider.hash(m, n) for n in range(PAGES)]
    insider.blocked()
    os.close(os.open(os.path.join(place.inside, "below"), os.O_RDWR))
    outsider = Outsider()
    outsider.do("pwrite64", os.path.join(place.real, "below"), PAGE, 100, 1)
    after = [insider.hash(m, n) for n in range(PAGES)]
    expect([n for n in range(PAGES) if before[n] != after[n]] == [1], "the test is wrong: what it sees changed elsewhere, or not")
    v = insider.finish()
    found = [(c["channel"], c["by"]["pid"], c["offset"], c["length"], c["outcome"]) for c in v.changes]
    expect(found == [("pwrite", outsider.pid, PAGE, 100, "lost")], v.brief())
    expect(any("copied up" in g["reason"] for g in v.gaps), v.brief())


def truncation(path, length=PAGE):
    """A process that cuts the file to so many bytes, by name."""
    return subprocess.Popen([sys.executable, "-c", f"import os; os.truncate({path!r}, {length})"])


def syscall_of(pid):
    """Number of the system call that it is in; None: none."""
    with open(f"/proc/{pid}/syscall", encoding="ascii") as f:
        number = f.read().split()[0]
    return int(number) if number.isdigit() else None


def main():
    need_root()
    r = Report()
    for fs, place in (("tmpfs", mounts.tmpfs()), ("ext4", mounts.ext4())):
        for how in ("readonly", "handle"):
            r.case(f"truncated by open, {how}, {fs}", truncated, place, how)
        for name, number in (("hole", HOLE), ("zeros", ZERO)):
            r.case(f"fallocate by ioctl, {name}, {fs}", fallocated, place, number)
        r.case(f"written through a loop device, {fs}", through_loop, place)
        r.case(f"no hidden writer where all are listed, {fs}", all_listed, place)
    r.case("written through a loop device, overlayfs", through_loop, mounts.overlay())
    for how in ("pid", "tid", "mem", "uring", "uring_async", "uring_fixed"):
        r.case(f"memory written from outside, {how}", remote, how)
    r.case("memory written by a debugger", remote_watched, "ptrace", "watch")
    for command in ("record", "watch"):
        r.case(f"memory written in another pid namespace, {command}", remote_watched, "namespace", command)
    for what, wrap in (("process", IN_A_NAMESPACE), ("thread", IN_A_NAMESPACE), ("thread", [])):
        r.case(f"memory written, then the {what} is gone{', in a pid namespace' if wrap else ''}", gone_when_looked_at, what, wrap)
    for command in ("record", "watch"):
        r.case(f"memory of another, who is gone, {command}", of_another, command)
    r.case("memory filled by another", filled_by_another)
    for command in ("record", "watch"):
        r.case(f"changed below after it was copied up, {command}", copied_up, command)
    r.case("two truncations at once", cut_together)
    r.case("cut while an insider writes", cut_while_written, 0)
    r.case("cut while an insider writes to its end", cut_while_written, PAGES * PAGE - PAGE // 2)
    for command in ("record", "watch"):
        r.case(f"another file is cut while an insider writes to the end, {command}", cut_elsewhere, command)
    r.exit()


main()
