#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 300
"""Robust: odd starts and ends, long words, closed and full outputs, namespaces, trees that are deep or left behind."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import PYTHON, Report  # noqa: E402
from transparent import same  # noqa: E402

DEEP = """
import os, sys
for depth in range(60):
    pid = os.fork()
    if pid:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) + 1)
print("deepest", flush=True)
os._exit(7)
"""
SHARED = """
import multiprocessing as mp
from multiprocessing import shared_memory
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
def square(x):
    return x * x
if __name__ == "__main__":
    with mp.Pool(3) as pool:
        print(pool.map(square, range(40)))
    for kind in (ThreadPoolExecutor, ProcessPoolExecutor):
        with kind(3) as ex:
            print(list(ex.map(square, range(20))))
    memory = shared_memory.SharedMemory(create=True, size=4096)
    memory.buf[0] = 3
    print(memory.buf[0])
    memory.close()
    memory.unlink()
"""
ASYNC = """
import asyncio
async def one(i):
    await asyncio.sleep(0.002 * i)
    return i
async def main():
    print(await asyncio.gather(*[one(i) for i in range(10)]))
    p = await asyncio.create_subprocess_exec("echo", "child", stdout=asyncio.subprocess.PIPE)
    print(await p.communicate(), await p.wait())
asyncio.run(main())
"""


def shell(script, **kw):
    same(["bash", "-c", script], **kw)


SCRIPTS = {
    "a program left behind in a session of its own": "setsid -f sh -c 'sleep 0.2; echo late >late'; echo now; "
                                                     "while [ ! -s late ]; do sleep 0.02; done",
    "stdin, stdout and stderr closed": "cat <&-; echo $?; echo x >&-; echo $?; sh -c 'exec 0<&- 1>&- 2>&-; ls; exit 3'; "
                                       "echo $?",
    "a full device as stdout": "echo x >/dev/full; echo $?; seq 100000 >/dev/full; echo $?",
    "a reader that goes away": "yes | head -2; echo ${PIPESTATUS[@]}",
    "long words and many": "echo $(seq 20000) | cksum; w=$(printf %0100000d 1); A=$w B=$w env | cksum; "
                           "/bin/echo $w$w; echo $?",
    "a relative path after chdir, an odd PATH": "mkdir x; cp /bin/echo x/e; cd x; ./e a; PATH=.:$PATH e b; PATH=:/bin e c",
    "time limits": "exec 2>/dev/null; timeout 0.1 sleep 9; echo $?; timeout -s KILL 0.1 sleep 9; echo $?; nohup echo x; echo $?",
    "many at once": "seq 60 | xargs -P 6 -n 3 echo | sort; find /etc/apt -type f -exec stat -c %s {} \\;",
}
ROOT_SCRIPTS = {
    "pid and mount namespaces": "unshare -p -f --mount-proc sh -c 'echo $$; sleep 0.05 & wait; exit 4'; echo $?; "
                                "unshare -m sh -c 'mount -t tmpfs x /mnt && echo a >/mnt/b && cat /mnt/b && umount /mnt'",
    "a user namespace": "unshare -U -r sh -c 'id -u; cat /proc/self/uid_map'",
    "chroot": "chroot / sh -c 'echo inside; pwd'",
    "without privileges": "setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs sh -c 'id -u; echo x | cat'",
}

r = Report()
for name, text in SCRIPTS.items():
    r.case(name, shell, text)
if os.geteuid() == 0:
    for name, text in ROOT_SCRIPTS.items():
        r.case(name, shell, text)
r.case("60 generations", same, [PYTHON, "-c", DEEP], status=67)
r.case("python: pools and shared memory", same, [PYTHON, "-c", SHARED])
r.case("python: asyncio", same, [PYTHON, "-c", ASYNC])
r.exit()
