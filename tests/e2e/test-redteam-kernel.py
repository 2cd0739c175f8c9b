#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 180
# serial: a request of io_uring whose file is never told is a loss of every recording on the machine
"""Changes that the kernel makes for somebody, by ways that no write of the file shows. Each case says in its docstring what
the verdict was before it was thought of. What is in the table of docs/VERDICTS.md, "Ways of changing", is tried here."""
import atexit
import contextlib
import ctypes
import fcntl
import json
import mmap
import os
import resource
import signal
import struct
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "bpf")]
import mounts  # noqa: E402
import ops  # noqa: E402
from e2e import (BPREC, PAGE, Insider, Outsider, Peer, Report, Skip, expect, fnv, need_root, prog, tempdir,  # noqa: E402
                 wait_until)
from ops import iovec, syscall  # noqa: E402

PAGES = 4
TRACING = "/sys/kernel/tracing/"
libc = ctypes.CDLL(None, use_errno=True)
libc.acct.argtypes = [ctypes.c_char_p]


def fresh(place, name, data=None):
    """A file of some pages; without data it is full of one-byte instructions."""
    place.create(name, data or b"\x90" * PAGES * PAGE)
    return os.path.join(place.real, name)


def pages(first):
    """Contents: pages that all differ."""
    return b"".join(bytes([first + n]) * PAGE for n in range(PAGES))


class Seen:
    """An insider that maps the file, and what it saw of its pages, each time it was asked."""

    def __init__(self, path, kind="shared", touch="touch", command="record"):
        self.path = path
        self.insider = Insider(command=command)
        self.number = self.insider.map(path, kind, length=PAGES * PAGE, touch=touch)
        self.views = []
        if touch == "touch":
            self.look()
        self.insider.blocked()

    def look(self):
        """What it sees now."""
        self.views.append([self.insider.hash(self.number, n) for n in range(PAGES)])
        self.insider.blocked()
        return self.views[-1]

    def verdict(self, changed=True, back=False):
        """Ends the recording. The views must have differed; back: and the last one is the first."""
        if changed:
            expect(len(set(map(tuple, self.views))) > 1, "the test is wrong: nothing changed")
        if back:
            expect(self.views[0] == self.views[-1], "the test is wrong: the old bytes are not back")
        v = self.insider.finish()
        expect(v.verdict != "clean", "clean")
        return v


def gap(v, kind, channel):
    """There must be such a gap; its text."""
    found = [g for g in v.gaps if (g["kind"], g["channel"]) == (kind, channel)]
    expect(found, f"no gap {kind} {channel}: {v.brief()}")
    return found[0]["reason"]


def changes(v, path):
    """Changes of a file, short."""
    return [(c["channel"], (c["by"] or {}).get("pid"), c["outcome"]) for c in v.of(path)]


def write_to(path, text):
    """One write to a file of tracefs."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


@contextlib.contextmanager
def breakpoint_at(path, offset, pid):
    """A uprobe; pid None: by tracefs, for all; -1: for all."""
    if pid is None:
        name = f"bprec{os.getpid()}/at"
        if not os.path.exists(TRACING + "uprobe_events"):
            raise Skip("no uprobe_events")
        write_to(TRACING + "uprobe_events", f"p:{name} {path}:{offset:#x}\n")
        write_to(TRACING + f"events/{name}/enable", "1")
        try:
            yield
        finally:
            write_to(TRACING + f"events/{name}/enable", "0")
            write_to(TRACING + "uprobe_events", f"-:{name}\n")
        return
    try:
        with open("/sys/bus/event_source/devices/uprobe/type") as f:
            kind = int(f.read())
    except OSError as e:
        raise Skip(str(e)) from None
    name = ctypes.create_string_buffer(path.encode())
    attr = struct.pack("IIQQQQQIIQQ", kind, 112, 0, 0, 0, 0, 1, 0, 0, ctypes.addressof(name), offset).ljust(112, b"\0")
    fd = syscall(298, ctypes.create_string_buffer(attr, 112), pid, 0 if pid == -1 else -1, -1, 8)
    try:
        yield
    finally:
        os.close(fd)


def uprobe(how, command):
    """Breakpoints are put into a private copy of a page, and taken out. Was: clean."""
    path = fresh(mounts.tmpfs(), "code")
    with contextlib.ExitStack() as stack:
        if how == "before":
            stack.enter_context(breakpoint_at(path, PAGE + 16, -1))
        s = Seen(path, "private", command=command)
        if how != "before":
            stack.enter_context(breakpoint_at(path, PAGE + 16, s.insider.pid if how == "perf" else None))
        s.look()
    s.look()
    v = s.verdict(back=how != "before")
    reason = gap(v, "channel-unseen", "uprobe")
    asks = "tracepoint/syscalls/sys_enter_perf_event_open"  # not listed where choke points serve
    if how == "perf" and any((h["name"], h["state"]) == (asks, "attached") for h in v.doc["observation"]["hooks"]):
        expect(f"pid {os.getpid()} " in reason, f"who asked isn't named: {reason}")


def no_uprobe():
    """The control: breakpoints elsewhere."""
    place = mounts.tmpfs()
    other = fresh(place, "other")
    with breakpoint_at(other, PAGE, -1):
        s = Seen(fresh(place, "code"), "private")
        s.look()
        v = s.insider.finish()
    expect(v.verdict == "clean", v.brief())


def where_on_disk(fd):
    """The device of a file, and where its first byte is there."""
    arg = bytearray(32 + 56 * 8)
    struct.pack_into("QQIIII", arg, 0, 0, 1 << 40, 1, 0, 8, 0)
    fcntl.ioctl(fd, 0xC020660B, arg)  # FS_IOC_FIEMAP
    return f"/dev/loop{os.minor(os.fstat(fd).st_dev)}", struct.unpack_from("Q", arg, 32 + 8)[0]


def beneath(command):
    """A file's blocks are written through the block device; who reads them again sees that. Was: clean."""
    path = fresh(mounts.ext4(), "file", pages(1))
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    device, at = where_on_disk(fd)
    s = Seen(path, touch="notouch", command=command)
    raw = os.open(device, os.O_RDWR)
    os.pwrite(raw, b"Q" * PAGE, at + PAGE)
    os.fsync(raw)
    os.close(raw)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    expect(s.look()[1] == fnv(b"Q" * PAGE), "the test is wrong: the old bytes are still there")
    reason = gap(s.verdict(changed=False), "channel-unseen", "block-device")
    expect(f"pid {os.getpid()} " in reason, f"who wrote isn't named: {reason}")


def files_of_a_disk():
    """The control: what the file system itself writes to its device, because of files that nobody maps."""
    place = mounts.ext4()
    s = Seen(fresh(place, "file", pages(1)))
    for n in range(20):
        with open(fresh(place, f"other{n}"), "r+b") as f:
            os.fsync(f.fileno())
    s.look()
    v = s.insider.finish()
    expect(v.verdict == "clean", v.brief())


def registered(place):
    """io_uring writes to a registered file without a completion, and back; on ext4, to pages that are dirty. Was: clean, if the
    file is also an ordinary descriptor of the writer's."""
    path = fresh(place, "registered", pages(1))
    try:
        ring = ops.Uring()
    except OSError as e:
        raise Skip(str(e)) from None
    fd = os.open(path, os.O_RDWR)
    syscall(427, ring.fd, 2, ctypes.create_string_buffer(struct.pack("i", fd), 4), 1)
    s = Seen(path)

    def put(data, buf=ctypes.create_string_buffer(PAGE)):
        ctypes.memmove(buf, data, PAGE)
        ring.queue(23, 0, PAGE, ctypes.addressof(buf), PAGE, 1 | 64)
        with open(path, "rb") as f:
            wait_until("it is written", lambda: os.pread(f.fileno(), PAGE, PAGE) == data)
    put(b"Z" * PAGE)
    s.look()
    put(pages(1)[PAGE:2 * PAGE])
    s.look()
    v = s.verdict(back=True)
    expect(any(c[:2] == ("io_uring", os.getpid()) for c in changes(v, path)), v.brief())
    os.close(fd)


def emptied_by_uring(how, place):
    """A file is opened by io_uring with O_TRUNC, and put among the registered files of the ring, where no descriptor shows it; with
    or without a completion. Was: clean."""
    path = fresh(place, f"emptied-{how}", pages(1))
    try:
        ring = ops.Uring()
    except OSError as e:
        raise Skip(str(e)) from None
    syscall(427, ring.fd, 2, ctypes.create_string_buffer(struct.pack("i", -1), 4), 1)  # a table with room for one file
    s = Seen(path)
    name = ctypes.create_string_buffer(path.encode())
    flags = 64 if how == "untold" else 0  # IOSQE_CQE_SKIP_SUCCESS
    ring.queue(18, -100, 0, ctypes.addressof(name), 0, flags, os.O_RDONLY | os.O_TRUNC, slot=1, wait=how == "told")
    wait_until("it is empty", lambda: not os.stat(path).st_size)  # with a completion: not over by then; the file is looked up later
    syscall(427, ring.fd, 3, 0, 0)  # no registered files any more
    v = s.insider.finish()
    found = [c[:2] for c in changes(v, path)]
    if how == "untold" and found != [("open-trunc", os.getpid())]:  # choke points see the file itself
        expect([c[0] for c in changes(v, path)] == ["unknown"] and v.doc["observation"]["losses"], v.brief())
    else:
        expect(("open-trunc", os.getpid()) in found, v.brief())


def accounting(place):
    """Process accounting into a mapped file; on ext4, to a page that is dirty. Was: clean, on ext4."""
    path = fresh(place, "acct", pages(1))
    os.truncate(path, PAGES * PAGE - 600)
    s = Seen(path)
    if libc.acct(path.encode()):
        s.insider.finish()
        raise Skip("acct: " + os.strerror(ctypes.get_errno()))
    try:
        subprocess.run(["true"], check=True)
    finally:
        libc.acct(None)
    s.look()
    s.verdict()


def core_dumped():
    """The control: a core file is a new one (fs/coredump.c unlinks what is in its way)."""
    place = mounts.tmpfs()
    with open("/proc/sys/kernel/core_pattern") as f:
        if f.read().strip() != "core":
            raise Skip("core files have other names here")
    s = Seen(fresh(place, "core", pages(1)))

    def here():
        resource.setrlimit(resource.RLIMIT_CORE, (1 << 26, 1 << 26))
        os.chdir(place.real)
    subprocess.run(["sh", "-c", "kill -SEGV $$"], preexec_fn=here, check=False)
    s.look()
    v = s.insider.finish()
    expect(v.verdict == "clean" and s.views[0] == s.views[1], v.brief())


def swap_boot():
    """EXT4_IOC_SWAP_BOOT: the file's blocks are exchanged with those of another inode, and back. Was: clean."""
    path = fresh(mounts.ext4(), "boot", pages(1))
    s = Seen(path)
    fd = os.open(path, os.O_RDWR)
    for _ in range(2):
        try:
            fcntl.ioctl(fd, 0x6611)
        except OSError as e:
            s.insider.finish()
            raise Skip(str(e)) from None
        s.look()
    os.close(fd)
    v = s.verdict(back=True)
    expect(any(c[:2] == ("unknown", os.getpid()) for c in changes(v, path)), v.brief())


def device_zeroed():
    """BLKZEROOUT of a block device that an insider maps, and back. Was: found by comparing, if at all."""
    image = os.path.join(tempdir(), "image")
    with open(image, "wb") as f:
        f.write(pages(1))
    made = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, text=True)
    if made.returncode:
        raise Skip("losetup: " + made.stderr.strip())
    device = made.stdout.strip()
    atexit.register(subprocess.run, ["losetup", "-d", device])
    s = Seen(device)
    fd = os.open(device, os.O_RDWR)
    fcntl.ioctl(fd, 0x127F, struct.pack("QQ", PAGE, PAGE))
    s.look()
    os.pwrite(fd, pages(1)[PAGE:2 * PAGE], PAGE)
    s.look()
    os.close(fd)
    v = s.verdict(back=True)
    found = {(c["channel"], (c["by"] or {}).get("pid")) for c in v.changes}
    expect({("unknown", os.getpid()), ("pwrite", os.getpid())} <= found, v.brief())


def extents_swapped(which):
    """XFS_IOC_SWAPEXT of two files, and back; the insider maps the one or the other. Was: clean."""
    top = tempdir()
    image = os.path.join(top, "image")
    mounts.run("truncate", "-s", "512M", image)
    mounts.run("mkfs.xfs", "-q", image)
    place = mounts.Place(mounts.mount(os.path.join(top, "mnt"), "-o", "loop", image))
    paths = [fresh(place, name, pages(n)) for name, n in (("a", 1), ("b", 101))]
    os.sync()
    s = Seen(paths[which])
    for _ in range(2):
        mounts.run("xfs_io", "-c", "swapext " + paths[1], paths[0])
        s.look()
    v = s.verdict(back=True)
    expect([c[0] for c in changes(v, paths[which])] == ["unknown"] * 2, v.brief())


def read_into(how):
    """The kernel stores into an outsider's mapping, for a request."""
    path = fresh(mounts.tmpfs(), "into")
    fd = ops.source(path)
    s = Seen(path)
    view, at = ops.mapped_at(path)
    if how == "aio":
        ctx = ctypes.create_string_buffer(8)
        syscall(206, 4, ctx)
        iocb = ctypes.create_string_buffer(struct.pack("QIIHhIQQqQII", 0, 0, 0, 0, 0, fd, at + PAGE, 100, 0, 0, 0, 0), 64)
        listed = ctypes.create_string_buffer(struct.pack("Q", ctypes.addressof(iocb)), 8)
        syscall(209, struct.unpack("Q", ctx.raw)[0], 1, listed)
        syscall(208, struct.unpack("Q", ctx.raw)[0], 1, 1, ctypes.create_string_buffer(32), 0)
    else:
        try:
            ring = ops.Uring()
        except OSError as e:
            s.insider.finish()
            raise Skip(str(e)) from None
        if how == "fixed buffer":
            syscall(427, ring.fd, 0, iovec((at, PAGES * PAGE)), 1)
        ring.submit(4 if how == "fixed buffer" else 22, fd, 0, at + PAGE, 100)
    s.look()
    ctypes.memset(at + PAGE, 0x90, 100)
    s.look()
    gap(s.verdict(back=True), "hidden-stores", "mmap-store")
    del view


def filled_by_uffd():
    """UFFDIO_COPY into a hole of a shared object, by somebody who maps it."""
    path = os.path.join(mounts.tmpfs().real, "uffd")
    with open(path, "wb") as f:
        f.truncate(PAGES * PAGE)
    s = Seen(path, touch="notouch")
    view, at = ops.mapped_at(path)
    page = mmap.mmap(-1, PAGE)
    page[:] = b"U" * PAGE
    source = ctypes.addressof((ctypes.c_char * PAGE).from_buffer(page))
    try:
        fd = syscall(323, os.O_CLOEXEC)
        fcntl.ioctl(fd, 0xC018AA3F, bytearray(struct.pack("QQQ", 0xAA, 0, 0)))
        fcntl.ioctl(fd, 0xC020AA00, bytearray(struct.pack("QQQQ", at, PAGES * PAGE, 1, 0)))
        fcntl.ioctl(fd, 0xC028AA03, bytearray(struct.pack("QQQQq", at + PAGE, source, PAGE, 0, 0)))
    except OSError as e:
        s.insider.finish()
        raise Skip(f"userfaultfd: {e}") from None
    expect(s.look()[1] == fnv(b"U" * PAGE), "the test is wrong: nothing changed")
    gap(s.verdict(changed=False), "hidden-stores", "mmap-store")
    os.close(fd)
    del view


def stored_at_its_end(how):
    """The kernel stores when an outsider ends: into the futexes of its robust list, or where a thread's number is to be
    cleared."""
    path = fresh(mounts.tmpfs(), "end")
    words = [os.pipe() for _ in range(2)]
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            view, at = ops.mapped_at(path)
            if how == "robust":
                head = ctypes.create_string_buffer(24)
                struct.pack_into("qqq", head, 0, ctypes.addressof(head), 0, at + PAGE)
                ctypes.c_uint.from_buffer(view, PAGE).value = syscall(186)
                syscall(273, head, 24)
            else:
                # of a thread: the store is left out if nobody else uses the memory (mm_release)
                def end():
                    syscall(218, at + PAGE)
                    os.write(words[0][1], b"r")
                    os.read(words[1][0], 1)
                    syscall(60, 0)
                threading.Thread(target=end, daemon=True).start()
                wait_until("the thread is gone", lambda: len(os.listdir("/proc/self/task")) == 1)
                libc._exit(0)
            os.write(words[0][1], b"r")
            os.read(words[1][0], 1)
        libc._exit(0)
    os.read(words[0][0], 1)
    s = Seen(path)
    os.write(words[1][1], b"x")
    os.waitpid(pid, 0)
    s.look()
    gap(s.verdict(), "hidden-stores", "mmap-store")


def ext4_image(top, name):
    """A file with an ext4 of its own."""
    image = os.path.join(top, name + ".img")
    with open(image, "wb") as f:
        f.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", image], check=True)
    return image


def mounted_image(top, name):
    """The same on a loop device, mounted: the image, the mount point."""
    image = ext4_image(top, name)
    return image, mounts.mount(os.path.join(top, name), "-o", "loop", image)


def attached(image, *options):
    """A loop device with this file, until the test ends."""
    made = subprocess.run(["losetup", *options, "-f", "--show", image], capture_output=True, text=True)
    if made.returncode:
        raise Skip("losetup: " + made.stderr.strip())
    device = made.stdout.strip()
    atexit.register(subprocess.run, ["losetup", "-d", device])
    return device


@contextlib.contextmanager
def stopped(insider):
    """bprec, which watches it, comes to know later what happens meanwhile."""
    os.kill(insider.proc.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(insider.proc.pid, signal.SIGCONT)


def page_in(image):
    """Where the second page of the file is in the image below."""
    with open(image, "rb") as f:
        at = f.read().find(pages(1)[PAGE:2 * PAGE])
    expect(at > 0, "the test is wrong: the file's page isn't in the image")
    return at


def write_below(lower, at):
    """Other bytes for that page, which come when it is read again."""
    with open(lower, "r+b", buffering=0) as f:
        os.pwrite(f.fileno(), b"Q" * PAGE, at)
        os.fsync(f.fileno())
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("3")


def written_below(path, image, lower, name, command):
    """A mapped file, its second page untouched, whose bytes are in the image: they are written through `lower`, which the verdict
    names so, and the page is read again. Under watch before bprec knows that it is mapped."""
    at = page_in(image)
    insider = Insider(command=command)
    with stopped(insider) if command == "watch" else contextlib.nullcontext():
        number = insider.map(path, length=PAGES * PAGE, touch="notouch")
        insider.blocked()
        write_below(lower, at)
        expect(insider.hash(number, 1) == fnv(b"Q" * PAGE), "the test is wrong: the old bytes are still there")
    v = insider.finish()
    reason = gap(v, "channel-unseen", "block-device")
    expect(f"pid {os.getpid()} " in reason and name in reason, f"who wrote what isn't named: {reason}")


def below_before(how):
    """The file of a loop device is being written when the first file on it is mapped, or somebody has it mapped by then."""
    image, place = mounted_image(tempdir(), "outer")
    path = os.path.join(place, "file")
    with open(path, "wb") as f:
        f.write(pages(1))
    os.sync()
    insider = Insider(command="watch")
    outsider = Outsider() if how == "mapped" else Peer([prog("inflight")])
    with stopped(insider):
        if how == "mapped":
            outsider.ask(f"map {image}")
        else:
            outsider.hear()
            outsider.ask(f"begin pwrite {image} {page_in(image)} 64 66")
        insider.map(path, length=PAGES * PAGE, touch="notouch")
        if how == "mapped":
            outsider.do("store", image, page_in(image), 100, 66)
        else:
            outsider.ask("release")
    reason = gap(insider.finish(), "channel-unseen", "block-device")
    expect(f"pid {outsider.proc.pid} " in reason and image in reason, f"who wrote what isn't named: {reason}")


def mapped_elsewhere(trace):
    """How many objects of that name have a mapping in a trace that is being written."""
    out = subprocess.run([BPREC, "dump", "--json", "--events", trace], capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in out.splitlines() if line.startswith("{") and line.endswith("}")]
    objects = {r["object"] for r in rows if r["type"] == "object" and r.get("path", "").endswith("/elsewhere")}
    return len(objects & {r["object"] for r in rows if r["type"] == "map"})


def below_nothing():
    """The control: the file of a loop device is written, on which nothing is mapped until that is over."""
    image, place = mounted_image(tempdir(), "outer")
    path = os.path.join(place, "file")
    with open(path, "wb") as f:
        f.write(pages(1))
    os.sync()
    at = page_in(image)
    insider = Insider(command="watch")
    insider.map(fresh(mounts.tmpfs(), "elsewhere", pages(1)))
    insider.map(fresh(mounts.ext4(), "elsewhere", pages(1)))
    # bprec lists mappings before it takes records: stopped in between, it would take the one below for older than the write
    wait_until("the trace has both mappings", lambda: mapped_elsewhere(insider.trace) == 2)
    with stopped(insider):
        write_below(image, at)
        number = insider.map(path, length=PAGES * PAGE, touch="notouch")
        expect(insider.hash(number, 1) == fnv(b"Q" * PAGE), "the test is wrong: the old bytes are still there")
    v = insider.finish()
    expect(v.verdict == "clean", v.brief())


def below_loop(levels, command):
    """The file of a loop device is written; a mapped file on it (levels: 0, the device itself) has those bytes when it is read
    again. Was: clean. 2: that file is on a file system on a loop device in turn, whose file is the one that is written."""
    top = tempdir()
    if levels:
        outer, place = mounted_image(top, "outer")
        if levels == 2:
            place = mounted_image(place, "inner")[1]
        path = os.path.join(place, "file")
        with open(path, "wb") as f:
            f.write(pages(1))
        os.sync()
    else:
        outer = os.path.join(top, "outer")
        with open(outer, "wb") as f:
            f.write(pages(1))
        path = attached(outer)
    written_below(path, outer, outer, outer, command)


def device_mapper(number, name, table=None):
    """An ioctl of /dev/mapper/control (<linux/dm-ioctl.h>) about a device of this name; its device number, as the kernel says."""
    target = b""
    if table:
        length, words = table
        target = struct.pack("QQiI16s", 0, length, 0, 0, b"linear") + words.encode().ljust(64, b"\0")
    head = struct.pack("6Ii3IQ128s129s7s", 4, 0, 0, 312 + len(target), 312, bool(table), 0, 0, 0, 0, 0, name.encode(), b"", b"")
    with open("/dev/mapper/control", "rb", buffering=0) as control:
        answer = bytearray(head + target)
        fcntl.ioctl(control, 0xC138FD00 | number, answer)
    return struct.unpack_from("Q", answer, 40)[0]


def below_mapper(command):
    """A device that is part of one of the device mapper is written, below a mapped file on that. Was: clean."""
    if not os.path.exists("/dev/mapper/control"):
        raise Skip("no device mapper in this kernel")
    top, name = tempdir(), f"bprec-{os.getpid()}-{command}"
    image = ext4_image(top, "image")
    loop = attached(image)
    number = os.minor(device_mapper(3, name))
    atexit.register(device_mapper, 4, name)
    device_mapper(9, name, (16 << 20 >> 9, f"7:{loop[9:]} 0"))
    device_mapper(6, name)
    wait_until("there is a device", lambda: os.path.exists(f"/dev/dm-{number}"))
    path = os.path.join(mounts.mount(os.path.join(top, "mnt"), f"/dev/dm-{number}"), "file")
    with open(path, "wb") as f:
        f.write(pages(1))
    os.sync()
    written_below(path, image, loop, f"7:{loop[9:]}", command)


def above_loop():
    """What goes through the file system on a loop device, the loop device's own thread writes to its file: no change."""
    top = tempdir()
    place = mounted_image(top, "outer")[1]
    path = os.path.join(place, "file")
    with open(path, "wb") as f:
        f.write(pages(1))
    s = Seen(path)
    with open(os.path.join(place, "other"), "wb") as f:
        f.write(pages(101))
        os.fsync(f.fileno())
    os.sync()
    s.look()
    v = s.insider.finish()
    expect(v.verdict == "clean", v.brief())


def loop_exchanged(beneath):
    """LOOP_CHANGE_FD of a read-only loop device, by a descriptor for reading: everything on it is another file's. Was: clean."""
    top = tempdir()
    image, other = os.path.join(top, "image"), os.path.join(top, "other")
    with open(image, "wb") as f:
        f.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    if beneath:
        writable = mounts.mount(os.path.join(top, "writable"), "-o", "loop", image)
        with open(os.path.join(writable, "f"), "wb") as f:
            f.write(pages(1))
        subprocess.run(["umount", writable], check=True)
    else:
        with open(image, "r+b") as f:
            f.write(pages(1))
    with open(image, "rb") as f, open(other, "wb") as g:
        g.write(f.read().replace(pages(1), pages(101)))
    device = path = attached(image, "-r")
    if beneath:
        path = os.path.join(mounts.mount(os.path.join(top, "mnt"), "-o", "ro,noload", device), "f")
    s = Seen(path, touch="notouch")
    fds = os.open(device, os.O_RDONLY), os.open(other, os.O_RDONLY)
    fcntl.ioctl(fds[0], 0x4C06, fds[1])
    for fd in fds:
        os.close(fd)
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("3")
    old = [fnv(pages(1)[n * PAGE:(n + 1) * PAGE]) for n in range(PAGES)]
    expect(s.look() != old, "the test is wrong: nothing changed")
    v = s.verdict(changed=False)
    expect(beneath or ("unknown", os.getpid()) in {(c["channel"], (c["by"] or {}).get("pid")) for c in v.changes}, v.brief())


def main():
    need_root()
    r = Report()
    for how in ("perf", "tracefs", "before"):
        r.case(f"breakpoints, {how}, record", uprobe, how, "record")
    r.case("breakpoints, perf, watch", uprobe, "perf", "watch")
    for command in ("record", "watch"):
        r.case(f"written beneath the file system, {command}", beneath, command)
    for command in ("record", "watch"):
        for levels in 0, 1, 2:
            r.case(f"the file of a loop device, {levels} deep, {command}", below_loop, levels, command)
        r.case(f"a part of the device mapper's, {command}", below_mapper, command)
    for how in ("being written", "mapped"):
        r.case(f"the file of a loop device, {how} before, watch", below_before, how)
    r.case("the file of a loop device, nothing on it is mapped, watch", below_nothing)
    r.case("a file system on a loop device", above_loop)
    r.case("no breakpoints in what is mapped", no_uprobe)
    r.case("files that nobody maps, on the same device", files_of_a_disk)
    r.case("a registered file, no completion", registered, mounts.ext4())
    for how in ("told", "untold"):
        r.case(f"emptied by io_uring, {how}", emptied_by_uring, how, mounts.ext4())
    for fs, place in (("tmpfs", mounts.tmpfs), ("ext4", mounts.ext4)):
        r.case(f"process accounting, {fs}", lambda place=place: accounting(place()))
    r.case("a core file in its place", core_dumped)
    r.case("blocks exchanged, ext4", swap_boot)
    r.case("a block device zeroed", device_zeroed)
    for beneath_file in (False, True):
        r.case(f"another file for a loop device, {'a file on it' if beneath_file else 'itself'}", loop_exchanged, beneath_file)
    for which in (0, 1):
        r.case(f"blocks exchanged, xfs, {('first', 'second')[which]} file", extents_swapped, which)
    for how in ("aio", "io_uring", "fixed buffer"):
        r.case(f"read into a mapping, {how}", read_into, how)
    r.case("filled by a userfaultfd", filled_by_uffd)
    for how in ("robust", "tid"):
        r.case(f"stored at its end, {how}", stored_at_its_end, how)
    r.exit()


main()
