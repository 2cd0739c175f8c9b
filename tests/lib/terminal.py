# SPDX-License-Identifier: MIT
"""A program on a terminal of its own (a pty), driven like a person would: waits for what it shows, then types."""
import atexit
import errno
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import e2e
from e2e import Failed


class Terminal:
    """argv as session leader with a pty as its controlling terminal."""

    def __init__(self, argv, env=None, cwd=None):
        self.shown = b""  # all it ever wrote
        self.at = 0  # what was waited for so far
        self.status = None
        self.pid, self.master = pty.fork()
        if not self.pid:
            e2e.die_with_parent()
            if cwd:
                os.chdir(cwd)
            os.execve(argv[0], argv, env or {})
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 200, 0, 0))
        atexit.register(self.kill)

    def pump(self, seconds):
        """Reads what there is. False at the end."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError as e:
            if e.errno != errno.EIO:
                raise
            return False
        self.shown += data
        return bool(data)

    def expect(self, text, limit=None):
        """Waits until text is shown (after what was waited for before)."""
        end = time.monotonic() + (limit or e2e.LIMIT)
        text = text.encode() if isinstance(text, str) else text
        while (found := self.shown.find(text, self.at)) < 0:
            if not self.pump(0.05) or time.monotonic() > end:
                raise Failed(f"'{text.decode()}' is not shown; the end of what is: {self.shown[self.at:][-600:]!r}")
        self.at = found + len(text)

    def type(self, text):
        """Types text."""
        os.write(self.master, text.encode())

    def foreground(self, comm):
        """Waits until a process with this name is the leader of the foreground process group and sleeps."""
        def there():
            self.pump(0)
            try:
                group = os.tcgetpgrp(self.master)
                with open(f"/proc/{group}/comm") as f:
                    return f.read().strip() == comm and e2e.state(group) == "S" and group
            except (OSError, ValueError):
                return False
        return e2e.wait_until(f"{comm} is in the foreground", there)

    def wait(self, limit=None):
        """Waits for its end; exit status, or -N for signal N."""
        def over():
            self.pump(0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            return pid
        if self.status is None:
            e2e.wait_until("the program on the terminal ends", over, limit)
        while self.pump(0):
            if not select.select([self.master], [], [], 0)[0]:
                break
        return self.status

    def kill(self):
        """Ends it for good."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.status = -9
