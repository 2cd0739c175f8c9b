#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""What a replay needs of the trace: one order of output over all groups, words that the kernel stores for threads, limits."""
import os
import resource
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import BPREC, PYTHON, Failed, Report, prog, tempdir  # noqa: E402
from tracefile import Trace  # noqa: E402

WRITE, KERNEL = 1, 2


def record(argv, status=0, **kw):
    """Records a command; its output and its trace."""
    folder = os.path.join(tempdir(), "trace")
    run = subprocess.run([BPREC, "record", "-q", "-o", folder, "--", *argv], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, **kw)
    if run.returncode != status:
        raise Failed(f"bprec record returned {run.returncode}, expected {status}")
    return run.stdout, Trace(folder)


def written(trace):
    """(tid, bytes) of each write to descriptor 1 or 2, in the order of the trace."""
    calls = [(ev.tid, *ev.syscall()) for ev in trace.events if ev.type == "syscall"]
    return [(tid, args[2], ret) for tid, nr, _, args, ret, _ in calls if nr == WRITE and args[0] in (1, 2) and ret > 0]


def same_order(script, **kw):
    """Each process writes lines that begin with its own letter, one write for each: the trace has the letters' order."""
    out, trace = record(["sh", "-c", script], **kw)
    at, letter = 0, {}
    for tid, _, ret in written(trace):
        first = out[at:at + 1]
        if letter.setdefault(tid, first) != first or out[at + ret - 1:at + ret] != b"\n":
            raise Failed(f"at byte {at} of the output: {out[at:at + ret]!r}, but the trace has a write of thread {tid}, "
                         f"which wrote {letter[tid]!r}")
        at += ret
    if at != len(out) or len(letter) != 4:
        raise Failed(f"{at} bytes by {len(letter)} processes in the trace, {len(out)} bytes of output")


WRITERS = "for i in a b c d; do (j=0; while [ $j -lt 60 ]; do echo $i $j%s; j=$((j+1)); done) & done; wait"


def one_order():
    for _ in range(8):
        same_order(WRITERS % "")


def both_streams():
    for _ in range(4):
        same_order(WRITERS % "; j=$((j+1)); echo $i $j >&2", stderr=subprocess.STDOUT)


def data_kernel(trace):
    """(tid, address, word) of each word stored by the kernel."""
    found = []
    for ev in trace.events:
        if ev.type == "data":
            addr, length, why = ev.unpack("QII")
            if why == KERNEL and length == 4:
                found.append((ev.tid, addr, struct.unpack_from("<I", ev.body, 16)[0]))
    return found


def thread_words():
    """tests/progs/stored prints what the kernel stored and where."""
    out, trace = record([prog("stored")])
    have = data_kernel(trace)
    exits = {ev.tid: ev.unpack("IiQ")[2] for ev in trace.events if ev.type == "exit"}
    for line in out.decode().splitlines():
        what, tid, addr, word = line.split()
        tid, addr, word = int(tid), int(addr, 16), int(word, 16)
        if what == "clear":
            if exits.get(tid) != addr:
                raise Failed(f"exit of {tid}: clear_child_tid {exits.get(tid):#x}, expected {addr:#x}")
        elif what == "noclear":
            if exits.get(tid) != 0:
                raise Failed(f"exit of {tid}: clear_child_tid {exits.get(tid):#x}, but nobody else has the memory")
        elif (tid, addr, word) not in have:
            raise Failed(f"{what}: no word {word:#x} at {addr:#x} of thread {tid} in {have}")
    if len(out.splitlines()) != 7:
        raise Failed(f"unexpected output {out!r}")


def stack_limit():
    limit = 3 << 20
    _, trace = record(["/bin/true"], preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (limit, limit)))
    at = next(i for i, ev in enumerate(trace.events) if ev.type == "exec")
    body = trace.events[at + 1].body
    if struct.unpack_from("<IIQ", body) != (resource.RLIMIT_STACK, 0, limit):
        raise Failed(f"after the exec comes {trace.events[at + 1].type} {body[:16].hex()}")


def heap_start():
    _, trace = record(["/bin/true"])
    ev = next(ev for ev in trace.events if ev.type == "exec")
    brk, = struct.unpack_from("<Q", ev.body, 240)
    calls = [c.syscall() for c in trace.events if c.type == "syscall"]
    first = next(ret for nr, _, args, ret, _ in calls if nr == 12 and args[0] == 0)
    if brk != first:
        raise Failed(f"the heap starts at {brk:#x} in the trace, at {first:#x} for the program")


def alternate_stack():
    _, trace = record([prog("altstack")])
    at = [ev for ev in trace.events if ev.type == "signal" and ev.unpack("III")[2] == 1]
    for ev in at:
        xlen, flen = ev.unpack("IIIII")[3:]
        rsp, = struct.unpack_from("<Q", ev.body, 24 + 128 + 216 + 19 * 8)
        frame = ev.body[24 + 128 + 432 + (xlen + 7 & ~7):][:flen]
        fp, = struct.unpack_from("<Q", frame, 232)
        magic, size = struct.unpack_from("<II", frame, fp - rsp + 464)
        if magic != 0x46505853 or fp + size != rsp + flen:
            raise Failed(f"the frame at {rsp:#x} has {flen} bytes, its state ends at {fp + size:#x}")
    if not at:
        raise Failed("no signal in the trace")


MEM_WRITER = """
import ctypes, os
fd, buf = os.open("/proc/self/mem", os.O_RDWR), ctypes.create_string_buffer(16)
os.pwrite(fd, b"positioned", ctypes.addressof(buf))
os.lseek(fd, ctypes.addressof(buf), 0)
os.write(fd, b"sequential")
print("%x" % ctypes.addressof(buf))
"""


def own_memory():
    out, trace = record([PYTHON, "-c", MEM_WRITER])
    addr = int(out, 16)
    have = [ev.body[16:26] for ev in trace.events if ev.type == "data" and ev.unpack("QII") == (addr, 10, KERNEL)]
    if have != [b"positioned", b"sequential"]:
        raise Failed(f"writes to /proc/self/mem: {have}")


r = Report()
r.case("4 processes, one pipe: the trace has the order of the bytes", one_order)
r.case("the same with stdout and stderr in turns", both_streams)
r.case("thread ids, clear_child_tid, robust futexes of threads and processes", thread_words)
r.case("the stack's limit follows each exec", stack_limit)
r.case("the start of the heap", heap_start)
r.case("a frame on an alternate stack is whole, and no more", alternate_stack)
r.case("writes to /proc/self/mem", own_memory)
r.exit()
