#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
"""mariadb-backup maps the server's redo log, which the server, outside, goes on writing: on tmpfs by stores into its own
mapping, on ext4 by direct writes. Never clean, the server named, and the backup is one that can be prepared."""
import atexit
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mounts  # noqa: E402
from e2e import (BPREC, Failed, Report, Skip, check, die_with_parent, expect, need, need_root, same_object,  # noqa: E402
                 tempdir, wait_until)

LIMIT = 200
LOAD = """CREATE DATABASE load_test; USE load_test;
CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, n INT, pad VARCHAR(400)) ENGINE=InnoDB;
INSERT INTO t(n, pad) SELECT seq, REPEAT('a', 300) FROM seq_1_to_1000;
DELIMITER //
CREATE PROCEDURE go_on() BEGIN DECLARE i INT DEFAULT 0;
 WHILE TRUE DO
  UPDATE t SET n = n + 1, pad = REPEAT(CHAR(97 + i % 26), 300) WHERE id = 1 + i * 7 % 1000;
  SET i = i + 1;
  IF i % 5 = 0 THEN DO SLEEP(0.01); END IF;
 END WHILE; END//
"""


def run(*argv, **kw):
    """Runs a command of the machine to its end; fails with what it says."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT, **kw)
    if done.returncode:
        raise Failed(f"{' '.join(argv)[:200]} returned {done.returncode}: {done.stderr.strip()[-600:]}")
    return done


class Server:
    """A MariaDB server of the test's own, with a client that keeps it writing."""

    def __init__(self, base):
        self.top = tempdir(base)
        self.data, self.socket = os.path.join(self.top, "data"), os.path.join(self.top, "s")
        self.log = os.path.join(self.data, "ib_logfile0")
        options = ["--no-defaults", "--user=root", f"--datadir={self.data}", "--innodb-log-file-size=16M",
                   "--innodb-log-file-mmap=1", "--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=32M"]
        run(need("mariadb-install-db"), *options[:3], "--auth-root-authentication-method=normal", "--skip-test-db",
            "--innodb-log-file-size=16M")
        with open(os.path.join(self.top, "err"), "wb") as err:
            self.proc = subprocess.Popen([need("mariadbd"), *options, f"--socket={self.socket}", "--skip-networking",
                                          f"--pid-file={self.top}/pid"], stderr=err, preexec_fn=die_with_parent)
        atexit.register(self.end)
        self.client = [need("mariadb"), "--no-defaults", "-uroot", "-S", self.socket, "-N", "-B"]
        wait_until("the server answers", self.answers, 60)
        run(*self.client, input=LOAD)
        self.load = subprocess.Popen([*self.client, "load_test", "-e", "CALL go_on()"], stderr=subprocess.DEVNULL,
                                     preexec_fn=die_with_parent)

    def answers(self):
        """Is it there?"""
        expect(self.proc.poll() is None, f"the server ended: {self.why()}")
        return subprocess.run([*self.client, "-e", "SELECT 1"], capture_output=True).returncode == 0

    def why(self):
        """The end of what it says."""
        with open(os.path.join(self.top, "err"), errors="replace") as f:
            return f.read()[-600:]

    def maps_log(self):
        """Does it map its redo log?"""
        with open(f"/proc/{self.proc.pid}/maps") as f:
            return self.log in f.read()

    def end(self):
        """Ends it; allowed twice."""
        for proc in (self.proc, getattr(self, "load", None)):
            if proc and proc.poll() is None:
                proc.terminate()
                try:
                    proc.wait(60)
                except subprocess.TimeoutExpired:
                    proc.kill()
                    proc.wait()


def backup(server, how):
    """Makes a backup under a command of bprec's, prepares it, and returns check's result."""
    target, trace = os.path.join(server.top, f"backup-{how}"), os.path.join(tempdir(), "trace")
    wrap = [BPREC, how, "-q", "-o", trace, "--"] if how != "alone" else []
    done = run(*wrap, need("mariadb-backup"), "--no-defaults", "--backup", "--innodb-log-file-mmap=1", "-uroot",
               f"--socket={server.socket}", f"--datadir={server.data}", f"--target-dir={target}")
    expect("completed OK!" in done.stderr, f"the backup says: {done.stderr[-600:]}")
    run(need("mariadb-backup"), "--no-defaults", "--prepare", f"--target-dir={target}")
    return check(trace) if wrap else None


def by_stores(server, how):
    """tmpfs: the server holds a writable mapping of the log."""
    if not server.maps_log():
        raise Skip("this server does not map its log on tmpfs")
    v = backup(server, how)
    if not v:
        return
    expect(v.verdict in ("uncertain", "divergent"), f"too good: {v.brief()}")
    held = {(x["by"] or {}).get("pid") for x in v.exposures
            if x["kind"] == "writable-mapping" and same_object(x["object"], server.log)}
    expect(server.proc.pid in held, f"the server ({server.proc.pid}) isn't named as holder: {held}; {v.brief()}")
    by = {(c["by"] or {}).get("pid") for c in v.of(server.log)}
    expect(by <= {server.proc.pid}, f"somebody else is named, too: {by}; {v.brief()}")


def by_direct_writes(server, how):
    """ext4: the server writes the log past the page cache."""
    expect(not server.maps_log(), "the server maps its log on ext4")
    v = backup(server, how)
    if not v:
        return
    expect(v.verdict != "clean", f"clean: {v.brief()}")
    by = {(c["channel"], (c["by"] or {}).get("pid")) for c in v.of(server.log)}
    expect(("direct-write", server.proc.pid) in by, f"no direct write by {server.proc.pid}: {by}; {v.brief()}")
    expect({pid for _, pid in by} == {server.proc.pid}, f"somebody else is named, too: {by}")


def main():
    need_root()
    r = Report()
    for fs, base, act in (("tmpfs", "/dev/shm", by_stores), ("ext4", None, by_direct_writes)):
        server = Server(base or mounts.ext4("512M").real)
        for how in ("alone", "record", "watch"):
            r.case(f"mariadb-backup, {fs}, {how}", act, server, how)
        server.end()
    r.exit()


main()
