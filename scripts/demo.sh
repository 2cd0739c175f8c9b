#!/bin/bash
# SPDX-License-Identifier: MIT
# scripts/demo.sh (make demo): records a small program while another process, which is not recorded, changes the file that
# the program has mapped, in three ways; then shows the verdict and the evidence.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
bprec=${BPREC:-$build/bprec}
progs=$build/tests/progs

as_root=()
[ "$(id -u)" != 0 ] && command -v sudo >/dev/null && as_root=(sudo)

work=$(mktemp -d "${TMPDIR:-/tmp}/bprec-demo.XXXXXX")
recorder=
cleanup() {
    exec 3>&-
    [ -n "$recorder" ] && wait "$recorder"
    rm -rf "$work"
}
trap cleanup EXIT

file=$work/shared.dat
for page in one two three four; do
    printf '%-4096s' "$page"
done >"$file"
mkfifo "$work/stdin"
: >"$work/stdout"

say() {
    printf '\n\033[1m%s\033[0m\n' "$*"
}

# Shows what the recorded program has said since; waits until it has said that much.
shown=0
hear() {
    for _ in $(seq 600); do
        [ "$(wc -l <"$work/stdout")" -gt "$shown" ] && break
        kill -0 "$recorder" 2>/dev/null || break
        sleep 0.1
    done
    if [ "$(wc -l <"$work/stdout")" -le "$shown" ]; then
        echo "demo: the recorded program does not answer" >&2
        exit 1
    fi
    tail -n +$((shown + 1)) "$work/stdout" | sed 's/^/    recorded program: /'
    shown=$(wc -l <"$work/stdout")
}

# change WORDS...: another process changes the file, then the program looks again.
change() {
    say "Outside: $*"
    "$progs/demo-writer" "$file" "$@" || exit 1
    echo >&3
    hear
}

say "bprec record -- demo-reader shared.dat       (a file of 4 pages, mapped by the program)"
"${as_root[@]}" "$bprec" record -o "$work/trace" -- "$progs/demo-reader" "$file" \
    <"$work/stdin" >"$work/stdout" 2>"$work/stderr" 3>&- &
recorder=$!
exec 3>"$work/stdin"
hear
change pwrite 1 TWO
change truncate 3
change store 0 ONE
exec 3>&-
wait "$recorder"
code=$?
recorder=
sed 's/^/    /' "$work/stderr"
[ $code = 0 ] || exit "$code"

say "bprec check"
"${as_root[@]}" "$bprec" check "$work/trace" | tee "$work/report"
code=${PIPESTATUS[0]}
say "bprec check: exit $code. How to read it:"
if grep -q 'nothing was observed' "$work/report"; then
    echo "    The kernel could not be observed, so bprec can't know what happened to the file. Run this as root."
else
    cat <<'END'
    pwrite and truncate were seen as they began; the program was inside a system call meanwhile, and the new bytes were
    saved before it could look: exact. A replay can give the program these bytes at that moment.
    The store through a mapping shows itself by its first page fault only. What is stored later to the same page causes no
    event in any kernel, so bprec doesn't call it exact, and says why.
END
fi
[ "$code" -le 1 ]
