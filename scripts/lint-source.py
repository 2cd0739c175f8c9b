#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""scripts/lint-source.py: conventions of the sources (CONTRIBUTING.md) that a script can check."""
import os
import re
import subprocess
import sys

FILE_MAX = 800          # lines
FUNCTION_MAX = 100      # lines
BLOCK_FROM = 150        # lines from which a .c begins with a block that explains it

PROTOTYPE = re.compile(r"(?m)^(?!#|typedef|_?static|_S|return|extern\b|BPREC_BODY|\s)([A-Za-z_\[][^;{}#]*?\([^;{}]*\)[^;{}]*;)")
PRINTS = re.compile(r"(?<![\w>.])(printf|vprintf|puts|putchar|perror|warnx?|errx?|psignal)\s*\(|"
                    r"(?<!\w)v?f(?:printf|puts|putc|write)\s*\([^;]*\b(?:stdout|stderr)\b")
EXITS = re.compile(r"(?<!\w)(exit|quick_exit|abort)\s*\(")
LICENCES = (("bpf/", "GPL-2.0-only"), ("vmlinux.h", "GPL-2.0-only"), ("include/", "GPL-2.0-only OR MIT"),
            ("", "MIT"))

problems = []


def problem(path, line, text):
    problems.append("%s:%s: %s" % (path, line, text) if line else "%s: %s" % (path, text))


def find(tops, endings):
    for top in tops:
        if os.path.isfile(top):
            yield top
        for at, _, names in sorted(os.walk(top)):
            yield from (os.path.join(at, n) for n in sorted(names) if n.endswith(endings))


def read(path):
    with open(path, errors="replace") as f:
        return f.read()


def without_comments(text):
    """The same lines, comments and texts of strings blanked."""
    blank = lambda m: re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def check_licence(path, text):
    want = next(licence for prefix, licence in LICENCES if path.startswith(prefix))
    got = re.search(r"SPDX-License-Identifier: ([^*\n]+?) *(?:\*/)?$", "\n".join(text.split("\n")[:3]), re.M)
    if not got:
        problem(path, 1, "no SPDX line")
    elif got.group(1) != want:
        problem(path, 1, "SPDX says %s, here it is %s" % (got.group(1), want))


def check_size(path, text):
    lines = text.count("\n")
    if lines > FILE_MAX:
        problem(path, 0, "%d lines, at most %d" % (lines, FILE_MAX))
    if not path.endswith(".c") or lines <= BLOCK_FROM or path.startswith("tests/"):
        return
    block = re.match(r"(?:/\*[^\n]*SPDX[^\n]*\*/\n|//[^\n]*SPDX[^\n]*\n)?\s*/\*(.*?)\*/", text, re.S)
    if not block or len(block.group(1).split()) < 15:
        problem(path, 1, "over %d lines, and no block at the top says what it does" % BLOCK_FROM)


def check_functions(paths):
    out = subprocess.run(["ctags", "-x", "--_xformat=%N\t%F\t%n\t%e", "--kinds-C=f", "--langmap=C:.c.h"] + paths,
                         capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        name, path, first, last = line.split("\t")
        if last.isdigit() and int(last) - int(first) + 1 > FUNCTION_MAX:
            problem(path, first, "%s() has %d lines, at most %d" % (name, int(last) - int(first) + 1, FUNCTION_MAX))


def check_comments(headers):
    """Each prototype has a comment directly above, as in: the last line before it ends a comment."""
    for path, text in headers.items():
        for m in PROTOTYPE.finditer(text):
            if not text[:m.start()].rstrip().endswith("*/"):
                problem(path, line_of(text, m.start()), "a prototype without a comment directly above")


def check_calls(path, code):
    """Who may print, who may end the process."""
    own = path.startswith("userspace/cmd/") or path == "userspace/main.c"
    if not own:
        for m in EXITS.finditer(code):
            problem(path, line_of(code, m.start()), "%s() below cmd/" % m.group(1))
    if not own and not path.startswith("userspace/show/"):
        for m in PRINTS.finditer(code):
            problem(path, line_of(code, m.start()), "prints below cmd/ and show/")


def check_words(path, text):
    words = "keep in " + "sync|" + r"must change .* as" + r" well"
    for m in re.finditer(words, text, re.I):
        problem(path, line_of(text, m.start()), "one fact, one definition: '%s'" % m.group(0))


def check_map(files):
    """The code map at the top of main.c names every file: `util/err.[ch]` stands for two."""
    text = read("userspace/main.c")
    top = text[:text.index("#include")]
    named = {}
    for name, what in re.findall(r"^ \*   ([\w./-]+\.(?:[ch]|\[ch\]|inc)) +(\S.*)$", top, re.M):
        for one in [name.replace("[ch]", "c"), name.replace("[ch]", "h")] if "[ch]" in name else [name]:
            named[one if one.startswith(("bpf/", "include/")) else "userspace/" + one] = what
    for path in sorted(set(files) - set(named) - {"userspace/main.c"}):
        problem("userspace/main.c", 0, "the code map lacks " + path)
    for path in sorted(set(named) - set(files)):
        problem("userspace/main.c", 0, "the code map names %s, which isn't there" % path)


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    product = list(find(["include", "bpf", "userspace", "vmlinux.h"], (".c", ".h", ".inc")))
    texts = {p: read(p) for p in product}
    for path in product + list(find(["tests"], (".c", ".h"))):
        text = texts.get(path) or read(path)
        check_licence(path, text)
        check_size(path, text) if path != "vmlinux.h" else None
    for path in find(["scripts", "tests", ".ci"], (".py", ".sh", "/run")):
        check_licence(path, read(path))
    for path in product + list(find(["scripts", "tests", "docs"], (".py", ".sh", ".md", ".c", ".h"))):
        check_words(path, read(path))
    for path in product:
        if path.startswith("userspace/"):
            check_calls(path, without_comments(texts[path]))
    check_functions([p for p in product if p.endswith(".c")])
    check_comments({p: t for p, t in texts.items() if p.endswith(".h") and p != "vmlinux.h"})
    check_map([p for p in product if p.startswith(("bpf/", "userspace/"))])
    print("\n".join(problems) or "%d files" % len(product))
    return 1 if problems else 0


sys.exit(main())
