#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 900
"""Replays: programs at large that use threads, processes, the network and chance in ways of their own."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import PYTHON, Report, need  # noqa: E402
from projects import c_project, texts  # noqa: E402
from replay import same  # noqa: E402
from transparent import ENV  # noqa: E402

CPP = r"""
#include <chrono>
#include <condition_variable>
#include <future>
#include <iostream>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

std::mutex lock;
std::condition_variable changed;
int turn;

int risky(int i)
{
	if (i % 3 == 0)
		throw std::runtime_error("three times " + std::to_string(i / 3));
	return i * i;
}

void work(int me)
{
	for (int i = 0; i < 50; i++) {
		try {
			risky(i);
		} catch (std::exception &e) {
			std::lock_guard<std::mutex> l(lock);
			std::cout << me << " " << e.what() << "\n";
		}
	}
	std::unique_lock<std::mutex> l(lock);
	changed.wait(l, [me] { return turn == me; });
	turn++;
	changed.notify_all();
}

int main()
{
	std::vector<std::thread> threads;

	std::cout << std::random_device()() << "\n";
	for (int i = 0; i < 4; i++)
		threads.emplace_back(work, i);
	for (auto &t : threads)
		t.join();
	std::cout << std::async(std::launch::async, [] { return 42; }).get() << " "
		  << std::chrono::system_clock::now().time_since_epoch().count() << "\n";
}
"""

ASYNCIO = """
import asyncio, random, time
async def serve(r, w):
    w.write((await r.readline()).upper()); await w.drain(); w.close()
async def ask(i, port):
    await asyncio.sleep(random.random() * 0.05)
    r, w = await asyncio.open_connection('127.0.0.1', port)
    w.write(b'hello %d\\n' % i); print(i, await r.readline(), time.time()); w.close()
async def main():
    s = await asyncio.start_server(serve, '127.0.0.1', 0)
    await asyncio.gather(*[ask(i, s.sockets[0].getsockname()[1]) for i in range(10)])
    p = await asyncio.create_subprocess_exec('sh', '-c', 'echo $$', stdout=asyncio.subprocess.PIPE)
    print(await p.communicate())
asyncio.run(main())
"""

POOL = """
import multiprocessing, os
if __name__ == '__main__':
    with multiprocessing.Pool(4) as p: print(p.map(abs, range(-50, 50)), os.getpid())
"""

PERL = r"""
$| = 1; pipe(R, W);
for (1 .. 4) { if (!fork) { print W "$$ $_\n"; exit $_ } }
close W; print while <R>;
while ((my $p = wait) > 0) { print "$p ", $? >> 8, "\n" }
$SIG{ALRM} = sub { print "alarm ", time, "\n"; $n++ };
for (1 .. 3) { alarm 1; select undef, undef, undef, 9 }
"""


def compiled(top):
    with open(os.path.join(top, "a.cc"), "w") as f:
        f.write(CPP)
    subprocess.run(["g++", "-O1", "-pthread", "-o", top + "/a", top + "/a.cc"], check=True)


def shell(script, setup=texts):
    same(["bash", "-c", script], setup=setup, env={**ENV, "HOME": "/nowhere"}, status=0)


for name in ("g++", "gcc", "xz", "zstd", "ssh-keygen"):
    need(name)
r = Report()
r.case("C++ with threads and exceptions", shell, "./a", compiled)
r.case("g++, and what it made", shell, "g++ -O1 -pthread -o b a.cc && ./b", compiled)
r.case("gcc -flto=2", shell, "gcc -O2 -flto=2 *.c -o prog && ./prog", c_project)
r.case("Python's asyncio, a server and its clients", same, [PYTHON, "-c", ASYNCIO], status=0)
r.case("Python's multiprocessing", same, [PYTHON, "-c", POOL], status=0)
r.case("perl with fork, pipe and alarm", same, ["perl", "-e", PERL], status=0)
r.case("sort --parallel=4", shell, "seq 300000 | shuf > n; sort --parallel=4 -S 20M -n n | md5sum; md5sum n")
r.case("xz -T2", shell, "seq 1000000 > n; xz -T2 --block-size=1MiB -1 -k n; xz -dc -T2 n.xz | md5sum; md5sum n.xz")
r.case("zstd -T2", shell, "seq 1000000 > n; zstd -q -T2 n; zstd -dc n.zst | md5sum")
r.case("xargs -P4", shell, "find . -type f | xargs -P4 -n2 sh -c 'echo $$ \"$@\"; wc -l \"$@\"' x")
r.case("ssh-keygen", shell, "ssh-keygen -q -t ed25519 -N '' -f key && ssh-keygen -q -t rsa -b 2048 -N '' -f rsa; cat key.pub rsa")
r.case("a busy child that is killed", shell, "timeout -s KILL 0.3 sh -c 'while :; do :; done'; echo $?; sleep 9 & kill %1; wait; echo $?")
r.exit()
