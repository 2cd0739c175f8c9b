#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""read_trace.py DIR: a second reader of traces, written from docs/FORMAT.md and independent of bprec's own.

Prints one line for each event and page and `ok complete` or `ok incomplete` and the number of torn bytes; or, as the last line, `bad CODE` (names
of section 10) with a reason on stderr and exit 1. All hashes are verified. zstd is the command-line tool's.
"""
import functools
import os
import stat
import struct
import subprocess
import sys

import event_rules
import xxh3
from trace_spec import EVENTS, LAYOUTS

PAGE = 4096
HEAD, FRAME = LAYOUTS["file header"], LAYOUTS["frame header"]
FILES = {"events": 1, "pages": 2, "manifest": 3}
KINDS = {"events": (1,), "pages": (2, 3), "manifest": (4,)}


class Bad(Exception):
    """The trace is rejected: code of section 10, and why."""

    def __init__(self, code, why):
        super().__init__(why)
        self.code = code


def need(condition, code, why):
    if not condition:
        raise Bad(code, why)


def read_file(folder, name, missing):
    """Bytes of a regular file in the folder."""
    try:
        fd = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise Bad(missing, "no file " + name) from None
    except OSError as e:
        raise Bad("DAMAGED" if name.startswith("clone") else "NOT_A_TRACE", str(e)) from None
    with os.fdopen(fd, "rb") as f:
        need(stat.S_ISREG(os.fstat(fd).st_mode), "NOT_A_TRACE", name + " is no regular file")
        return f.read()


def check_head(data, name, trace_id):
    """File header; returns the trace id."""
    need(len(data) >= HEAD.size, "NOT_A_TRACE", name + " is too short")
    head = HEAD.unpack(data)
    need(head["magic"] == b"BPRECTR\n", "NOT_A_TRACE", name + " has another magic")
    need(head["hash"] == xxh3.hash64(data[:32]), "DAMAGED", name + ": hash of the file header")
    need(head["version"] in (1, 2, 3, 4), "VERSION", "version %d" % head["version"])
    need(head["file"] == FILES[name], "FOREIGN", name + " is another file")
    need(trace_id in (None, head["trace_id"]), "FOREIGN", name + " is of another trace")
    return head["trace_id"]


def check_frame(h, name):
    """Limits of a frame header."""
    count, raw, stored = h["count"], h["raw_len"], h["stored_len"]
    need(h["kind"] in KINDS[name], "DAMAGED", "kind of frame")
    need(h["codec"] in (0, 1) and h["reserved"] == 0 and count > 0, "DAMAGED", "codec, reserved or count")
    need(raw <= 2 << 20, "DAMAGED", "raw_len")
    need(stored == raw if h["codec"] == 0 else 0 < stored < raw, "DAMAGED", "stored_len")
    sizes = {1: raw % 8 == 0 and raw >= 32 * count, 2: count <= 256 and raw == 4112 * count,
             3: count <= 65536 and raw == 16 + 16 * count, 4: count == 1 and raw == 96}
    need(sizes[h["kind"]], "DAMAGED", "raw_len or count of the kind")


def unpack_frame(h, stored):
    if h["codec"] == 0:
        return stored
    need(stored[:4] == b"\x28\xb5\x2f\xfd", "DAMAGED", "no zstd frame")
    raw = zstd(stored)
    need(raw is not None and len(raw) == h["raw_len"], "DAMAGED", "zstd")
    return raw


@functools.lru_cache(100)
def zstd(data):
    """Decompressed by the command-line tool; None if it refuses."""
    done = subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return done.stdout if done.returncode == 0 else None


class Frames:
    """The frames of one file: (header, raw bytes) in order; bytes of a torn tail; the chain of header hashes."""

    def __init__(self, data, name, complete):
        self.data, self.name, self.complete = data, name, complete
        self.heads, self.torn = [], 0
        at, first = HEAD.size, 1 if name == "pages" else 0
        while at < len(data):
            h = self.head(at, len(self.heads), first)
            if h is None:
                need(not complete, "DAMAGED", name + ": torn frame")
                self.torn = len(data) - at
                break
            self.heads.append((h, at + FRAME.size))
            at += FRAME.size + h["stored_len"]
            first += h["count"]
        self.items = sum(h["count"] for h, _ in self.heads)
        self.chain = xxh3.hash64(b"".join(struct.pack("<Q", h["header_hash"]) for h, _ in self.heads))

    def head(self, at, seq, first):
        """Frame header at an offset; None: torn."""
        if len(self.data) - at < FRAME.size:
            return None
        h = FRAME.unpack(self.data, at)
        need(h["magic"] == 0x52465042, "DAMAGED", "magic of a frame")
        need(h["header_hash"] == xxh3.hash64(self.data[at:at + 48]), "DAMAGED", "header_hash")
        check_frame(h, self.name)
        need((h["seq"], h["first"]) == (seq, first), "DAMAGED", "place of a frame")
        end = at + FRAME.size + h["stored_len"]
        if end > len(self.data):
            return None
        if end == len(self.data) and not self.complete and not self.right(h, at + FRAME.size):
            return None
        return h

    def right(self, h, at):
        return h["payload_hash"] == xxh3.hash64(self.data[at:at + h["stored_len"]])

    def __iter__(self):
        for h, at in self.heads:
            need(self.right(h, at), "DAMAGED", "payload_hash")
            yield h, unpack_frame(h, self.data[at:at + h["stored_len"]])


class Trace:
    """A trace directory."""

    def __init__(self, folder):
        self.folder, self.manifest, trace_id = folder, None, None
        if os.path.lexists(os.path.join(folder, "manifest")):
            data = read_file(folder, "manifest", "MANIFEST")
            trace_id = check_head(data, "manifest", None)
            frames = Frames(data, "manifest", True)
            need(len(frames.heads) == 1, "DAMAGED", "frames of the manifest")
            self.manifest = LAYOUTS["manifest"].unpack(list(frames)[0][1])
        complete = self.manifest is not None
        data = read_file(folder, "events", "DAMAGED" if complete else "NOT_A_TRACE")
        trace_id = check_head(data, "events", trace_id)
        self.events = Frames(data, "events", complete)
        data = read_file(folder, "pages", "DAMAGED")
        check_head(data, "pages", trace_id)
        self.pages = Frames(data, "pages", complete)
        if complete:
            self.check_manifest()

    def check_manifest(self):
        m = self.manifest
        for name, f in (("events", self.events), ("pages", self.pages)):
            found = (f.items, len(f.heads), len(f.data), f.chain)
            said = (m[name], m[name[:-1] + "_frames"], m[name + "_bytes"], m[name + "_hash"])
            need(found == said, "MANIFEST", "%s: %s, the manifest says %s" % (name, found, said))
        clones = sum(h["kind"] == 3 for h, _ in self.pages.heads)
        need(m["clones"] <= clones and m["start_ns"] <= m["end_ns"] and m["end_kind"] in (1, 2, 3, 4),
             "MANIFEST", "clones, times or kind of end")

    def each_event(self):
        """(number, header, fixed part, variable part) of each event."""
        rules = event_rules.Rules(self.pages.items)
        for h, raw in self.events:
            at = 0
            for _ in range(h["count"]):
                need(len(raw) - at >= 32, "EVENT", "the frame ends too early")
                ev = LAYOUTS["event header"].unpack(raw, at)
                try:
                    body, tail = rules.check(ev, raw[at + 32:at + max(ev["size"], 32)], len(raw) - at)
                except event_rules.Broken as e:
                    raise Bad(e.code, "event %d: %s" % (rules.events, e)) from None
                self.check_event(ev, body)
                at += ev["size"]
                yield rules.events - 1, ev, body, tail
            need(at == len(raw), "EVENT", "the frame goes on behind its last event")
        need(self.manifest is None or rules.ended, "EVENT", "no end event")

    def check_event(self, ev, body):
        m = self.manifest
        if m is None:
            return
        need(m["start_ns"] <= ev["time_ns"] <= m["end_ns"], "MANIFEST", "time of an event")
        if ev["type"] == 29:
            need((body["kind"], body["code"]) == (m["end_kind"], m["end_code"]), "MANIFEST", "end")

    def each_page(self):
        """(id, hash, contents) of each page."""
        clones = {}
        for h, raw in self.pages:
            n = h["count"]
            if h["kind"] == 2:
                hashes, pages = raw[:16 * n], raw[16 * n:]
            else:
                hashes, pages = raw[16:], self.clone_pages(LAYOUTS["clone reference"].unpack(raw), n, clones)
            for i in range(n):
                page, wanted = pages[PAGE * i:PAGE * i + PAGE], hashes[16 * i:16 * i + 16]
                need(xxh3.hash128(page) == wanted, "DAMAGED", "hash of page %d" % (h["first"] + i))
                yield h["first"] + i, wanted, page

    def clone_pages(self, ref, n, clones):
        number, offset = ref["number"], ref["offset"]
        need(ref["reserved"] == 0 and offset % PAGE == 0 and offset + PAGE * n < 1 << 63, "DAMAGED", "clone reference")
        need(self.manifest is None or number < self.manifest["clones"], "MANIFEST", "number of a clone")
        if number not in clones:
            clones[number] = read_file(self.folder, "clone-%d" % number, "DAMAGED")
        need(offset + PAGE * (n - 1) < len(clones[number]), "DAMAGED", "clone is too short")
        return clones[number][offset:offset + PAGE * n].ljust(PAGE * n, b"\0")


def show(v, kind):
    """A value of a field: numbers in hexadecimal as they lie in memory, lists joined by commas, bytes in hexadecimal."""
    if isinstance(v, list):
        return ",".join("%x" % x for x in v)
    if isinstance(v, bytes):
        return v.hex()
    return "%x" % (v & ((1 << (64 if kind == "i64" else 32)) - 1) if kind[0] == "i" else v)


def lines(folder):
    """The lines that tell a trace; the last one begins with ok or bad."""
    try:
        trace = Trace(folder)
        for no, ev, body, tail in trace.each_event():
            layout = EVENTS[ev["type"]]
            fields = " ".join("%s=%s" % (name, show(body[name], kind)) for name, kind in layout.fields)
            yield ("event %d %s tid=%d pid=%d time=%d reg=%x %s tail=%d:%016x" %
                   (no, layout.name, ev["tid"], ev["pid"], ev["time_ns"], ev["reg_hash"], fields, len(tail),
                    xxh3.hash64(tail)))
        for no, wanted, _ in trace.each_page():
            yield "page %d %s" % (no, wanted.hex())
    except Bad as e:
        print("read_trace.py: %s" % e, file=sys.stderr)
        yield "bad " + e.code
        return
    yield "ok %s torn=%d" % ("complete" if trace.manifest else "incomplete", trace.events.torn + trace.pages.torn)


def main():
    last = ""
    for last in lines(sys.argv[1]):
        print(last)
    return 0 if last.startswith("ok") else 1


if __name__ == "__main__":
    sys.exit(main())
