# SPDX-License-Identifier: MIT
"""Sample traces for tests of the readers: one event of each type, right traces, and a wrong one for each rule of
docs/FORMAT.md."""
from build_trace import PAGE, TYPES, Builder, event, pad
from trace_spec import LAYOUTS

ABSENT, LOST = (1 << 64) - 1, (1 << 64) - 2
RUN, REF, STATE, STACK_FRAME = (LAYOUTS[n] for n in ("page run", "buffer reference", "thread state", "stack frame"))
WORD, HASH_RUN = LAYOUTS["memory word"], LAYOUTS["hash run"]


def page(i):
    """Contents of sample page i, never zeros."""
    return (b"page %d\n" % (i + 1)).ljust(PAGE, bytes([i % 251]))


def runs(*triples):
    return b"".join(RUN.pack(first=f, count=c, step=s) for f, c, s in triples)


def regs(start):
    return [start + i for i in range(27)]


def sample(name, **changes):
    """(arguments of event()) of a right event, which refers to objects, writers and exposures 1 and pages 1 to 3."""
    buffers = REF.pack(addr=0x7F00, len=5, arg=1) + REF.pack(addr=0x7F10, len=8, arg=6) + pad(b"hello") + b"8 bytes."
    table = {
        "start": dict(wall_ns=1, xcr0=7, xsave_size=832, ncpu=2, uid=1000, gid=1001, argc=2, envc=1, observed=1,
                      strings_len=17, release=b"6.1.0", version=b"0.1", tail=b"./cmd\0arg\0A=b\0/w\0"),
        "hook": dict(state=2, error=1, name=b"tp_btf/page_fault_user", serves=b"mmap-store write"),
        "process": dict(how=2, parent_tid=7, clone_flags=17, space=2, group=3),
        "exec": dict(regs=regs(100), space=1, former_tid=9, auxv_len=16, xsave_len=24, path_len=8, brk=0x555000,
                     tail=b"A" * 16 + b"X" * 24 + b"/bin/ls\0"),
        "exit": dict(kind=2, code=9, clear_child_tid=0x7000),
        "syscall": dict(nr=0, flags=52, args=[3, 2, 1, 4, 5, 6], ret=-11, entry_ns=77, nbufs=2, bufs_len=len(buffers),
                        tail=buffers),
        "syscall-enter": dict(nr=202, args=[1, 2, 3, 4, 5, 6]),
        "data": dict(addr=0x1234, len=3, why=3, tail=b"abc"),
        "signal": dict(signo=11, place=2, action=1, xsave_len=9, frame_len=5, siginfo=bytes(range(128)),
                       regs_before=regs(1), regs_after=regs(1000), tail=pad(b"x" * 9) + b"frame"),
        "regs": dict(why=2, xsave_len=8, regs=regs(7), tail=b"extended"),
        "object": dict(object=1, flags=2, major=8, minor=1, inode=4711, generation=3, fs_magic=0x1021994, size=9000,
                       path_len=6, tail=b"/d/f\n\0"),
        "pages": dict(object=1, why=1, first=2, npages=9, size=9000, read_ns=88, nruns=4,
                      tail=runs((1, 3, 1), (0, 4, 0), (LOST, 1, 0), (ABSENT, 1, 1))),
        "map": dict(addr=0x7F0000, len=3 * PAGE, prot=5, flags=2, offset=PAGE, object=1, kind=1),
        "unmap": dict(addr=0x7F0000, len=PAGE),
        "protect": dict(addr=0x7F1000, len=PAGE, prot=1),
        "remap": dict(old_addr=0x7F1000, old_len=PAGE, new_addr=0x800000, new_len=2 * PAGE, flags=1),
        "mem": dict(addr=0x7FFE000, npages=2, nruns=1, tail=runs((3, 2, 0))),
        "object-write": dict(object=1, channel=2, offset=5, length=ABSENT, pages_event=ABSENT),
        "change": dict(object=1, channel=19, flags=17, writer=1, offset=PAGE, length=PAGE, begin_ns=5, end_ns=6, saved_ns=7,
                       new_size=9000, pages=1, pages_changed=1, pages_event=12, after_event=11, count=3, ninsiders=2, stack=1,
                       tail=STATE.pack(tid=8, pid=7, addr=0x7F0000, idle_from_ns=4, state=2) +
                       STATE.pack(tid=9, pid=7, addr=0x7F0000, idle_from_ns=ABSENT, state=4, flags=1)),
        "writer": dict(writer=1, pid=4, tid=5, uid=6, start_ns=7, comm=b"mariadbd", strings_len=24, ns_pid=2,
                       tail=b"/bin/m\0/cg\0m -x -y\0beef\0"),
        "stack": dict(stack=1, writer=1, pid=4, tid=5, change=ABSENT, nframes=2, strings_len=24,
                      tail=STACK_FRAME.pack(pc=0x7F0010, offset=3, how=1) + STACK_FRAME.pack(pc=0x400100, offset=0x100, how=2) +
                      b"pwrite\0/lib/c\0beef\0\0/m\0\0"),
        "exposure": dict(exposure=1, object=1, kind=1, writer=1, since_ns=3, offset=0, length=ABSENT),
        "exposure-end": dict(exposure=1, ns=99),
        "gap": dict(kind=3, channel=19, object=1, reason_len=9, tail=b"no reason"[:8] + b"\0"),
        "compare": dict(object=1, from_ns=1, to_ns=2, pages=3, pages_changed=1),
        "loss": dict(kind=1, channel=0, count=12, hook=b"tp_btf/sys_enter"),
        "note": dict(kind=4, nr=3, text_len=6, tail=b"hello\0"),
        "group": {"from": 2, "into": 1},
        "output": dict(fd=1, len=7, tail=b"to fd 1"),
        "insn": dict(kind=1, length=2, addr=0x401000, rax=13, rbx=1 << 32, rcx=3, rdx=4),
        "words": dict(nwords=2, tail=WORD.pack(addr=0x7F8, value=ABSENT) + WORD.pack(addr=0x800, value=2)),
        "memhash": dict(xstate_hash=77, flags=3, nruns=2, npages=3,
                        tail=HASH_RUN.pack(addr=PAGE, npages=2) + HASH_RUN.pack(addr=9 * PAGE, npages=1) + b"hash" * 3),
        "limit": dict(resource=3, soft=8 << 20),
        "end": dict(kind=1, code=0),
    }
    args = dict(table[name])
    args.update(changes)
    return args


# An order in which every event finds what it refers to.
ORDER = ["start", "hook", "object", "writer", "exposure"] + [
    n for n in TYPES if n not in ("start", "hook", "object", "writer", "exposure", "end")] + ["end"]


def events(only=None, **changes):
    """Bytes of all sample events in order; `changes` are made to the event `only`."""
    made = []
    for i, name in enumerate(ORDER):
        args = dict(h_tid=i, h_pid=i // 2, time=1000 + i)
        args.update(sample(name))
        args.update(changes if name == only else {})
        made.append(event(name, **args))
    return made


def everything(only=None, plain=False, **changes):
    """A builder with all sample events in two frames, and three pages."""
    b = Builder()
    b.add_pages([page(i) for i in range(3)], plain=plain)
    made = events(only, **changes)
    b.add_events(made[:10], plain=plain)
    b.add_events(made[10:], plain=plain)
    return b


def short(*between):
    """A builder with a start event, these events, and an end event."""
    b = Builder()
    made = [event("start", time=1000, **sample("start"))] + list(between)
    b.add_events(made + [event("end", time=9000, **sample("end"))])
    return b


def cloned():
    """Pages in a clone of a file of 4 pages and a bit; page 3 of it is stored already."""
    b = Builder()
    file = b"".join(page(i) for i in range(5))[:4 * PAGE + 123]
    last = file[4 * PAGE:].ljust(PAGE, b"\0")
    b.add_pages([page(3), page(7)])
    b.add_clone([page(0), page(1), page(2)], 0, 0)
    b.add_clone([last], 0, 4 * PAGE)
    b.extra["clone-0"] = file
    made = [event("start", time=1, **sample("start", observed=0)), event("object", time=2, **sample("object"))]
    tail = runs((3, 3, 1), (1, 1, 0), (6, 1, 0))
    made.append(event("pages", time=3, **sample("pages", first=0, npages=5, nruns=3, tail=tail)))
    b.lies["start_ns"] = 0
    b.add_events(made + [event("end", time=4, **sample("end"))])
    return b


def many():
    """Several frames, compressed and plain."""
    b = Builder()
    note = sample("note")
    b.add_events([event("start", time=1000, **sample("start"))], plain=True)
    for n in range(5):
        b.add_events([event("note", time=2000 + n, h_tid=n, **note) for _ in range(10)], plain=n % 2 == 0)
        b.add_pages([page(10 * n + i) for i in range(n + 1)], plain=n == 0)
    b.add_events([event("end", time=3000, **sample("end"))])
    return b


def incomplete(torn_events=0, torn_pages=0):
    """No manifest; so many bytes of the next frame of each file."""
    b = everything()
    b.manifest = False
    b.add_events([event("note", time=8000, **sample("note"))])
    b.add_pages([page(17)])
    b.events[-1] = b.events[-1][:torn_events]
    b.pages[-1] = b.pages[-1][:torn_pages]
    return b


def good():
    """(name, builder) of right traces."""
    yield "all-events", everything()
    yield "clone", cloned()
    yield "many-frames", many()
    yield "incomplete", incomplete()
    b = everything(plain=True)
    b.manifest = False
    yield "plain-incomplete", b
    yield "torn-head", incomplete(55, 1)
    yield "torn-bytes", incomplete(57, 60)
    b = incomplete()
    b.events[1:] = [b.events[1][:-1] + b"!"]  # a last frame with wrong bytes is a torn one
    yield "torn-wrong", b
    b = Builder()
    b.manifest = False
    yield "nothing-yet", b
    b = Builder()
    b.end = (3, 28)
    b.add_events([event("end", time=1000, kind=3, code=28)])
    yield "failed-at-start", b
