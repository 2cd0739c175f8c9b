# SPDX-License-Identifier: MIT
"""Builds traces by docs/FORMAT.md, right ones and wrong ones, with all hashes as they should be unless a test says
otherwise. The same input gives the same bytes."""
import functools
import os
import struct
import subprocess

import xxh3
from trace_spec import EVENTS, LAYOUTS

PAGE = 4096
TYPES = {v.name: v for v in EVENTS.values()}
ID = bytes(range(16))


def pad(data):
    return data + bytes(-len(data) % 8)


def event(name, /, tail=b"", time=0, h_tid=0, h_pid=0, h_size=None, h_type=None, h_flags=0, **fields):
    """Bytes of one event; h_: fields of its header."""
    body = TYPES[name].pack(**fields) + pad(tail)
    head = LAYOUTS["event header"].pack(size=32 + len(body) if h_size is None else h_size, flags=h_flags, tid=h_tid, pid=h_pid,
                                        time_ns=time, type=TYPES[name].number if h_type is None else h_type)
    return head + body


def seal(data, at, length):
    """Appends the hash of the bytes before, as file and frame headers want it."""
    return data[:at] + struct.pack("<Q", xxh3.hash64(data[:at])) + data[at + 8:length]


def file_header(number, **lies):
    head = dict(magic=b"BPRECTR\n", version=4, file=number, trace_id=ID)
    head.update(lies)
    return seal(LAYOUTS["file header"].pack(**head), 32, 40)


@functools.lru_cache(1000)
def compress(data):
    return subprocess.run(["zstd", "-qc", "--no-check"], input=data, stdout=subprocess.PIPE, check=True).stdout


def frame(kind, raw, seq, first, count, /, plain=False, stored=None, **lies):
    """Bytes of one frame. stored: the stored bytes, if they shall be others; lies: fields of the header."""
    codec = 0
    if stored is None:
        stored = raw
        packed = raw if plain else compress(raw)
        if len(packed) < len(raw):
            stored, codec = packed, 1
    head = dict(magic=0x52465042, kind=kind, codec=codec, raw_len=len(raw), stored_len=len(stored), seq=seq, first=first,
                count=count, payload_hash=xxh3.hash64(stored))
    head.update(lies)
    return seal(LAYOUTS["frame header"].pack(**head), 48, 56) + stored


def pages_frame(pages, seq, first, /, **lies):
    raw = b"".join(xxh3.hash128(p) for p in pages) + b"".join(pages)
    return frame(2, raw, seq, first, len(pages), **lies)


def clone_frame(pages, number, offset, seq, first, /, reserved=0, **lies):
    raw = LAYOUTS["clone reference"].pack(number=number, offset=offset, reserved=reserved)
    return frame(3, raw + b"".join(xxh3.hash128(p) for p in pages), seq, first, len(pages), **lies)


class Builder:
    """A trace that is put together from frames. Every step may be changed by hand before write()."""

    def __init__(self):
        self.events, self.pages = [], []  # lists of frames
        self.nevents = self.npages = 0
        self.time = 1000
        self.end = (1, 0)
        self.extra = {}  # more files: name -> bytes
        self.lies = {}  # fields of the manifest
        self.heads = {"events": {}, "pages": {}, "manifest": {}}  # lies in the file headers
        self.manifest = True

    def add_events(self, events, /, **lies):
        self.events.append(frame(1, b"".join(events), len(self.events), self.nevents, len(events), **lies))
        self.nevents += len(events)

    def add_pages(self, pages, /, **lies):
        self.pages.append(pages_frame(pages, len(self.pages), self.npages + 1, **lies))
        self.npages += len(pages)

    def add_clone(self, pages, number, offset, /, **lies):
        self.pages.append(clone_frame(pages, number, offset, len(self.pages), self.npages + 1, **lies))
        self.npages += len(pages)

    def manifest_bytes(self):
        def chain(frames):
            return xxh3.hash64(b"".join(f[48:56] for f in frames))

        m = dict(events=self.nevents, event_frames=len(self.events), events_bytes=40 + sum(map(len, self.events)),
                 pages=self.npages, page_frames=len(self.pages), pages_bytes=40 + sum(map(len, self.pages)),
                 clones=sum(name.startswith("clone-") for name in self.extra), events_hash=chain(self.events),
                 pages_hash=chain(self.pages), start_ns=500, end_ns=10**9, end_kind=self.end[0], end_code=self.end[1])
        m.update(self.lies)
        return frame(4, LAYOUTS["manifest"].pack(**m), 0, 0, 1, plain=True)

    def write(self, folder):
        os.makedirs(folder)
        files = {"events": file_header(1, **self.heads["events"]) + b"".join(self.events),
                 "pages": file_header(2, **self.heads["pages"]) + b"".join(self.pages)}
        if self.manifest:
            files["manifest"] = file_header(3, **self.heads["manifest"]) + self.manifest_bytes()
        files.update(self.extra)
        for name, data in files.items():
            if data is None:  # shall be missing
                continue
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)
