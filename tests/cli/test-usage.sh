#!/bin/bash
# SPDX-License-Identifier: MIT
# What the frame of the command line promises for every command: help, usage errors, exit codes, streams.
set -u
bprec=${BPREC:-$(dirname "$0")/../../build/bprec}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# expect NAME CODE STDOUT-PATTERN STDERR-PATTERN ARGS...: patterns are extended, of one line; - means no output at all.
expect() {
    local name=$1 code=$2 out=$3 err=$4 got
    shift 4
    "$bprec" "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    local why=
    [ "$got" = "$code" ] || why="exit $got, not $code"
    matches "$out" "$work/out" || why="$why; stdout lacks '$out'"
    matches "$err" "$work/err" || why="$why; stderr lacks '$err'"
    if [ -z "$why" ]; then
        echo "ok $name"
    else
        echo "not ok $name: $why"
        sed 's/^/# /' "$work/out" "$work/err"
        failed=1
    fi
}
matches() {
    if [ "$1" = - ]; then [ ! -s "$2" ]; else grep -qE -- "$1" "$2"; fi
}

expect "no command" 2 - '^Usage: bprec'
expect "unknown command" 2 - "^bprec: unknown command 'chekc'.*'bprec help'" chekc
expect "suggestion" 2 - "did you mean 'help'" hlep
expect "no suggestion for what is nothing like one" 2 - "^bprec: unknown command 'zzzzzz'; see" zzzzzz
expect "unknown option before the command" 2 - "^bprec: unknown option '--frob'" --frob
expect "--version" 0 '^bprec [0-9]+\.[0-9]+\.[0-9]+$' - --version
expect "--help" 0 '^Usage: bprec' - --help
expect "help" 0 '^Commands:' - help
expect "help of what isn't there" 2 - "unknown command 'nothing'" help nothing
expect "help of two" 2 - "'two'" help help two

version=$("$bprec" --version)
[ "$version" = "bprec $(cat "$(dirname "$0")/../../VERSION")" ] || { echo "not ok version: $version"; failed=1; }

names=$("$bprec" help --list)
[ -n "$names" ] || { echo "not ok help --list names no command"; failed=1; }
for name in $names; do
    case $name in
    record | replay | watch) usage=125 ;;
    *) usage=2 ;;
    esac
    expect "$name --help" 0 "^Usage: bprec $name" - "$name" --help
    expect "$name -h" 0 "^  -h, --help" - "$name" -h
    expect "$name: unknown option" $usage - "^bprec: $name: unknown option '--frobnicate'.*'bprec help $name'" \
        "$name" --frobnicate
    expect "$name: unknown letter" $usage - "^bprec: $name: unknown option '-Z'" "$name" -Z
    [ "$(wc -l <"$work/err")" = 1 ] || { echo "not ok $name: a usage error is one line"; failed=1; }
    if "$bprec" "$name" --help >/dev/full 2>"$work/err"; then
        echo "not ok $name: a full standard output is no success"
        failed=1
    fi
done
exit $failed
