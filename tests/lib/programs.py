# SPDX-License-Identifier: MIT
"""What the list of programs (bprec must neither disturb them nor fail to replay them) is given to do."""
import functools
import http.server
import threading

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
(sleep 0.1; echo late) & (echo early; exit 4) & wait $!; echo "status $?"; wait; echo all
x=$(seq 1 1000 | awk '{s += $1} END {print s}'); echo "$x"
trap 'echo got USR1' USR1; kill -USR1 $$; cat <(echo process substitution) <<< here
coproc C { while read -r l; do echo "<$l>"; done; }; echo a >&"${C[1]}"; read -r l <&"${C[0]}"; echo "$l"
kill "$C_PID"; wait "$C_PID" 2>/dev/null; echo "coprocess $?"
time_out() { timeout 0.2 sleep 5; echo "timeout $?"; }; time_out
yes | head -2; echo "${PIPESTATUS[*]}"
exit 7
"""

SET_M = """set -m
sleep 100 & jobs -r | sed 's/[0-9]\\{3,\\}/PID/'
kill -STOP %1; wait %1 2> /dev/null; echo "stopped: $?"
kill -CONT %1; kill %1; wait %1; echo "ended: $?"
(kill -TSTP $BASHPID; echo continued) & wait %% 2> /dev/null; echo "tstp: $?"; fg %% > /dev/null; echo "fg: $?"
"""

GIT = """set -e
git init -q -b main .
git add .
git commit -q -m first
echo more >> text01.txt
git commit -q -a -m second
git log --stat
git -c gc.threads=1 -c pack.threads=1 -c gc.auto=0 gc -q
git fsck --full
git count-objects -v
git status --short
"""

SQL = b"""
PRAGMA journal_mode=WAL;
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n REAL);
BEGIN;
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100000)
INSERT INTO t SELECT i, 'name ' || i, i * 0.5 FROM c;
COMMIT;
CREATE INDEX ti ON t (name);
UPDATE t SET n = n + 1 WHERE id % 100 = 0;
SELECT count(*), sum(n), min(name), max(name) FROM t;
PRAGMA integrity_check;
"""

VIM = ["vim", "-N", "-u", "NONE", "-i", "NONE", "-n", "-es", "-c", "%s/line/LINE/g", "-c", "1,3p", "-c", "wq", "text01.txt"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, says nothing, and sends no date."""

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return "Thu, 01 Jan 1970 00:00:00 GMT"


def serve(folder):
    """A web server that serves a folder; returns it and its address. shutdown() ends it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"
