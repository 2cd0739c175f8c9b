#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""scripts/lint-cli.py [BPREC]: the command table, --help, the man pages and the completions say the same.

The table is the truth; --help prints it. Man pages (docs/man/bprec-NAME.1) must have the same name line, synopsis and
options; the completions are run in their shells and must offer the same. exit 1 if anything differs.
"""
import os
import re
import shutil
import subprocess
import sys

SECTIONS = ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO")
problems = []


def run(*words, **more):
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    return done.stdout


def same(where, what, table, other):
    """Notes a difference between the table and something else; both are sets or texts."""
    if table == other:
        return
    if isinstance(table, set):
        lacks, extra = sorted(map(str, table - other)), sorted(map(str, other - table))
        problems.append("%s: %s: lacks %s; has too much %s" % (where, what, lacks, extra))
    else:
        problems.append("%s: %s: the table has '%s', here is '%s'" % (where, what, table, other))


class Command:
    """What --help says of a command."""

    def __init__(self, bprec, name):
        self.name = name
        text = run(bprec, name, "--help")
        if text != run(bprec, "help", name):
            problems.append("%s: `bprec help %s` and `bprec %s --help` differ" % (name, name, name))
        usage, _, rest = text.partition("\n\n")
        self.usage = usage.replace("Usage: ", "")
        self.summary = rest.partition("\n\n")[0]
        self.options = {}  # spelling as in a man page -> help
        for line in text.split("Options:\n")[1].split("\n\n")[0].splitlines():
            m = re.match(r"  (?:-(.), |    )--([a-z0-9-]+)(?:=([A-Z][A-Z0-9,:|-]*))? +(\S.*)$", line)
            if not m:
                problems.append("%s: --help has a line that is not an option: %s" % (name, line))
                continue
            letter, long, arg, what = m.groups()
            spelling = ("-%s, " % letter if letter else "") + "--" + long + ("=" + arg if arg else "")
            self.options[spelling] = what

    def words(self):
        """All ways to write its options, without values."""
        return {w.split("=")[0] for o in self.options for w in o.split(", ")}


def plain(roff):
    """The text of a line of a man page."""
    roff = re.sub(r"\\f[BIRP]|\\&|\\:", "", roff).replace("\\-", "-").replace("\\(aq", "'").replace("\\(cq", "'")
    macro = re.match(r"\.(B|I|BR|RB|IR|RI|BI|IB) (.*)$", roff)
    if not macro:
        return roff
    words = re.findall(r'"([^"]*)"|(\S+)', macro.group(2))
    return ("" if len(macro.group(1)) == 2 else " ").join(a or b for a, b in words)


def man_sections(path):
    """Section name -> lines."""
    found, lines = {}, None
    with open(path) as f:
        for line in f.read().splitlines():
            if line.startswith(".SH "):
                lines = found.setdefault(line[4:].strip('"'), [])
            elif lines is not None:
                lines.append(line)
    return found


def tagged(lines):
    """The lines after .TP."""
    return [plain(b) for a, b in zip(lines, lines[1:]) if a.startswith(".TP")]


def check_man(command):
    path = "docs/man/bprec-%s.1" % command.name
    if not os.path.exists(path):
        problems.append("no " + path)
        return
    sections = man_sections(path)
    for name in SECTIONS:
        if name not in sections:
            problems.append("%s: no section %s" % (path, name))
            return
    same(path, "NAME", "bprec-%s - %s" % (command.name, command.summary), plain(sections["NAME"][0]))
    same(path, "SYNOPSIS", command.usage, plain("".join(sections["SYNOPSIS"])))
    same(path, "OPTIONS", set(command.options), set(tagged(sections["OPTIONS"])))


def check_overview(commands, bprec):
    """bprec.1 and `bprec help` name every command, with its summary; so do the files."""
    path = "docs/man/bprec.1"
    lines = man_sections(path)["COMMANDS"]
    tags = {plain(b).split()[0]: plain(c) for a, b, c in zip(lines, lines[1:], lines[2:]) if a.startswith(".TP")}
    want = {c.name: c.summary for c in commands}
    same(path, "COMMANDS", set(want), set(tags))
    for name in set(want) & set(tags):
        same(path, name, want[name], tags[name].rstrip("."))
    overview = dict(re.findall(r"^  ([a-z]+) +(\S.*)$", run(bprec, "help"), re.M))
    same("bprec help", "commands", set(want.items()), set(overview.items()))
    files = set()
    for f in os.listdir("userspace/cmd"):
        with open("userspace/cmd/" + f) as text:
            files |= set(re.findall(r"^const struct cmd cmd_([a-z]+) =", text.read(), re.M))
    same("userspace/cmd", "definitions", set(want), files)


def check_completion(shell, script, commands, path):
    """Runs a completion: script prints what it offers for $1, the beginning of a line."""
    if not shutil.which(shell):
        print("%s is not installed: its completion was not run" % shell)
        return
    def offered(line):
        flags = {"zsh": ["-f"], "fish": ["--no-config"], "bash": ["--norc"]}[shell]
        return set(run(shell, *flags, "-c", script, line, env=dict(os.environ, PATH=path, LINE=line)).split("\n")) - {""}
    names = {c.name for c in commands}
    same("completion for " + shell, "commands", names, {w for w in offered("bprec ") if w[0] != "-"})
    for c in commands:
        words = offered("bprec %s -" % c.name) | offered("bprec %s --" % c.name)
        same("completion for " + shell, c.name, c.words(), words)


BASH = r'''source completions/bash/bprec
read -ra COMP_WORDS <<<"$LINE"; [[ $LINE == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _bprec; printf "%s\n" "${COMPREPLY[@]}"'''
FISH = r'''source completions/fish/bprec.fish; complete -C "$LINE" | string replace -r "\t.*" ""'''
# zsh offers completions to its line editor alone: what is asked here are the functions that gather them.
ZSH = r'''source completions/zsh/_bprec; words=(${=LINE})
if (( $#words < 2 )); then _bprec_commands bprec | sed "s/:.*//"; else
_bprec_options bprec $words[2] | sed -E "s/^\([^)]*\)//; s/=?\[.*//"; fi'''


def main():
    bprec = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/bprec")
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    names = run(bprec, "help", "--list").split()
    if not names:
        sys.exit("%s help --list names no command" % bprec)
    if len(set(names)) < len(names):
        problems.append("a command is twice in the table: " + " ".join(names))
    commands = [Command(bprec, n) for n in names]
    path = os.path.dirname(bprec) + ":" + os.environ["PATH"]
    for c in commands:
        check_man(c)
    check_overview(commands, bprec)
    for man in os.listdir("docs/man"):
        if man != "bprec.1" and man[6:-2] not in names:
            problems.append("docs/man/%s: there is no such command" % man)
    check_completion("bash", BASH, commands, path)
    check_completion("zsh", ZSH, commands, path)
    check_completion("fish", FISH, commands, path)
    print("\n".join(problems) or "%d commands" % len(commands))
    return 1 if problems else 0


sys.exit(main())
