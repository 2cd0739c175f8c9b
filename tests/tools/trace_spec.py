# SPDX-License-Identifier: MIT
"""Layouts of structures, taken from the tables of docs/FORMAT.md: what that page says is what the second reader reads."""
import os
import re
import struct

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEADING = re.compile(r"^### (?:(\d+) )?(.+), (\d+) bytes$")
ROW = re.compile(r"^\| (\w+) \| (u8|u16|u32|u64|i32|i64|regs|char\[\d+\]|u8\[\d+\]|u64\[\d+\]) \|")
CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i32": "i", "i64": "q", "regs": "27Q"}


def code(kind):
    """Type of the tables as one of struct, and how many values it gives (0: one that is no list)."""
    base, _, count = kind.rstrip("]").partition("[")
    if kind == "regs":
        return "27Q", 27
    if not count:
        return CODES[base], 0
    if base == "u64":
        return count + "Q", int(count)
    return count + "s", 0  # bytes


class Layout:
    """One table: name, fields and size."""

    def __init__(self, name, number, size):
        self.name, self.number, self.size = name, number, size
        self.fields = []  # (name, type)
        self.format = "<"

    def add(self, name, kind):
        self.fields.append((name, kind))
        self.format += code(kind)[0]

    def unpack(self, data, at=0):
        """The structure at an offset as a dictionary."""
        values = list(struct.unpack_from(self.format, data, at))
        found = {}
        for name, kind in self.fields:
            n = code(kind)[1]
            found[name] = values[:n] if n else values[0]
            del values[:n or 1]
        return found

    def pack(self, **given):
        """The bytes of a structure; what is not given is 0."""
        values = []
        for name, kind in self.fields:
            n = code(kind)[1]
            v = given.pop(name, [0] * n if n else b"" if kind[-1] == "]" else 0)
            values += v if n else [v]
        if given:
            raise KeyError("%s has no %s" % (self.name, ", ".join(given)))
        return struct.pack(self.format, *values)


def load(path=os.path.join(ROOT, "docs", "FORMAT.md")):
    """All layouts by name, and the types of events by number."""
    layouts, current = {}, None
    with open(path) as f:
        for line in f:
            heading, row = HEADING.match(line), ROW.match(line)
            if heading:
                number, name, size = heading.groups()
                current = Layout(name.lower(), int(number or 0), int(size))
                layouts[current.name] = current
            elif line.startswith("#"):
                current = None
            elif row and current:
                current.add(*row.groups())
    for layout in layouts.values():
        if struct.calcsize(layout.format) != layout.size:
            raise ValueError("FORMAT.md: the fields of %s take %d bytes, not %d" %
                             (layout.name, struct.calcsize(layout.format), layout.size))
    return layouts, {v.number: v for v in layouts.values() if v.number}


LAYOUTS, EVENTS = load()
