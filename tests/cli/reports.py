# SPDX-License-Identifier: MIT
"""Traces for the tests of check, dump and ps: one recording, told with a clean, a resnapshotted, an uncertain and a
divergent end. The same bytes every time."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))

from build_trace import PAGE, Builder, event  # noqa: E402
from sample_traces import ABSENT, LOST, REF, STACK_FRAME, STATE, page, runs  # noqa: E402

MS = 1000000
NASTY = b"/tmp/\x1b[31mred\xff\n\xe2\x80\xae.so"  # an escape sequence, a byte that is no UTF-8, a line end, an override
REGS = [1000 + i for i in range(27)]


class Story:
    """Events one after another, 1 ms apart, about process 100 that maps /dev/shm/x and a library with a nasty name."""

    def __init__(self):
        self.b = Builder()
        self.list = []
        self.ns = 1000 * MS
        self.b.add_pages([page(i) for i in range(4)])
        self.begin()

    def add(self, kind_of, tid=0, pid=None, /, **fields):
        """Appends an event; returns its number."""
        self.ns += MS
        self.list.append(event(kind_of, time=self.ns, h_tid=tid, h_pid=tid if pid is None else pid, **fields))
        return len(self.list) - 1

    def begin(self):
        words = b"./cmd\0an argument\0HOME=/\0/work\0"
        self.add("start", wall_ns=5, xcr0=7, xsave_size=832, ncpu=2, uid=1000, gid=1000, argc=2, envc=1, observed=1,
                 strings_len=len(words), release=b"6.1.0", version=b"0.1", tail=words)
        self.add("hook", state=1, name=b"tracepoint/syscalls/sys_enter_pwrite64", serves=b"pwrite")
        self.add("hook", state=3, error=2, name=b"fentry/vfs_write", serves=b"")
        self.add("process", 100, how=1, space=1, group=1)
        self.add("exec", 100, regs=REGS, space=2, former_tid=100, auxv_len=16, xsave_len=8, path_len=13, brk=0x555000,
                 tail=b"A" * 16 + b"X" * 8 + b"/usr/bin/cmd\0")
        self.object(1, b"/dev/shm/x", 4 * PAGE)
        self.object(2, NASTY, 2 * PAGE - 100)
        self.pages(1, 1, 0, [(1, 2, 1), (0, 2, 0)], 4 * PAGE)
        self.map(100, 0x7F0000, 4 * PAGE, 1, 1, 1)
        self.pages(2, 1, 0, [(3, 1, 0), (3, 1, 0)], 2 * PAGE - 100)
        self.map(100, 0x800000, 2 * PAGE, 5, 2, 2)
        self.add("map", 100, addr=0x900000, len=PAGE, prot=3, flags=0x22, kind=4)
        self.call(100, 0, [3, 0x900000, 100], 5, [(0x900000, 1, b"hel\0o")])
        self.add("process", 101, 100, how=5, parent_tid=100, clone_flags=0x3D0F00, space=2, group=1)
        self.add("process", 102, how=2, parent_tid=101, clone_flags=17, space=3, group=1)
        self.call(102, 39, [], 102)
        self.call(102, 2, [0x900000, 0, 0], -2)
        self.add("unmap", 102, addr=0x7F0000, len=4 * PAGE)
        self.add("signal", 102, signo=11, place=2, action=3, siginfo=bytes(128), regs_before=REGS, regs_after=REGS)
        self.add("exit", 102, kind=2, code=11)
        self.writer = 1
        words = b"/usr/bin/writer\0/user.slice\0writer --fast\0c0de\0"
        self.add("writer", writer=1, pid=77, tid=77, uid=0, ns_pid=3, start_ns=5, comm=b"writer", strings_len=len(words), tail=words)

    def object(self, number, path, size):
        self.add("object", object=number, major=0, minor=26, inode=600 + number, generation=0, fs_magic=0x1021994, size=size,
                 path_len=len(path) + 1, tail=path + b"\0")

    def pages(self, number, why, first, triples, size):
        return self.add("pages", object=number, why=why, first=first, npages=sum(t[1] for t in triples), size=size,
                        read_ns=self.ns, nruns=len(triples), tail=runs(*triples))

    def map(self, tid, addr, length, prot, flags, number):
        self.add("map", tid, addr=addr, len=length, prot=prot, flags=flags, offset=0, object=number, kind=1)

    def call(self, tid, nr, args, ret, buffers=()):
        tail = b"".join(REF.pack(addr=a, len=len(data), arg=arg) for a, arg, data in buffers)
        tail += b"".join(data + bytes(-len(data) % 8) for _, _, data in buffers)
        return self.add("syscall", tid, nr=nr, args=args + [0] * (6 - len(args)), ret=ret, entry_ns=self.ns,
                        nbufs=len(buffers), bufs_len=len(tail), tail=tail)

    def change(self, **more):
        """A pwrite of 3 bytes in page 2, while everybody is idle."""
        begin = self.ns + 2 * MS
        idle = more.pop("idle", begin - MS)
        saved = self.pages(1, 2, 2, [(4, 1, 0)], 4 * PAGE)
        self.ns += 10 * MS
        fields = dict(object=1, channel=2, flags=1, writer=1, offset=2 * PAGE, length=3, begin_ns=begin, end_ns=begin + MS,
                      saved_ns=begin + 2 * MS, new_size=4 * PAGE, pages=1, pages_changed=1, pages_event=saved,
                      after_event=saved - 1, count=1)
        fields.update(more)
        tail = b"".join(STATE.pack(tid=t, pid=100, addr=0x7F2000, idle_from_ns=idle, state=2 if idle != ABSENT else 4)
                        for t in (100, 101))
        return self.add("change", ninsiders=2, tail=tail, **fields)

    def stack(self, number, writer, frames, change=ABSENT):
        """Where the writer was, or (writer 0) thread 100: frames of (pc, offset, how, function, file, build id)."""
        words = b"".join(b"\0".join(f[3:]) + b"\0" for f in frames)
        heads = b"".join(STACK_FRAME.pack(pc=f[0], offset=f[1], how=f[2]) for f in frames)
        self.add("stack", stack=number, writer=writer, pid=77 if writer else 100, tid=78 if writer else 100, change=change,
                 nframes=len(frames), strings_len=len(words), tail=heads + words)

    def finish(self):
        """Ends the processes and the trace; returns its builder."""
        self.call(100, 231, [0], 0)
        self.add("exit", 101, 100, kind=1, code=0)
        self.add("exit", 100, kind=1, code=0)
        self.add("end", kind=1, code=0)
        self.b.lies.update(start_ns=1000 * MS, end_ns=self.ns + MS)
        self.b.add_events(self.list)
        return self.b


def clean():
    return Story().finish()


def resnapshotted():
    s = Story()
    s.change()
    s.change(pages_changed=0, count=4)
    return s.finish()


def uncertain():
    s = Story()
    s.add("exposure", exposure=1, object=1, kind=1, writer=1, since_ns=s.ns, length=ABSENT)
    s.add("exposure", exposure=2, object=2, kind=2, writer=1, since_ns=s.ns, length=ABSENT)
    s.add("gap", kind=3, channel=19, object=1, reason_len=24, tail=b"stores can't be noticed\0")
    s.add("loss", kind=2, channel=19, count=7, hook=b"tp_btf/page_fault_user")
    s.add("hook", state=2, error=1, name=b"tracepoint/syscalls/sys_enter_splice", serves=b"splice vmsplice")
    s.add("compare", object=1, from_ns=s.ns, to_ns=s.ns + 1, pages=4)
    s.add("exposure-end", exposure=2, ns=s.ns)
    return s.finish()


def divergent():
    s = Story()
    first = s.change(stack=1)
    s.stack(1, 1, [(0x7F0010, 16, 1, b"pwrite64", b"/lib/libc.so.6", b"beef"), (0x401234, 0x34, 2, b"store\x1b[31m", b"/usr/bin/writer", b""),
                   (0x401300, 0x1300, 3, b"", b"/usr/bin/writer", b"")])
    s.stack(2, 0, [(0x555010, 0, 1, b"", b"", b"")], change=first)
    s.call(101, 39, [], 100)
    s.change(idle=ABSENT, channel=19, flags=1 | 16 | 64, offset=PAGE, length=2 * PAGE, end_ns=0, pages=2)
    s.change(flags=4, saved_ns=0, pages_event=ABSENT, writer=0, offset=0, length=ABSENT, channel=20)
    for _ in range(30):
        s.change()
    s.pages(2, 1, 1, [(LOST, 1, 0)], 2 * PAGE - 100)
    return s.finish()


def cut():
    s = Story()
    s.b.manifest = False
    b = s.finish()
    b.add_events([event("note", time=s.ns + MS, kind=4, text_len=1, tail=b"\0")])
    b.events[-1] = b.events[-1][:70]
    return b


STORIES = {f.__name__: f for f in (clean, resnapshotted, uncertain, divergent, cut)}
CODES = {"clean": 0, "resnapshotted": 0, "uncertain": 1, "divergent": 1, "cut": 1}
