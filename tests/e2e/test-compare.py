#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# timeout 400
"""Looks at what outsiders can store into unseen: what they find, what they cost, and what they say when they are cut short."""
import json
import mmap
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import e2e  # noqa: E402
import mounts  # noqa: E402
from e2e import PAGE, expect  # noqa: E402

MIB = 1 << 20
NOBODY = 65534
SLOWER = int(os.environ.get("SLOWER", "1"))
BIG = 16 * MIB  # above what is read whole as a matter of course (4 MiB)
USUAL = f"--compare-budget={2 * SLOWER}"  # the default, which buys less on an emulated machine


def fresh(folder, size=BIG, data=True):
    """A file whose pages all differ, or one hole."""
    path = os.path.join(folder, f"f{len(os.listdir(folder))}")
    with open(path, "wb") as f:
        for page in range(size // PAGE if data else 0):
            f.write(page.to_bytes(8, "little") * (PAGE // 8))
        f.truncate(size)
    return path


def looks(trace):
    """EV_COMPAREs of a trace: (what was read, pages, pages changed)."""
    out = e2e.dump(trace)
    found = re.findall(r" compare +object=\d+ (?:read=\"([a-z ]+)\" )?pages=(\d+) pages_changed=(\d+)", out)
    return [(read or "all", int(pages), int(changed)) for read, pages, changed in found], out


def note(text, pattern):
    """A number in the trace's notes."""
    found = re.search(pattern, text)
    expect(found, f"no note says {pattern}")
    return found


def changed_pages(v, path):
    """Pages that changes of the verdict name."""
    return {p for c in v.of(path) for p in range(c["offset"] // PAGE, (c["offset"] + c["length"] + PAGE - 1) // PAGE)}


class Pair:
    """An outsider that has a file mapped, and an insider that maps it too."""

    def __init__(self, path, *options, how="map", command="record", offset=0, length=0, wrap=(), **more):
        self.path, self.outsider = path, e2e.Outsider(wrap)
        self.outsider.ask(f"{how} {path}")
        self.insider = e2e.Insider(options=(USUAL, *options), command=command, **more)
        self.insider.map(path, "shared", offset, length, "notouch")
        self.insider.blocked()

    def store(self, page, byte=7):
        """A byte of a page, by the outsider's mapping."""
        self.outsider.do("store", self.path, page * PAGE + 5, 1, byte)

    def finish(self):
        """The verdict, and the dump of the events."""
        v = self.insider.finish()
        self.outsider.end()
        return v, self.insider.trace


def expect_found(v, path, pages):
    """Stores to just these pages were found, and the verdict says so."""
    e2e.expect_verdict(v, "divergent")
    got = changed_pages(v, path)
    expect(got == set(pages), f"changed pages are {sorted(got)[:20]}, expected {sorted(pages)[:20]}: {v.brief()}")


def found_while_running(folder, *options, command="record"):
    """Stores by a mapping that is there already are found by looks in between, without reading the whole."""
    path = fresh(folder)
    p = Pair(path, *options, command=command)
    whole = f"npages={BIG // PAGE} size={BIG}"  # a watch saves them some time later, and may have looked before
    e2e.wait_until("its contents are known, and looked at", lambda: all((looks(p.insider.trace)[0], whole in looks(p.insider.trace)[1])))
    stored = list(range(3, BIG // PAGE, 97))
    p.outsider.do("stride", path, 3 * PAGE, 97 * PAGE, 9)
    trace = p.insider.trace
    e2e.wait_until("a look has found them all",
                   lambda: sum(c for _, _, c in looks(trace)[0]) >= len(stored))
    v, _ = p.finish()
    expect_found(v, path, stored)
    for c in v.of(path):
        expect(c["channel"] == "mmap-store" and c["by"]["pid"] == p.outsider.pid, f"{c}")
    all_looks, _ = looks(trace)
    likely = [n for read, n, _ in all_looks if read == "what is likely"]
    expect(likely and max(likely) < BIG // PAGE // 2, f"looks read {max(likely, default=0)} pages")
    # while the insider ends, one of what is likely may still come behind it
    expect("all" in [read for read, _, _ in all_looks[-3:]], f"the last looks read {all_looks[-3:]}")


def stores_right_before_the_end(folder, *options):
    """What was stored just before the insider ends is found by the last look, wherever it is."""
    path = fresh(folder)
    p = Pair(path, "--compare-budget=50", *options)
    p.store(0)
    p.outsider.do("stride", path, 7 * PAGE, 1000 * PAGE, 3)
    v, trace = p.finish()
    expect_found(v, path, {0, *range(7, BIG // PAGE, 1000)})
    expect([x for x in looks(trace)[0] if x[0] == "all"], "no look was whole")


def stores_that_page_tables_forget(folder):
    """Stored to, and gone from the page tables before any look: a whole look finds it, never a good verdict."""
    path = fresh(folder)
    p = Pair(path, "--compare-budget=50")
    p.store(2000)
    p.outsider.ask(f"drop {path}")
    v, _ = p.finish()
    expect_found(v, path, {2000})


def together_with_a_call(folder):
    """A call's pages are left to the call; a store beside it is a change of its own."""
    path = fresh(folder)
    p = Pair(path)
    p.outsider.ask(f"open {path}")
    p.outsider.do("pwrite64", path, 3000 * PAGE, PAGE, 5)
    p.store(17)
    v, _ = p.finish()
    e2e.expect_verdict(v, "divergent")
    found = {(c["offset"] // PAGE, c["channel"]) for c in v.of(path)}
    expect(found == {(17, "mmap-store"), (3000, "pwrite")}, v.brief())


def pinned_page(folder):
    """A page that is in nobody's page tables changes by way of an io_uring's buffer: the last look finds it, also where nothing tells
    that it is pinned."""
    path = fresh(folder)
    other = e2e.Peer([e2e.prog("pinned"), path])
    if (answer := other.hear()).startswith("skip"):
        raise e2e.Skip(answer[5:])
    p = Pair(path, "--disable-hook=syscall/pins")
    p.store(2222)
    other.ask("9")
    v, _ = p.finish()
    other.end()
    expect_found(v, path, {0, 2222})


def no_budget(folder):
    """Nothing is looked at with a budget of 0: the trace says so, and the verdict is never better than uncertain."""
    path = fresh(folder)
    p = Pair(path, "--compare-budget=0")
    p.store(100)
    v, trace = p.finish()
    e2e.expect_verdict(v, "uncertain")
    gaps = [g["reason"] for g in v.gaps if "not compared" in g["reason"]]
    expect(gaps and "--compare-budget=0" in gaps[0] and f"{BIG // PAGE} pages" in gaps[0], v.brief())
    expect(all(n == 0 for _, n, _ in looks(trace)[0]), "something was looked at")


def budget_is_kept(folder):
    """All pages are likely and there is little time: what is spent stays within the budget, and what is left out is told."""
    size = 256 * MIB
    path = fresh(folder, size, data=False)
    with open(path, "r+b") as f, mmap.mmap(f.fileno(), size) as m:
        for at in range(0, size, PAGE):
            m[at] = 1
    p = Pair(path, "--compare-budget=0.1", how="mapread")
    for i in range(3):
        p.store(i * 1000)
    v, trace = p.finish()
    expect(v.verdict in ("uncertain", "divergent"), v.brief())
    expect([g for g in v.gaps if "not compared" in g["reason"]], v.brief())
    all_looks, out = looks(trace)
    expect(any(read == "a part" for read, _, _ in all_looks), f"no look was cut short: {all_looks}")
    ended = float(re.findall(r"^ +\d+ +([0-9.]+) ", out, re.M)[-1])
    spent = float(note(out, r"read \d+ pages in ([0-9.]+) ms")[1]) / 1000
    # the budget, and what one chunk and one search of page tables may cost beyond it
    allowed = 0.001 * (ended + 10) + 0.1 * SLOWER
    expect(spent <= allowed, f"looks took {spent:.3f} s of {ended:.1f} s")


def outsider_leaves(folder):
    """The outsider ends before anybody has looked: its stores are found, and are its own."""
    path = fresh(folder)
    p = Pair(path)
    p.outsider.do("stride", path, 11 * PAGE, 1500 * PAGE, 8)
    pid = p.outsider.pid
    p.outsider.kill()
    e2e.wait_until("a whole look was made", lambda: any(x[0] == "all" for x in looks(p.insider.trace)[0]))
    v = p.insider.finish()
    expect_found(v, path, range(11, BIG // PAGE, 1500))
    expect(all(c["by"]["pid"] == pid for c in v.of(path)), v.brief())


def hole(folder):
    """A mapping that is one big hole: looks are cheap, and find the one page that gets contents."""
    path = fresh(folder, 1024 * MIB, data=False)
    p = Pair(path, "--compare-budget=100")
    p.store(200000)
    e2e.wait_until("it was found", lambda: any(c for _, _, c in looks(p.insider.trace)[0]))
    v, trace = p.finish()
    expect_found(v, path, {200000})
    expect(looks(trace)[0][-1][0] == "all", f"the last look wasn't whole: {looks(trace)[0][-3:]}; {v.brief()}")


def mapped_in_part(folder):
    """The insider maps a part, the outsider all of it: stores elsewhere are nobody's business."""
    path = fresh(folder)
    p = Pair(path, offset=2048 * PAGE, length=1500 * PAGE)
    p.store(2047)
    p.store(2048)
    p.store(3547)
    p.store(3548)
    v, _ = p.finish()
    expect_found(v, path, {2048, 3547})


def mapped_with_a_gap(folder):
    """What lies between two parts that insiders map was mapped once, and is nobody's business now."""
    path = fresh(folder)
    p = Pair(path, offset=0, length=100 * PAGE)
    middle = p.insider.map(path, "shared", 1000 * PAGE, 100 * PAGE, "notouch")
    p.insider.map(path, "shared", 2000 * PAGE, 100 * PAGE, "notouch")
    p.insider.ask(f"unmap {middle}")
    for page in (50, 1050, 2050):
        p.store(page)
    v, _ = p.finish()
    expect_found(v, path, {50, 2050})


def mapped_again(folder, command="record"):
    """What was stored into a page that an insider has mapped doesn't become the contents unseen when it is mapped once more."""
    path = fresh(folder)
    p = Pair(path, "--compare-budget=0", command=command)
    whole = f"npages={BIG // PAGE} size={BIG}"
    e2e.wait_until("its contents are known", lambda: whole in looks(p.insider.trace)[1])
    p.store(5)
    p.insider.map(path, "shared", 0, 10 * PAGE, "notouch")
    v, _ = p.finish()
    expect_found(v, path, {5})


def huge_pages():
    """A mapping by huge pages of tmpfs."""
    folder = mounts.mount(e2e.tempdir(), "-t", "tmpfs", "-o", "size=256M,huge=always", "tmpfs")
    path = fresh(folder)
    with open("/proc/meminfo") as f:
        if "ShmemHugePages:        0 kB" in f.read():
            raise e2e.Skip("no huge pages were to be had")
    p = Pair(path, how="mapread")
    p.store(1234)
    v, _ = p.finish()
    expect_found(v, path, {1234})


def other_namespace(folder):
    """The outsider lives in a pid namespace of its own."""
    path = fresh(folder)
    p = Pair(path, wrap=("unshare", "--pid", "--fork", "--mount-proc", "--kill-child"))
    p.store(2500)
    e2e.wait_until("it was found", lambda: any(c for _, _, c in looks(p.insider.trace)[0]))
    v, trace = p.finish()
    expect_found(v, path, {2500})
    expect(all(n < 1000 for read, n, _ in looks(trace)[0] if read == "what is likely"), f"{looks(trace)[0]}")


def not_readable(folder):
    """bprec has become another user and can't read the outsider's page tables: all is read, no less is found."""
    path, home, exe = fresh(folder), os.path.join(folder, "home"), os.path.join(folder, "insider")
    os.chmod(folder, 0o755)
    os.mkdir(home)
    os.chown(home, NOBODY, -1)
    shutil.copy(e2e.prog("insider"), exe)
    p = Pair(path, "--user", "nobody", "--compare-budget=50", argv=[exe], trace=os.path.join(home, "trace"))
    p.store(3333)
    e2e.wait_until("it was found", lambda: any(c for _, _, c in looks(p.insider.trace)[0]))
    v, trace = p.finish()
    expect_found(v, path, {3333})
    expect(any(read == "what is likely" and n == BIG // PAGE for read, n, _ in looks(trace)[0]), f"{looks(trace)[0]}")


def soft_dirty_works():
    """Does this kernel have soft-dirty? As bprec probe says."""
    out = subprocess.run([e2e.BPREC, "probe", "--json"], capture_output=True, text=True, check=False).stdout
    return any(f["name"] == "soft_dirty" and f["answer"] == "yes" for f in json.loads(out)["features"])


def rearmed(folder):
    """--rearm=soft-dirty: later stores to a page that was stored to are seen as faults; elsewhere it is said that it can't be."""
    path = fresh(folder)
    p = Pair(path, "--rearm=soft-dirty", how="mapread")
    for round in range(3):
        before = sum(c for _, _, c in looks(p.insider.trace)[0])
        p.store(1500, 10 + round)
        e2e.wait_until("it was found", lambda n=before: sum(c for _, _, c in looks(p.insider.trace)[0]) > n)
    v, trace = p.finish()
    expect_found(v, path, {1500})
    all_looks, out = looks(trace)
    if soft_dirty_works():
        note(out, r"the pages of pid %d \(outsider\) are write-protected again" % p.outsider.pid)
        few = [n for read, n, _ in all_looks if read == "what is likely" and n < 100]
        expect(few, f"all looks read much: {all_looks[:20]}")
    else:
        note(out, r"--rearm=soft-dirty has no effect: this kernel can't do it")


def written_back(place):
    """Of two outsiders that map it one stores; a third process has the pages written back. It was the first all the same."""
    path = os.path.join(place, "written-back")
    with open(path, "wb") as f:
        f.write(bytes(4 * PAGE))
        os.fsync(f.fileno())
    a, b = e2e.Outsider(), e2e.Outsider()
    insider = e2e.Insider()
    insider.map(path)
    insider.blocked()
    for outsider in (a, b):
        outsider.ask(f"mapread {path}")
    a.ask(f"stride {path} {PAGE + 8} {PAGE} 7")
    with open(path, "rb") as f:
        os.fsync(f.fileno())
    v = insider.finish()
    expect(v.of(path) and all((c["by"] or {}).get("pid") == a.pid and c["channel"] == "mmap-store" for c in v.of(path)),
           f"expected stores by {a.pid}: {v.brief()}")


def main():
    e2e.need_root()
    r, folder = e2e.Report(), mounts.tmpfs("2G").real
    r.case("found while the insider runs, tmpfs", found_while_running, folder)
    r.case("found while the insider runs, watch", found_while_running, folder, command="watch")
    r.case("right before the end, tmpfs", stores_right_before_the_end, folder)
    r.case("gone from the page tables", stores_that_page_tables_forget, folder)
    r.case("together with a call", together_with_a_call, folder)
    r.case("a pinned page", pinned_page, folder)
    r.case("no budget", no_budget, folder)
    r.case("the budget is kept", budget_is_kept, folder)
    r.case("the outsider leaves", outsider_leaves, folder)
    r.case("a hole of 1 GiB", hole, folder)
    r.case("mapped in part", mapped_in_part, folder)
    r.case("mapped with a gap", mapped_with_a_gap, folder)
    r.case("mapped again", mapped_again, folder)
    r.case("mapped again, watch", mapped_again, folder, command="watch")
    r.case("outsider in another pid namespace", other_namespace, folder)
    r.case("page tables can't be read", not_readable, folder)
    r.case("re-armed", rearmed, folder)
    r.case("huge pages", huge_pages)
    folder = mounts.ext4().real
    r.case("found while the insider runs, ext4", found_while_running, folder)
    r.case("right before the end, ext4", stores_right_before_the_end, folder)
    r.case("written back", written_back, folder)
    r.exit()


main()
