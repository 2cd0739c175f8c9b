#!/bin/bash
# SPDX-License-Identifier: MIT
# The fuzz target of the trace reader as a regression test, with sanitizers: golden traces, stored inputs, and changes of
# them. FUZZ_SECONDS=N runs it under libFuzzer for so long besides (needs clang).
set -eu
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

sources=(userspace/util/err.c)
for name in frame dir index reader reader_pages event_check event_body; do
    sources+=("userspace/trace/$name.c")
done
build() { # compiler, output, more options
    "$1" -std=gnu11 -D_GNU_SOURCE -O1 -g -Iinclude -iquote userspace -fno-sanitize-recover=undefined "${@:3}" -o "$2" \
        tests/fuzz/fuzz_reader.c "${sources[@]}" -lzstd -lxxhash -lJudy
}

build "${CC:-gcc}" "$scratch/fuzz" -fsanitize=address,undefined
inputs=()
for f in tests/golden/*/events; do
    inputs+=("$(dirname "$f")")
done
for f in tests/fuzz/corpus/*; do
    [ -f "$f" ] && inputs+=("$f")
done
timeout 100 "$scratch/fuzz" -n "${FUZZ_CHANGES:-300}" "${inputs[@]}"
echo "ok ${#inputs[@]} inputs and their changes"

if [ -n "${FUZZ_SECONDS:-}" ]; then
    build "${CLANG:-clang}" "$scratch/libfuzzer" -DLIBFUZZER -fsanitize=fuzzer,address,undefined
    mkdir "$scratch/corpus"
    "$scratch/fuzz" -o "$scratch/corpus" "${inputs[@]}" >/dev/null
    "$scratch/libfuzzer" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=1024 -max_len=60000 \
        -artifact_prefix="${FUZZ_OUT:-$scratch}/" "$scratch/corpus" 2>&1 | tail -n 20
    echo "ok libFuzzer"
fi
