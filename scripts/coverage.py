#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""scripts/coverage.py [--add FILE...|--check]: makes docs/COVERAGE.md out of the results of the matrix in docs/coverage/*.txt.
--add: first takes results that tests/matrix/run has written over to there; those of kinds that it ran take the place of older
ones. --check: says whether it is what they make (a lint); operations that are newer than the page are left
out of the comparison.
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import cells  # noqa: E402
import kinds  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "COVERAGE.md")
LETTERS = [line.split(None, 1) for line in cells.__doc__.split("\n") if line.startswith("  ") and len(line.split()[0]) == 1]
HEAD = """# Coverage

Which change of which object is seen, and how well. This page is made by `scripts/coverage.py` from the results of
`make test-matrix`, which are in [coverage](coverage); nothing here is typed.

Each operation (a way of changing, `tests/bpf/ops.py`) is carried out on each kind of object (`tests/lib/kinds.py`) in twelve
variants: the insider maps it shared, private, or private with the pages copied that are going to change; the outsider is older than
the recording and has the descriptor or mapping from before, or younger; and both have read the pages before, or nobody has. Each
is a recording by `bprec record`, judged by `bprec check`; a cell holds what was found in the twelve, in the order of the list:

{letters}
`not run` is what it says. Where `bprec probe` calls a channel `exact` or `page` on that filesystem, process and channel had to be
right; where it says `exact`, the byte range too; and in all cells the bytes that the trace holds at its end had to be those of the
object. Three controls go with each operation, in which no change may be listed: it is made by an insider, on an object that
nobody maps, or beyond the pages that are mapped.
"""


def read(path):
    """(kernel, {(kind, operation): letters}, lines of wrong cells, lines about kinds) of a result."""
    kernel, table, wrong, notes = "?", {}, [], []
    with open(path) as f:
        for line in f.read().splitlines():
            if line.startswith("# kernel "):
                kernel = line[9:]
            elif line.startswith("# columns "):
                assert line[10:] == ", ".join(cells.COLUMNS), f"{path} has other columns: run the matrix again"
            elif line.startswith("# "):
                notes.append(line[2:])
            else:
                kind, op, letters, why = (line + " ").split(" | ", 3)
                table[kind, op] = letters
                if "X" in letters:
                    wrong.append(f"{kind}, {op}: {why.strip()}")
    return kernel, table, wrong, notes


def cell(letters, n):
    """What was found in the first n columns, or in one."""
    if letters is None or not letters[n].strip():
        return "not run"
    found = [w for w, _ in LETTERS if w in letters[n]]
    if len(found) > 1 and "-" in found:
        found.remove("-")
    return " ".join(found)


def table_of(table, ops, span):
    """Rows of a table of Markdown."""
    yield "| | " + " | ".join(k.name for k in kinds.ALL) + " |"
    yield "| --- |" + " --- |" * len(kinds.ALL)
    for op in ops:
        yield f"| {op} | " + " | ".join(cell(table.get((k.name, op)), span) for k in kinds.ALL) + " |"


def section(path, ops):
    """The part of the page about one kernel."""
    kernel, table, wrong, notes = read(path)
    n = len(cells.VARIANTS)
    yield f"\n## Kernel {kernel.split('-')[0]}\n"
    done = sum(len(v.replace(" ", "").replace("-", "")) for v in table.values())
    bad = sum(v.count("X") for v in table.values())
    yield f"{done} cells were run, {bad} are wrong" + "".join(f"; {note}" for note in notes) + ".\n"
    yield from table_of(table, ops, slice(0, n))
    yield "\nControls:\n"
    control = {}
    for (kind, _), letters in table.items():
        for i, name in enumerate(cells.CONTROLS):
            control[kind, name] = control.get((kind, name), "") + letters[n + i]
    yield from table_of(control, cells.CONTROLS, slice(0, None))
    if wrong:
        yield "\nWrong:\n"
        yield from (f"- {line}" for line in wrong)


def page(ops):
    """The whole page, with these operations."""
    letters = "".join(f"- `{letter}` {text}\n" for letter, text in LETTERS)
    lines = [HEAD.format(letters=letters)]
    for path in sorted(glob.glob(os.path.join(ROOT, "docs", "coverage", "*.txt"))):
        lines += section(path, ops)
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def kind_of(line):
    """The kind of object that a line of a result is about; "" for those about all."""
    if not line.startswith("#"):
        return line.split(" | ")[0]
    found = re.match(r"# (?:skip|not run) ([^:]+):", line)
    return found[1] if found else ""


def add(path):
    """Takes a result over."""
    with open(path) as f:
        new = f.read().splitlines()
    kernel = re.match(r"# kernel ([\w.]+)", new[0])[1]
    name, old = os.path.join(ROOT, "docs", "coverage", kernel + ".txt"), []
    if os.path.exists(name):
        with open(name) as f:
            old = f.read().splitlines()
    kinds_run = {kind_of(line) for line in new}
    kept = [line for line in old if kind_of(line) not in kinds_run]
    if kept:  # what was said of the older run as a whole is said of what is left of it
        kept = [line for line in old if re.match(r"# \d+ of the", line) and line not in new] + kept
    with open(name, "w") as f:
        f.write("".join(line + "\n" for line in new[:2] + kept + new[2:]))


def main():
    ops = cells.operations()
    if sys.argv[1:2] == ["--add"]:
        for path in sys.argv[2:]:
            add(path)
    if sys.argv[1:] == ["--check"]:
        with open(PAGE) as f:
            text = f.read()
        rows = re.findall(r"^\| (\w+) \|", text, re.M)
        if text != page([op for op in ops if op in rows]):
            print("docs/COVERAGE.md is not what scripts/coverage.py makes of docs/coverage")
            return 1
        return 0
    with open(PAGE, "w") as f:
        f.write(page(ops))
    return 0


sys.exit(main())
