#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout 300
# Each lint finds what it is there for: every rule is broken once in a copy of a small tree, and must be reported.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
bprec=${BPREC:-$root/build/bprec}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# A tree that holds every rule: the lints, the command frame, util. The map of main.c is cut to what is there.
fresh() {
    rm -rf "$work/t"
    mkdir -p "$work/t/include/bprec" "$work/t/bpf" "$work/t/userspace/util" "$work/t/userspace/model" \
        "$work/t/userspace/show" "$work/t/docs"
    cd "$work/t" || exit 1
    cp -r "$root/scripts" "$root/completions" .
    cp -r "$root/docs/man" docs/
    cat >userspace/main.c <<'END'
/* SPDX-License-Identifier: MIT */
/*
 * main.c
 *   util/a.[ch]    letters of all kinds
 *   model/b.c      boxes for letters
 */
#include "util/a.h"
END
    cat >userspace/util/a.h <<'END'
/* SPDX-License-Identifier: MIT */
/** Gives an a. */
int a__get(void);
END
    printf '/* SPDX-License-Identifier: MIT */\n#include "util/a.h"\n\nint a__get(void)\n{\n\treturn 1;\n}\n' >userspace/util/a.c
    printf '/* SPDX-License-Identifier: MIT */\n#include "util/a.h"\n' >userspace/model/b.c
}

# finds NAME PATTERN LINT...: the lint fails and says so.
finds() {
    local name=$1 pattern=$2 out
    shift 2
    if out=$("$@" 2>&1); then
        echo "not ok $name: nothing found"
        failed=1
    elif ! grep -qE -- "$pattern" <<<"$out"; then
        echo "not ok $name: lacks '$pattern'"
        sed 's/^/# /' <<<"$out"
        failed=1
    else
        echo "ok $name"
    fi
}
layers() { finds "$1" "$2" scripts/lint-layers.py; fresh; }
source_() { finds "$1" "$2" scripts/lint-source.py; fresh; }

fresh
scripts/lint-layers.py >/dev/null || { echo "not ok a good tree has good layers"; failed=1; }
scripts/lint-source.py >/dev/null || { echo "not ok a good tree has good sources"; failed=1; }

echo '#include "model/b.h"' >>userspace/util/a.c && touch userspace/model/b.h
layers "a layer above" 'util/a.c: may not include userspace/model/b.h'
echo '#include "b.h"' >>userspace/main.c && touch userspace/model/b.h
layers "an include not from userspace/" '"b.h" is no file of ours'
echo '#include <bpf/libbpf.h>' >>userspace/model/b.c
layers "libbpf in the model" '<bpf/libbpf.h> is not for this layer'
echo '#include "obs.skel.h"' >>userspace/model/b.c
layers "a skeleton in the model" 'may not include skeletons'
echo '#include "util/c.h"' >>userspace/util/a.h && echo '#include "util/a.h"' >userspace/util/c.h
layers "headers in a circle" 'headers include each other.*util/a.h.*util/c.h'
echo '#include "util/c.h"' >>userspace/util/a.c && echo '#include "util/a.h"' >userspace/util/c.h
layers "modules in a circle" 'modules include each other.*util/a.*util/c'
mkdir userspace/odd && touch userspace/odd/x.c && echo '#include "util/a.h"' >userspace/odd/x.c
layers "a folder without a row" 'odd/x.c: its folder is in no row'

sed -i 1d userspace/util/a.c
source_ "no licence" 'a.c:1: no SPDX'
sed -i '1s/MIT/GPL-2.0-only/' userspace/util/a.c
source_ "another licence" 'SPDX says GPL-2.0-only, here it is MIT'
yes '' | head -n 900 >>userspace/util/a.c
source_ "a long file" 'a.c: 90[0-9] lines'
yes '' | head -n 200 >>userspace/util/a.c
source_ "no block at the top" 'over 150 lines'
{ echo 'int long_one(void)'; echo '{'; yes '	;' | head -n 120; echo '}'; } >>userspace/util/a.c
source_ "a long function" 'long_one\(\) has'
printf 'int b(void);\nint c(void);\n' >>userspace/util/a.h
source_ "prototypes without comments" 'a.h:[0-9]*: a prototype without a comment directly above'
echo 'void f(void) { exit(1); }' >>userspace/util/a.c
source_ "exit below cmd/" 'exit\(\) below cmd/'
echo 'void f(void) { printf("x"); }' >>userspace/util/a.c
source_ "printf below cmd/" 'a.c:8: prints below'
echo 'void f(void) { fputs("x", stderr); }' >>userspace/util/a.c
source_ "fputs to stderr below cmd/" 'a.c:8: prints below'
echo '/* keep in'' sync with a.h */' >>userspace/util/a.c
source_ "facts kept equal by hand" 'one fact, one definition'
printf '/* SPDX-License-Identifier: MIT */\n' >userspace/util/new.c
source_ "a file that the map lacks" 'the code map lacks userspace/util/new.c'
rm userspace/model/b.c
source_ "a file that only the map has" 'names userspace/model/b.c'

# functions COUNT BYTES: a BPF object with a chain of so many functions, each with so much on its stack.
functions() {
    {
        echo 'static long (*const keep)(void *, unsigned int, const void *) = (void *)4;'
        echo "static __attribute__((noinline)) long f1(long x) { char b[$2]; keep(b, $2, (void *)x); return b[x & 7]; }"
        for i in $(seq 2 "$1"); do
            echo "static __attribute__((noinline)) long f$i(long x) { char b[$2]; keep(b, $2, (void *)x); return b[1] + f$((i - 1))(x + 1); }"
        done
        echo "__attribute__((section(\"tp\"))) long top(void *c) { return f$1((long)c); }"
    } >stack.c
    clang -target bpf -O2 -c -o stack.o stack.c
}
stack() { finds "$1" "$2" scripts/lint-bpf-stack.py stack.o; fresh; }
functions 7 64
scripts/lint-bpf-stack.py stack.o || { echo "not ok a chain that fits"; failed=1; }
functions 7 96
stack "BPF functions with too much stack" '704 bytes of stack in 8 functions.*: top 0 > f7 96 >'
functions 8 8
stack "too many BPF functions" '288 bytes of stack in 9 functions'

# The program's commands stay, so the lint needs the whole of userspace/cmd.
cli() { finds "$1" "$2" scripts/lint-cli.py "$bprec"; fresh; cp -r "$root/userspace/cmd" userspace/; }
cp -r "$root/userspace/cmd" userspace/
scripts/lint-cli.py "$bprec" >/dev/null || { echo "not ok the program's own pages are right"; failed=1; }
sed -i '/-list.fR/,+1d' docs/man/bprec-help.1
cli "an option that the man page lacks" "bprec-help.1: OPTIONS: lacks \['--list'\]"
sed -i 's/^.SH OPTIONS/&\n.TP\n\\fB\\-\\-frob\\fR\nFrob./' docs/man/bprec-help.1
cli "an option that only the man page has" "has too much \['--frob'\]"
sed -i 's/show the commands, or/show what/' docs/man/bprec-help.1
cli "another summary in the man page" 'bprec-help.1: NAME'
rm docs/man/bprec-help.1
cli "no man page" 'no docs/man/bprec-help.1'
sed -i 's/^.B help$/.B gone/' docs/man/bprec.1
cli "a command that bprec.1 lacks" "bprec.1: COMMANDS: lacks .*'help'"
sed -i 's/--list/--lost/' completions/bash/bprec
cli "a completion that offers nothing" 'completion for bash: commands: lacks'
echo 'const struct cmd cmd_new = { 0 };' >userspace/cmd/new.c
cli "a command that isn't in the table" "definitions: lacks \[\]; has too much \['new'\]"
exit $failed
