#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
"""Transparent: a database, cryptography, the network, contended locks and many children."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import Report, expect, prog  # noqa: E402
from programs import SQL, serve  # noqa: E402
from projects import texts  # noqa: E402
from transparent import same  # noqa: E402


def curl(tmp):
    texts(tmp)
    server, url = serve(tmp)
    try:
        same(["curl", "-sS", "-i", f"{url}/text01.txt", "-o", "out", f"{url}/folder/text00.txt"])
        same(["curl", "-sS", "-f", f"{url}/nothing"], status=22)
    finally:
        server.shutdown()


def openssl():
    same(["openssl", "speed", "-seconds", "1", "sha256"],
         patterns=[(rb"\d+ sha256's", b"N sha256's"), (rb"in [\d.]+s", b"in Ns"),
                   (rb"([\d.]+|inf)k", b"Nk"),  # inf: none of the second was its own
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
