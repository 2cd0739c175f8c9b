#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# serial
"""A 32-bit process writes a watched file: seen, by the hooks that are attached once there is such a process, or by choke points."""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kern
import mounts

SIZE = 65536
WANT = [("pwrite", 5000, 4), ("write", 6000, 4), ("truncate", 60000, -1), ("open-trunc", 0, -1)]


def build(directory):
    """The 32-bit program; needs no 32-bit library."""
    program = os.path.join(directory, "ops32")
    source = os.path.join(kern.ROOT, "tests", "bpf", "ops32.c")
    subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-O1", "-fno-pic", "-fno-stack-protector", "-o",
                    program, source], check=True)
    return program


def choke_points(driver):
    """They see 32-bit programs like any other, from the first call on."""
    return driver.command("tiers")[0]["tiers"] == 2


def noticed(driver):
    """Losses, once the process is known to be a 32-bit one: that comes a moment after its exec has begun."""
    end = time.monotonic() + (0 if choke_points(driver) else 10)
    while not (lost := driver.command("losses")) and time.monotonic() < end:
        time.sleep(0.01)
    driver.command("drain")  # attaches the hooks
    return lost


def main():
    with tempfile.TemporaryDirectory() as directory:
        program = build(directory)
        path = os.path.join(mounts.tmpfs().real, "f")
        with open(path, "wb") as f:
            f.write(bytes(SIZE))
        driver = kern.Driver()
        insider = kern.Insider(driver)
        insider.ask("map", path, "shared", 0, SIZE, "notouch")
        obj = driver.drain(type="watch", tgid=insider.pid)[0]["object"]
        try:
            child = subprocess.Popen([program, path], stdin=subprocess.PIPE)
        except OSError as e:
            print(f"this kernel runs no 32-bit programs: {e.strerror}")
            sys.exit(77)
        lost = noticed(driver)
        child.communicate(b"x")
        events = driver.drain(tgid=child.pid, object=obj)
    ends = [(e["channel"], e["offset"], e["length"]) for e in events if e["type"] == "end"]
    good = ends == WANT and any(e["type"] == "opened" for e in events)
    print("ok" if good else f"not ok {events}", "32-bit calls")
    counted = any(row["hook"] == "tp_btf/sys_enter" for row in lost) != choke_points(driver)
    print("ok" if counted else f"not ok {lost}", "what it did before is counted as lost, if it is")
    insider.end()
    driver.end()
    sys.exit(not (good and counted))


main()
