#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 900
"""Replays: a database, cryptography, the network, contended locks and many children."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from e2e import Failed, Report, prog  # noqa: E402
from programs import SQL, serve  # noqa: E402
from projects import texts  # noqa: E402
from replay import same  # noqa: E402


def curl():
    """The server is gone when it is replayed."""
    with tempfile.TemporaryDirectory() as tmp:
        texts(tmp)
        server, url = serve(tmp)
        try:
            out = same(["curl", "-sS", "-i", f"{url}/folder/text00.txt", f"{url}/text01.txt"], status=0)
        finally:
            server.shutdown()
            server.server_close()
    if b"line 199 of file 1:" not in out:
        raise Failed(f"the server sent {out[:200]!r}")


r = Report()
r.case("sqlite3, 100,000 rows in WAL mode", same, ["sqlite3", "db"], setup=texts, stdin=SQL, status=0)
r.case("openssl speed -seconds 1 sha256", same, ["openssl", "speed", "-seconds", "1", "sha256"], status=0)
r.case("curl from a local server", curl)
r.case("8 threads and a contended mutex", same, [prog("contend"), "8", "20000"], status=0)
r.case("500 forked children", same, [prog("forks"), "500"], status=0)
r.exit()
