#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 600
"""Who did it: an outsider by name, and where it was in its program, also when it is gone before anybody looks."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import PAGE, Insider, Report, Skip, copy_libraries, expect, need_root, prog, tempdir, wait_until  # noqa: E402

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "progs", "culprit.c")
FLAGS = {"tables": ["-O2", "-fomit-frame-pointer"],
         "frame-pointers": ["-O2", "-fno-omit-frame-pointer", "-fno-asynchronous-unwind-tables"],
         "static": ["-O2", "-static"]}
DONE_BY = {"write": ("pwrite", "culprit_write"), "mmap": ("mmap-store", "culprit_store"),
           "truncate": ("truncate", "culprit_cut")}
TIMES = 20


def build(kind):
    """The culprit, built in this way, at a path of its own."""
    path = os.path.join(tempdir("/var/tmp"), "culprit-" + kind)
    subprocess.run([os.environ.get("CC", "gcc"), *FLAGS[kind], "-D_GNU_SOURCE", "-o", path, SOURCE], check=True)
    return path


def build_id(path):
    """As readelf tells it."""
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
    return notes.partition("Build ID:")[2].split()[0]


def new_file(where="/dev/shm", pages=4):
    path = os.path.join(tempdir(where), "file")
    with open(path, "wb") as f:
        f.write(bytes(range(256)) * (pages * PAGE // 256))
    return path


def symbols(c):
    """Functions on the writer's stack, innermost first; none if it isn't known."""
    return [f["symbol"] for f in c["by"]["stack"] or []]


def is_in_order(names, wanted):
    """Are these names in the list, in this order?"""
    rest = iter(names)
    return all(any(n == w for n in rest) for w in wanted)


def expect_chain(c, leaf):
    """The stack leads from the function that did it to main."""
    wanted = [leaf, "culprit_strike", "culprit_plan", "main"]
    expect(is_in_order(symbols(c), wanted), f"expected {wanted} in it: {c}")


def by_pid(v, path, pid):
    """The changes of this process, which must be some."""
    found = [c for c in v.of(path) if c["by"] and c["by"]["pid"] == pid]
    expect(found, f"nothing by {pid}: {v.brief()}")
    return found


def gone_at_once(how, kind):
    """20 processes that change the file and are gone: each is named, with the function that did it."""
    exe = build(kind)
    channel, leaf = DONE_BY[how]
    path = new_file()
    insider = Insider()
    m = insider.map(path, "shared")
    insider.blocked()
    pids = []
    for i in range(TIMES):
        n = (i % 4 + 1) * PAGE if how == "truncate" else i + 1
        p = subprocess.Popen([exe, how, path, str(n)])
        pids.append(p.pid)
        expect(p.wait() == 0, f"culprit {how}: {p.returncode}")
        if how == "mmap":  # two stores with no look between them are one difference
            insider.hash(m, 1)
            insider.blocked()
    v = insider.finish()
    named = 0
    for pid in pids:
        mine = [c for c in v.of(path) if c["by"] and c["by"]["pid"] == pid]
        if how == "mmap" and not mine:
            continue  # its store was found together with the next one
        c = mine[0]
        expect(c["by"]["exe"] == exe, f"exe is {c['by']['exe']}, expected {exe}")
        expect(c["by"]["exe_build_id"] == build_id(exe), "another build id")
        expect(c["by"]["cmdline"].startswith(f"{exe} {how} {path}"), f"command line {c['by']['cmdline']}")
        expect(c["by"]["ns_pid"] == pid, f"ns_pid {c['by']['ns_pid']}")
        expect(c["by"]["cgroup"].startswith("0::/") or "\n" in c["by"]["cgroup"] or " 0::/" in c["by"]["cgroup"],
               f"cgroup {c['by']['cgroup']!r}")
        expect(c["channel"] == channel, f"channel {c['channel']}")
        expect_chain(c, leaf)
        named += 1
    expect(named >= (TIMES if how != "mmap" else TIMES // 2), f"{named} of {TIMES} named")


def root_with(exe):
    """A folder to be the root of others, with the program and copies of its libraries."""
    root = tempdir("/var/tmp")
    os.chmod(root, 0o755)
    copy_libraries(exe, root)
    shutil.copy(exe, root + "/culprit")
    return root


def struck_by(argv, path, **more):
    """What check says of the one who changed the file: `argv`, which is given the file's name in its own root."""
    insider = Insider()
    insider.map(path, "shared")
    insider.blocked()
    p = subprocess.run(argv, **more)
    expect(p.returncode == 0, f"{argv}: {p.returncode}")
    v = insider.finish()
    mine = [c for c in v.of(path) if c["channel"] == "pwrite"]
    expect(len(mine) == 1, v.brief())
    return mine[0]


def contained():
    """As in a container: another root with libraries of its own, other namespaces of users, processes and mounts."""
    exe = build("tables")
    root = root_with(exe)
    path = os.path.join(root, "file")
    shutil.copy(new_file("/var/tmp"), path)
    c = struck_by(["unshare", "-U", "-r", "-p", "-f", "-m", "chroot", root, "/culprit", "write", "/file", "9"], path)
    expect(c["by"]["exe"].endswith("/culprit"), c["by"]["exe"])
    expect(c["by"]["exe_build_id"] == build_id(exe), "another build id")
    expect(c["by"]["ns_pid"] == 1 and c["by"]["pid"] != 1, f"{c['by']['pid']} is {c['by']['ns_pid']} in its namespace")
    expect_chain(c, "culprit_write")


def another_user():
    """Of a user who can't read what root can."""
    exe = build("tables")
    root = root_with(exe)
    path = os.path.join(root, "file")
    shutil.copy(new_file("/var/tmp"), path)
    os.chmod(path, 0o666)
    c = struck_by(["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups", root + "/culprit", "write", path, "9"], path)
    expect(c["by"]["uid"] == 1234, f"user {c['by']['uid']}")
    expect_chain(c, "culprit_write")


def deleted():
    """Its executable has no name any more."""
    exe, path = build("tables"), new_file("/var/tmp")
    wanted = build_id(exe)
    fd = os.open(exe, os.O_RDONLY)
    os.unlink(exe)
    c = struck_by(["culprit", "write", path, "9"], path, executable=f"/proc/self/fd/{fd}", pass_fds=[fd])
    expect(c["by"]["exe_build_id"] == wanted, f"build id {c['by']['exe_build_id']}")
    expect(os.path.basename(exe) in c["by"]["exe"], c["by"]["exe"])


def main():
    need_root()
    report = Report()
    for kind in FLAGS:
        for how in DONE_BY:
            report.case(f"gone-at-once-{how}-{kind}", gone_at_once, how, kind)
    for fn in (contained, another_user, deleted):
        report.case(fn.__name__.replace("_", " "), fn)
    report.exit()


main()
