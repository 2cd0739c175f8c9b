/* SPDX-License-Identifier: MIT */
/* print_trace.c DIR...: what read_trace.py prints, by bprec's own reader, and a line `why` before one that begins with
 * `bad`. The fields are those of bprec/format.h, so equal output means that the header and docs/FORMAT.md say the same. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "trace/hash.h"
#include "trace/reader.h"
#include "util/names.h"

/** Where a field lies in the fixed part of an event. */
struct field {
	unsigned int type; /* enum event_type, 0: the end of the list */
	const char *name;
	size_t off, size;
	char how; /* n: a number, b: bytes, w: 64-bit words */
};

#define F(t, s, f, how)                                                                      \
	{                                                                                    \
		EV_##t, #f, offsetof(struct ev_##s, f), sizeof(((struct ev_##s *)0)->f), how \
	}
#define N(t, s, f)		   F(t, s, f, 'n')
#define N2(t, s, a, b)		   N(t, s, a), N(t, s, b)
#define N3(t, s, a, b, c)	   N2(t, s, a, b), N(t, s, c)
#define N4(t, s, a, b, c, d)	   N2(t, s, a, b), N2(t, s, c, d)
#define N6(t, s, a, b, c, d, e, f) N3(t, s, a, b, c), N3(t, s, d, e, f)

static const struct field fields[] = {
	N4(START, start, wall_ns, xcr0, xsave_size, ncpu),
	N6(START, start, uid, gid, argc, envc, observed, strings_len),
	F(START, start, release, 'b'),
	F(START, start, version, 'b'),
	N2(HOOK, hook, state, error),
	F(HOOK, hook, name, 'b'),
	F(HOOK, hook, serves, 'b'),
	N2(PROCESS, process, how, parent_tid),
	N3(PROCESS, process, clone_flags, space, group),
	F(EXEC, exec, regs, 'w'),
	N4(EXEC, exec, space, former_tid, auxv_len, xsave_len),
	N3(EXEC, exec, path_len, reserved, brk),
	N3(EXIT, exit, kind, code, clear_child_tid),
	N2(SYSCALL, syscall, nr, flags),
	F(SYSCALL, syscall, args, 'w'),
	N4(SYSCALL, syscall, ret, entry_ns, nbufs, bufs_len),
	N2(SYSCALL_ENTER, syscall_enter, nr, reserved),
	F(SYSCALL_ENTER, syscall_enter, args, 'w'),
	N3(DATA, data, addr, len, why),
	N6(SIGNAL, signal, signo, place, action, xsave_len, frame_len, reserved),
	F(SIGNAL, signal, siginfo, 'b'),
	F(SIGNAL, signal, regs_before, 'w'),
	F(SIGNAL, signal, regs_after, 'w'),
	N2(REGS, regs, why, xsave_len),
	F(REGS, regs, regs, 'w'),
	N4(OBJECT, object, object, flags, major, minor),
	N6(OBJECT, object, inode, generation, fs_magic, size, path_len, reserved),
	N4(PAGES, pages, object, why, first, npages),
	N4(PAGES, pages, size, read_ns, nruns, reserved),
	N4(MAP, map, addr, len, prot, flags),
	N3(MAP, map, offset, object, kind),
	N2(UNMAP, unmap, addr, len),
	N4(PROTECT, protect, addr, len, prot, reserved),
	N6(REMAP, remap, old_addr, old_len, new_addr, new_len, flags, reserved),
	N4(MEM, mem, addr, npages, nruns, reserved),
	N4(OBJECT_WRITE, object_write, object, channel, offset, length),
	N(OBJECT_WRITE, object_write, pages_event),
	N4(CHANGE, change, object, channel, flags, writer),
	N6(CHANGE, change, offset, length, begin_ns, end_ns, saved_ns, new_size),
	N4(CHANGE, change, pages, pages_changed, pages_event, after_event),
	N3(CHANGE, change, count, ninsiders, stack),
	N4(WRITER, writer, writer, pid, tid, uid),
	N(WRITER, writer, start_ns),
	F(WRITER, writer, comm, 'b'),
	N2(WRITER, writer, strings_len, ns_pid),
	N4(STACK, stack, stack, writer, pid, tid),
	N3(STACK, stack, change, nframes, strings_len),
	N4(EXPOSURE, exposure, exposure, object, kind, writer),
	N3(EXPOSURE, exposure, since_ns, offset, length),
	N3(EXPOSURE_END, exposure_end, exposure, reserved, ns),
	N4(GAP, gap, kind, channel, object, reason_len),
	N6(COMPARE, compare, object, flags, from_ns, to_ns, pages, pages_changed),
	N3(LOSS, loss, kind, channel, count),
	F(LOSS, loss, hook, 'b'),
	N4(NOTE, note, kind, nr, text_len, reserved),
	N2(GROUP, group, from, into),
	N2(OUTPUT, output, fd, len),
	N2(END, end, kind, code),
	N3(INSN, insn, kind, length, addr),
	N4(INSN, insn, rax, rbx, rcx, rdx),
	N2(WORDS, words, nwords, reserved),
	N2(MEMHASH, memhash, xstate_hash, flags),
	N3(MEMHASH, memhash, nruns, npages, reserved),
	N3(LIMIT, limit, resource, reserved, soft),
	{ 0, NULL, 0, 0, 0 },
};

static void print_hex(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", p[i]);
}

static void print_field(const struct field *f, const uint8_t *body)
{
	uint64_t v = 0;

	printf(" %s=", f->name);
	if (f->how == 'b') {
		print_hex(body + f->off, f->size);
		return;
	}
	for (size_t at = 0; at < f->size; at += sizeof(v)) {
		memcpy(&v, body + f->off + at, f->size < sizeof(v) ? f->size : sizeof(v));
		printf("%s%" PRIx64, at ? "," : "", v);
	}
}

static void print_event(uint64_t no, const struct event_header *ev)
{
	const uint8_t *body = (const uint8_t *)(ev + 1);
	size_t end = 0;

	printf("event %" PRIu64 " %s tid=%u pid=%u time=%" PRIu64 " reg=%" PRIx64, no,
	       event_name(ev->type), ev->tid, ev->pid, ev->time_ns, ev->reg_hash);
	for (const struct field *f = fields; f->type; f++) {
		if (f->type != ev->type)
			continue;
		if (f->off != end)
			printf(" HOLE");
		print_field(f, body);
		end = f->off + f->size;
	}
	printf(" tail=%zu:%016" PRIx64 "\n", event_tail_len(ev, end),
	       hash64(event_tail(ev, end), event_tail_len(ev, end)));
}

static int print_all(struct reader *r)
{
	const struct event_header *ev;
	uint8_t hash[16], page[BPREC_PAGE_SIZE];
	uint64_t no;
	int err;

	while ((err = reader__next(r, &ev, &no)) > 0)
		print_event(no, ev);
	for (uint64_t id = 1; err == 0 && id <= reader__pages(r); id++) {
		err = reader__page(r, id, page);
		if (err == 0)
			err = reader__page_hash(r, id, hash);
		if (err < 0)
			break;
		printf("page %" PRIu64 " ", id);
		print_hex(hash, sizeof(hash));
		printf("\n");
	}
	return err;
}

static void report(const struct reader *r, int err)
{
	static const char *const names[] = { "NOT_A_TRACE", "VERSION", "DAMAGED",  "FOREIGN",
					     "MANIFEST",    "EVENT",   "REFERENCE" };

	if (err == 0) {
		printf("ok %s torn=%" PRIu64 "\n", reader__complete(r) ? "complete" : "incomplete",
		       reader__torn_bytes(r));
		return;
	}
	printf("why %s\n", reader__error(r));
	if (err <= -TRACE_E_NOT_A_TRACE && err >= -TRACE_E_REFERENCE)
		printf("bad %s\n", names[-err - TRACE_E_NOT_A_TRACE]);
	else
		printf("bad errno %d\n", -err);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct reader *r = NULL;
		int err;

		err = reader__open(&r, argv[i]);
		if (err == 0)
			err = print_all(r);
		if (err == 0)
			err = reader__verify_pages(r);
		report(r, err);
		reader__free(r);
	}
	return 0;
}
