#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""scripts/lint-layers.py: includes go one way only, as the table of docs/ARCHITECTURE.md says, and in no circle.

A layer is a folder. A file may include its own layer and those its row names; it writes them from userspace/
("util/err.h") or as bprec/... A module is a .c and its .h taken together: these form no circle either.
"""
import os
import re
import sys

TABLE = """
include/bprec
bpf               include/bprec vmlinux.h
userspace/util    include/bprec
userspace/trace   util include/bprec
userspace/sys     util include/bprec
userspace/model   sys util include/bprec
userspace/sym     util include/bprec
userspace/tracee  util include/bprec
userspace/kern    util include/bprec skeletons
userspace/probe   kern tracee util include/bprec skeletons
userspace/space   model trace tracee util include/bprec
userspace/share   space model trace tracee util include/bprec
userspace/record  share space model trace sys sym tracee kern probe util include/bprec
userspace/check   model trace sys util include/bprec
userspace/replay  share space model trace sys sym tracee util include/bprec
userspace/show    check model trace sys sym util include/bprec
userspace/cmd     record check replay show probe share space model trace sys sym tracee kern util include/bprec
userspace         cmd util include/bprec
"""
# Headers of the system that only some layers may use: these make what the others promise (no root, no kernel) true.
SYSTEM = {
    r"bpf/": {"bpf", "userspace/kern", "userspace/probe"},
    r"sys/ptrace\.h|linux/ptrace\.h": {"userspace/tracee", "userspace/record", "userspace/probe", "userspace/share",
                                       "userspace/replay", "userspace/space"},
}
# Circles of modules that are still there: layer -> size of its largest. Only smaller numbers may be written here; a layer
# that isn't named has none.
CIRCLES = {}


def layers():
    """The table: folder -> folders it may include."""
    table = {}
    for line in TABLE.split("\n"):
        if line.strip():
            words = line.split()
            full = lambda w: w if w in ("include/bprec", "vmlinux.h", "skeletons") else "userspace/" + w
            table[words[0]] = {full(w) for w in words[1:]}
    return table


def sources():
    for top in ("include", "bpf", "userspace"):
        for at, _, names in sorted(os.walk(top)):
            yield from (os.path.join(at, n) for n in sorted(names) if n.endswith((".c", ".h", ".inc")))


def layer_of(path, table):
    """The layer a file belongs to: its folder, or the nearest one above that is in the table."""
    at = os.path.dirname(path)
    while at and at not in table and os.path.dirname(at) != "userspace":
        at = os.path.dirname(at)
    return at or path


def resolve(name, path, known):
    """The file of ours that an include means, a name of something generated, or None."""
    if name == "vmlinux.h":
        return "vmlinux.h"
    if name.endswith(".skel.h"):
        return "skeletons"
    places = ("userspace/" + name, "include/" + name, os.path.join(os.path.dirname(path), name))
    return next((p for p in places if p in known), None)


def read_includes(path, known, problems):
    """The files of ours that a file includes."""
    found = set()
    with open(path, errors="replace") as f:
        text = f.read()
    for quote, name in re.findall(r'^\s*#\s*include\s*([<"])([^">]+)[">]', text, re.M):
        target = resolve(name, path, known) if quote == '"' or name.startswith("bprec/") else None
        if target:
            found.add(target)
        elif quote == '"':
            problems.append('%s: "%s" is no file of ours; write it from userspace/' % (path, name))
        for pattern, allowed in SYSTEM.items():
            if re.match(pattern, name) and not target and layer_of(path, layers()) not in allowed:
                problems.append("%s: <%s> is not for this layer" % (path, name))
    return found


def circles(graph):
    """Groups of nodes that reach each other (Tarjan's strongly connected components), as lists."""
    index, low, stack, out = {}, {}, [], []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        for w in graph.get(v, ()):
            if w not in index:
                visit(w)
            if w in stack:
                low[v] = min(low[v], low[w])
        if low[v] == index[v]:
            at = stack.index(v)
            if len(stack) - at > 1:
                out.append(sorted(stack[at:]))
            del stack[at:]

    for v in sorted(graph):
        if v not in index:
            visit(v)
    return out


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.setrecursionlimit(10000)
    table, known, problems = layers(), set(sources()), []
    includes = {p: read_includes(p, known, problems) for p in sorted(known)}
    modules = {}
    for path, targets in includes.items():
        layer = layer_of(path, table)
        if layer not in table:
            problems.append("%s: its folder is in no row of the table" % path)
            continue
        stem = re.sub(r"\.[ch]$", "", path)
        for target in sorted(targets):
            to = layer_of(target, table)
            if to != layer and to not in table[layer]:
                problems.append("%s: may not include %s (%s -> %s)" % (path, target, layer, to))
            modules.setdefault(stem, set()).add(re.sub(r"\.[ch]$", "", target))
    headers = {p: t for p, t in includes.items() if p.endswith(".h")}
    problems += ["headers include each other: " + " ".join(c) for c in circles(headers)]
    known_circles = []
    for circle in circles(modules):
        if len(circle) > CIRCLES.get(circle[0].split("/")[1], 0):
            problems.append("modules include each other: " + " ".join(circle))
        else:
            known_circles.append(len(circle))
    print("\n".join(problems) or "%d files, %d modules; no wrong way; circles: %s"
          % (len(known), len(modules), known_circles or "none"))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
