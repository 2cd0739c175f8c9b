# SPDX-License-Identifier: MIT
"""A stock Debian kernel for a virtual machine, out of its package: the kernel as ELF (which qemu starts without the
decompressor, a matter of seconds without KVM), the modules that tests need, and an initramfs with busybox.

Nothing is installed; all of it goes into a directory of the build. Kernel packages are found through their meta packages,
because the version in their names changes with each security update.
"""
import os
import re
import shutil
import struct
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = ["virtio_pci", "9p", "9pnet_virtio", "overlay", "crc32c_generic", "xxhash_generic", "sha256_generic",
           "blake2b_generic", "ext4", "xfs", "btrfs", "loop", "fuse", "squashfs", "dm_mod"]
WANTED = ["./boot/*", "./lib/modules/*/modules.builtin", *(f"./lib/modules/*/kernel/{d}" for d in (
    "fs", "net/9p", "drivers/virtio", "drivers/block", "drivers/md", "drivers/dax", "lib", "crypto", "arch/x86/crypto"))]
# Compressions of a bzImage's payload, by the bytes they begin with.
UNPACK = {b"\xfd7zXZ\0": ["xz", "-dc"], b"\x28\xb5\x2f\xfd": ["zstd", "-dcq"], b"\x02\x21\x4c\x18": ["lz4", "-dc"],
          b"\x1f\x8b": ["gzip", "-dc"]}


class Unavailable(Exception):
    """The kernel can't be had here; the text says why."""


def package_of(meta):
    """The package that a meta package stands for today."""
    out = subprocess.run(["apt-cache", "depends", "--no-recommends", "--no-suggests", meta], capture_output=True, text=True).stdout
    found = re.search(r"Depends: (linux-image-\S+)", out)
    if not found:
        raise Unavailable(f"no package {meta} in the package lists (apt-get update?)")
    return found[1]


def fetch(package, into):
    """Downloads the package and takes out of it what is needed."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["apt-get", "-q", "download", package], cwd=folder, capture_output=True, text=True)
        names = [n for n in os.listdir(folder) if n.endswith(".deb")]
        if done.returncode or not names:
            raise Unavailable(f"{package} can't be downloaded: {done.stderr.strip()[-200:]}")
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", os.path.join(folder, names[0])], stdout=subprocess.PIPE) as tar:
            subprocess.run(["tar", "-x", "-C", into, "--wildcards", *WANTED], stdin=tar.stdout, stderr=subprocess.DEVNULL)
            tar.stdout.close()


def unpack_kernel(bzimage, into):
    """The ELF file inside a bzImage (Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length)."""
    with open(bzimage, "rb") as f:
        image = f.read()
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = ((image[0x1F1] or 4) + 1) * 512 + offset
    payload = image[start:start + length]
    command = next((c for magic, c in UNPACK.items() if payload.startswith(magic)), None)
    if not command:
        raise Unavailable(f"{bzimage}: compressed by an unknown method")
    # the last four bytes are the length, which the tools complain about after the data
    elf = subprocess.run(command, input=payload, capture_output=True).stdout
    if not elf.startswith(b"\x7fELF"):
        raise Unavailable(f"{bzimage}: {command[0]} gave no ELF file")
    with open(into, "wb") as f:
        f.write(elf)


def module_data(path):
    if path.endswith(".xz"):
        return subprocess.run(["xz", "-dc", path], capture_output=True, check=True).stdout
    with open(path, "rb") as f:
        return f.read()


def copy_modules(source, into):
    """Copies the modules and what they depend on; the file `order` says in which order to load them."""
    files, order, seen = {}, [], set()
    for at, _, names in os.walk(source):
        files.update({n.split(".ko")[0].replace("-", "_"): os.path.join(at, n) for n in names if ".ko" in n})
    with open(os.path.join(source, "modules.builtin")) as f:
        builtin = {os.path.basename(line.strip())[:-3].replace("-", "_") for line in f}

    def load(name):
        name = name.replace("-", "_")
        if name in seen or name in builtin:
            return
        seen.add(name)
        if name not in files:
            raise Unavailable(f"no module {name} in {source}")
        data = module_data(files[name])
        found = re.search(rb"\0depends=([^\0]*)\0", data)
        for other in found[1].decode().split(",") if found else []:
            if other:
                load(other)
        with open(os.path.join(into, name + ".ko"), "wb") as f:
            f.write(data)
        order.append(name + ".ko")
    os.makedirs(into)
    for name in MODULES:
        load(name)
    with open(os.path.join(into, "order"), "w") as f:
        f.write("".join(n + "\n" for n in order))


def make_initramfs(folder, version, into):
    """busybox, our init, and the modules."""
    with tempfile.TemporaryDirectory() as top:
        os.makedirs(top + "/bin")
        shutil.copy(shutil.which("busybox"), top + "/bin/busybox")
        shutil.copy(os.path.join(HERE, "init"), top + "/init")
        copy_modules(os.path.join(folder, "lib", "modules", version), top + "/m")
        names = subprocess.run(["find", "."], cwd=top, capture_output=True, check=True).stdout
        with open(into, "wb") as f:
            subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], cwd=top, input=names, stdout=f, stderr=subprocess.DEVNULL, check=True)


def prepare(meta, cache):
    """(version, kernel, initramfs) of a meta package; made once for each version."""
    package = package_of(meta)
    version = package.removeprefix("linux-image-")
    folder = os.path.join(cache, version)
    kernel, initramfs = os.path.join(folder, "vmlinux"), os.path.join(folder, "initramfs")
    if not os.path.exists(kernel):
        os.makedirs(folder, exist_ok=True)
        fetch(package, folder)
        unpack_kernel(os.path.join(folder, "boot", "vmlinuz-" + version), kernel + ".tmp")
        os.rename(kernel + ".tmp", kernel)
    make_initramfs(folder, version, initramfs)
    return version, kernel, initramfs
