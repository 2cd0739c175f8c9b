#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ops.py OP PATH [PID ADDRESS]: changes a file (or a process's memory) in one of the ways that the kernel side must see.

Prints "CHANNEL OFFSET LENGTH" of what it did (LENGTH -1: to the end; OFFSET -1: nobody can tell), or "skip REASON".
Each op_NAME is one way. Changes begin in the second or third page (unit) of the file, which has to have three.

ops.py serve [FD]: prints "ready PID", then answers each line of stdin with one such line, or "error TEXT":
  unit BYTES            what a page of the files is (hugetlbfs)
  near DIR              where files that are copied from are made (default: beside the file)
  hold OP PATH [read]   opens or maps the file for OP as it would do itself, to stay so; read: reads each page there
  recv PATH             receives a descriptor through the socket FD and uses it instead of opening PATH
  drop PATH             closes and unmaps what is held of it
  read | write          from now on, each page of a mapping is read before anything is stored; not
  OP PATH | OP PID ADDRESS
"""
import array
import contextlib
import ctypes
import fcntl
import mmap
import os
import socket
import struct
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
UNIT = 4096
AT = UNIT + 904
DATA = b"seen"
held = {}  # (path, flags) -> descriptor; (path, "map") -> mapping: kept for the path by a server
state = {"near": None, "read": False}


def syscall(*args):
    """A system call by number; raises OSError."""
    args = [a if isinstance(a, (ctypes.Array, ctypes.Structure, bytes)) else ctypes.c_long(a) for a in args]
    ret = libc.syscall(*args)
    if ret < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return ret


def opened(path, flags=0):
    kept = held.get((path, flags))
    return os.open(path, os.O_RDWR | flags) if kept is None else kept


def mapped(path):
    """A shared mapping of the file for stores: the one that is kept, or a new one."""
    m = held.get((path, "map"))
    if m is None:
        fd = opened(path)
        m = mmap.mmap(fd, os.fstat(fd).st_size)
    if state["read"]:
        touch(m)
    return m


def touch(m):
    """Reads the pages that operations change."""
    for at in range(0, min(len(m), 3 * UNIT), UNIT):
        m[at]  # pylint: disable=pointless-statement


def op_write(path):
    fd = opened(path)
    os.lseek(fd, AT, 0)
    return "write", AT, os.write(fd, DATA)


def op_append(path):
    fd = opened(path, os.O_APPEND)
    size = os.fstat(fd).st_size
    return "write", size, os.write(fd, DATA)


def op_pwrite_append(path):
    """The offset of a pwrite to an O_APPEND file counts for nothing."""
    fd = opened(path, os.O_APPEND)
    size = os.fstat(fd).st_size
    return "pwrite", size, os.pwrite(fd, DATA, 0)


def op_pwrite(path):
    return "pwrite", AT, os.pwrite(opened(path), DATA, AT)


def op_writev(path):
    fd = opened(path)
    os.lseek(fd, AT, 0)
    return "writev", AT, os.writev(fd, [DATA, DATA])


def op_pwritev(path):
    iov = [DATA] * 20
    return "pwritev", AT, os.pwritev(opened(path), iov, AT)


def op_pwritev2(path):
    return "pwritev", AT, os.pwritev(opened(path), [DATA, DATA], AT, os.RWF_DSYNC)


def op_pwritev2_append(path):
    fd = opened(path)
    size = os.fstat(fd).st_size
    done = os.pwritev(fd, [DATA], 0, getattr(os, "RWF_APPEND", 0x10))
    if os.fstat(fd).st_size == size:  # overlayfs of 6.1 loses the flag on its way to the real file
        return "pwritev", 0, -1  # what was written can't be told from the call: the whole file is said to have changed
    return "pwritev", size, done


def op_direct(path):
    fd = opened(path, os.O_DIRECT)
    page = mmap.mmap(-1, UNIT)
    page[:] = b"d" * UNIT
    return "direct-write", UNIT, os.pwritev(fd, [page], UNIT)


def source(path, data=b"x" * 2 * UNIT):
    """A file of the same file system, full of x."""
    name = os.path.join(state["near"], "source") if state["near"] else path + ".source"
    if state["near"] == "memory":
        fd = os.memfd_create("source")
    else:
        fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
        os.unlink(name)
    os.write(fd, data)
    return fd


def op_sendfile(path):
    fd = opened(path)
    os.lseek(fd, AT, 0)
    return "sendfile", AT, os.sendfile(fd, source(path), 0, 100)


def op_splice(path):
    r, w = os.pipe()
    os.write(w, DATA)
    return "splice", AT, os.splice(r, opened(path), 4, offset_dst=AT)


def op_copy_file_range(path):
    return "copy_file_range", AT, os.copy_file_range(source(path), opened(path), 100, 0, AT)


def op_fallocate_punch(path):
    syscall(285, opened(path), 3, UNIT, UNIT)
    return "fallocate", UNIT, UNIT


def op_fallocate_collapse(path):
    syscall(285, opened(path), 8, UNIT, UNIT)
    return "fallocate", UNIT, -1


def op_ftruncate_shrink(path):
    os.ftruncate(opened(path), AT)
    return "truncate", AT, -1


def op_ftruncate_grow(path):
    fd = opened(path)
    size = os.fstat(fd).st_size
    os.ftruncate(fd, size + 100)
    return "truncate", size, 100


def op_truncate(path):
    length = AT + state.get("own", 0)
    os.truncate(path, length)
    return "truncate", length, -1


def op_open_trunc(path):
    opened(path, os.O_TRUNC)
    return "open-trunc", 0, -1


def op_creat(path):
    syscall(85, path.encode(), 0o600)
    return "open-trunc", 0, -1


def op_openat2_trunc(path):
    how = ctypes.create_string_buffer(struct.pack("QQQ", os.O_RDWR | os.O_TRUNC, 0, 0), 24)
    syscall(437, -100, path.encode(), how, 24)
    return "open-trunc", 0, -1


def op_clone(path):
    """Whether the file system can or not, it is announced; where it can't, the end says that it failed."""
    try:
        fcntl.ioctl(opened(path), 0x40049409, source(path))
    except OSError:
        pass
    return "clone", 0, -1


def op_clone_range(path):
    try:
        fcntl.ioctl(opened(path), 0x4020940D, struct.pack("qQQQ", source(path), 0, UNIT, 2 * UNIT))
    except OSError:
        pass
    return "clone", 2 * UNIT, UNIT


def op_dedupe(path):
    fd = opened(path)
    arg = bytearray(struct.pack("QQHHI", 0, UNIT, 1, 0, 0) + struct.pack("qQQiI", fd, 2 * UNIT, 0, 0, 0))
    try:
        fcntl.ioctl(source(path, os.pread(fd, UNIT, 2 * UNIT)), 0xC0189436, arg)
    except OSError:
        pass
    return "dedupe", 2 * UNIT, UNIT


def op_madvise_remove(path):
    m = mapped(path)
    try:
        m.madvise(mmap.MADV_REMOVE, 2 * UNIT, UNIT)
    except OSError as e:
        return "skip", str(e), ""
    return "madvise-remove", 2 * UNIT, UNIT


def aio(fd, opcode, address, offset):
    """io_submit of four bytes, and their end. Bytes done."""
    ctx = ctypes.create_string_buffer(8)
    syscall(206, 4, ctx)
    ctx_id = struct.unpack("Q", ctx.raw)[0]
    iocb = ctypes.create_string_buffer(struct.pack("QIIHhIQQqQII", 0, 0, 0, opcode, 0, fd, address, 4, offset, 0, 0, 0), 64)
    listed = ctypes.create_string_buffer(struct.pack("Q", ctypes.addressof(iocb)), 8)
    syscall(209, ctx_id, 1, listed)
    events = ctypes.create_string_buffer(32)
    syscall(208, ctx_id, 1, 1, events, 0)
    return struct.unpack_from("q", events.raw, 16)[0]


def op_aio(path):
    data = ctypes.create_string_buffer(DATA)
    return "aio", AT, aio(opened(path), 1, ctypes.addressof(data), AT)


class Uring:
    """One ring with room for four requests."""

    def __init__(self):
        params = ctypes.create_string_buffer(120)
        self.fd = syscall(425, 4, params)
        self.sq_off = struct.unpack_from("10I", params, 40)
        self.cq_off = cq_off = struct.unpack_from("10I", params, 80)
        self.ring = mmap.mmap(self.fd, max(self.sq_off[6] + 16, cq_off[5] + 16 * 8))
        self.sqes = mmap.mmap(self.fd, 4 * 64, offset=0x10000000)

    def queue(self, opcode, fd, offset, addr, length, flags=0, more=0, slot=0, wait=False):
        """One request; wait: for its completion. more: the field that depends on the opcode (open_flags); slot: where among the
        registered files, plus 1."""
        tail = struct.unpack_from("I", self.ring, self.sq_off[1])[0]
        struct.pack_into("BBHiQQIIQHHI", self.sqes, (tail & 3) * 64, opcode, flags, 0, fd, offset, addr, length, more, 0, 0, 0, slot)
        struct.pack_into("I", self.ring, self.sq_off[6] + 4 * (tail & 3), tail & 3)
        struct.pack_into("I", self.ring, self.sq_off[1], tail + 1)
        syscall(426, self.fd, 1, int(wait), int(wait), 0, 8)

    def submit(self, opcode, fd, offset, addr, length, flags=0, more=0):
        """The same; waits for its completion. Its result."""
        self.queue(opcode, fd, offset, addr, length, flags, more, wait=True)
        head, mask = struct.unpack_from("I", self.ring, self.cq_off[0])[0], struct.unpack_from("I", self.ring, self.cq_off[2])[0]
        done = struct.unpack_from("i", self.ring, self.cq_off[5] + (head & mask) * 16 + 8)[0]
        struct.pack_into("I", self.ring, self.cq_off[0], head + 1)
        if done < 0:
            raise OSError(-done, os.strerror(-done))
        return done


def uring_write(path, fixed, flags=0):
    try:
        ring = Uring()
    except OSError as e:
        return "skip", str(e), ""
    fd = opened(path)
    data = ctypes.create_string_buffer(DATA)
    if fixed:
        syscall(427, ring.fd, 2, ctypes.create_string_buffer(struct.pack("i", fd), 4), 1)
    try:
        ring.submit(23, 0 if fixed else fd, AT, ctypes.addressof(data), 4, flags | (1 if fixed else 0))
    except OSError:
        pass
    return "io_uring", AT, 4


def op_uring(path):
    return uring_write(path, False)


def op_uring_async(path):
    """Carried out by a worker thread (IOSQE_ASYNC)."""
    return uring_write(path, False, 16)


def op_uring_fixed(path):
    return uring_write(path, True)


def op_uring_writev(path):
    """Two buffers."""
    data = ctypes.create_string_buffer(DATA)
    iov = iovec(*[(ctypes.addressof(data), 4)] * 2)
    Uring().submit(2, opened(path), AT, ctypes.addressof(iov), 2)
    return "io_uring", AT, 8


def op_uring_fallocate(path):
    """IORING_OP_FALLOCATE, punch a hole: the mode is where others have the length, the length where they have the address."""
    Uring().submit(17, opened(path), UNIT, UNIT, 3)
    return "io_uring", UNIT, UNIT


def op_uring_open_trunc(path):
    """IORING_OP_OPENAT with O_TRUNC."""
    name = ctypes.create_string_buffer(path.encode())
    os.close(Uring().submit(18, -100, 0, ctypes.addressof(name), 0, more=os.O_RDWR | os.O_TRUNC))
    return "open-trunc", 0, -1


def op_uring_truncate(path):
    """IORING_OP_FTRUNCATE, since 6.9."""
    Uring().submit(55, opened(path), AT, 0, 0)
    return "io_uring", AT, -1


def op_loop(path):
    """Through a loop device: a thread of the kernel writes. The device goes with its last descriptor."""
    fd, control = opened(path), os.open("/dev/loop-control", os.O_RDWR)
    number = fcntl.ioctl(control, 0x4C82)
    device = os.open(f"/dev/loop{number}", os.O_RDWR)
    fcntl.ioctl(device, 0x4C0A, bytearray(struct.pack("II48xII176x64x", fd, 0, 0, 4)))
    os.pwrite(device, b"l" * UNIT, UNIT)
    os.fsync(device)
    return "kernel", UNIT, UNIT


def op_store(path):
    m = mapped(path)
    m[AT] = 1
    return "mmap-store", AT & ~(UNIT - 1), UNIT


def op_read_into_mapping(path):
    """The kernel stores into the mapping for us."""
    with memoryview(mapped(path)) as whole, whole[AT:AT + 4] as view:
        os.readv(os.open("/dev/zero", os.O_RDONLY), [view])
    return "mmap-store", AT & ~(UNIT - 1), UNIT


def mapped_at(path):
    """A shared mapping of the file as something that can be stored into, and its address."""
    m = mapped(path)
    view = (ctypes.c_char * len(m)).from_buffer(m)
    return view, ctypes.addressof(view)


def iovec(*pairs):
    """struct iovec for addresses and lengths."""
    return ctypes.create_string_buffer(b"".join(struct.pack("QQ", a, n) for a, n in pairs), 16 * len(pairs))


def full_pipe():
    r, w = os.pipe()
    os.write(w, DATA)
    return r


def op_into_read(path):
    """A file, read into the mapping."""
    _, at = mapped_at(path)
    return "read-into-mapping", AT, syscall(17, source(path), at + AT, 4, 0)


def op_into_read_short(path):
    """More asked for than there is."""
    _, at = mapped_at(path)
    return "read-into-mapping", AT, syscall(17, source(path), at + AT, 9000, 8000)


def op_into_direct(path):
    """O_DIRECT: the device stores."""
    name = path + ".direct"
    with open(name, "wb") as f:
        f.write(b"d" * 8192)
    _, at = mapped_at(path)
    fd = os.open(name, os.O_RDONLY | os.O_DIRECT)
    os.unlink(name)
    return "read-into-mapping", 4096, syscall(17, fd, at + 4096, 4096, 0)


def op_into_readv(path):
    """Two buffers, of which the first is in private memory: eight bytes of the second."""
    _, at = mapped_at(path)
    private = ctypes.create_string_buffer(8)
    syscall(295, source(path), iovec((ctypes.addressof(private), 8), (at + AT, 8)), 2, 0, 0)
    return "read-into-mapping", AT, 8


def op_into_pipe(path):
    """From a pipe, which may have had nothing for long."""
    _, at = mapped_at(path)
    return "read-into-mapping", AT, syscall(0, full_pipe(), at + AT, 100)


def op_into_recv(path):
    _, at = mapped_at(path)
    a, b = socket.socketpair()
    a.send(DATA)
    return "read-into-mapping", AT, syscall(45, b.fileno(), at + AT, 100, 0, 0, 0)


def op_into_recvmsg(path):
    _, at = mapped_at(path)
    a, b = socket.socketpair()
    a.send(DATA)
    iov = iovec((at + AT, 100))
    msg = ctypes.create_string_buffer(struct.pack("QIIQQQQII", 0, 0, 0, ctypes.addressof(iov), 1, 0, 0, 0, 0), 56)
    return "read-into-mapping", AT, syscall(47, b.fileno(), msg, 0)


def op_into_vm_readv(path):
    """process_vm_readv of a child's memory, which has what we have."""
    view, at = mapped_at(path)
    data = ctypes.create_string_buffer(DATA)
    pid = os.fork()
    if not pid:
        os.read(os.pipe()[0], 1)
    done = syscall(310, pid, iovec((at + AT, 4)), 1, iovec((ctypes.addressof(data), 4)), 1, 0)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert view[AT] == DATA[:1]
    return "read-into-mapping", AT, done


def op_into_vmsplice(path):
    _, at = mapped_at(path)
    return "vmsplice", AT, syscall(278, full_pipe(), iovec((at + AT, 100)), 1, 0)


def op_into_uring(path):
    """IORING_OP_READ of a file."""
    _, at = mapped_at(path)
    Uring().submit(22, source(path), 0, at + AT, 4)
    return "mmap-store", AT & ~(UNIT - 1), UNIT


def op_into_uring_fixed(path):
    """The page of the mapping is registered, and so is pinned; IORING_OP_READ_FIXED."""
    _, at = mapped_at(path)
    ring = Uring()
    syscall(427, ring.fd, 0, iovec((at + UNIT, UNIT)), 1)
    ring.submit(4, source(path), 0, at + AT, 4)
    return "mmap-store", AT & ~(UNIT - 1), UNIT


def op_into_aio(path):
    """io_submit of a read."""
    _, at = mapped_at(path)
    aio(source(path), 0, at + AT, 0)
    return "mmap-store", AT & ~(UNIT - 1), UNIT


def op_into_getrandom(path):
    """A call that is none of those that read a file."""
    _, at = mapped_at(path)
    syscall(318, at + AT, 64, 0)
    return "mmap-store", AT & ~(UNIT - 1), UNIT


def op_into_thread_exit(path):
    """The kernel stores 0 where a thread said that its number is (set_tid_address), when it ends."""
    view, at = mapped_at(path)
    thread = threading.Thread(target=lambda: syscall(218, at + AT))
    thread.start()
    thread.join()
    limit = time.monotonic() + 60
    while view[AT:AT + 4] != bytes(4):
        if time.monotonic() > limit:
            raise OSError(110, "the kernel has stored nothing")
    return "mmap-store", AT & ~(UNIT - 1), UNIT


def op_into_poke(path):
    """A debugger stores into the mapping of a child, which has what we have."""
    view, at = mapped_at(path)
    pid = os.fork()
    if not pid:
        if not libc.ptrace(0, 0, 0, 0):
            os.kill(os.getpid(), 19)
        os._exit(1)
    if os.WIFEXITED(os.waitpid(pid, os.WUNTRACED)[1]):
        raise OSError(1, "PTRACE_TRACEME was refused")
    word = int.from_bytes(DATA + DATA, sys.byteorder)
    done = syscall(101, 5, pid, at + AT, word)  # PTRACE_POKEDATA
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert done == 0 and view[AT] == DATA[:1]
    return "ptrace", AT, 8


def other_memory(path, write):
    """Stores into the mapping of a child, which has what we have: write(pid, address)."""
    view, at = mapped_at(path)
    pid = os.fork()
    if not pid:
        os.read(os.pipe()[0], 1)
    try:
        write(pid, at + AT)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert view[AT] == DATA[:1]


def op_into_vm_writev(path):
    """process_vm_writev to another outsider."""
    other_memory(path, op_process_vm_writev)
    return "ptrace", AT, 4


def op_into_proc_mem(path):
    """/proc/PID/mem of another outsider."""
    other_memory(path, op_proc_mem)
    return "ptrace", AT, 4


def op_userfaultfd(path):
    """UFFDIO_COPY into what has been made a hole before."""
    _, at = mapped_at(path)
    syscall(285, opened(path), 3, UNIT, UNIT)
    fd = syscall(323, 0)
    fcntl.ioctl(fd, 0xC018AA3F, bytearray(struct.pack("QQQ", 0xAA, 0, 0)))
    fcntl.ioctl(fd, 0xC020AA00, bytearray(struct.pack("QQQQ", at + UNIT, UNIT, 1, 0)))
    page = mmap.mmap(-1, 2 * UNIT)
    page.write(b"u" * 2 * UNIT)
    start = -(-ctypes.addressof(ctypes.c_char.from_buffer(page)) // UNIT) * UNIT
    fcntl.ioctl(fd, 0xC028AA03, bytearray(struct.pack("QQQQq", at + UNIT, start, UNIT, 0, 0)))
    return "userfaultfd", UNIT, UNIT


def op_fallocate_insert(path):
    syscall(285, opened(path), 0x20, UNIT, UNIT)
    return "fallocate", UNIT, -1


def op_fallocate_zero(path):
    syscall(285, opened(path), 0x10, UNIT, 5000)
    return "fallocate", UNIT, 5000


def op_process_vm_writev(pid, address):
    data = ctypes.create_string_buffer(DATA)
    local = ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(data), 4), 16)
    remote = ctypes.create_string_buffer(struct.pack("QQ", address, 4), 16)
    syscall(311, pid, local, 1, remote, 1, 0)
    return "remote-memory", address, 4


def op_proc_mem(pid, address):
    os.pwrite(os.open(f"/proc/{pid}/mem", os.O_RDWR), DATA, address)
    return "proc-mem", address, 4


def flags_of(op):
    """Flags with which an operation opens its file."""
    if op in ("append", "pwrite_append"):
        return os.O_APPEND
    return os.O_DIRECT if op == "direct" else 0


def hold(op, path, read):
    """Opens or maps for an operation, to stay so."""
    if op not in MAPPERS and not op.startswith("into_"):
        held[path, flags_of(op)] = os.open(path, os.O_RDWR | flags_of(op))
        return
    fd = os.open(path, os.O_RDWR) if (path, 0) not in held else held[path, 0]
    m = held[path, "map"] = mmap.mmap(fd, os.fstat(fd).st_size)
    if (path, 0) not in held:
        os.close(fd)
    if read:
        touch(m)


MAPPERS = ("store", "read_into_mapping", "madvise_remove", "userfaultfd")


def drop(path):
    """Gives up what is held of a file."""
    for key in [k for k in held if k[0] == path]:
        kept = held.pop(key)
        if isinstance(kept, int):
            os.close(kept)


def receive(sock, path):
    """A descriptor that the other side sends."""
    data = sock.recvmsg(1, socket.CMSG_SPACE(4))[1][0][2]
    held[path, 0] = array.array("i", data)[0]


def set_unit(size):
    """From now on, files have pages of this size."""
    global UNIT, AT
    UNIT, AT = size, size + 904


def descriptors():
    """Numbers of the descriptors that are open; the one with which they are listed is closed again by then."""
    return {int(n) for n in os.listdir("/proc/self/fd") if os.path.lexists("/proc/self/fd/" + n)}


def carry_out(words, sock):
    """One line of a server; its answer."""
    if words[0] == "unit":
        return set_unit(int(words[1]))
    if words[0] == "near":
        return state.update(near=words[1])
    if words[0] == "hold":
        return hold(words[1], words[2], words[3:] == ["read"])
    if words[0] == "recv":
        return receive(sock, words[1])
    if words[0] == "drop":
        return drop(words[1])
    if words[0] in ("read", "write") and len(words) == 1:
        return state.update(read=words[0] == "read")
    before = descriptors()
    try:
        return globals()["op_" + words[0]](*([words[1]] if len(words) == 2 else map(int, words[1:])))
    finally:
        for fd in descriptors() - before:
            with contextlib.suppress(OSError):
                os.close(fd)


def serve(sock):
    """Until stdin ends. Servers run side by side: each cuts to a length of its own. Of two truncate(path) to one length at one
    time, bprec names both, and none for certain."""
    state["own"] = os.getpid() % 3000
    print("ready", os.getpid(), flush=True)
    for line in sys.stdin:
        try:
            answer = carry_out(line.split(), sock)
            print(*(answer or ("ok",)), flush=True)
        except (OSError, ValueError) as e:
            print("error", type(e).__name__, e, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(socket.socket(fileno=int(sys.argv[2])) if len(sys.argv) > 2 else None)
    else:
        args = [int(a) for a in sys.argv[3:]] or [sys.argv[2]]
        print(*globals()["op_" + sys.argv[1]](*args))
