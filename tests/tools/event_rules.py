# SPDX-License-Identifier: MIT
"""The rules of docs/FORMAT.md, sections 7 and 8, for the second reader of traces."""
from trace_spec import EVENTS, LAYOUTS

ABSENT, LOST = (1 << 64) - 1, (1 << 64) - 2
CHANNELS = 28


class Broken(Exception):
    """An event breaks a rule."""

    def __init__(self, why, code="EVENT"):
        super().__init__(why)
        self.code = code


def need(condition, why):
    if not condition:
        raise Broken(why)


def align(n):
    return n + 7 & ~7


def within(v, low, high, what):
    need(low <= v <= high, "%s is %d" % (what, v))


def address_range(addr, length):
    need(addr % 4096 == 0 and length % 4096 == 0, "not whole pages")
    need(addr + length < 1 << 64, "address and length overflow")


def strings(data, n):
    need(n > 0 and data.count(b"\0") == n and data.endswith(b"\0"), "strings")


def field_text(data):
    need(b"\0" in data, "a name without NUL")


class Rules:
    """Judges events one by one, in order."""

    def __init__(self, pages):
        self.pages = pages
        self.events, self.time, self.ended = 0, 0, False
        self.known = {"object": set(), "writer": set(), "exposure": set(), "stack": set()}

    def check(self, ev, data, room):
        """Header, and the bytes behind it; returns the fixed part as a dictionary and the variable part."""
        need(32 <= ev["size"] <= 524288 and ev["size"] % 8 == 0, "size")
        need(ev["size"] <= room, "the frame ends within the event")
        need(ev["type"] in EVENTS, "type")
        need(ev["flags"] == 0, "flags")
        need(not self.ended, "an event after the end")
        need(ev["type"] == 1 if self.events == 0 and ev["type"] != 29 else ev["type"] != 1, "start event")
        need(ev["time_ns"] >= self.time, "time goes back")
        layout = EVENTS[ev["type"]]
        need(len(data) >= layout.size, "body is too short")
        body, tail = layout.unpack(data), data[layout.size:]
        need(body.get("reserved", 0) == 0, "reserved field")
        judge = getattr(self, "check_" + layout.name.replace("-", "_"), None)
        length = judge(body, tail) if judge else 0
        need(len(tail) == align(length or 0), "length of the variable part")
        if layout.name in self.known:
            self.known[layout.name].add(body[layout.name])
        self.events += 1
        self.time = ev["time_ns"]
        self.ended = ev["type"] == 29
        return body, tail

    # Each of these judges one type and returns the bytes of its variable part (None: there is none).

    def refer(self, kind, number, zero=False):
        if not (zero and number == 0) and number not in self.known[kind]:
            raise Broken("unknown %s %d" % (kind, number), "REFERENCE")

    def check_run(self, run):
        need(run["count"] > 0, "empty run")
        within(run["step"], 0, 1, "step")
        if run["first"] in (ABSENT, LOST):
            need(run["step"] == 0 or run["count"] == 1, "a run from a page without contents")
        elif run["first"] + run["step"] * (run["count"] - 1) > self.pages:
            raise Broken("no such page", "REFERENCE")

    def check_runs(self, tail, n, npages):
        need(len(tail) == 16 * n, "length of runs")
        runs = [LAYOUTS["page run"].unpack(tail, 16 * i) for i in range(n)]
        for run in runs:
            self.check_run(run)
        need(sum(r["count"] for r in runs) == npages, "sum of runs")
        return 16 * n

    def check_start(self, b, tail):
        within(b["observed"], 0, 2, "observed")
        field_text(b["release"])
        field_text(b["version"])
        strings(tail[:b["strings_len"]], b["argc"] + b["envc"] + 1)
        return b["strings_len"]

    def check_hook(self, b, _):
        within(b["state"], 0, 3, "state")
        need(b["error"] >= 0, "error")
        field_text(b["name"])
        field_text(b["serves"])

    def check_process(self, b, _):
        within(b["how"], 1, 5, "how")
        need(b["space"] != 0, "space 0")
        need(b["how"] != 1 or (b["parent_tid"] == 0 and b["clone_flags"] == 0), "root with a parent")

    def check_exec(self, b, tail):
        need(b["space"] != 0, "space 0")
        before = b["auxv_len"] + b["xsave_len"]
        strings(tail[before:before + b["path_len"]], 1)
        return before + b["path_len"]

    def check_exit(self, b, _):
        within(b["kind"], 1, 3, "kind")

    def check_end(self, b, _):
        within(b["kind"], 1, 4, "kind")

    def check_syscall(self, b, tail):
        within(b["flags"], 0, 63, "flags")
        need(b["bufs_len"] % 8 == 0 and b["nbufs"] * 16 <= b["bufs_len"] == len(tail), "bufs_len")
        refs = [LAYOUTS["buffer reference"].unpack(tail, 16 * i) for i in range(b["nbufs"])]
        need(all(r["arg"] <= 6 for r in refs), "arg")
        need(sum(16 + align(r["len"]) for r in refs) == b["bufs_len"], "sum of buffers")
        return b["bufs_len"]

    def check_data(self, b, _):
        within(b["why"], 1, 3, "why")
        within(b["len"], 0, 262144, "len")
        return b["len"]

    def check_signal(self, b, _):
        within(b["signo"], 1, 64, "signo")
        within(b["place"], 1, 3, "place")
        within(b["action"], 1, 5, "action")
        need(b["action"] == 1 or b["xsave_len"] == b["frame_len"] == 0, "frame without handler")
        return align(b["xsave_len"]) + b["frame_len"]

    def check_regs(self, b, _):
        within(b["why"], 1, 2, "why")
        return b["xsave_len"]

    def check_object(self, b, tail):
        need(b["object"] != 0, "object 0")
        within(b["flags"], 0, 3, "flags")
        strings(tail[:b["path_len"]], 1)
        return b["path_len"]

    def check_pages(self, b, tail):
        self.refer("object", b["object"])
        within(b["why"], 1, 4, "why")
        need((b["first"] + b["npages"]) * 4096 < 1 << 64, "page numbers")
        return self.check_runs(tail, b["nruns"], b["npages"])

    def check_map(self, b, _):
        address_range(b["addr"], b["len"])
        address_range(b["offset"], b["len"])
        within(b["kind"], 1, 6, "kind")
        need(b["len"] > 0, "empty mapping")
        need(b["kind"] != 1 or b["object"] != 0, "mapping of object 0")
        self.refer("object", b["object"], zero=True)

    def check_unmap(self, b, _):
        address_range(b["addr"], b["len"])

    check_protect = check_unmap

    def check_remap(self, b, _):
        address_range(b["old_addr"], b["old_len"])
        address_range(b["new_addr"], b["new_len"])

    def check_mem(self, b, tail):
        address_range(b["addr"], b["npages"] * 4096)
        return self.check_runs(tail, b["nruns"], b["npages"])

    def check_object_write(self, b, _):
        within(b["channel"], 0, CHANNELS - 1, "channel")
        self.refer("object", b["object"])

    def check_change(self, b, tail):
        within(b["channel"], 0, CHANNELS - 1, "channel")
        within(b["flags"], 0, 1023, "flags")
        self.refer("writer", b["writer"], zero=True)
        if b["flags"] & 128:
            need(b["object"] == 0 and b["ninsiders"] > 0, "remote change")
        else:
            self.refer("object", b["object"])
        need(len(tail) == 32 * b["ninsiders"], "thread states")
        for i in range(b["ninsiders"]):
            state = LAYOUTS["thread state"].unpack(tail, 32 * i)
            within(state["state"], 1, 4, "state")
            within(state["flags"], 0, 1, "flags")
        return 32 * b["ninsiders"]

    def check_writer(self, b, tail):
        need(b["writer"] != 0, "writer 0")
        field_text(b["comm"])
        text = tail[:b["strings_len"]]
        strings(text, 4 if text.count(0) == 4 else 3)
        return b["strings_len"]

    def check_stack(self, b, tail):
        need(b["stack"] != 0 and b["stack"] not in self.known["stack"], "number")
        within(b["nframes"], 1, 64, "frames")
        self.refer("writer", b["writer"], zero=True)
        length = 24 * b["nframes"]
        need(len(tail) == align(length + b["strings_len"]), "length")
        strings(tail[length:length + b["strings_len"]], 3 * b["nframes"])
        for i in range(b["nframes"]):
            frame = LAYOUTS["stack frame"].unpack(tail, 24 * i)
            within(frame["how"], 1, 3, "how")
            need(frame["reserved"] == 0, "reserved field")
        return length + b["strings_len"]

    def check_exposure(self, b, _):
        need(b["exposure"] != 0, "exposure 0")
        within(b["kind"], 1, 3, "kind")
        self.refer("object", b["object"])
        self.refer("writer", b["writer"], zero=True)

    def check_exposure_end(self, b, _):
        self.refer("exposure", b["exposure"])

    def check_gap(self, b, tail):
        within(b["kind"], 1, 11, "kind")
        within(b["channel"], 0, CHANNELS - 1, "channel")
        self.refer("object", b["object"], zero=True)
        strings(tail[:b["reason_len"]], 1)
        return b["reason_len"]

    def check_compare(self, b, _):
        within(b["flags"], 0, 3, "flags")
        self.refer("object", b["object"])

    def check_loss(self, b, _):
        within(b["kind"], 1, 6, "kind")
        within(b["channel"], 0, CHANNELS - 1, "channel")
        field_text(b["hook"])

    def check_note(self, b, tail):
        within(b["kind"], 1, 4, "kind")
        strings(tail[:b["text_len"]], 1)
        return b["text_len"]

    def check_output(self, b, _):
        return b["len"]

    def check_insn(self, b, _):
        within(b["kind"], 1, 3, "kind")
        within(b["length"], 2, 15, "length")

    def check_words(self, b, _):
        return 16 * b["nwords"]

    def check_memhash(self, b, tail):
        within(b["flags"], 0, 3, "flags")
        length = 16 * b["nruns"] + 4 * b["npages"]
        need(len(tail) == align(length), "length of the runs and hashes")
        found = [LAYOUTS["hash run"].unpack(tail, 16 * i) for i in range(b["nruns"])]
        for run in found:
            need(run["npages"] > 0, "empty run")
            address_range(run["addr"], run["npages"] * 4096)
        need(sum(r["npages"] for r in found) == b["npages"], "sum of runs")
        return length
