#!/bin/bash
# SPDX-License-Identifier: MIT
# make install puts a program there that runs alone; make uninstall leaves nothing.
# Also: a change of one header builds only its users again, and a build leaves the work tree as it was.
# serial
# timeout 300
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build=${BUILD:-build}
failed=0
fail() {
    echo "not ok $*"
    failed=1
}

make -s B="$build" install DESTDIR="$work/root" prefix=/opt/x >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
mv "$work/root" "$work/moved"
(cd / && env -i "$work/moved/opt/x/bin/bprec" --version >/dev/null) || fail "installed program does not run"
for man in docs/man/*.1; do
    cmp -s "$man" "$work/moved/opt/x/share/man/man1/${man##*/}" || fail "not installed: $man"
done
for completion in share/bash-completion/completions/bprec share/zsh/site-functions/_bprec \
    share/fish/vendor_completions.d/bprec.fish; do
    [ -s "$work/moved/opt/x/$completion" ] || fail "not installed: $completion"
done
mv "$work/moved" "$work/root"
make -s B="$build" uninstall DESTDIR="$work/root" prefix=/opt/x
left=$(find "$work/root" ! -type d)
[ -z "$left" ] || fail "uninstall leaves $left"
[ $failed = 0 ] && echo "ok install and uninstall"

# What make would do if a header were newer: -W pretends it is. Users are those that the compiler said include it.
again=$(make B="$build" -n V=1 -W userspace/util/nearest.h all 2>&1 | grep -oE 'userspace/[a-z_/]+\.c$' | sort | xargs)
users=$(grep -rlE '"util/nearest\.h"' userspace --include='*.c' | sort | xargs)
if [ "$again" = "$users" ]; then
    echo "ok a header builds its users again, no more"
else
    fail "with util/nearest.h newer, make builds: $again; its users: $users"
fi
again=$(make B="$build" -n V=1 all 2>&1 | grep -E ' -o ')
if [ -z "$again" ]; then echo "ok nothing to do a second time"; else fail "a second make does: $again"; fi
exit $failed
