# SPDX-License-Identifier: MIT
"""Every kind of object that a program can map, for the matrix (cells.py): how one is made, by which names insider and
outsider reach it, and who it is in the trace.

A kind is opened once for each recording. Its objects are six pages long (`unit` says how long a page is); all of it goes
when the test ends.
"""
import atexit
import ctypes
import mmap
import os
import re
import shutil
import socket
import subprocess
import zlib

import e2e
import mounts
from e2e import PAGE, Skip, wait_until

UNITS = 6
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = libc.shmat.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.shmdt.argtypes = [ctypes.c_void_p]


def pattern(name, size):
    """Contents of its own for each object; no page is empty, and no two are alike."""
    seed = zlib.crc32(name.encode())
    pages = [bytes((seed + n * 13 + i * 7) & 0xFF for i in range(256)) * (PAGE // 256) for n in range((size + PAGE - 1) // PAGE)]
    return b"".join(pages)[:size]


def at_address(address):
    """(major, minor, inode) of what this process has mapped there, as /proc/self/maps tells."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            if line.startswith(f"{address:x}-"):
                dev, inode = line.split()[3:5]
                major, minor = dev.split(":")
                return int(major, 16), int(minor, 16), int(inode)
    raise AssertionError(f"nothing is mapped at {address:x}")


def identity(path):
    """(major, minor, inode) of a file as a mapping shows it: on btrfs, stat(2) tells another device."""
    fd = os.open(path, os.O_RDONLY)
    length = 2 << 20  # of hugetlbfs, nothing less can be unmapped
    address = libc.mmap(None, length, 1, 1, fd, 0)
    try:
        return at_address(address)
    finally:
        libc.munmap(address, length)
        os.close(fd)


class Obj:
    """One object. inside, outside: paths for insider and outsider; real: where this test looks at it."""

    def __init__(self, inside, outside=None, real=None, who=None):
        self.inside, self.outside = inside, outside or inside
        self.real = real or self.inside
        self.who = who or identity(self.real)
        self.fd = None  # what this test keeps open of it
        self.shm = None  # id of SysV shared memory
        self.own = self.inside  # path for operations of an insider

    def contents(self):
        """Its bytes now."""
        with open(self.real, "rb") as f:
            return f.read()


class Kind:
    """A directory of a file system; the other kinds differ in what they override."""

    unit = PAGE
    column = None  # of the probe's table
    private = True  # private mappings are possible
    writable = True  # the insider can map it shared and writable, and it stays the same object
    by_path = True  # outside is a path that can be opened again and again
    changes = True  # False: what the outsider does there must not change what the insider sees
    first = length = UNITS  # units at the beginning; units that the insider maps
    always = ()  # names of operations of which all cells are run, also in a part of the matrix
    refused = ()  # of those that it refuses however it is mapped: one cell shows that
    ages = ("older", "younger")  # of outsiders
    found = ()  # other names that a change may have, since no hook shows it and it is found by looking
    covered = False  # ranges need not be told exactly: what an operation does depends on more than its call

    def __init__(self, name, column=None, place=None):
        self.name, self.column, self.make_place = name, column, place
        self.place = None

    def size(self):
        """Bytes of an object at the beginning; the last page is a partial one."""
        return (self.first - 1) * self.unit + 1000

    def most(self):
        """Objects that one recording can have; 0: any number."""
        return 0

    def open(self):
        """Before the first object of a recording."""
        self.place = self.make_place()

    def near(self):
        """A directory of the same file system, for files to copy from."""
        return self.place.outside

    def make(self, name):
        """One object."""
        self.place.create(name, pattern(name, self.size()))
        return Obj(*(os.path.join(d, name) for d in (self.place.inside, self.place.outside, self.place.real)))

    def made(self, objects):
        """All are made."""

    def reuse(self, objects, outsider):
        """The recording has begun, nothing is mapped yet."""

    def mapped(self, objects):
        """The insider has mapped them."""

    def prepare(self, obj):
        """Right before the outsider's operation."""

    def give(self, obj, outsider):
        """Before the outsider's first operation on it."""

    def close(self):
        """After the recording."""


class PosixShm(Kind):
    """shm_open(3) makes files of /dev/shm, which belongs to the whole machine."""

    def open(self):
        top = e2e.tempdir("/dev/shm")
        self.place = mounts.Place(top)


class Memfd(Kind):
    """memfd_create(2): no name anywhere but in /proc."""

    def open(self):
        pass

    def near(self):
        return "memory"

    def make(self, name):
        fd = os.memfd_create(name)
        os.write(fd, pattern(name, self.size()))
        obj = Obj(f"/proc/{os.getpid()}/fd/{fd}")
        obj.fd = fd
        return obj


class Mapped(Kind):
    """What has no descriptor at all: outsiders reach it through /proc/PID/map_files."""

    def open(self):
        pass

    def near(self):
        return "memory"

    def link(self, address):
        """The name of a mapping of this process."""
        end = address + UNITS * self.unit
        return f"/proc/{os.getpid()}/map_files/{address:x}-{end:x}"

    def fill(self, address, name):
        """Contents, and the object."""
        ctypes.memmove(address, pattern(name, UNITS * PAGE), UNITS * PAGE)
        return Obj(self.link(address), who=at_address(address))


class SharedAnonymous(Mapped):
    """MAP_SHARED | MAP_ANONYMOUS of a process outside."""

    def make(self, name):
        return self.fill(libc.mmap(None, UNITS * PAGE, 3, 0x21, -1, 0), name)


class SysV(Mapped):
    """shmget(2), shmat(2)."""

    private = False

    def make(self, name):
        shm = libc.shmget(0, UNITS * PAGE, 0o1600)
        if shm < 0:
            raise Skip("shmget: " + os.strerror(ctypes.get_errno()))
        address = libc.shmat(shm, None, 0)
        libc.shmctl(shm, 0, None)  # goes with the last process that has attached it
        obj = self.fill(address, name)
        obj.shm = shm
        return obj


def looped(kind, size="400M", mkfs=()):
    """A file system on a loop device."""
    def place():
        if not shutil.which(f"mkfs.{kind}", path=e2e.PATH):
            raise Skip(f"no mkfs.{kind}")
        top = e2e.tempdir()
        image = os.path.join(top, "image")
        mounts.run("truncate", "-s", size, image)
        mounts.run(f"mkfs.{kind}", "-q", *mkfs, image)
        return mounts.Place(mounts.mount(os.path.join(top, "mnt"), "-o", "loop", image))
    return place


def subvolume():
    """A subvolume of a btrfs: stat(2) tells another device there."""
    top = looped("btrfs")().real
    path = os.path.join(top, "sub")
    mounts.run("btrfs", "subvolume", "create", path)
    return mounts.Place(path)


class Reflinked(Kind):
    """Each file shares its blocks with another; changing one leaves the other."""

    def make(self, name):
        obj = super().make(name)
        mounts.run("cp", "--reflink=always", obj.real, obj.real + ".copy")
        return obj


class ReflinkSibling(Reflinked):
    """The outsider changes the other file."""

    changes = False

    def make(self, name):
        obj = super().make(name)
        obj.outside += ".copy"
        return obj


class Lower(Kind):
    """A file of the lower layer, which opening it for writing would make another one."""

    writable = False


class CopiedUp(Lower):
    """The insider maps a file of the lower layer. The outsider opens it for writing."""

    changes = False
    ages = ("younger",)

    def make(self, name):
        place = self.place
        place.create(name, pattern(name, self.size()))
        return Obj(*(os.path.join(d, name) for d in (place.inside, place.inside, place.real)))


class Fuse(Kind):
    """bindfs: a file system whose contents come from a process."""

    def open(self):
        if not shutil.which("bindfs", path=e2e.PATH):
            raise Skip("no bindfs")
        below, path = e2e.tempdir(), e2e.tempdir()
        self.below = below
        mounts.own_namespace()
        daemon = subprocess.Popen(["bindfs", "-f", below, path], preexec_fn=e2e.die_with_parent, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
        self.daemon = daemon
        atexit.register(daemon.wait)
        atexit.register(mounts.unmount, path)

        def ready():
            if daemon.poll() is not None:
                raise Skip("bindfs: " + daemon.stderr.read().strip())
            return os.stat(path).st_dev != os.stat(below).st_dev
        wait_until("FUSE is mounted", ready)
        self.place = mounts.Place(path)


class FuseBelow(Fuse):
    """The outsider changes the file below, which FUSE knows nothing of until the file is opened again. What the daemon
    truncates for an insider, by name, must not be told as a truncation of those whose size has come to be the same. That
    something changed, and what, is found by the times of the file."""

    always = ("open_trunc",)
    found = ("unknown",)

    def near(self):
        return self.below

    def make(self, name):
        obj = super().make(name)
        obj.outside = os.path.join(self.below, name)
        return obj


class Hugetlb(Kind):
    """hugetlbfs; its pages are taken from the machine for the time of the recording."""

    unit = 2 << 20
    first = length = 3
    refused = """write append pwrite_append pwrite writev pwritev pwritev2 pwritev2_append direct sendfile splice copy_file_range
        fallocate_collapse fallocate_insert fallocate_zero ftruncate_shrink ftruncate_grow truncate clone clone_range dedupe aio
        uring uring_async uring_fixed uring_writev uring_truncate loop into_direct""".split()
    pool = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

    def near(self):
        return "memory"  # there, nothing can be written to a file

    def open(self):
        self.unit_pages = 0
        self.place = mounts.Place(mounts.mount(e2e.tempdir(), "-t", "hugetlbfs", "-o", "pagesize=2M", "hugetlbfs"))
        atexit.register(self.close)

    def most(self):
        """An eighth of the memory that is there: a small machine keeps the trace in memory, too."""
        with open("/proc/meminfo") as f:
            left = int(re.search(r"MemAvailable: +(\d+) kB", f.read())[1]) << 10
        return max(1, left // 8 // (2 * self.first * self.unit))

    def pages(self, n=None):
        """How many huge pages the machine has, after it was asked for n."""
        if n is not None:
            with open(self.pool, "w") as f:
                f.write(str(n))
        with open(self.pool) as f:
            return int(f.read())

    def more(self, n):
        """Takes n pages more from the machine, whose memory may be in pieces."""
        now = self.pages()
        got = self.pages(now + n) - now
        if got < n:
            with open("/proc/sys/vm/compact_memory", "w") as f:
                f.write("1")
            got = self.pages(now + n) - now
        self.unit_pages += got
        if got < n:
            raise Skip(f"the machine gives {got} huge pages of {n}")

    def make(self, name):
        self.more(self.first if ".shared." in name else 2 * self.first)  # a private mapping may copy each
        path = os.path.join(self.place.real, name)
        with open(path, "w+b") as f:
            f.truncate(self.first * self.unit)
            with mmap.mmap(f.fileno(), self.first * self.unit) as m:
                for n in range(self.first):
                    m[n * self.unit:n * self.unit + 2 * PAGE] = pattern(name + str(n), 2 * PAGE)
        return Obj(path)

    def close(self):
        if not self.place:
            return
        mounts.unmount(self.place.real)
        self.place = None
        left = max(0, self.pages() - self.unit_pages)
        self.pages(left)  # those that are in use go as soon as they aren't; asked for more before that, the kernel keeps them
        wait_until("the huge pages are given back", lambda: self.pages() <= left)


class Squashfs(Kind):
    """A file system that nobody can write; only the device below it can change."""

    changes = writable = False

    def open(self):
        self.names = []
        self.top = e2e.tempdir()
        os.mkdir(os.path.join(self.top, "files"))
        self.place = mounts.Place(os.path.join(self.top, "mnt"), real=os.path.join(self.top, "files"))

    def near(self):
        return self.top

    def make(self, name):
        self.place.create(name, pattern(name, self.size()))
        return Obj(os.path.join(self.top, "mnt", name), who=(0, 0, 0))

    def made(self, objects):
        """All files are there: the image is made and mounted."""
        image = os.path.join(self.top, "image")
        mounts.run("mksquashfs", os.path.join(self.top, "files"), image, "-quiet", "-no-progress")
        mounts.mount(self.place.inside, "-t", "squashfs", "-o", "loop,ro", image)
        for obj in objects:
            obj.who = identity(obj.real)


class Unlinked(Kind):
    """The name goes while it is mapped: who has no descriptor yet gets one from /proc."""

    def make(self, name):
        obj = super().make(name)
        obj.path = obj.real
        obj.fd = os.open(obj.real, os.O_RDWR)
        obj.real = f"/proc/{os.getpid()}/fd/{obj.fd}"
        obj.outside = obj.own = obj.real
        return obj

    def mapped(self, objects):
        for obj in objects:
            os.unlink(obj.path)


class Passed(Kind):
    """The outsider never opens it: it gets a descriptor through a socket."""

    by_path = False
    covered = True

    def give(self, obj, outsider):
        fd = os.open(obj.real, os.O_RDWR)
        try:
            outsider.receive(fd, obj.outside)
        finally:
            os.close(fd)

    def make(self, name):
        obj = super().make(name)
        obj.outside = "/passed/" + name
        return obj


class ProcFd(Kind):
    """The outsider opens it anew through another process's /proc/PID/fd."""

    def make(self, name):
        obj = super().make(name)
        obj.fd = os.open(obj.real, os.O_RDONLY)
        obj.outside = f"/proc/{os.getpid()}/fd/{obj.fd}"
        return obj


class HardLink(Kind):
    """Two names of one inode."""

    def make(self, name):
        obj = super().make(name)
        obj.outside += ".link"
        os.link(obj.real, obj.outside)
        return obj


class Reused(Kind):
    """Inode numbers used again: other files had them, which the outsider changed before they went."""

    ages = ("younger",)

    def make(self, name):
        self.place.create(name, bytes(self.size()))
        return Obj(os.path.join(self.place.real, name))

    def reuse(self, objects, outsider):
        before = {obj.who for obj in objects}
        for obj in objects:
            outsider.do("pwrite", obj.real)
            os.unlink(obj.real)
        for obj in objects:
            name = os.path.basename(obj.real)
            self.place.create(name, pattern(name, self.size()))
            obj.who = identity(obj.real)
        reused = sum(obj.who in before for obj in objects)
        if reused * 2 < len(objects):
            raise Skip(f"only {reused} of {len(objects)} inode numbers were used again")


class Resized(Kind):
    """Its length changes while it is mapped, right before the operation."""

    def __init__(self, name, column, place, first):
        super().__init__(name, column, place)
        self.first = first

    def prepare(self, obj):
        with open(obj.real, "r+b") as f:  # not by name: such a call of another test at the same moment could be taken for it
            f.truncate((UNITS - 1) * PAGE + 1000)


MEMORY = [
    Kind("tmpfs", "tmpfs", mounts.tmpfs),
    Memfd("memfd", "tmpfs"),
    SysV("SysV shm", "tmpfs"),
    PosixShm("POSIX shm", "tmpfs"),
    SharedAnonymous("shared anonymous", "tmpfs"),
    Kind("bind mount", "tmpfs", mounts.bind),
    Passed("SCM_RIGHTS", "tmpfs", mounts.tmpfs),
    Resized("shrinks", "tmpfs", mounts.tmpfs, 9),
    Hugetlb("hugetlbfs"),
    Fuse("FUSE", "fuse"),
    FuseBelow("FUSE, below"),
    Squashfs("squashfs"),
]
DISK = [
    Kind("ext4", "ext4", mounts.ext4),
    Kind("xfs", "xfs", looped("xfs")),
    Kind("btrfs", "btrfs", looped("btrfs")),
    Kind("btrfs subvolume", "btrfs", subvolume),
    Reflinked("reflink", "btrfs", looped("btrfs")),
    ReflinkSibling("its sibling", "btrfs", looped("btrfs")),
    Kind("overlayfs", "overlayfs", mounts.overlay),
    Kind("overlay, upper", "overlayfs", lambda: mounts.overlay("upper")),
    Lower("overlay, lower", "overlayfs", lambda: mounts.overlay("lower")),
    CopiedUp("overlay, copied up", "overlayfs", lambda: mounts.overlay("lower")),
    Unlinked("unlinked", "ext4", mounts.ext4),
    ProcFd("/proc/PID/fd", "ext4", mounts.ext4),
    HardLink("hard link", "ext4", mounts.ext4),
    Reused("inode reused", "ext4", mounts.ext4),
    Resized("grows", "ext4", mounts.ext4, 2),
]
ALL = MEMORY + DISK
