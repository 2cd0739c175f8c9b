#!/bin/bash
# SPDX-License-Identifier: MIT
# Where traces go: -o, BPREC_TRACE_DIR, XDG_DATA_HOME, the home; `latest`; whose they are under sudo; exit codes of record.
set -u
bprec=${BPREC:-$(dirname "$0")/../../build/bprec}
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
export HOME=$work/home
unset BPREC_TRACE_DIR XDG_DATA_HOME SUDO_UID SUDO_GID SUDO_USER
failed=0

# is NAME GOT WANTED
is() {
    if [ "$2" = "$3" ]; then
        echo "ok $1"
    else
        echo "not ok $1: '$2', not '$3'"
        failed=1
    fi
}
record() {
    "$bprec" record "$@" >"$work/out" 2>"$work/err" </dev/null
}
mode_owner() {
    stat -c '%a %u' "$1"
}

base=$HOME/.local/share/bprec
record -- true
is "exit status 0" $? 0
is "the first trace in the home" "$(mode_owner "$base/true-1" 2>&1)" "700 $(id -u)"
is "latest" "$(readlink "$base/latest")" true-1
record -- false
is "exit status 1" $? 1
is "latest moves" "$(readlink "$base/latest")" false-1
record -- sh -c 'kill -TERM $$'
is "exit status of a signal" $? 143
is "a file of the trace" "$(mode_owner "$base/sh-1/events" 2>&1)" "600 $(id -u)"
is "the last line names trace and verdict" \
    "$(tail -n 1 "$work/err" | grep -cE "^bprec: trace $base/sh-1: (clean|uncertain|resnapshotted)")" 1
is "without -o, check takes latest" "$("$bprec" check --json | grep -c "\"trace\": \"$base/sh-1\"")" 1

record -o "$work/o" -- true
is "-o" "$(mode_owner "$work/o" 2>&1)" "700 $(id -u)"
is "-o leaves latest alone" "$(readlink "$base/latest")" sh-1
record -o "$work/o" -- true
is "-o of a directory that isn't empty" $? 125
mkdir "$work/empty" && record -o "$work/empty" -- true
is "-o of an empty directory" $? 0
record -o "$work/no/where" -- true
is "-o below what isn't there" $? 125
is "one line says why" "$(wc -l <"$work/err")$(grep -c '^bprec: ' "$work/err")" 11
record -q -- true
is "-q says nothing" "$(grep -v 'without observation' "$work/err")" ""
record -o "$work/nothing" -- "no-such-command-$$"
is "command not found" $? 127
record -o "$work/nothing2" -- /etc/passwd
is "command that can't be executed" $? 126
record
is "no command" $? 125

XDG_DATA_HOME=$work/xdg record -- true
is "XDG_DATA_HOME" "$(readlink "$work/xdg/bprec/latest")" true-1
BPREC_TRACE_DIR=$work/dir XDG_DATA_HOME=$work/xdg record -- true
is "BPREC_TRACE_DIR" "$(readlink "$work/dir/latest")" true-1

if [ "$(id -u)" = 0 ]; then
    mkdir "$work/theirs" && chown 54321:54321 "$work/theirs"
    SUDO_UID=54321 SUDO_GID=54321 BPREC_TRACE_DIR=$work/theirs/t record -- true
    for f in "$work/theirs/t" "$work/theirs/t/latest" "$work/theirs/t/true-1"{,/events,/pages,/manifest}; do
        is "sudo: owner of ${f#"$work/theirs/"}" "$(stat -c %u:%g "$f" 2>&1)" 54321:54321
    done
    is "sudo: mode" "$(stat -c %a "$work/theirs/t/true-1") $(stat -c %a "$work/theirs/t/true-1/events")" "700 600"
else
    echo "skip sudo: needs root to stand for it"
fi
exit $failed
