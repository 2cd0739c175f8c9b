# SPDX-License-Identifier: MIT
"""Generated inputs: a long C file, a project of many files, texts."""
import os


def c_file(path, lines=1000):
    """A C file of about `lines` lines with a main function."""
    out = ["#include <stdio.h>", "#include <stdlib.h>", "#include <string.h>", ""]
    n = 0
    while len(out) < lines - 12:
        out += [f"static int f{n}(int a, int b)", "{", f"\tint x = a * {n + 3} + b;", "\tfor (int i = 0; i < b; i++)",
                f"\t\tx ^= (x << {n % 7 + 1}) + i;", "\tif (x < 0)", "\t\treturn -x;", "\treturn x;", "}", ""]
        n += 1
    out += ["int main(void)", "{", "\tunsigned sum = 0;", "",
            "\tsum += " + " + ".join(f"(unsigned)f{i}({i}, 9)" for i in range(n)) + ";",
            "\tprintf(\"%u\\n\", sum);", "\treturn 0;", "}"]
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n")


def c_project(top, files=40):
    """A project of `files` C files with a header and a Makefile that builds and runs them."""
    names = [f"part{i:02}" for i in range(files - 1)]
    for i, name in enumerate(names):
        with open(os.path.join(top, name + ".c"), "w") as f:
            f.write(f'#include "all.h"\n#include <stdio.h>\n\nint {name}(int x)\n{{\n\treturn x * {i + 1} + {i};\n}}\n')
    with open(os.path.join(top, "all.h"), "w") as f:
        f.write("#ifndef ALL_H\n#define ALL_H\n" + "".join(f"int {n}(int x);\n" for n in names) + "#endif\n")
    with open(os.path.join(top, "main.c"), "w") as f:
        f.write('#include "all.h"\n#include <stdio.h>\n\nint main(void)\n{\n\tint s = 1;\n'
                + "".join(f"\ts = {n}(s) % 100003;\n" for n in names) + '\tprintf("%d\\n", s);\n\treturn 0;\n}\n')
    objects = " ".join(f"{n}.o" for n in [*names, "main"])
    with open(os.path.join(top, "Makefile"), "w") as f:
        f.write(f"OBJ := {objects}\nall: prog\n\t@./prog\nprog: $(OBJ)\n\t@gcc -o $@ $(OBJ)\n"
                "%.o: %.c all.h\n\t@gcc -O1 -c -o $@ $<\n")


def texts(top, files=20):
    """A few text files, one of them in a folder."""
    os.makedirs(os.path.join(top, "folder"), exist_ok=True)
    for i in range(files):
        name = os.path.join(top, "folder" if i % 3 == 0 else "", f"text{i:02}.txt")
        with open(name, "w") as f:
            f.write("".join(f"line {j} of file {i}: {'abcdefghij' * (j % 5)}\n" for j in range(200)))
