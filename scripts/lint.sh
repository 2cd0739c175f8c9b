#!/bin/bash
# SPDX-License-Identifier: MIT
# scripts/lint.sh (make lint): each check of form is a line here; the last line is the total, exit 1 if one failed.
set -u
cd "$(dirname "$0")/.." || exit 1
bprec=${BPREC:-build/bprec}
passed=0 failed=0 skipped=0

# check NAME COMMAND...: runs it; its output is shown if it fails. 77: skipped.
check() {
    local name=$1 out code
    shift
    out=$("$@" 2>&1)
    code=$?
    case $code in
    0) passed=$((passed + 1)) && echo "ok   lint/$name" ;;
    77) skipped=$((skipped + 1)) && echo "skip lint/$name: $out" ;;
    *) failed=$((failed + 1)) && echo "FAIL lint/$name" && sed 's/^/     | /' <<<"$out" ;;
    esac
}

c_files() {
    find include bpf userspace tests -name '*.[ch]' ! -path '*/golden/*' | sort
}
scripts() {
    find scripts tests .ci completions -type f | sort | while read -r f; do
        head -n 1 "$f" | grep -qE '^#!.*\b'"$1"'\b' && echo "$f"
    done
}

# X-macro tables of names.h are aligned by hand, which the formatter would undo; so is what is trimmed from the kernel.
form() {
    c_files | grep -vxF include/bprec/names.h | xargs clang-format --dry-run --Werror --style=file
}
shell() {
    local bad=0
    for f in $(scripts bash) $(scripts sh) completions/bash/bprec; do
        bash -n "$f" || bad=1
    done
    return $bad
}
python() {
    scripts python3 | PYTHONPYCACHEPREFIX=$(mktemp -d) xargs python3 -m py_compile
}
clang_warnings() {
    local bad=0
    for f in $(find userspace -name '*.c' | sort); do
        clang -std=gnu11 -fsyntax-only -Werror -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef \
            -D_GNU_SOURCE -DBPREC_VERSION='"0"' -Iinclude -iquote userspace -Ibuild/skel "$f" || bad=1
    done
    return $bad
}
manuals() {
    local bad=0 out
    command -v man >/dev/null || { echo "man is not installed"; return 77; }
    for f in docs/man/*.1; do
        out=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings=w -E UTF-8 -l -Tutf8 "$f" 2>&1 >/dev/null)
        [ -n "$out" ] && echo "$f: $out" && bad=1
    done
    return $bad
}
mutants() {
    local bad=0
    command -v patch >/dev/null || { echo "patch is not installed"; return 77; }
    for f in tests/mutants/*.patch; do
        patch --dry-run -p1 --fuzz=0 --force -s -i "$f" >/dev/null || { echo "$f does not apply: make it anew"; bad=1; }
    done
    return $bad
}
changelog() {
    grep -q "^## $(cat VERSION)\b" CHANGELOG.md || { echo "CHANGELOG.md has no '## $(cat VERSION)'"; return 1; }
}
clean_tree() {
    local out
    out=$(git status --porcelain --ignored 2>&1) || { echo "not a git work tree"; return 77; }
    out=$(grep '^!!' <<<"$out" | grep -vE ' (build/|.*__pycache__/|.*\.swp|.*~|tags)$')
    [ -z "$out" ] || { echo "generated outside build/: $out"; return 1; }
}

check format form
check layers scripts/lint-layers.py
check source scripts/lint-source.py
check bpf-stack scripts/lint-bpf-stack.py build/bpf/bprec.bpf.o
check commands scripts/lint-cli.py "$bprec"
check clang clang_warnings
check shell shell
check python python
check manuals manuals
check mutants mutants
check changelog changelog
check coverage scripts/coverage.py --check
check generated clean_tree
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
