# SPDX-License-Identifier: MIT
"""Places on file systems of each kind, with two names for each: what the insider opens and what the outsider opens.

The `real` name is the one whose inode is the page-cache object's.
"""
import atexit
import ctypes
import os
import subprocess

import e2e
from e2e import Skip


class Place:
    """Directories of one file system: the same file has the names inside/f, outside/f and real/f."""

    def __init__(self, inside, outside=None, real=None):
        self.inside, self.outside = inside, outside or inside
        self.real = real or self.inside

    def create(self, name, data):
        """Makes a file by its real name."""
        with open(os.path.join(self.real, name), "wb") as f:
            f.write(data)


def run(*argv):
    """Runs a command of the machine; a failure skips the test with its reason."""
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise Skip(f"{' '.join(argv)}: {done.stderr.strip()}")


def own_namespace():
    """A mount namespace of this test and its children: what is mounted goes with them, even if they are killed."""
    if own_namespace.done:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000):  # CLONE_NEWNS
        raise Skip("unshare: " + os.strerror(ctypes.get_errno()))
    run("mount", "--make-rprivate", "/")
    own_namespace.done = True


own_namespace.done = False


def unmount(path):
    """At the end: so that the directory can be removed."""
    subprocess.run(["umount", "-l", path], capture_output=True)


def mount(path, *args):
    """Mounts at path (made if need be) until the test ends."""
    os.makedirs(path, exist_ok=True)
    own_namespace()
    run("mount", *args, path)
    atexit.register(unmount, path)
    return path


def tmpfs(size="256M"):
    """A tmpfs of its own."""
    return Place(mount(e2e.tempdir(), "-t", "tmpfs", "-o", f"size={size}", "tmpfs"))


def ext4(size="256M"):
    """ext4 on a loop device."""
    top = e2e.tempdir()
    image = os.path.join(top, "image")
    run("truncate", "-s", size, image)
    run("mkfs.ext4", "-q", "-F", image)
    return Place(mount(os.path.join(top, "mnt"), "-o", "loop", image))


def overlay(outside="merged"):
    """overlayfs over ext4. The outsider goes through the overlay ("merged") or to the upper directory below it
    ("upper"); "lower": the file is in the lower directory only, and the outsider changes it there."""
    base = ext4().real
    low, up, work = (os.path.join(base, x) for x in ("low", "up", "work"))
    for d in (low, up, work):
        os.mkdir(d)
    options = f"lowerdir={low},upperdir={up},workdir={work}"
    merged = mount(os.path.join(base, "merged"), "-t", "overlay", "-o", options, "overlay")
    real = low if outside == "lower" else up
    place = Place(merged, merged if outside == "merged" else real, real)
    return place


def bind():
    """A directory of a tmpfs, bound to another place; the insider uses the second name."""
    base = tmpfs().real
    os.mkdir(os.path.join(base, "a"))
    return Place(mount(os.path.join(base, "b"), "--bind", os.path.join(base, "a")), os.path.join(base, "a"),
                 os.path.join(base, "a"))
