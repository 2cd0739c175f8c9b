#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""What a replay does to the outside (nothing), what the outside does to it (nothing), where it stops, and core files."""
import os
import re
import select
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
from e2e import BPREC, PYTHON, Failed, Report, expect, prog, tempdir  # noqa: E402
from replay import DONE, jail, record, replay, same  # noqa: E402

# What a program can do to the world around it: files, a process that it signals, a socket, children. Arguments: a folder,
# the pid, the port.
BUSY = """
import os, signal, socket, sys, time
top, pid, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.mkdir(top + "/folder")
with open(top + "/folder/made", "w") as f: f.write(str(time.time()))
os.chmod(top + "/folder/made", 0o600); os.rename(top + "/folder/made", top + "/folder/renamed")
os.symlink("renamed", top + "/folder/link"); os.link(top + "/folder/renamed", top + "/folder/hard"); os.mkfifo(top + "/fifo")
os.truncate(top + "/kept", 3); os.unlink(top + "/removed"); os.utime(top + "/kept", (1, 1))
s = socket.create_connection(("127.0.0.1", port)); s.sendall(b"hello"); print(s.recv(99)); s.close()
os.kill(pid, signal.SIGUSR1)
r, w = os.pipe()
for i in range(3):
    if not os.fork():
        os.write(w, b"child %d\\n" % os.getpid()); os.execv("/bin/echo", ["echo", "executed"])
for i in range(3): os.wait()
print(os.read(r, 999), os.getpid(), flush=True)
"""
COUNTER = "import signal, sys\nsignal.signal(signal.SIGUSR1, lambda *_: print('hit', flush=True))\nprint(1, flush=True)\nwhile 1: signal.pause()"
# The calls that bprec itself makes for a replay. Those with an entry are looked at more closely.
MAY = set("""access arch_prctl brk clock_getres clock_gettime clone clone3 close close_range dup execve exit_group fadvise64 fallocate
fcntl flock fstat ftruncate futex getcwd getdents64 geteuid getpid getrandom getrlimit getrusage gettid getuid ioctl kill lseek madvise
membarrier memfd_create mmap mprotect mremap munmap newfstatat openat poll prctl pread64 prlimit64 process_vm_readv
process_vm_writev ptrace pwrite64 pwritev read readlink rseq rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity
sched_setaffinity sched_yield set_robust_list set_tid_address sigaltstack statfs statx sysinfo tgkill timer_create
timer_delete timer_settime uname wait4 waitid write writev""".split())


def calls_of(log):
    """(name, the whole line) of each call that strace saw."""
    with open(log, encoding="utf-8", errors="replace") as f:
        lines = [line.split(None, 1)[1] for line in f if " " in line]
    return [(line.split("(")[0], line) for line in lines if re.match(r"[a-z_0-9]+\(", line)]


def judge_calls(calls, top):
    """Each is one that bprec needs, on its own processes and on the trace."""
    stubs = {int(x) for n, c in calls if n in ("ptrace", "wait4") for x in re.findall(r"(?:ptrace\(\w+, |wait4\()(\d+)", c)}
    expect(len(stubs) > 4, f"the stubs are {stubs}")
    first = next(i for i, (n, c) in enumerate(calls) if n == "openat" and top in c)
    for i, (name, line) in enumerate(calls):
        expect(name in MAY, f"reached the outside: {line}")
        if name in ("kill", "tgkill"):
            expect(int(re.search(r"\d+", line).group(0)) in stubs, f"signalled: {line}")
        expect("CLOCK_REALTIME" not in line, f"asked for the date: {line}")
        if name == "execve":
            expect(i == 0, f"executed: {line}")
        if name == "openat" and i >= first and " ENOENT" not in line:
            expect("O_WRONLY" not in line and "O_RDWR" not in line and "O_CREAT" not in line, f"opened to write: {line}")
            expect(re.search(r'"(%s[^"]*|events|pages|manifest|\.|/proc/thread-self/schedstat)"' % re.escape(top + "/trace"), line), f"opened: {line}")


def listing(top):
    return {os.path.join(at, n): tuple(os.lstat(os.path.join(at, n)))[:7] + (os.lstat(os.path.join(at, n)).st_mtime_ns,)
            for at, dirs, names in os.walk(top) for n in dirs + names}


def nothing_outside():
    """A program that does much to the outside: a replay does none of it, and calls nothing but what it needs itself."""
    top, world = tempdir(), tempdir()
    for name in ("kept", "removed"):
        with open(os.path.join(world, name), "w") as f:
            f.write("something\n")
    server = socket.create_server(("127.0.0.1", 0))
    hit = subprocess.Popen([PYTHON, "-c", COUNTER], stdout=subprocess.PIPE, preexec_fn=e2e.die_with_parent)
    try:
        hit.stdout.readline()
        answer = threading.Thread(target=lambda: server.accept()[0].sendall(os.urandom(8).hex().encode()))
        answer.start()
        out, _, status = record([PYTHON, "-c", BUSY, world, str(hit.pid), str(server.getsockname()[1])], top + "/trace")
        expect(status == 0 and out.count(b"executed") == 3, f"recording: {status} {out!r}")
        answer.join()
        expect(hit.stdout.readline() == b"hit\n", "the process outside was not signalled while recording")
        before = listing(world)
        run = subprocess.run(["strace", "-f", "-o", top + "/strace", BPREC, "replay", top + "/trace"], capture_output=True,
                             cwd="/", preexec_fn=e2e.die_with_parent)
        expect(DONE.search(run.stderr), f"replay under strace: {run.stderr!r}")
        expect(run.stdout == out, f"replayed {run.stdout!r}, recorded {out!r}")
        expect(listing(world) == before, "the replay changed the program's files")
        expect(not select.select([server], [], [], 0)[0], "the replay connected to the server")
        hit.terminate()
        expect(hit.stdout.read() == b"", "the replay signalled the process outside")
        judge_calls(calls_of(top + "/strace"), top)
    finally:
        hit.kill()
        hit.wait()
        server.close()


def other_date():
    """bprec's own clocks stand in 1970, as on a machine whose clock is wrong; the recorded program's time is printed."""
    top = tempdir()
    with open(top + "/clock.c", "w") as f:
        f.write("#include <sys/time.h>\n#include <time.h>\nint clock_gettime(clockid_t c, struct timespec *t) { t->tv_sec = 1 + 0 * c;"
                " t->tv_nsec = 0; return 0; }\nint gettimeofday(struct timeval *t, void *z) { (void)z; t->tv_sec = 1; "
                "t->tv_usec = 0; return 0; }\ntime_t time(time_t *t) { if (t) *t = 1; return 1; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", "-o", top + "/clock.so", top + "/clock.c"], check=True)
    out, _, _ = record(["date", "+%s.%N"], top + "/trace")
    shown = subprocess.run(["date", "+%Y"], env={"LD_PRELOAD": top + "/clock.so", "TZ": "UTC"}, capture_output=True)
    expect(shown.stdout == b"1970\n", f"the other clock shows {shown}")
    run = subprocess.run([BPREC, "replay", top + "/trace"], capture_output=True, preexec_fn=e2e.die_with_parent,
                         env={"LD_PRELOAD": top + "/clock.so", "ASAN_OPTIONS": "verify_asan_link_order=0"})
    expect(DONE.search(run.stderr) and run.stdout == out, f"{run.stdout!r}, recorded {out!r}; {run.stderr!r}")


def until():
    """--until stops where it is told."""
    top = tempdir()
    record(["date"], top + "/trace")
    run = replay(jail(top + "/trace"), "--until", "40")
    if run.returncode != 0 or b"replayed 41 events" not in run.stderr or b"stopped as asked" not in run.stderr:
        raise Failed(f"--until 40: {run.returncode} {run.stderr!r}")


def core():
    """--core writes what a debugger opens: the registers and memory at that event."""
    top = tempdir()
    record([prog("racy")], top + "/trace")
    run = subprocess.run([BPREC, "replay", "-q", "--until", "350", "--core", top + "/core", top + "/trace"], capture_output=True,
                         preexec_fn=e2e.die_with_parent)
    if run.returncode or os.stat(top + "/core").st_mode & 0o77:
        raise Failed(f"--core: {run.returncode} {run.stderr!r}")
    with open(top + "/core", "rb") as f:
        data = f.read()
    if data[:4] != b"\x7fELF" or prog("racy").encode() not in data or b"CORE" not in data:
        raise Failed(f"the core file: {data[:400]!r}")


r = Report()
r.case("nothing reaches the outside", nothing_outside)
r.case("bprec's own clock shows another date", other_date)
r.case("faults, mappings, shared memory", same, [prog("memory")])
r.case("--until", until)
r.case("--core", core)
r.exit()
