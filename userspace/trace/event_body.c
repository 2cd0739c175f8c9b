/* SPDX-License-Identifier: MIT */
/*
 * event_body.c: the rules for the body of each type of event, one function per type, found by a table.
 *
 * Invariants: a function is called only if the event has room for the fixed part of its type. Lengths are added up in 64
 * bits from 32-bit fields, so that no sum or product overflows, and are compared with the room there is before a byte of
 * the variable part is looked at. An id is introduced only when everything else about the event is right.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "trace/error.h"
#include "trace/event_check.h"
#include "trace/hash.h"
#include "util/err.h"

/* One event: its fixed part, its variable part and what came before. */
struct part {
	struct event_check *c;
	const void *body;
	const char *tail;
	uint64_t tail_len;
};

#define EVENT_MUST(cond, what)                                       \
	do {                                                         \
		if (!(cond))                                         \
			return err__set(-TRACE_E_EVENT, "%s", what); \
	} while (0)

static int in_range(const char *what, uint64_t v, uint64_t min, uint64_t max)
{
	if (v >= min && v <= max)
		return 0;
	return err__set(-TRACE_E_EVENT, "%s is %" PRIu64 ", expected %" PRIu64 " to %" PRIu64, what,
			v, min, max);
}

static int zero(uint64_t v)
{
	return v ? err__set(-TRACE_E_EVENT, "a reserved field is %" PRIu64 ", expected 0", v) : 0;
}

/* The variable part must be `len` bytes, rounded up to 8. */
static int tail_is(const struct part *p, uint64_t len)
{
	if (p->tail_len == align8(len))
		return 0;
	return err__set(-TRACE_E_EVENT, "variable part has %" PRIu64 " bytes, expected %" PRIu64,
			p->tail_len, align8(len));
}

/* len bytes that hold n strings, each with its NUL, and nothing else. */
static int strings_are(const char *s, uint64_t len, uint64_t n)
{
	uint64_t nul = 0;

	for (uint64_t i = 0; i < len; i++)
		nul += s[i] == '\0';
	if (nul == n && n > 0 && s[len - 1] == '\0')
		return 0;
	return err__set(-TRACE_E_EVENT,
			"%" PRIu64 " bytes of text with %" PRIu64 " NULs, expected %" PRIu64
			" strings that end with NUL",
			len, nul, n);
}

/* A text in a field of fixed length. */
static int field_is_text(const char *s, size_t size)
{
	return memchr(s, '\0', size) ? 0 : err__set(-TRACE_E_EVENT, "a name does not end with NUL");
}

static int known(const void *set, const char *what, uint32_t id)
{
	if (event_check__knows(set, id))
		return 0;
	return err__set(-TRACE_E_REFERENCE,
			"it refers to %s %u, which no event before it introduced", what, id);
}

static int known_or_0(const void *set, const char *what, uint32_t id)
{
	return id ? known(set, what, id) : 0;
}

/* A range of whole pages of an address space. */
static int page_range(uint64_t addr, uint64_t len)
{
	EVENT_MUST(addr % BPREC_PAGE_SIZE == 0 && len % BPREC_PAGE_SIZE == 0,
		   "address or length is not a multiple of the page size");
	EVENT_MUST(len <= UINT64_MAX - addr, "address and length overflow");
	return 0;
}

static int check_run(const struct part *p, const struct page_run *r)
{
	const bool special = r->first == BPREC_PAGE_ABSENT || r->first == BPREC_PAGE_LOST;
	int err;

	EVENT_MUST(r->count > 0, "a run of no pages");
	err = in_range("step of a run", r->step, 0, 1);
	if (err < 0 || special) {
		EVENT_MUST(err < 0 || r->step == 0 || r->count == 1,
			   "a run counts on from a page without contents");
		return err;
	}
	if (r->first <= p->c->pages && r->step * (uint64_t)(r->count - 1) <= p->c->pages - r->first)
		return 0;
	return err__set(-TRACE_E_REFERENCE,
			"a run of %u pages from id %" PRIu64 " step %u, but the trace has %" PRIu64
			" pages",
			r->count, r->first, r->step, p->c->pages);
}

static int check_runs(const struct part *p, uint32_t nruns, uint64_t npages)
{
	const struct page_run *r = (const struct page_run *)p->tail;
	uint64_t sum = 0;
	int err;

	err = tail_is(p, (uint64_t)nruns * sizeof(*r));
	for (uint32_t i = 0; err == 0 && i < nruns; i++) {
		err = check_run(p, &r[i]);
		sum += r[i].count;
	}
	if (err == 0 && sum != npages)
		err = err__set(-TRACE_E_EVENT, "runs hold %" PRIu64 " pages, expected %" PRIu64,
			       sum, npages);
	return err;
}

static int check_start(struct part *p)
{
	const struct ev_start *b = p->body;
	int err;

	err = in_range("observed", b->observed, OBSERVED_NOT, OBSERVED_ONLY);
	if (err == 0)
		err = field_is_text(b->release, sizeof(b->release));
	if (err == 0)
		err = field_is_text(b->version, sizeof(b->version));
	if (err == 0)
		err = tail_is(p, b->strings_len);
	if (err == 0)
		err = strings_are(p->tail, b->strings_len, (uint64_t)b->argc + b->envc + 1);
	return err;
}

static int check_hook(struct part *p)
{
	const struct ev_hook *b = p->body;
	int err;

	err = in_range("state of the hook", b->state, HOOK_OFF, HOOK_ABSENT);
	if (err == 0)
		err = in_range("error", (uint32_t)b->error, 0, INT32_MAX);
	if (err == 0)
		err = field_is_text(b->name, sizeof(b->name));
	if (err == 0)
		err = field_is_text(b->serves, sizeof(b->serves));
	return err;
}

static int check_process(struct part *p)
{
	const struct ev_process *b = p->body;

	EVENT_MUST(b->space != 0, "address space 0");
	EVENT_MUST(b->how != PROC_ROOT || (b->parent_tid == 0 && b->clone_flags == 0),
		   "the root process has a parent or clone flags");
	return in_range("how", b->how, PROC_ROOT, PROC_THREAD);
}

static int check_exec(struct part *p)
{
	const struct ev_exec *b = p->body;
	const uint64_t before = (uint64_t)b->auxv_len + b->xsave_len;
	int err;

	EVENT_MUST(b->space != 0, "address space 0");
	err = zero(b->reserved);
	if (err == 0)
		err = tail_is(p, before + b->path_len);
	if (err == 0)
		err = strings_are(p->tail + before, b->path_len, 1);
	return err;
}

static int check_exit(struct part *p)
{
	const struct ev_exit *b = p->body;

	return in_range("kind of the end", b->kind, END_EXITED, END_FAILED);
}

/* The references to buffers must fill bufs_len to the byte. */
static int check_bufs(const struct part *p, uint32_t nbufs, uint32_t bufs_len)
{
	const struct buf_ref *ref = (const struct buf_ref *)p->tail;
	uint64_t sum = (uint64_t)nbufs * sizeof(*ref);

	EVENT_MUST(sum <= bufs_len, "more buffers than bytes for them");
	for (uint32_t i = 0; i < nbufs; i++) {
		EVENT_MUST(ref[i].arg <= 6, "a buffer of an argument beyond 6");
		sum += align8(ref[i].len);
	}
	if (sum == bufs_len)
		return 0;
	return err__set(-TRACE_E_EVENT, "buffers take %" PRIu64 " bytes, expected %u", sum,
			bufs_len);
}

static int check_syscall(struct part *p)
{
	const struct ev_syscall *b = p->body;
	int err;

	err = in_range("flags", b->flags, 0, SYSCALL_LOGGED * 2 - 1);
	if (err < 0)
		return err;
	EVENT_MUST(b->bufs_len % 8 == 0, "length of the buffers is not a multiple of 8");
	err = tail_is(p, b->bufs_len);
	return err < 0 ? err : check_bufs(p, b->nbufs, b->bufs_len);
}

static int check_syscall_enter(struct part *p)
{
	const struct ev_syscall_enter *b = p->body;

	return zero(b->reserved);
}

static int check_data(struct part *p)
{
	const struct ev_data *b = p->body;
	int err;

	err = in_range("why", b->why, DATA_SYSCALL, DATA_PATCH);
	if (err == 0)
		err = in_range("length", b->len, 0, BPREC_DATA_MAX);
	return err < 0 ? err : tail_is(p, b->len);
}

static int check_signal(struct part *p)
{
	const struct ev_signal *b = p->body;
	int err;

	err = in_range("signal", b->signo, 1, 64);
	if (err == 0)
		err = in_range("place", b->place, SIGNAL_AT_SYSCALL, SIGNAL_PREEMPT);
	if (err == 0)
		err = in_range("action", b->action, SIGNAL_HANDLER, SIGNAL_DEFAULT);
	if (err == 0)
		err = zero(b->reserved);
	if (err < 0)
		return err;
	EVENT_MUST(b->action == SIGNAL_HANDLER || (b->xsave_len == 0 && b->frame_len == 0),
		   "a signal frame without a handler");
	return tail_is(p, align8(b->xsave_len) + b->frame_len);
}

static int check_regs(struct part *p)
{
	const struct ev_regs *b = p->body;
	int err;

	err = in_range("why", b->why, REGS_SIGRETURN, REGS_PREEMPT);
	return err < 0 ? err : tail_is(p, b->xsave_len);
}

static int check_object(struct part *p)
{
	const struct ev_object *b = p->body;
	int err;

	EVENT_MUST(b->object != 0, "object 0");
	err = in_range("flags", b->flags, 0, OBJECT_ANON_SHM * 2 - 1);
	if (err == 0)
		err = zero(b->reserved);
	if (err == 0)
		err = tail_is(p, b->path_len);
	if (err == 0)
		err = strings_are(p->tail, b->path_len, 1);
	return err < 0 ? err : event_check__learn(&p->c->objects, b->object);
}

static int check_pages(struct part *p)
{
	const struct ev_pages *b = p->body;
	const uint64_t limit = UINT64_MAX / BPREC_PAGE_SIZE;
	int err;

	err = known(p->c->objects, "object", b->object);
	if (err == 0)
		err = in_range("why", b->why, PAGES_MAPPED, PAGES_INSIDER);
	if (err == 0)
		err = zero(b->reserved);
	if (err < 0)
		return err;
	EVENT_MUST(b->first <= limit && b->npages <= limit - b->first, "page numbers overflow");
	return check_runs(p, b->nruns, b->npages);
}

static int check_map(struct part *p)
{
	const struct ev_map *b = p->body;
	int err;

	err = page_range(b->addr, b->len);
	if (err == 0)
		err = page_range(b->offset, b->len);
	if (err == 0)
		err = in_range("kind", b->kind, MAP_KIND_OBJECT, MAP_KIND_BPREC);
	if (err < 0)
		return err;
	EVENT_MUST(b->len > 0, "a mapping of no bytes");
	EVENT_MUST(b->kind != MAP_KIND_OBJECT || b->object != 0, "a mapping of object 0");
	return known_or_0(p->c->objects, "object", b->object);
}

static int check_unmap(struct part *p)
{
	const struct ev_unmap *b = p->body;

	return page_range(b->addr, b->len);
}

static int check_protect(struct part *p)
{
	const struct ev_protect *b = p->body;
	const int err = zero(b->reserved);

	return err < 0 ? err : page_range(b->addr, b->len);
}

static int check_remap(struct part *p)
{
	const struct ev_remap *b = p->body;
	int err;

	err = zero(b->reserved);
	if (err == 0)
		err = page_range(b->old_addr, b->old_len);
	return err < 0 ? err : page_range(b->new_addr, b->new_len);
}

static int check_mem(struct part *p)
{
	const struct ev_mem *b = p->body;
	int err;

	err = zero(b->reserved);
	if (err < 0)
		return err;
	EVENT_MUST(b->npages <= UINT64_MAX / BPREC_PAGE_SIZE, "number of pages overflows");
	err = page_range(b->addr, b->npages * BPREC_PAGE_SIZE);
	return err < 0 ? err : check_runs(p, b->nruns, b->npages);
}

static int check_object_write(struct part *p)
{
	const struct ev_object_write *b = p->body;
	int err;

	err = in_range("channel", b->channel, 0, CH_MAX - 1);
	return err < 0 ? err : known(p->c->objects, "object", b->object);
}

static int check_insiders(const struct part *p, uint32_t n)
{
	const struct change_insider *in = (const struct change_insider *)p->tail;
	int err;

	err = tail_is(p, (uint64_t)n * sizeof(*in));
	for (uint32_t i = 0; err == 0 && i < n; i++) {
		err = in_range("state of a thread", in[i].state, INSIDER_STOPPED, INSIDER_RUNNING);
		if (err == 0)
			err = in_range("flags of a thread", in[i].flags, 0, 1);
	}
	return err;
}

static int check_change(struct part *p)
{
	const struct ev_change *b = p->body;
	int err;

	err = in_range("channel", b->channel, 0, CH_MAX - 1);
	if (err == 0)
		err = in_range("flags", b->flags, 0, CHANGE_DOUBTFUL * 2 - 1);
	if (err == 0)
		err = known_or_0(p->c->writers, "writer", b->writer);
	if (err < 0)
		return err;
	if (b->flags & CHANGE_REMOTE) {
		EVENT_MUST(b->object == 0, "a change of a tracee's memory names an object");
		EVENT_MUST(b->ninsiders > 0, "a change of a tracee's memory names no tracee");
	} else {
		err = known(p->c->objects, "object", b->object);
	}
	return err < 0 ? err : check_insiders(p, b->ninsiders);
}

static int check_writer(struct part *p)
{
	const struct ev_writer *b = p->body;
	int err;

	EVENT_MUST(b->writer != 0, "writer 0");
	err = field_is_text(b->comm, sizeof(b->comm));
	if (err == 0)
		err = tail_is(p, b->strings_len);
	/* up to version 2 without the build id */
	if (err == 0 && strings_are(p->tail, b->strings_len, 3))
		err = strings_are(p->tail, b->strings_len, 4);
	return err < 0 ? err : event_check__learn(&p->c->writers, b->writer);
}

static int check_stack(struct part *p)
{
	const struct ev_stack *b = p->body;
	const struct stack_frame *f = (const struct stack_frame *)p->tail;
	const uint64_t frames = (uint64_t)b->nframes * sizeof(*f);
	int err;

	EVENT_MUST(b->stack != 0, "stack 0");
	EVENT_MUST(!event_check__knows(p->c->stacks, b->stack), "its number is not new");
	err = in_range("number of frames", b->nframes, 1, STACK_FRAMES_MAX);
	if (err == 0)
		err = known_or_0(p->c->writers, "writer", b->writer);
	if (err == 0)
		err = tail_is(p, frames + b->strings_len);
	if (err == 0)
		err = strings_are(p->tail + frames, b->strings_len, 3 * (uint64_t)b->nframes);
	for (uint32_t i = 0; err == 0 && i < b->nframes; i++) {
		err = in_range("how a frame was found", f[i].how, STACK_PLACE, STACK_POINTER);
		if (err == 0)
			err = zero(f[i].reserved);
	}
	return err < 0 ? err : event_check__learn(&p->c->stacks, b->stack);
}

static int check_exposure(struct part *p)
{
	const struct ev_exposure *b = p->body;
	int err;

	EVENT_MUST(b->exposure != 0, "exposure 0");
	err = in_range("kind", b->kind, 1, EXPOSURE_MAX - 1);
	if (err == 0)
		err = known(p->c->objects, "object", b->object);
	if (err == 0)
		err = known_or_0(p->c->writers, "writer", b->writer);
	return err < 0 ? err : event_check__learn(&p->c->exposures, b->exposure);
}

static int check_exposure_end(struct part *p)
{
	const struct ev_exposure_end *b = p->body;
	const int err = zero(b->reserved);

	return err < 0 ? err : known(p->c->exposures, "exposure", b->exposure);
}

static int check_gap(struct part *p)
{
	const struct ev_gap *b = p->body;
	int err;

	err = in_range("kind", b->kind, 1, GAP_MAX - 1);
	if (err == 0)
		err = in_range("channel", b->channel, 0, CH_MAX - 1);
	if (err == 0)
		err = known_or_0(p->c->objects, "object", b->object);
	if (err == 0)
		err = tail_is(p, b->reason_len);
	return err < 0 ? err : strings_are(p->tail, b->reason_len, 1);
}

static int check_compare(struct part *p)
{
	const struct ev_compare *b = p->body;
	const int err = in_range("flags", b->flags, 0, COMPARE_LIKELY | COMPARE_PARTIAL);

	return err < 0 ? err : known(p->c->objects, "object", b->object);
}

static int check_loss(struct part *p)
{
	const struct ev_loss *b = p->body;
	int err;

	err = in_range("kind", b->kind, 1, LOSS_MAX - 1);
	if (err == 0)
		err = in_range("channel", b->channel, 0, CH_MAX - 1);
	return err < 0 ? err : field_is_text(b->hook, sizeof(b->hook));
}

static int check_note(struct part *p)
{
	const struct ev_note *b = p->body;
	int err;

	err = in_range("kind", b->kind, NOTE_UNKNOWN_SYSCALL, NOTE_TEXT);
	if (err == 0)
		err = zero(b->reserved);
	if (err == 0)
		err = tail_is(p, b->text_len);
	return err < 0 ? err : strings_are(p->tail, b->text_len, 1);
}

static int check_output(struct part *p)
{
	const struct ev_output *b = p->body;

	return tail_is(p, b->len);
}

static int check_insn(struct part *p)
{
	const struct ev_insn *b = p->body;
	int err = in_range("kind", b->kind, INSN_CPUID, INSN_RDTSCP);

	return err < 0 ? err : in_range("length", b->length, 2, 15);
}

static int check_words(struct part *p)
{
	const struct ev_words *b = p->body;
	int err = zero(b->reserved);

	return err < 0 ? err : tail_is(p, (uint64_t)b->nwords * sizeof(struct mem_word));
}

static int check_memhash(struct part *p)
{
	const struct ev_memhash *b = p->body;
	const struct memhash_run *r = (const struct memhash_run *)p->tail;
	uint64_t sum = 0;
	int err = zero(b->reserved);

	if (err == 0)
		err = in_range("flags", b->flags, 0, MEMHASH_PARTIAL | MEMHASH_POINT);
	if (err == 0)
		err = tail_is(p, (uint64_t)b->nruns * sizeof(*r) + (uint64_t)b->npages * 4);
	for (uint32_t i = 0; err == 0 && i < b->nruns; i++) {
		err = in_range("pages of a run", r[i].npages, 1, b->npages);
		if (err == 0)
			err = page_range(r[i].addr, r[i].npages * BPREC_PAGE_SIZE);
		sum += r[i].npages;
	}
	EVENT_MUST(err < 0 || sum == b->npages, "runs don't add up to the number of pages");
	return err;
}

static int check_limit(struct part *p)
{
	const struct ev_limit *b = p->body;

	return zero(b->reserved);
}

static int check_end(struct part *p)
{
	const struct ev_end *b = p->body;

	return in_range("kind of the end", b->kind, END_EXITED, END_LEFT);
}

/* Types without a variable part have `fixed` set, and the event must be exactly that long. */
static const struct rule {
	size_t size;		      /* bytes of the fixed part */
	int (*check)(struct part *p); /* NULL: any contents will do */
	bool fixed;		      /* no variable part */
} rules[EV_MAX] = {
	[EV_START] = { sizeof(struct ev_start), check_start, false },
	[EV_HOOK] = { sizeof(struct ev_hook), check_hook, true },
	[EV_PROCESS] = { sizeof(struct ev_process), check_process, true },
	[EV_EXEC] = { sizeof(struct ev_exec), check_exec, false },
	[EV_EXIT] = { sizeof(struct ev_exit), check_exit, true },
	[EV_SYSCALL] = { sizeof(struct ev_syscall), check_syscall, false },
	[EV_SYSCALL_ENTER] = { sizeof(struct ev_syscall_enter), check_syscall_enter, true },
	[EV_DATA] = { sizeof(struct ev_data), check_data, false },
	[EV_SIGNAL] = { sizeof(struct ev_signal), check_signal, false },
	[EV_REGS] = { sizeof(struct ev_regs), check_regs, false },
	[EV_OBJECT] = { sizeof(struct ev_object), check_object, false },
	[EV_PAGES] = { sizeof(struct ev_pages), check_pages, false },
	[EV_MAP] = { sizeof(struct ev_map), check_map, true },
	[EV_UNMAP] = { sizeof(struct ev_unmap), check_unmap, true },
	[EV_PROTECT] = { sizeof(struct ev_protect), check_protect, true },
	[EV_REMAP] = { sizeof(struct ev_remap), check_remap, true },
	[EV_MEM] = { sizeof(struct ev_mem), check_mem, false },
	[EV_OBJECT_WRITE] = { sizeof(struct ev_object_write), check_object_write, true },
	[EV_CHANGE] = { sizeof(struct ev_change), check_change, false },
	[EV_WRITER] = { sizeof(struct ev_writer), check_writer, false },
	[EV_STACK] = { sizeof(struct ev_stack), check_stack, false },
	[EV_EXPOSURE] = { sizeof(struct ev_exposure), check_exposure, true },
	[EV_EXPOSURE_END] = { sizeof(struct ev_exposure_end), check_exposure_end, true },
	[EV_GAP] = { sizeof(struct ev_gap), check_gap, false },
	[EV_COMPARE] = { sizeof(struct ev_compare), check_compare, true },
	[EV_LOSS] = { sizeof(struct ev_loss), check_loss, true },
	[EV_NOTE] = { sizeof(struct ev_note), check_note, false },
	[EV_GROUP] = { sizeof(struct ev_group), NULL, true },
	[EV_OUTPUT] = { sizeof(struct ev_output), check_output, false },
	[EV_END] = { sizeof(struct ev_end), check_end, true },
	[EV_INSN] = { sizeof(struct ev_insn), check_insn, true },
	[EV_WORDS] = { sizeof(struct ev_words), check_words, false },
	[EV_MEMHASH] = { sizeof(struct ev_memhash), check_memhash, false },
	[EV_LIMIT] = { sizeof(struct ev_limit), check_limit, true },
};

int event_body__check(struct event_check *c, const struct event_header *ev)
{
	const struct rule *rule = &rules[ev->type];
	const size_t room = ev->size - sizeof(*ev);
	struct part p;

	if (room < rule->size || (rule->fixed && room != rule->size))
		return err__set(-TRACE_E_EVENT, "body has %zu bytes, expected %s%zu", room,
				rule->fixed ? "" : "at least ", rule->size);
	p.c = c;
	p.body = ev + 1;
	p.tail = (const char *)(ev + 1) + rule->size;
	p.tail_len = room - rule->size;
	return rule->check ? rule->check(&p) : 0;
}
