#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""Sound, rules 5, 7, 8, 9, 11, 12 and 13 of the design. Each case says in its docstring how the obvious way fails."""
import ctypes
import mmap
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
import mounts  # noqa: E402
import tracefile  # noqa: E402
from e2e import PAGE, Insider, Outsider, Report, Skip, expect, expect_verdict, need_root, prog  # noqa: E402
from matrix import covers  # noqa: E402
from transparent import same  # noqa: E402

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p


def fresh(place, name, pages=4):
    """A file of some pages."""
    place.create(name, bytes((i // PAGE + 1) & 0xFF for i in range(pages * PAGE)))
    return os.path.join(place.real, name)


def end_is_file(trace_dir, path, pages):
    """At its end the trace holds the file's bytes."""
    trace, data = tracefile.Trace(trace_dir), open(path, "rb").read()
    obj = trace.object_of(os.stat(path))
    expect(obj, f"no object {path} in the trace")
    for n in range(pages):
        expect(trace.page_at_end(obj, n) == data[n * PAGE:(n + 1) * PAGE].ljust(PAGE, b"\0"),
               f"page {n} in the trace is not the file's: {tracefile.describe(trace.page_at_end(obj, n))}")


def named(v, path, pid):
    """Some change of the file, or an exposure of it, names the process."""
    pids = [(c["by"] or {}).get("pid") for c in v.of(path)]
    held = [(x["by"] or {}).get("pid") for x in v.exposures if x["object"].get("inode") in (None, os.stat(path).st_ino)]
    expect(pids, f"no change of {path} is known: {v.brief()}")
    expect(pid in pids or (set(pids) == {None} and pid in held), f"pid {pid} is not named: {v.brief()}")


def insider_writes(place):
    """Rule 5: an insider's write to an object that its group maps is a memory event. The obvious way (an insider is no
    outsider, so nothing to note) leaves a trace from which the other insider's memory can't be replayed."""
    path = fresh(place, "rule5")
    insider = Insider()
    insider.map(path)
    steps = [("op", "pwrite64", 10, 20), ("childop", "writev", PAGE + 10, 30), ("op", "fallocate", 2 * PAGE, PAGE),
             ("childop", "ftruncate", 3 * PAGE + 100, 0)]
    for i, (how, op, off, length) in enumerate(steps):
        insider.ask(f"{how} {op} {path} {off} {length} {70 + i}")
    expect_verdict(insider.finish(), "clean")
    trace = tracefile.Trace(insider.trace)
    obj = trace.object_of(os.stat(path))
    found = [e.unpack("IIQQQ") for e in trace.of("object-write")]
    for _, op, off, length in steps:
        expect(any(o == obj and at == off and (n == length or n >= 1 << 62 or op == "ftruncate") for o, _, at, n, _ in found),
               f"{op} at {off} is no object-write event: {found}")
    end_is_file(insider.trace, path, 4)


def own_seccomp():
    """Rule 7: a tracee's own filter that returns an error outranks the recorder's. The obvious way (go on relying on
    SECCOMP_RET_TRACE) never hears of these calls, and the replay answers them by nothing."""
    same([prog("filters")])
    trace_dir = os.path.join(e2e.tempdir(), "trace")
    import subprocess
    subprocess.run([e2e.BPREC, "record", "-q", "-o", trace_dir, "--", prog("filters")], stdout=subprocess.DEVNULL,
                   timeout=e2e.LIMIT, check=True)
    calls = [e.syscall() for e in tracefile.Trace(trace_dir).of("syscall")]
    for nr, ret, times in ((63, -77, 2), (79, -18, 2)):
        n = sum(1 for c in calls if c[0] == nr and c[3] == ret)
        expect(n == times, f"system call {nr} with result {ret} is {n} times in the trace, expected {times}")


def mapped_again(place, how):
    """Rule 8: stored pages are used again only for an object that was watched without a gap and without exposure. The
    obvious way (device, inode, size, times are the same) fails: stores to tmpfs never move ctime, on ext4 only the first."""
    path = fresh(place, f"again-{how}")
    outsider = Outsider()
    if how != "pwrite":
        outsider.ask(f"mapread {path}")
        outsider.do("store", path, 3 * PAGE, 10, 1)
    insider = Insider()
    first = insider.map(path)
    before = insider.hash(first, 1)
    insider.ask(f"unmap {first}")
    insider.blocked()
    outsider.do("store" if how != "pwrite" else "pwrite64", path, PAGE + 50, 10, 88)
    second = insider.map(path)
    expect(insider.hash(second, 1) != before, "the test is wrong: nothing changed")
    insider.finish()
    end_is_file(insider.trace, path, 4)
    trace = tracefile.Trace(insider.trace)
    answers = [e.no for e in trace.of("syscall", insider.pid) if e.syscall()[0] == 1 and e.syscall()[3] == len("hash 0 0 ") + 17]
    expect(len(answers) == 2, f"{len(answers)} hashes printed in the trace, expected 2")
    with open(path, "rb") as f:
        data = f.read()[PAGE:2 * PAGE]
    held = trace.page_at(trace.object_of(os.stat(path)), 1, answers[1])
    expect(held == data, f"when the insider looked again the trace held {tracefile.describe(held)}, not the file's page")


def silent_store(place, how):
    """Rule 9 (and 13): contents of exposed objects are compared again when they are unmapped and at the end. The obvious way
    (write faults) sees nothing here: the outsider has touched the pages before, on tmpfs its stores fault no more."""
    path = fresh(place, f"silent-{how}")
    outsider = Outsider()
    outsider.ask(f"mapread {path}")
    outsider.do("store", path, 0, 1, 1)  # on ext4 too the page is writable now
    insider = Insider()
    m = insider.map(path)
    insider.blocked()
    outsider.do("store", path, 10, 5, 99)
    if how == "unmap":
        insider.ask(f"unmap {m}")
    v = insider.finish()
    expect(v.verdict in ("divergent", "uncertain"), f"too good: {v.brief()}")
    named(v, path, outsider.pid)
    expect(all(c["channel"] == "mmap-store" for c in v.of(path)), f"channel: {v.brief()}")
    expect(any(covers(c, 10, 15) for c in v.of(path)), f"range: {v.brief()}")
    end_is_file(insider.trace, path, 1)


def exposure_alone(place):
    """Where a store could have come unseen and nothing differs, the verdict is uncertain and names the gap."""
    path = fresh(place, "alone")
    outsider = Outsider()
    outsider.ask(f"mapread {path}")
    insider = Insider()
    insider.map(path)
    insider.blocked()
    v = insider.finish()
    expect_verdict(v, "uncertain")
    expect(any(g["channel"] == "mmap-store" and os.path.basename(path) in str(g["object"]) for g in v.gaps),
           f"no gap names the object: {v.brief()}")
    expect(any((x["by"] or {}).get("pid") == outsider.pid and x["kind"] == "writable-mapping" for x in v.exposures),
           f"no exposure names pid {outsider.pid}: {v.exposures}")


def memfd():
    """Rule 9: an object without a name, changed by stores of this test itself."""
    fd = os.memfd_create("bprec-test")
    os.ftruncate(fd, 2 * PAGE)
    store = mmap.mmap(fd, 2 * PAGE)
    store[0], store[PAGE] = 1, 2
    insider = Insider()
    insider.map(f"/proc/{os.getpid()}/fd/{fd}")
    insider.blocked()
    store[PAGE + 7] = 200
    v = insider.finish()
    expect(v.verdict in ("divergent", "uncertain"), f"too good: {v.brief()}")
    mine = [c for c in v.changes if c["object"]["inode"] == os.fstat(fd).st_ino]
    expect(any(c["channel"] == "mmap-store" and covers(c, PAGE + 7, PAGE + 8) for c in mine), f"no change: {v.brief()}")


def sysv():
    """Rule 9: SysV shared memory."""
    shm = libc.shmget(0, 2 * PAGE, 0o1600)
    if shm < 0:
        raise Skip("shmget: " + os.strerror(ctypes.get_errno()))
    try:
        at = libc.shmat(shm, None, 0)
        memory = (ctypes.c_char * (2 * PAGE)).from_address(at)
        memory[0] = b"a"
        insider = Insider()
        insider.ask(f"shm {shm}")
        insider.blocked()
        memory[5] = b"b"
        v = insider.finish()
    finally:
        libc.shmctl(shm, 0, None)
    expect(v.verdict in ("divergent", "uncertain"), f"too good: {v.brief()}")
    expect(any(c["channel"] == "mmap-store" and covers(c, 5, 6) for c in v.changes), f"no change: {v.brief()}")


def kernel_memory():
    """Rule 11: a mapping that the kernel writes by itself makes the trace uncertain, by name. The obvious way (no page cache,
    so nothing to watch) says clean."""
    import subprocess
    native = subprocess.run([prog("kernelmap")], capture_output=True, text=True)
    if native.returncode == 77:
        raise Skip("no packet ring: " + native.stderr.strip())
    v = same([prog("kernelmap")], verdicts=("uncertain",))
    expect(any(g["channel"] == "kernel-shared" and g["object"] for g in v.gaps), f"no gap names the mapping: {v.brief()}")


def reused_pointer(place):
    """Rule 12: an address_space pointer is a key, not an identity. The obvious way (a set of pointers) takes a new file for
    the old one, whose structure the kernel has used again."""
    insider, outsider = Insider(), Outsider()
    paths = []
    for i in range(12):
        old = fresh(place, f"old{i}")
        insider.ask(f"unmap {insider.map(old)}")
        insider.ask("status 0")  # one more call: the recorder may do what it does after an unmap
        insider.blocked()
        os.unlink(old)
        new = fresh(place, f"new{i}")
        outsider.do("pwrite64", new, 10, 10, 50)
        if i % 2:
            m = insider.map(new)
            insider.blocked()
            outsider.do("pwrite64", new, 100, 10, 60)
            insider.ask(f"unmap {m}")
            paths.append(os.stat(new))
        os.unlink(new)
    v = insider.finish()
    mapped = {st.st_ino for st in paths}
    wrong = [c for c in v.changes if c["object"]["inode"] not in mapped or c["offset"] != 100]
    expect(not wrong, f"changes of files that nobody maps: {v.brief()}")
    expect(len(v.changes) == len(paths), f"{len(v.changes)} changes of mapped files, expected {len(paths)}: {v.brief()}")


def mapping_is_a_state(place, op):
    """Rule 13: a writable shared mapping of an outsider is a state, faults are hints. The obvious way (write faults) misses
    stores to pages that were populated, made writable later, or are part of a large folio."""
    path = fresh(place, f"state-{op}", 16)
    insider, outsider = Insider(), Outsider()
    m = insider.map(path)
    insider.blocked()
    before = [insider.hash(m, n) for n in range(16)]
    insider.blocked()
    pid = outsider.do(op, path, 0, 16 * PAGE, 33)
    after = [insider.hash(m, n) for n in range(16)]
    expect(not set(before) & set(after), "the test is wrong: not all pages changed")
    v = insider.finish()
    expect(v.verdict != "clean", "clean")
    expect(v.of(path), f"no change of {path}: {v.brief()}")
    pids = {(c["by"] or {}).get("pid") for c in v.of(path)}
    expect(pids <= {pid, outsider.pid, None} and pids != {None}, f"pids {pids}, expected {pid}: {v.brief()}")
    end_is_file(insider.trace, path, 16)


def main():
    need_root()
    r = Report()
    places = {"tmpfs": mounts.tmpfs(), "ext4": mounts.ext4()}
    r.case("rule 7: a program with seccomp filters of its own", own_seccomp)
    for fs, place in places.items():
        r.case(f"rule 5: writes by insiders to a mapped file, {fs}", insider_writes, place)
        for how in ("store", "pwrite"):
            r.case(f"rule 8: mapped again after a change while nobody mapped it ({how}), {fs}", mapped_again, place, how)
        for how in ("end", "unmap"):
            r.case(f"rule 9: stores that no hook shows are found at the {how}, {fs}", silent_store, place, how)
        r.case(f"an exposure without a change: uncertain, {fs}", exposure_alone, place)
        r.case(f"rule 12: address_space pointers are used again, {fs}", reused_pointer, place)
        for op in ("store-after-read", "store-populate", "store-madvise", "store-mprotect", "store-fork", "store"):
            r.case(f"rule 13: {op}, 16 pages, {fs}", mapping_is_a_state, place, op)
    r.case("rule 9: memfd", memfd)
    r.case("rule 9: SysV shared memory", sysv)
    r.case("rule 11: memory that the kernel writes", kernel_memory)
    r.exit()


main()
