#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
"""Transparent: interpreters, with threads and a just-in-time compiler among them, give the same when recorded."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import PYTHON, Report  # noqa: E402
from projects import texts  # noqa: E402
from transparent import same  # noqa: E402

PY = """
import json, subprocess, threading, queue, hashlib
q = queue.Queue()
def work(i):
    d = hashlib.sha256(str(i).encode() * 1000).hexdigest()
    p = subprocess.run(["sh", "-c", f"echo child {i}; exit {i}"], capture_output=True)
    q.put((i, d, p.stdout.decode(), p.returncode))
ts = [threading.Thread(target=work, args=(i,)) for i in range(6)]
for t in ts: t.start()
for t in ts: t.join()
out = sorted(q.get() for _ in ts)
with open("out.json", "w") as f:
    json.dump(out, f, indent=1)
print(json.dumps(json.load(open("out.json")), sort_keys=True))
"""

PERL = r"""
use strict; my %n;
open(my $f, "-|", "cat", glob("*.txt")) or die;
while (<$f>) { $n{$_}++ for split }
close $f;
printf "%s %d\n", $_, $n{$_} for (sort { $n{$b} <=> $n{$a} || $a cmp $b } keys %n)[0..9];
my $pid = fork(); if (!$pid) { print "child\n"; exit 3 } waitpid($pid, 0); print $? >> 8, "\n";
local $SIG{ALRM} = sub { print "alarm\n" }; alarm 1; select(undef, undef, undef, 5); print "done\n";
"""

NODE = """
const fs = require('fs'), cp = require('child_process'), { Worker, isMainThread } = require('worker_threads');
let a = []; for (let i = 0; i < 200000; i++) a.push((i * 7919) % 10007);
a.sort((x, y) => x - y);
console.log(a[0], a[100000], a[199999]);
fs.writeFileSync('out.txt', JSON.stringify({ n: a.length }));
console.log(cp.execSync('echo from a child').toString().trim());
Promise.all([1, 2, 3].map(i => fs.promises.readFile('out.txt', 'utf8'))).then(r => {
  console.log(r.join(' '));
  setTimeout(() => console.log('later'), 20);
});
"""

BASH = r"""
for i in 1 2 3; do echo "$i" | sed 's/^/n/' ; done | tee out | wc -l
(sleep 0.1; echo late) & (echo early; exit 4) & wait -n; echo "status $?"; wait; echo all
x=$(seq 1 1000 | awk '{s += $1} END {print s}'); echo "$x"
trap 'echo got USR1' USR1; kill -USR1 $$; cat <(echo process substitution) <<< here
coproc C { while read -r l; do echo "<$l>"; done; }; echo a >&"${C[1]}"; read -r l <&"${C[0]}"; echo "$l"
kill "$C_PID"; wait "$C_PID" 2>/dev/null; echo "coprocess $?"
time_out() { timeout 0.2 sleep 5; echo "timeout $?"; }; time_out
yes | head -2; echo "${PIPESTATUS[*]}"
exit 7
"""

VIM = ["vim", "-N", "-u", "NONE", "-i", "NONE", "-n", "-es", "-c", "%s/line/LINE/g", "-c", "1,3p", "-c", "wq", "text01.txt"]

r = Report()
r.case("python3 with threads, subprocesses and json", same, [PYTHON, "-c", PY])
r.case("perl", same, ["perl", "-e", PERL], setup=texts)
r.case("bash with pipes, traps and background jobs", same, ["bash", "-c", BASH], status=7)
r.case("vim -es", same, VIM, setup=texts)
r.case("node -e", same, ["node", "-e", NODE])
r.case("java -version", same, ["java", "-version"])
r.exit()
