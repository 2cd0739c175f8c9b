#!/bin/bash
# SPDX-License-Identifier: MIT
# scripts/deps.sh [build] [test] [lint] [bench] [demo] [vm]: installs the Debian packages of these groups (default: all) that
# are missing. Needs root, or sudo; says nothing and changes nothing if all is there.
set -u

# group  package[:command that serves as well]  what for
list='
build  gcc:gcc                  compiler of the user side
build  make:make                builds
build  libc6-dev                headers of the C library
build  clang:clang              compiler of the BPF side
build  bpftool:bpftool          makes skeletons of BPF objects
build  libbpf-dev               loads BPF objects
build  libelf-dev               ELF files
build  libdw-dev                symbols and stacks
build  libzstd-dev              compression of traces
build  libxxhash-dev            checksums of traces
build  libjansson-dev           JSON
build  libjudy-dev              sparse arrays
build  libzydis-dev             decodes instructions
build  uthash-dev               hash tables
build  zlib1g-dev               for libbpf
test   libcmocka-dev            unit tests
test   python3:python3          test runner, lints; recorded too
test   gdb:gdb                  opens core files
test   binutils:readelf         reads core files
test   procps:ps                looks for processes left over
test   util-linux:losetup       mounts, namespaces, loop devices
test   mount:mount              file systems of the tests
test   e2fsprogs:mkfs.ext4      ext4
test   xfsprogs:mkfs.xfs        xfs
test   btrfs-progs:mkfs.btrfs   btrfs
test   bindfs:bindfs            FUSE
test   squashfs-tools:mksquashfs squashfs
test   strace:strace            compared with; recorded
test   git:git                  recorded
test   perl:perl                recorded
test   bash:bash                recorded
test   tar:tar                  recorded
test   zstd:zstd                recorded
test   g++:g++                  recorded
test   xz-utils:xz              recorded
test   openssh-client:ssh-keygen  recorded
test   sqlite3:sqlite3          recorded
test   openssl:openssl          recorded
test   curl:curl                recorded
test   vim:vim                  recorded
test   nodejs:node              recorded
test   default-jre-headless:java  recorded
test   ripgrep:rg               recorded (Rust)
test   fzf:fzf                  recorded (Go)
test   liblmdb-dev              recorded (LMDB)
test   lmdb-utils:mdb_load      changes what it has mapped
test   mariadb-server-core:mariadbd  writes what a backup has mapped (no service is set up)
test   mariadb-client-core:mariadb   makes it write
test   mariadb-backup:mariadb-backup  recorded
test   man-db:man               checks the man pages
vm     qemu-system-x86:qemu-system-x86_64  virtual machines with other kernels
vm     busybox-static:busybox   their first process
vm     xz-utils:xz              kernels and modules in packages
vm     zstd:zstd                kernels in packages
vm     python3:python3          makes and runs them
lint   clang-format:clang-format  form of the code
lint   clang:clang              second opinion on warnings
lint   universal-ctags:ctags    lengths of functions
lint   python3:python3          the lints themselves
lint   man-db:man               checks the man pages
lint   zsh:zsh                  its completion is run
lint   fish:fish                its completion is run
lint   git:git                  list of files
bench  strace:strace            compared with
bench  linux-perf:perf          compared with
bench  python3:python3          runs it and makes the table
demo   python3:python3          changes a file behind the recording
'

groups=" ${*:-build test lint bench demo vm} "
PATH=$PATH:/usr/sbin:/sbin

# Packages of the wanted groups whose command isn't there either.
wanted=()
while read -r group package _; do
    case $groups in *" $group "*) ;; *) continue ;; esac
    command=${package#*:}
    [ "$command" != "$package" ] && command -v "$command" >/dev/null && continue
    case " ${wanted[*]} " in *" ${package%%:*} "*) ;; *) wanted+=("${package%%:*}") ;; esac
done <<<"$(grep . <<<"$list")"
[ ${#wanted[@]} = 0 ] && exit 0

missing=()
if command -v dpkg-query >/dev/null; then
    have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null)
    for package in "${wanted[@]}"; do
        grep -qxF "$package installed" <<<"$have" || missing+=("$package")
    done
else
    missing=("${wanted[@]}")
fi
[ ${#missing[@]} = 0 ] && exit 0

cannot() {
    echo "scripts/deps.sh: missing, and $1: ${missing[*]}" >&2
    exit 1
}

command -v apt-get >/dev/null || cannot "this is no Debian system; install what these Debian packages hold"
as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || cannot "neither root nor sudo is here to install"
    as_root=(sudo)
fi

echo "Installing: ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1
}
install() {
    apt install --no-install-recommends "${missing[@]}"
}
# Java's packages make links into this directory, which slim images leave out.
"${as_root[@]}" mkdir -p /usr/share/man/man1
# The lists of a running machine are often good enough; those of a fresh one are empty or too old.
install || { apt update && install; } || {
    tail -n 20 "$log" >&2
    cannot "apt-get can't install them"
}
