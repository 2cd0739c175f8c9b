#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""scripts/bench.py [--rounds N] [--write] [PART...]: what recording costs, as ratios of one run.

Parts: time (against native, strace and perf trace), replay (against its recording and native), hashes (what they cost),
outside (processes that are not recorded), watch (bprec watch against native), snapshot, trace, compare (looks at what an
outsider has mapped). Runs are interleaved (A B C A B C ...). Figures are medians; of arithmetic and hashes the least CPU time of
all processes together, which other work on the machine disturbs less. Returns 1 if a bound is broken, 2 for trouble. --write puts the tables into docs/BENCHMARKS.md. Environment: BPREC (default
build/bprec). Needs root for the parts about observation.
"""
import contextlib
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
import e2e  # noqa: E402
import projects  # noqa: E402
import tracefile  # noqa: E402

MIB = 1 << 20
COMPARE_PAGES, COMPARE_EVERY = 1 << 18, 100  # 1 GiB, 1 % of its pages
DD_COUNT, COMPUTE, MAKE_FILES, SNAPSHOT_MIB = 20000, 8000, 20, 256
LOOPS = {"getppid": ("getppid", "500000"), "pwrite to an unwatched file": ("pwrite", "unwatched", "300000"),
         "page faults": ("fault", "100000"), "pwrite to a watched page": ("pwrite", "watched", "200000"),
         "stores that fault, to 256 watched pages": ("store", "watched", "100000")}
BOUNDS = {"getppid": ("ns", 50), "pwrite to an unwatched file": ("ns", 600), "page faults": ("%", 3),
          "pwrite to a watched page": ("%", 50), "stores that fault, to 256 watched pages": ("%", 50)}
OUTSIDE_ROUNDS = 9
WATCH_BOUND = {"make": 2}  # time under bprec watch against native; of others than these 1.1. make -j2 leaves no processor to it


class Bench:
    """Tables, and the bounds that were broken."""

    def __init__(self, rounds):
        self.rounds, self.text, self.broken = rounds, [], []
        self.top = tempfile.mkdtemp(prefix="bprec-bench.", dir="/dev/shm")

    def table(self, title, head, rows, note=""):
        """Prints a table and keeps it."""
        rows = [[str(c) for c in row] for row in rows]
        wide = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
        line = lambda r: "| " + " | ".join(c.ljust(w) for c, w in zip(r, wide)) + " |"  # noqa: E731
        text = [f"## {title}", "", line(head), line(["-" * w for w in wide]), *map(line, rows), "", note, ""]
        print("\n".join(text), flush=True)
        self.text += text if note else text[:-2]

    def bound(self, what, value, limit, unit=""):
        """Holds a figure against its bound; returns the word for the table."""
        if value <= limit:
            return f"ok (at most {limit:g}{unit})"
        self.broken.append(f"{what}: {value:.3g}{unit}, at most {limit:g}{unit} allowed")
        return f"BROKEN (at most {limit:g}{unit})"

    def fresh(self, name):
        """An empty directory."""
        path = os.path.join(self.top, name)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path


def run(argv, **kw):
    """Runs a command and returns its time in seconds; a failure ends the benchmark."""
    start = time.monotonic()
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=600,
                          preexec_fn=e2e.die_with_parent, **kw)
    if done.returncode:
        raise e2e.Failed(f"{' '.join(argv)} returned {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return time.monotonic() - start


def cpu_time():
    """CPU seconds of all children that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def recorders(b):
    """Name -> function that puts a recorder in front of a command."""
    file = os.path.join(b.top, "strace.out")

    def bprec(argv):
        shutil.rmtree(os.path.join(b.top, "trace"), ignore_errors=True)
        return [e2e.BPREC, "record", "-q", "-o", os.path.join(b.top, "trace"), "--", *argv]

    found = {"native": lambda a: a, "bprec": bprec,
             "strace -f -o FILE": lambda a: ["strace", "-f", "-o", file, *a],
             "strace -f -o /dev/null": lambda a: ["strace", "-f", "-o", "/dev/null", *a]}
    perf = ["perf", "trace", "-o", "/dev/null"]
    try:
        run([*perf, "true"])
        found["perf trace"] = lambda a: [*perf, *a]
    except (e2e.Failed, OSError):
        print("perf trace does not work here\n")
    return found


def workloads(b, compute=COMPUTE, times=1):
    """Name -> (command, directory, function that cleans up before each run). compute: how long the arithmetic is; times: dd."""
    folder = b.fresh("make")
    projects.c_project(folder, MAKE_FILES)

    def clean():
        for name in os.listdir(folder):
            if name.endswith(".o") or name == "prog":
                os.unlink(os.path.join(folder, name))
    return {"dd bs=512 (system calls)": (["dd", "if=/dev/zero", "of=/dev/null", "bs=512", f"count={DD_COUNT * times}"], "/", None),
            f"make -j2, {MAKE_FILES} files (forks)": (["make", "-s", "-j2"], folder, clean),
            "arithmetic (compute)": ([e2e.prog("loops"), "compute", str(compute)], "/", None)}


def interleaved(b, ways, cwd, clean, by_cpu, rounds=0):
    """Way -> its time: ways maps each to the function that gives its command. The median, or (by_cpu) the least CPU time."""
    times = {w: [] for w in ways}
    for _ in range(rounds or b.rounds):
        for w, command in ways.items():
            if clean:
                clean()
            argv, before = command(), cpu_time()
            seconds = run(argv, cwd=cwd)
            times[w].append(cpu_time() - before if by_cpu else seconds)
    return {w: min(t) if by_cpu else statistics.median(t) for w, t in times.items()}


def bench_time(b):
    """Time against native, strace and perf trace."""
    rec, rows = recorders(b), []
    for name, (argv, cwd, clean) in workloads(b).items():
        mid = interleaved(b, {r: lambda w=w: w(argv) for r, w in rec.items()}, cwd, clean, "compute" in name)
        ratio = mid["bprec"] / mid["strace -f -o FILE"]
        word = b.bound(f"{name}: time against strace -f -o FILE", ratio, 1.02)
        if "compute" in name:
            word = b.bound(f"{name}: time against native", mid["bprec"] / mid["native"], 1.03)
        rows.append([name, f"{mid['native']:.2f} s", *(f"{mid[r] / mid['native']:.2f}" for r in rec if r != "native"),
                     f"{ratio:.2f}", word])
    b.table("Time, as a multiple of the native time", ["program", "native", *list(rec)[1:], "bprec / strace FILE", "bound"],
            rows, "The bound of the first two is strace -f -o FILE (with 2 % for noise), of the last one the native "
            "time; there CPU times of the fastest runs are compared.")
    start = statistics.median(run(rec["bprec"](["true"])) for _ in range(b.rounds))
    plain = statistics.median(run(["true"]) for _ in range(b.rounds))
    b.table("Start and end of a recording", ["program", "native", "bprec"], [["true", f"{plain:.3f} s", f"{start:.3f} s"]])


def checksums(b):
    """Words of --checksum -> (trace, function that gives the command)."""
    def record(argv, folder, word):
        shutil.rmtree(folder, ignore_errors=True)
        return [e2e.BPREC, "record", "-q", f"--checksum={word}", "-o", folder, "--", *argv]
    return {w: (os.path.join(b.top, "replay-" + w), lambda argv, w=w: record(argv, os.path.join(b.top, "replay-" + w), w))
            for w in ("none", "sparse", "all")}


def bench_replay(b):
    """Replay against its recording and native."""
    rows, (trace, record) = [], checksums(b)["sparse"]

    def replay(*options):
        return [e2e.BPREC, "replay", "-q", *options, trace]
    for name, (argv, cwd, clean) in workloads(b, COMPUTE // 2).items():
        ways = {"native": lambda: argv, "record": lambda: record(argv), "replay": replay, "bare": lambda: replay("--no-verify")}
        mid = interleaved(b, ways, cwd, clean, "compute" in name)
        word, by_record = "", mid["replay"] / mid["record"]
        if "system calls" in name:
            word = b.bound(f"{name}: replay against its recording", by_record, 1.0)
        elif "compute" in name:
            word = b.bound(f"{name}: replay against native", mid["replay"] / mid["native"], 1.05)
        rows.append([name, f"{mid['native']:.2f} s", f"{mid['record']:.2f} s", f"{mid['replay']:.2f} s", f"{by_record:.2f}",
                     f"{mid['replay'] / mid['native']:.2f}", f"{mid['bare'] / mid['replay']:.2f}", word])
    b.table("Replay", ["program", "native", "recording", "replay", "replay / recording", "replay / native", "--no-verify / replay",
                       "bound"], rows)


def bench_hashes(b):
    """What hashes of memory cost the recording: least CPU times, because ten percent are less than the noise of a median."""
    rows, sums = [], checksums(b)
    for name, (argv, cwd, clean) in workloads(b, COMPUTE // 8).items():
        ways = {w: lambda c=command: c(argv) for w, (_, command) in sums.items()}
        least = interleaved(b, {w: ways[w] for w in ("none", "sparse")}, cwd, clean, True, max(b.rounds, 9))
        least |= interleaved(b, {"all": ways["all"]}, cwd, clean, True, 1)
        sparse = least["sparse"] / least["none"]
        kept = [sum(counted(trace, n)[1] for n in ("events", "pages")) for trace, _ in sums.values()]
        rows.append([name, f"{sparse:.2f}", f"{least['all'] / least['none']:.2f}", *(f"{n / 1024:.0f} KiB" for n in kept),
                     b.bound(f"{name}: recording with sparse hashes against none", sparse, 1.10)])
    b.table("Hashes of memory: CPU time of the recording, as a multiple of --checksum=none, and bytes of the trace",
            ["program", "sparse", "all", "trace, none", "trace, sparse", "trace, all", "bound"], rows)


class UnderWay:
    """A recording that is under way: an insider that maps files and waits. Afterwards, its hooks are gone."""

    def __init__(self, *files):
        self.files = files

    def __enter__(self):
        self.insider = e2e.Insider()
        for path in self.files:
            self.insider.map(path)
        self.insider.blocked()

    def __exit__(self, *_):
        ends = pipes(self.insider.proc.pid)
        own = {pid for pid in hooked() if pipes(pid) & ends}
        self.insider.end()
        shutil.rmtree(self.insider.trace, ignore_errors=True)
        e2e.wait_until("the hooks of recordings are gone", lambda: not own & hooked())


def on_last_processor():
    """For a child: it runs on the last processor only."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


class EmptyHooks:
    """Hooks that do nothing, at the entries and exits of calls."""

    def __init__(self, *calls):
        self.calls = calls

    def __enter__(self):
        self.proc = subprocess.Popen([e2e.prog("empty-hooks"), *self.calls], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.proc.stdout.readline() != "ready\n":
            raise RuntimeError("hooks that do nothing can't be attached")

    def __exit__(self, *_):
        self.proc.communicate()


def hooked():
    """Processes that hold the hooks of recordings (kern/keeper.c). They go a second or more after it."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as f:
            if f.read() == "bprec-hooks\n":
                found.add(int(pid))
    return found


def pipes(pid):
    """Pipes that a process has an end of."""
    found = set()
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return {name for name in found if name.startswith("pipe:")}


def bench_outside(b):
    """Cost for processes that are not recorded, with and without a recording under way."""
    watched, figures = os.path.join(b.top, "watched"), {name: ([], [], [], []) for name in LOOPS}
    with open(watched, "wb") as f:
        f.write(bytes(256 * 4096))

    def once(which):
        for name, argv in LOOPS.items():
            argv = [e2e.prog("loops"), *(os.path.join(b.top, a) if a.endswith("watched") else a for a in argv)]
            out = subprocess.run(argv, check=True, capture_output=True, text=True, preexec_fn=on_last_processor).stdout
            figures[name][which].append(float(out))
    for _ in range(max(b.rounds, OUTSIDE_ROUNDS)):
        once(0)
        with EmptyHooks("pwrite64"):
            once(1)
        with UnderWay("/usr/bin/bash", watched):
            once(2)
        once(3)
    rows = []
    for name, runs in figures.items():
        unit, limit = BOUNDS[name]
        # of each round, against the mean of before and after, as the speed of the machine changes within minutes by more than the bounds
        none = [(before + after) / 2 for before, after in zip(runs[0], runs[3])]
        more = statistics.median(z - x if unit == "ns" else (z / x - 1) * 100 for x, z in zip(none, runs[2]))
        a, empty, c = map(statistics.median, (none, runs[1], runs[2]))
        rows.append([name, f"{a:.0f} ns", f"{empty:.0f} ns", f"{c:.0f} ns", f"{more:+.1f} {unit}",
                     b.bound(f"outside, {name}", more, limit, " " + unit)])
    b.table("Processes outside, per round", ["loop", "no recording", "empty hooks", "recording under way", "difference", "bound"], rows,
            "Empty hooks: programs that do nothing, at the entry and the exit of pwrite64. No tracepoint of system calls costs less; the "
            "difference and its bound are against no recording.")


def bench_watch(b):
    """Time under bprec watch, which stops nobody, against native."""
    rows, trace = [], os.path.join(b.top, "trace")

    def watch(argv):
        shutil.rmtree(trace, ignore_errors=True)
        return [e2e.BPREC, "watch", "-q", "-o", trace, "--", *argv]
    start = interleaved(b, {"native": lambda: ["true"], "watch": lambda: watch(["true"])}, "/", None, False)
    rows.append(["true (start and end)", f"{start['native']:.3f} s", f"{start['watch']:.3f} s", "", ""])
    for name, (argv, cwd, clean) in workloads(b, COMPUTE // 8, 20).items():
        mid = interleaved(b, {"native": lambda: argv, "watch": lambda: watch(argv)}, cwd, clean, "compute" in name)
        ratio = (mid["watch"] - (0 if "compute" in name else start["watch"] - start["native"])) / mid["native"]
        limit = WATCH_BOUND.get(name.split()[0], 1.1)
        rows.append([name, f"{mid['native']:.2f} s", f"{mid['watch']:.2f} s", f"{ratio:.2f}", b.bound(f"watch, {name}", ratio, limit)])
    b.table("bprec watch", ["program", "native", "watched", "watched / native", "bound"], rows,
            "The ratio leaves out start and end; of arithmetic CPU times are compared.")


def counted(trace, name):
    """Frames of a file of the trace: (events or pages, bytes)."""
    t = tracefile.Trace.__new__(tracefile.Trace)
    t.folder = trace
    return sum(h[7] for h, _ in t.frames(name)), os.path.getsize(os.path.join(trace, name))


def watched_run(argv):
    """Runs bprec and returns (seconds, VmHWM in bytes as last seen)."""
    start, high = time.monotonic(), 0
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=e2e.die_with_parent)
    while p.poll() is None:
        try:
            with open(f"/proc/{p.pid}/status") as f:
                found = re.search(r"VmHWM:\s*(\d+) kB", f.read())
            high = max(high, int(found[1]) * 1024 if found else 0)
        except OSError:
            pass
        time.sleep(0.005)
    if p.returncode:
        raise e2e.Failed(f"{' '.join(argv)} returned {p.returncode}")
    return time.monotonic() - start, high


def bench_snapshot(b):
    """Rate of snapshots: a program maps a big file and ends."""
    rows, trace = [], os.path.join(b.top, "trace")
    words = (b"some words of text, over and over; " * 120)[:4088]
    for kind in ("random", "text", "holes"):
        path, tiny = os.path.join(b.top, "big"), os.path.join(b.top, "tiny")
        with open(path, "wb") as f:
            for i in range(SNAPSHOT_MIB if kind != "holes" else 0):
                f.write(os.urandom(MIB) if kind == "random" else
                        b"".join((i * 256 + n).to_bytes(8, "little") + words for n in range(256)))
            f.truncate(SNAPSHOT_MIB * MIB)
        with open(tiny, "wb") as f:
            f.write(b"x" * 4096)
        times = {path: [], tiny: []}
        for _ in range(b.rounds):
            for p in (tiny, path):
                shutil.rmtree(trace, ignore_errors=True)
                seconds, high = watched_run([e2e.BPREC, "record", "-q", "-o", trace, "--", e2e.prog("loops"), "map", p])
                times[p].append(seconds)
        pages, size = counted(trace, "pages")
        cost = statistics.median(times[path]) - statistics.median(times[tiny])
        limit = 64 * MIB + 64 * pages
        rows.append([kind, f"{SNAPSHOT_MIB / max(cost, 1e-3):.0f} MB/s", f"{size / MIB:.1f} MiB", pages, f"{high / MIB:.1f} MiB",
                     b.bound(f"memory, {kind}", high / MIB, limit / MIB, " MiB")])
    b.table(f"Snapshot of a file of {SNAPSHOT_MIB} MiB", ["contents", "rate", "pages file", "pages", "peak memory", "bound of memory"],
            rows)


def bench_trace(b):
    """Bytes per event, and memory of the recorder."""
    rows, trace = [], os.path.join(b.top, "trace")
    for name, (argv, cwd, clean) in workloads(b).items():
        if clean:
            clean()
        shutil.rmtree(trace, ignore_errors=True)
        os.chdir(cwd)
        _, high = watched_run([e2e.BPREC, "record", "-q", "-o", trace, "--", *argv])
        events, size = counted(trace, "events")
        pages, page_bytes = counted(trace, "pages")
        limit = 64 * MIB + 64 * pages
        rows.append([name, events, f"{size / events:.1f}", pages, f"{page_bytes / max(pages, 1):.0f}", f"{high / MIB:.1f} MiB",
                     b.bound(f"memory, {name}", high / MIB, limit / MIB, " MiB")])
    b.table("Size of traces", ["program", "events", "bytes per event", "pages", "bytes per page", "peak memory", "bound of memory"],
            rows)


def looks_cost(b, how, every):
    """(pages, ms) of one look at 1 GiB that an outsider maps, and ms of a whole one; processor time, as the trace notes it."""
    path = os.path.join(b.top, "exposed")
    with open(path, "wb") as f:
        for i in range(0, COMPARE_PAGES, 256):
            f.write(b"".join((i + n).to_bytes(8, "little") * 512 for n in range(256)))
    outsider = e2e.Outsider()
    outsider.ask(f"{how} {path}")
    outsider.do("stride", path, 0, every * 4096, 1)
    insider = e2e.Insider(options=("--compare-budget=100",), trace=os.path.join(b.fresh("looks"), "trace"))
    insider.map(path, touch="notouch")
    insider.blocked()

    def dump():
        return subprocess.run([e2e.BPREC, "dump", "--events", insider.trace], capture_output=True, text=True).stdout
    e2e.wait_until("ten looks were made", lambda: dump().count(" compare ") >= 10)
    insider.end()
    outsider.end()
    text = dump()
    pages = re.findall(r" compare .*read=\"what is likely\" pages=(\d+)", text)
    n, spent, longest = re.search(r'text="(\d+) looks .* in ([0-9.]+) ms, the longest in ([0-9.]+) ms', text).groups()
    shutil.rmtree(os.path.dirname(insider.trace))
    os.unlink(path)
    return int(pages[-1]), (float(spent) - float(longest)) / (int(n) - 1), float(longest)


def bench_compare(b):
    """Looks at a mapping of 1 GiB that an outsider can store into."""
    rows = []
    for name, how, every in (("1 % of the pages", "map", COMPARE_EVERY), ("all pages", "mapread", COMPARE_PAGES)):
        found = [looks_cost(b, how, every) for _ in range(b.rounds)]
        pages, cost, whole = found[0][0], min(f[1] for f in found), min(f[2] for f in found)
        word = b.bound("look at 1 GiB with 1 % dirty pages", cost, 30, " ms") if how == "map" else ""
        rows.append([name, pages, f"{cost:.1f} ms", f"{whole:.0f} ms", word])
    b.table("Looks at 1 GiB of tmpfs that an outsider has mapped",
            ["in its page tables", "pages read by a look", "look", "whole look", "bound"], rows,
            "Processor time of the cheapest of all rounds. A whole look is made before insiders unmap.")


PARTS = {"time": bench_time, "replay": bench_replay, "hashes": bench_hashes, "outside": bench_outside, "watch": bench_watch,
         "snapshot": bench_snapshot, "trace": bench_trace,
         "compare": bench_compare}


def write_document(b):
    """docs/BENCHMARKS.md."""
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"model name\s*: (.*)", f.read())
    head = ["# Benchmarks", "", "Made by `make bench` (`scripts/bench.py --write`); what counts are the ratios, which are all of one run.",
            "", f"Linux {platform.release()}, {os.cpu_count()} processors ({cpu[1] if cpu else 'unknown'}), "
            f"{time.strftime('%Y-%m-%d', time.gmtime())}, medians of {b.rounds} interleaved runs.", "",
            "What was measured on other machines, where the time goes and what was tried: [PERFORMANCE-NOTES.md](PERFORMANCE-NOTES.md).", ""]
    tail = ["## Bounds", "", *(f"- broken: {x}" for x in b.broken)] if b.broken else ["All bounds hold."]
    with open(os.path.join(ROOT, "docs", "BENCHMARKS.md"), "w") as f:
        f.write("\n".join(head + b.text + tail).rstrip() + "\n")


def main():
    args = sys.argv[1:]
    if "-h" in args or "--help" in args:
        print(__doc__)
        return 0
    rounds = int(args.pop(args.index("--rounds") + 1)) if "--rounds" in args else 3
    parts = [a for a in args if not a.startswith("-")] or list(PARTS)
    if set(parts) - set(PARTS) or not os.access(e2e.BPREC, os.X_OK):
        print(f"bench: no such part or no {e2e.BPREC}; parts are {' '.join(PARTS)}", file=sys.stderr)
        return 2
    b = Bench(rounds)
    try:
        for part in parts:
            PARTS[part](b)
    except (e2e.Failed, OSError) as e:
        print(f"bench: {e}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(b.top, ignore_errors=True)
    if "--write" in args:
        write_document(b)
    for x in b.broken:
        print(f"bound broken: {x}")
    return 1 if b.broken else 0


sys.exit(main())
