#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""scripts/lint-bpf-stack.py OBJECT: chains of BPF functions fit what the oldest kernel's verifier allows.

Linux 6.1 counts at least 32 bytes for each function of a chain, callbacks included, and refuses more than 512 bytes or 8
functions (kernel/bpf/verifier.c, check_max_stack_depth; newer kernels count less), so that a change can load here and not
there. Reads the linked ELF object.
"""
import collections
import struct
import sys

BYTES, FRAMES, UNIT = 512, 8, 32
SYMTAB, PROGBITS, REL = 2, 1, 9
FUNCTION, SECTION = 2, 3
LOADS, STORES = {0x61, 0x69, 0x71, 0x79}, {0x62, 0x6A, 0x72, 0x7A, 0x63, 0x6B, 0x73, 0x7B, 0xC3, 0xDB}
MOVE, ADD, CALL, ADDRESS, STACK = 0xBF, 0x07, 0x85, 0x18, 10


class Object:
    """Functions of a BPF object: bytes of stack that each uses, and what it calls."""

    def __init__(self, data):
        self.data = data
        table, = struct.unpack_from("<Q", data, 0x28)
        size, count = struct.unpack_from("<HH", data, 0x3A)
        # name, type, flags, address, offset, size, link, info, align, entry
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * size) for i in range(count)]
        self.symbols = self.read_symbols()
        self.functions = collections.defaultdict(list)  # section -> (start, end, name)
        for name, kind, section, value, length in self.symbols:
            if kind == FUNCTION:
                self.functions[section].append((value, value + length, name))
        self.stack, self.calls = collections.Counter(), collections.defaultdict(set)
        for index, section in enumerate(self.sections):
            if section[1] == PROGBITS and self.functions[index]:
                self.read_code(index, section[4], section[5])

    def read_symbols(self):
        table = next(s for s in self.sections if s[1] == SYMTAB)
        names, found = self.sections[table[6]][4], []
        for at in range(table[4], table[4] + table[5], 24):
            name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", self.data, at)
            start = names + name
            found.append((self.data[start:self.data.index(b"\0", start)].decode(), info & 15, section, value, size))
        return found

    def relocations(self, index):
        """offset -> symbol of a section's code."""
        found = {}
        for s in self.sections:
            if s[1] == REL and s[7] == index:
                for at in range(s[4], s[4] + s[5], 16):
                    offset, info = struct.unpack_from("<QQ", self.data, at)
                    found[offset] = self.symbols[info >> 32]
        return found

    def owner(self, section, offset):
        return next((name for start, end, name in self.functions[section] if start <= offset < end), None)

    def read_code(self, index, start, size):
        symbols, moved = self.relocations(index), None
        for offset in range(0, size, 8):
            op, regs, displacement, value = struct.unpack_from("<BBhi", self.data, start + offset)
            function, target, used = self.owner(index, offset), None, 0
            if (op in LOADS and regs >> 4 == STACK) or (op in STORES and regs & 15 == STACK):
                used = -displacement
            elif op == ADD and moved == regs & 15:
                used = -value
            moved = regs & 15 if op == MOVE and regs >> 4 == STACK else None
            self.stack[function] = max(self.stack[function], used)
            if offset in symbols:
                name, kind, section, base, _ = symbols[offset]
                if op == CALL:
                    target = self.owner(section, base + (value + 1) * 8) if kind == SECTION else name
                elif op == ADDRESS and self.functions[section]:
                    target = self.owner(section, base + value)
            elif op == CALL and regs >> 4 == 1:
                target = self.owner(index, offset + 8 + value * 8)
            if target:
                self.calls[function].add(target)

    def chains(self, function):
        """All ways down from a function, as lists of names."""
        if not self.calls[function]:
            yield [function]
        for callee in sorted(self.calls[function]):
            for rest in self.chains(callee):
                yield [function, *rest]


def main():
    with open(sys.argv[1], "rb") as f:
        code = Object(f.read())
    cost = lambda name: max(-(-code.stack[name] // UNIT), 1) * UNIT  # noqa: E731
    bad, seen = 0, set().union(*code.calls.values())
    for top in sorted(set(code.stack) - seen - {None}):
        chain = max(code.chains(top), key=lambda c: (sum(map(cost, c)), len(c)))
        longest = max(code.chains(top), key=len)
        for way, broken in ((chain, sum(map(cost, chain)) > BYTES), (longest, len(longest) > FRAMES)):
            if broken:
                bad = 1
                print(f"{sum(map(cost, way))} bytes of stack in {len(way)} functions, at most {BYTES} in {FRAMES}: "
                      + " > ".join(f"{name} {code.stack[name]}" for name in way))
    return bad


sys.exit(main())
