#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is verified in two threads is the same, hook by hook, as what is loaded in one: each hook's state, and its program."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kern

failures = []


def case(name, good, details=""):
    print(("ok " if good else "not ok ") + name + ("" if good else f": {details}"))
    if not good:
        failures.append(name)


def loaded(cpus, *args):
    """What a driver loads that may run on these processors: its hooks and its programs, by hook; which programs were put off."""
    os.sched_setaffinity(0, cpus)
    d = kern.Driver(*args)
    hooks, programs = ({row["hook"]: row for row in d.command(word)} for word in ("hooks", "programs"))
    d.end()
    put_off = [h for h, row in programs.items() if row.pop("made") == 2]
    return hooks, programs, put_off


def compare(name, cpus, *args):
    hooks, programs, none = loaded({min(cpus)}, *args)
    hooks2, programs2, put_off = loaded(cpus, *args)
    case(f"{name}: one thread, two threads", not none and len(put_off) >= 30, (none, put_off))
    wrong = [(hooks[h], hooks2[h]) for h in hooks if hooks[h] != hooks2[h]]
    case(f"{name}: hooks", not wrong, wrong)
    wrong = [(programs[h], programs2[h]) for h in programs if programs[h] != programs2[h]]
    case(f"{name}: programs", not wrong, wrong)
    there = [h for h in programs2 if programs2[h]["n"]]
    nothing = [h for h in there if programs2[h]["n"] <= 2]
    case(f"{name}: {len(there)} hooks have a program, which does something", len(there) >= 30 and not nothing, nothing)


def main():
    cpus = os.sched_getaffinity(0)
    if len(cpus) < 2:
        print("there is one processor")
        sys.exit(77)
    compare("all", cpus)
    compare("tracepoints", cpus, "", "0", "tier1")
    compare("one is refused", cpus, "", "0", "refuse=tp_btf/page_fault_user")
    compare("one is left out", cpus, "tp_btf/sched_process_fork")
    sys.exit(bool(failures))


main()
