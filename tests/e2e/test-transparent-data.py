#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
"""Transparent: a database, cryptography, the network, contended locks and many children."""
import functools
import http.server
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import Report, expect, prog  # noqa: E402
from projects import texts  # noqa: E402
from transparent import same  # noqa: E402

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


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, says nothing, and sends no date."""

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return "Thu, 01 Jan 1970 00:00:00 GMT"


def curl(tmp):
    texts(tmp)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        same(["curl", "-sS", "-i", f"{url}/text01.txt", "-o", "out", f"{url}/folder/text00.txt"])
        same(["curl", "-sS", "-f", f"{url}/nothing"], status=22)
    finally:
        server.shutdown()


def openssl():
    same(["openssl", "speed", "-seconds", "1", "sha256"],
         patterns=[(rb"\d+ sha256's", b"N sha256's"), (rb"in [\d.]+s", b"in Ns"), (rb"[\d.]+k", b"Nk"),
                   (rb" +N", b" N"), (rb"(?m)^CPUINFO:.*\n", b"")])
    same(["openssl", "dgst", "-sha256", "/usr/bin/openssl"])


def sqlite():
    same(["sqlite3", "db"], stdin=SQL)


def forks():
    v = same([prog("forks"), "500"])
    expect(v.doc["exit"] == {"status": 0}, f"exit is {v.doc['exit']}")


def main():
    import tempfile
    with tempfile.TemporaryDirectory() as tmp:
        r = Report()
        r.case("sqlite3, 100,000 rows in WAL mode", sqlite)
        r.case("openssl speed -seconds 1 sha256", openssl)
        r.case("curl from a local server", curl, tmp)
        r.case("8 threads and a contended mutex", lambda: same([prog("contend"), "8", "20000"]))
        r.case("500 forked children", forks)
        r.exit()


main()
