#!/bin/sh
# SPDX-License-Identifier: MIT
# Calls that wait while another thread runs: recorded, the program sees what it sees unrecorded (DESIGN 12, rule 6).
set -u
here=$(cd "$(dirname "$0")" && pwd)
bprec=${BPREC:-$here/../../build/bprec}
[ "$(id -u)" = 0 ] || { echo "needs root to record"; exit 77; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O1 -pthread -o "$dir/blocked" "$here/blocked.c" || exit 1
cd "$dir" || exit 1
./blocked >native || exit 1
XDG_DATA_HOME="$dir/data" HOME="$dir" "$bprec" record -- ./blocked >recorded || exit 1
diff native recorded
