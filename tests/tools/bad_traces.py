# SPDX-License-Identifier: MIT
"""Wrong traces: (name, code, builder), each breaking one rule of docs/FORMAT.md with all hashes right unless the hash is
the point."""
from build_trace import ID, PAGE, Builder, event, frame, pad
from sample_traces import (ABSENT, HASH_RUN, LOST, REF, STACK_FRAME, STATE, cloned, events, everything, incomplete, many, page, runs,
                           sample, short)

M32, M64 = (1 << 32) - 1, (1 << 64) - 1
PAGES = M64 // PAGE  # most pages that have addresses


def flip(data, at, bit=0):
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1:]


# (type, what is changed in a right event of that type, code if not EVENT)
EVENT_FAULTS = [
    ("hook", dict(h_size=16)), ("hook", dict(h_size=28)), ("hook", dict(h_size=M32 - 7)), ("hook", dict(h_size=0)),
    ("hook", dict(h_size=160)), ("hook", dict(h_size=176)), ("hook", dict(h_type=0)), ("hook", dict(h_type=34)),
    ("hook", dict(h_type=65535)), ("hook", dict(h_flags=1)), ("hook", dict(time=0)), ("hook", dict(h_type=1)),
    ("hook", dict(tail=b"x")), ("end", dict(tail=b"x")),
    ("start", dict(strings_len=16)), ("start", dict(strings_len=18)), ("start", dict(argc=3)), ("start", dict(argc=M32, envc=M32)), ("start", dict(argc=1)),
    ("start", dict(strings_len=0)), ("start", dict(strings_len=M32)), ("start", dict(observed=3)),
    ("start", dict(release=b"x" * 64)), ("start", dict(version=b"x" * 16)),
    ("start", dict(argc=0, envc=0, strings_len=0, tail=b"")),
    ("hook", dict(state=4)), ("hook", dict(error=-1)), ("hook", dict(name=b"x" * 64)), ("hook", dict(serves=b"x" * 64)),
    ("process", dict(how=0)), ("process", dict(how=6)), ("process", dict(space=0)), ("process", dict(how=1)),
    ("process", dict(how=1, parent_tid=0)),
    ("exec", dict(auxv_len=M32)), ("exec", dict(xsave_len=M32)), ("exec", dict(path_len=M32)), ("exec", dict(path_len=0)),
    ("exec", dict(auxv_len=M32, xsave_len=M32, path_len=M32)), ("exec", dict(path_len=7)), ("exec", dict(reserved=1)),
    ("exec", dict(space=0)), ("exec", dict(tail=b"A" * 40 + b"/bin/ls!")), ("exec", dict(tail=b"A" * 40 + b"/b\0n/ls\0")),
    ("exit", dict(kind=0)), ("exit", dict(kind=4)),
    ("syscall", dict(nbufs=0)), ("syscall", dict(nbufs=1)), ("syscall", dict(nbufs=M32)), ("syscall", dict(nbufs=1 << 28)),
    ("syscall", dict(bufs_len=40)), ("syscall", dict(bufs_len=M32)), ("syscall", dict(bufs_len=56)),
    ("syscall", dict(flags=64)), ("syscall", dict(bufs_len=47)),
    ("syscall", dict(nbufs=1, bufs_len=16, tail=REF.pack(len=1, arg=0))),
    ("syscall", dict(nbufs=1, bufs_len=16, tail=REF.pack(len=M32, arg=0))),
    ("syscall", dict(nbufs=1, bufs_len=16, tail=REF.pack(len=0, arg=7))),
    ("syscall-enter", dict(reserved=1)),
    ("data", dict(len=9)), ("data", dict(len=M32)), ("data", dict(len=262145)), ("data", dict(why=0)), ("data", dict(why=4)),
    ("data", dict(len=262145, tail=bytes(262145))),
    ("signal", dict(signo=0)), ("signal", dict(signo=65)), ("signal", dict(place=0)), ("signal", dict(place=4)),
    ("signal", dict(action=0)), ("signal", dict(action=6)), ("signal", dict(action=2)), ("signal", dict(reserved=1)),
    ("signal", dict(xsave_len=M32)), ("signal", dict(frame_len=M32)), ("signal", dict(xsave_len=M32, frame_len=M32)),
    ("regs", dict(why=0)), ("regs", dict(why=3)), ("regs", dict(xsave_len=M32)),
    ("object", dict(object=0)), ("object", dict(flags=4)), ("object", dict(reserved=1)), ("object", dict(path_len=0)),
    ("object", dict(path_len=5)), ("object", dict(path_len=M32)), ("object", dict(tail=b"/d/ff\n")),
    ("pages", dict(object=2), "REFERENCE"), ("pages", dict(object=0), "REFERENCE"), ("pages", dict(why=0)),
    ("pages", dict(why=5)), ("pages", dict(reserved=1)), ("pages", dict(nruns=3)), ("pages", dict(nruns=M32)),
    ("pages", dict(nruns=1 << 28)), ("pages", dict(npages=8)), ("pages", dict(npages=M64)), ("pages", dict(first=M64)),
    ("pages", dict(first=PAGES - 8)),
    ("pages", dict(nruns=1, npages=1, tail=runs((4, 1, 0))), "REFERENCE"),
    ("pages", dict(nruns=1, npages=4, tail=runs((1, 4, 1))), "REFERENCE"),
    ("pages", dict(nruns=1, npages=M32, tail=runs((1, M32, 1))), "REFERENCE"),
    ("pages", dict(nruns=1, npages=1, tail=runs((M64 - 2, 1, 0))), "REFERENCE"),
    ("pages", dict(nruns=1, npages=2, tail=runs((M64 - 2, 2, 1))), "REFERENCE"),
    ("pages", dict(nruns=1, npages=2, tail=runs((LOST, 2, 1)))), ("pages", dict(nruns=1, npages=2, tail=runs((ABSENT, 2, 1)))),
    ("pages", dict(nruns=1, npages=0, tail=runs((1, 0, 0)))), ("pages", dict(nruns=1, npages=1, tail=runs((1, 1, 2)))),
    ("map", dict(addr=1)), ("map", dict(len=1)), ("map", dict(len=0)), ("map", dict(offset=1)), ("map", dict(kind=0)),
    ("map", dict(kind=7)), ("map", dict(object=0)), ("map", dict(object=9), "REFERENCE"),
    ("map", dict(object=9, kind=2), "REFERENCE"), ("map", dict(addr=(1 << 64) - PAGE)),
    ("map", dict(offset=(1 << 64) - PAGE)), ("unmap", dict(addr=1)), ("unmap", dict(len=(1 << 64) - PAGE)),
    ("protect", dict(reserved=1)), ("protect", dict(len=5)), ("remap", dict(reserved=1)), ("remap", dict(old_len=5)),
    ("remap", dict(new_addr=(1 << 64) - PAGE)),
    ("mem", dict(addr=5)), ("mem", dict(npages=1)), ("mem", dict(npages=M64)), ("mem", dict(reserved=1)),
    ("mem", dict(npages=1 << 52)), ("mem", dict(nruns=0)), ("mem", dict(tail=runs((5, 2, 0))), "REFERENCE"),
    ("object-write", dict(object=2), "REFERENCE"), ("object-write", dict(channel=28)),
    ("change", dict(object=2), "REFERENCE"), ("change", dict(object=0), "REFERENCE"), ("change", dict(channel=28)),
    ("change", dict(flags=1024)), ("change", dict(flags=128)), ("change", dict(flags=128, object=0, ninsiders=0, tail=b"")),
    ("change", dict(writer=2), "REFERENCE"), ("change", dict(ninsiders=1)),
    ("change", dict(ninsiders=M32)), ("change", dict(ninsiders=1, tail=STATE.pack(state=0))),
    ("change", dict(ninsiders=1, tail=STATE.pack(state=5))), ("change", dict(ninsiders=1, tail=STATE.pack(state=1, flags=2))),
    ("writer", dict(writer=0)), ("writer", dict(comm=b"x" * 16)), ("writer", dict(strings_len=23)),
    ("writer", dict(strings_len=M32)), ("writer", dict(tail=b"/bin/m\0/cg\0m\0-x -y\0beef\0")),
    ("writer", dict(tail=b"/bin/m /cg m -x -y beef\0")),
    ("stack", dict(stack=0)), ("stack", dict(writer=2), "REFERENCE"), ("stack", dict(nframes=0)), ("stack", dict(nframes=1)),
    ("stack", dict(nframes=65)), ("stack", dict(nframes=M32)), ("stack", dict(strings_len=23)), ("stack", dict(strings_len=M32)),
    ("stack", dict(nframes=1, strings_len=3, tail=STACK_FRAME.pack(how=0) + bytes(3))),
    ("stack", dict(nframes=1, strings_len=3, tail=STACK_FRAME.pack(how=4) + bytes(3))),
    ("stack", dict(nframes=1, strings_len=3, tail=STACK_FRAME.pack(how=1, reserved=1) + bytes(3))),
    ("stack", dict(nframes=1, strings_len=3, tail=STACK_FRAME.pack(how=1) + b"abc")),
    ("stack", dict(nframes=1, strings_len=0, tail=STACK_FRAME.pack(how=1))),
    ("exposure", dict(exposure=0)), ("exposure", dict(kind=0)), ("exposure", dict(kind=4)),
    ("exposure", dict(object=2), "REFERENCE"), ("exposure", dict(object=0), "REFERENCE"),
    ("exposure", dict(writer=2), "REFERENCE"), ("exposure-end", dict(exposure=2), "REFERENCE"),
    ("exposure-end", dict(reserved=1)),
    ("gap", dict(kind=0)), ("gap", dict(kind=12)), ("gap", dict(channel=28)), ("gap", dict(object=2), "REFERENCE"),
    ("gap", dict(reason_len=0)), ("gap", dict(reason_len=M32)), ("gap", dict(tail=b"no reason")),
    ("compare", dict(object=0), "REFERENCE"), ("compare", dict(flags=4)),
    ("loss", dict(kind=0)), ("loss", dict(kind=7)), ("loss", dict(channel=28)), ("loss", dict(hook=b"x" * 64)),
    ("note", dict(kind=0)), ("note", dict(kind=5)), ("note", dict(reserved=1)), ("note", dict(text_len=5)),
    ("note", dict(text_len=M32)), ("note", dict(text_len=0)), ("output", dict(len=M32)), ("output", dict(len=9)),
    ("insn", dict(kind=0)), ("insn", dict(kind=4)), ("insn", dict(length=1)), ("insn", dict(length=16)),
    ("words", dict(nwords=3)), ("words", dict(nwords=M32)), ("words", dict(reserved=1)),
    ("memhash", dict(flags=4)), ("memhash", dict(reserved=1)), ("memhash", dict(nruns=1)), ("memhash", dict(nruns=M32)),
    ("memhash", dict(npages=4)), ("memhash", dict(npages=M32)), ("memhash", dict(tail=HASH_RUN.pack(addr=1, npages=3) + bytes(28))),
    ("memhash", dict(tail=HASH_RUN.pack(addr=PAGE, npages=M64) + HASH_RUN.pack(addr=PAGE, npages=4) + bytes(12))),
    ("memhash", dict(tail=HASH_RUN.pack(addr=M64 - PAGE + 1, npages=2) + HASH_RUN.pack(addr=PAGE, npages=1) + bytes(12))),
    ("limit", dict(reserved=1)), ("limit", dict(tail=b"x")),
    ("end", dict(kind=0)), ("end", dict(kind=5)), ("end", dict(kind=2), "MANIFEST"), ("end", dict(code=1), "MANIFEST"),
]


def event_faults():
    for n, (name, changes, *code) in enumerate(EVENT_FAULTS):
        what = "+".join(sorted(changes)).replace("h_", "")
        yield "event-%03d-%s-%s" % (n, name, what), code[0] if code else "EVENT", everything(name, **changes)


# Fields of a frame header that lie, for the second frame of events and the first of pages; kind 1 and 2.
FRAME_LIES = [
    ("magic", dict(magic=1)), ("kind", dict(kind=4)), ("kind", dict(kind=0)), ("kind", dict(kind=5)), ("codec", dict(codec=2)),
    ("raw", dict(raw_len=0)), ("raw", dict(raw_len=M32)), ("raw", dict(raw_len=(2 << 20) + 8)), ("seq", dict(seq=7)),
    ("seq", dict(seq=M64)), ("first", dict(first=0)), ("first", dict(first=M64)), ("count", dict(count=0)),
    ("count", dict(count=M32)), ("reserved", dict(reserved=1)), ("payload", dict(payload_hash=0)),
    ("stored", dict(stored_len=M32)), ("stored", dict(stored_len=0)),
]


def frame_faults():
    for n, (what, lies) in enumerate(FRAME_LIES):
        b = everything()
        b.events.pop()
        b.nevents = 10
        b.add_events(events()[10:], **lies)
        yield "frame-events-%02d-%s" % (n, what), "DAMAGED", b
        b = everything()
        b.pages.pop()
        b.npages = 0
        b.add_pages([page(i) for i in range(3)], **dict(lies, first=9) if what == "first" else lies)
        yield "frame-pages-%02d-%s" % (n, what), "DAMAGED", b


def content_faults():
    made = events()
    for what, stored in (("garbage", b"not zstd"), ("legacy", b"\x25\xb5\x2f\xfd" + bytes(40)),
                         ("skippable", b"\x50\x2a\x4d\x18\x08\0\0\0" + bytes(8))):
        b = Builder()
        b.events.append(frame(1, b"".join(made), 0, 0, len(made), stored=stored, codec=1))
        b.nevents = len(made)
        yield "zstd-" + what, "DAMAGED", b
    raw = b"".join(made)
    right = everything().events[0][56:]
    for what, lies in (("shorter", dict(raw_len=8 * 400)), ("longer", dict(raw_len=8 * 4000)),
                       ("trailing", dict(stored=right + b"1"))):
        b = everything()
        b.events[0] = frame(1, b"".join(made[:10]), 0, 0, 10, **dict(dict(stored=right, codec=1), **lies))
        yield "zstd-" + what, "DAMAGED", b
    for what, count in (("few", len(made) - 1), ("many", len(made) + 1)):
        b = everything()
        b.events = [frame(1, raw, 0, 0, count)]
        b.nevents = count
        yield "count-too-" + what, "EVENT", b
    b = everything()
    b.pages[0] = flip_hash()
    yield "page-hash", "DAMAGED", b


def flip_hash():
    """A frame of pages whose contents don't have their hashes."""
    import xxh3
    pages = [page(i) for i in range(3)]
    raw = b"".join(xxh3.hash128(p) for p in pages) + flip(b"".join(pages), 5000)
    return frame(2, raw, 0, 1, 3)


def order_faults():
    b = many()
    b.events[1], b.events[2] = b.events[2], b.events[1]
    yield "frames-swapped", "DAMAGED", b
    b = many()
    del b.events[2]
    yield "frame-removed", "DAMAGED", b
    b = many()
    b.events.insert(2, b.events[2])
    yield "frame-twice", "DAMAGED", b
    b = many()
    del b.events[-1]
    yield "last-frame-removed", "MANIFEST", b
    b = many()
    b.pages.append(b"x")
    yield "pages-go-on", "DAMAGED", b
    b = many()
    b.events.append(bytes(56))
    yield "zeros-at-the-end", "DAMAGED", b
    b = incomplete()
    b.events[0] = flip(b.events[0], 100)
    yield "incomplete-damaged-bytes", "DAMAGED", b
    b = incomplete()
    b.events[0] = flip(b.events[0], 8)
    yield "incomplete-damaged-head", "DAMAGED", b
    b = incomplete()
    b.pages = []
    yield "incomplete-without-pages", "REFERENCE", b
    b = short(event("note", time=2000, **sample("note")), event("end", time=3000, **sample("end")))
    yield "two-ends", "EVENT", b
    b = Builder()
    b.add_events([event("note", time=2000, **sample("note")), event("end", time=3000, **sample("end"))])
    yield "no-start", "EVENT", b
    b = Builder()
    b.add_events([event("start", time=2000, **sample("start"))])
    yield "no-end", "EVENT", b
    yield "no-events", "EVENT", Builder()
    b = short()
    b.extra["pages"] = None
    yield "no-pages", "DAMAGED", b


def manifest_faults():
    for field in ("events", "event_frames", "events_bytes", "pages", "page_frames", "pages_bytes", "events_hash",
                  "pages_hash", "clones"):
        b = everything()
        b.lies[field] = 1 << 40
        yield "manifest-" + field, "MANIFEST", b
    for name, lies in (("times", dict(start_ns=9, end_ns=8)), ("start", dict(start_ns=1001)), ("end", dict(end_ns=1001)),
                       ("kind", dict(end_kind=0)), ("kind5", dict(end_kind=5)), ("code", dict(end_code=7))):
        b = everything()
        b.lies.update(lies)
        yield "manifest-" + name, "MANIFEST", b


def file_faults():
    for name in ("events", "pages", "manifest"):
        for what, lies, code in (("magic", dict(magic=b"BPRECTR\0"), "NOT_A_TRACE"), ("version", dict(version=5), "VERSION"),
                                 ("kind", dict(file=7), "FOREIGN"), ("id", dict(trace_id=bytes(16)), "FOREIGN")):
            b = everything()
            b.heads[name].update(lies)
            yield "file-%s-%s" % (name, what), code, b
    b = incomplete()
    b.heads["pages"]["trace_id"] = ID[::-1]
    yield "incomplete-foreign", "FOREIGN", b


def clone_faults():
    for what, code, change in (("missing", "DAMAGED", dict(extra=None)), ("short", "DAMAGED", dict(extra=4 * PAGE)),
                               ("changed", "DAMAGED", dict(extra="flip")), ("number", "MANIFEST", dict(number=1)),
                               ("offset", "DAMAGED", dict(offset=1)), ("far", "DAMAGED", dict(offset=1 << 63)),
                               ("end", "DAMAGED", dict(offset=(1 << 63) - PAGE)), ("reserved", "DAMAGED", dict(reserved=1)),
                               ("wrong-place", "DAMAGED", dict(offset=PAGE))):
        b = cloned()
        if "extra" in change:
            data, how = b.extra["clone-0"], change["extra"]
            b.extra["clone-0"] = flip(data, 9000) if how == "flip" else data[:how] if how else None
        else:
            del b.pages[1:]
            b.npages = 2
            args = dict(number=0, offset=0)
            args.update(change)
            b.add_clone([page(0), page(1), page(2)], args.pop("number"), args.pop("offset"), **args)
            b.add_clone([page(5)], 0, 4 * PAGE)
            b.extra["clone-0"] = b.extra["clone-0"][:4 * PAGE] + page(5)
        yield "clone-" + what, code, b


def bad():
    """All of them."""
    for group in (event_faults, frame_faults, content_faults, order_faults, manifest_faults, file_faults, clone_faults):
        yield from group()
