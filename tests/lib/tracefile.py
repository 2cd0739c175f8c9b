# SPDX-License-Identifier: MIT
"""A second reader of traces, written from docs/FORMAT.md and nothing of bprec's code: it proves the document, and lets
tests look at contents without trusting the program under test. Any oddity raises Failed."""
import ctypes
import ctypes.util
import os
import struct

from e2e import PAGE, Failed

ZERO, ABSENT, LOST = 0, (1 << 64) - 1, (1 << 64) - 2
NAMES = ("start hook process exec exit syscall syscall-enter data signal regs object pages map unmap protect remap mem "
         "object-write change writer exposure exposure-end gap compare loss note group output end insn words memhash limit").split()
TYPES = {n: name for n, name in enumerate(NAMES, 1)}
FRAME = struct.Struct("<IHHIIQQIIQQ")
EVENT = struct.Struct("<IHHIIQQ")
SAVED, IN_FLIGHT = 1, 2  # flags of a change

zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
zstd.ZSTD_decompress.restype = ctypes.c_size_t
zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
xxh = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
xxh.XXH3_64bits.restype = ctypes.c_uint64
xxh.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def xxh3(data):
    """XXH3_64bits."""
    return xxh.XXH3_64bits(data, len(data))


class Event:
    """One event: number, type by name, tid, pid, time, and the bytes of its body."""

    __slots__ = ("no", "type", "tid", "pid", "ns", "body")

    def __init__(self, no, kind, tid, pid, ns, body):
        self.no, self.type, self.tid, self.pid, self.ns, self.body = no, kind, tid, pid, ns, body

    def unpack(self, fmt):
        """The fixed part of the body."""
        return struct.unpack_from("<" + fmt, self.body)

    def syscall(self):
        """nr, flags, args, ret, entry_ns of an event of type syscall."""
        v = self.unpack("II6qqQ")
        return v[0], v[1], v[2:8], v[8], v[9]

    def buffers(self):
        """(address, bytes) of each output buffer of a syscall event."""
        n, = struct.unpack_from("<I", self.body, 72)
        refs = [struct.unpack_from("<QII", self.body, 80 + 16 * i) for i in range(n)]
        at, found = 80 + 16 * n, []
        for addr, length, _ in refs:
            found.append((addr, self.body[at:at + length]))
            at += (length + 7) & ~7
        return found


class Trace:
    """A trace directory, read whole."""

    def __init__(self, folder):
        self.folder = folder
        self.objects = {}  # id -> dict
        self.page_events = []  # (event number, object, first, [ids])
        self.ids = None
        self.events = list(self.read_events())
        for ev in self.events:
            if ev.type == "object":
                self.add_object(ev)
            elif ev.type == "pages":
                self.add_pages(ev)
        self.page_frames = [(h, at) for h, at in self.frames("pages")]

    def frames(self, name):
        """(header fields, offset of the stored bytes) of every whole frame of a file."""
        path = os.path.join(self.folder, name)
        size = os.path.getsize(path)
        with open(path, "rb") as f:
            head = f.read(40)
            if head[:8] != b"BPRECTR\n" or xxh3(head[:32]) != struct.unpack("<Q", head[32:])[0]:
                raise Failed(f"{name}: bad file header")
            at = 40
            while at + FRAME.size <= size:
                f.seek(at)
                raw = f.read(FRAME.size)
                h = FRAME.unpack(raw)
                if h[0] != 0x52465042 or h[10] != xxh3(raw[:48]):
                    raise Failed(f"{name}: bad frame header at {at}")
                if at + FRAME.size + h[4] > size:
                    return
                yield h, at + FRAME.size
                at += FRAME.size + h[4]

    def payload(self, name, header, at):
        """The decompressed bytes of a frame."""
        with open(os.path.join(self.folder, name), "rb") as f:
            f.seek(at)
            stored = f.read(header[4])
        if xxh3(stored) != header[9]:
            raise Failed(f"{name}: checksum of the frame at {at}")
        if header[2] == 0:
            return stored
        out = ctypes.create_string_buffer(header[3] or 1)
        n = zstd.ZSTD_decompress(out, header[3], stored, len(stored))
        if n != header[3]:
            raise Failed(f"{name}: frame at {at} decompresses to {n}, not {header[3]} bytes")
        return out.raw[:n]

    def read_events(self):
        """All events in order."""
        number = 0
        for h, at in self.frames("events"):
            data, pos = self.payload("events", h, at), 0
            if h[6] != number:
                raise Failed(f"events: frame at {at} begins with event {h[6]}, expected {number}")
            for _ in range(h[7]):
                size, kind, _, tid, pid, ns, _ = EVENT.unpack_from(data, pos)
                if size < EVENT.size or size % 8 or pos + size > len(data):
                    raise Failed(f"event {number}: size {size}")
                yield Event(number, TYPES.get(kind, kind), tid, pid, ns, data[pos + EVENT.size:pos + size])
                pos += size
                number += 1
            if pos != len(data):
                raise Failed(f"events: {len(data) - pos} bytes left over in the frame at {at}")

    def add_object(self, ev):
        number, flags, major, minor, inode, generation, magic, size, n, _ = ev.unpack("IIIIQIIQII")
        path = ev.body[48:48 + n].split(b"\0")[0].decode(errors="replace")
        self.objects[number] = {"flags": flags, "major": major, "minor": minor, "inode": inode, "path": path,
                                "generation": generation, "magic": magic, "size": size}

    def add_pages(self, ev):
        obj, _, first, npages, _, _, nruns, _ = ev.unpack("IIQQQQII")
        ids = []
        for i in range(nruns):
            start, count, step = struct.unpack_from("<QII", ev.body, 48 + 16 * i)
            ids += [start + step * k for k in range(count)]
        if len(ids) != npages:
            raise Failed(f"event {ev.no}: runs of {len(ids)} pages, not {npages}")
        self.page_events.append((ev.no, obj, first, ids))

    def object_of(self, st):
        """Id of the (last) object that is the file with this stat result, or None."""
        found = None
        for number, o in self.objects.items():
            if (o["inode"], o["major"], o["minor"]) == (st.st_ino, os.major(st.st_dev), os.minor(st.st_dev)):
                found = number
        return found

    def page(self, number):
        """Contents of a stored page; None if there are none."""
        if number == ZERO:
            return bytes(PAGE)
        if number in (ABSENT, LOST):
            return None
        for h, at in self.page_frames:
            if h[6] <= number < h[6] + h[7]:
                i = number - h[6]
                data = self.payload("pages", h, at)
                if h[1] == 2:
                    return data[h[7] * 16 + i * PAGE:][:PAGE]
                clone, _, offset = struct.unpack_from("<IIQ", data)
                with open(os.path.join(self.folder, f"clone-{clone}"), "rb") as f:
                    f.seek(offset + i * PAGE)
                    return f.read(PAGE).ljust(PAGE, b"\0")
        raise Failed(f"page {number} is not in the trace")

    def page_id(self, obj, index, until=None):
        """Id of what a page of an object holds when event `until` has happened (default: at the end); None: unknown."""
        found = None
        for no, o, first, ids in self.page_events:
            if until is not None and no > until:
                break
            if o == obj and first <= index < first + len(ids):
                found = ids[index - first]
        return found

    def page_at(self, obj, index, until=None):
        """Contents of a page of an object when event `until` has happened."""
        number = self.page_id(obj, index, until)
        return None if number is None else self.page(number)

    def page_at_end(self, obj, index):
        """Contents of a page of an object at the end of the trace."""
        return self.page_at(obj, index)

    def of(self, kind, pid=None, tid=None):
        """Events of a type, perhaps of one process or thread."""
        return [e for e in self.events
                if e.type == kind and (pid is None or e.pid == pid) and (tid is None or e.tid == tid)]


def describe(page):
    """A page for an error message."""
    return "nothing" if page is None else f"{page[:4].hex()}..{page[-4:].hex()}#{xxh3(page):016x}"
