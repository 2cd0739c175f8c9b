// SPDX-License-Identifier: MIT
/*
 * stacks.c: from the bytes of a stack to the names on it.
 *
 * A change refers to the stack of who made it by a number that is given when the first event from that site comes. The bytes
 * come from the kernel about then; to name them takes some milliseconds (libdwfl reads the files), and is left to quiet
 * moments and to the end. So an EV_STACK may come long after the change that refers to it, or never.
 *
 * Code is what the kernel told of, or what /proc shows of a process that still is. A frame elsewhere has no name. Nothing is
 * guessed: unwinding ends where neither tables nor frame pointers lead on.
 */
#include "record/stacks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utlist.h>

#include "record/about.h"
#include "record/emit.h"
#include "record/who.h"
#include "sym/copied.h"
#include "sym/stack.h"
#include "tracee/calllog.h"
#include "tracee/tracee.h"

#define STACKS_MAX	    4096 /* of one recording */
#define INSIDERS_MAX_STACKS 256	 /* of these, insiders' */
#define SHARE		    50	 /* one part in so many of the time goes to naming, at most */

/** A stack in the making. */
struct stack {
	uint32_t id, writer; /* writer 0: an insider's */
	pid_t pid, tid;
	uint64_t start_ns, site; /* an outsider's */
	uint64_t change;	 /* an insider's: number of the EV_CHANGE */
	struct kstack *kept;	 /* malloced, cut to its length; NULL: not told, or written */
	struct about_code *code; /* an insider's, malloced */
	size_t ncode;
	bool written;
	struct stack *next;
};

static struct stack *find(struct recorder *r, pid_t pid, uint64_t start_ns, uint64_t site)
{
	struct stack *s;

	LL_FOREACH (r->stacks, s)
		if (s->site == site && s->pid == pid && s->start_ns == start_ns)
			return s;
	return NULL;
}

static struct stack *new_stack(struct recorder *r)
{
	struct stack *s = r->nstacks < STACKS_MAX ? calloc(1, sizeof(*s)) : NULL;

	if (s) {
		r->nstacks++;
		LL_PREPEND(r->stacks, s);
	}
	return s;
}

static struct stack *get(struct recorder *r, pid_t pid, uint64_t start_ns, uint64_t site)
{
	struct stack *s = find(r, pid, start_ns, site);

	if (s)
		return s;
	s = new_stack(r);
	if (s) {
		s->pid = pid;
		s->start_ns = start_ns;
		s->site = site;
	}
	return s;
}

uint32_t stacks__of_event(struct recorder *r, const struct kevent *ke, uint32_t writer)
{
	struct stack *s;

	if (!ke->site || !writer)
		return 0;
	s = get(r, (pid_t)ke->tgid, ke->start_ns, ke->site);
	if (!s)
		return 0;
	if (!s->id) {
		s->id = ++r->next_stack;
		s->writer = writer;
	}
	return s->id;
}

static struct kstack *copy_of(const struct kstack *k)
{
	const size_t len = offsetof(struct kstack, bytes) + k->len;
	struct kstack *copy = malloc(len);

	return copy ? memcpy(copy, k, len) : NULL;
}

static int take(struct recorder *r, const struct kstack *k)
{
	struct stack *s = get(r, (pid_t)k->who.tgid, k->who.start_ns, k->site);

	if (!s)
		return r->nstacks >= STACKS_MAX ? 0 : -ENOMEM;
	if (s->kept || s->written || k->len > KWHO_STACK)
		return 0;
	s->kept = copy_of(k);
	s->tid = (pid_t)k->tid;
	return s->kept ? 0 : -ENOMEM;
}

int stacks__record(struct recorder *r, const struct kwho *who)
{
	const int err = about__record(r, who);

	return err || who->type != KEV_STACK ? err : take(r, (const struct kstack *)who);
}

/** Code of a process in the making. */
struct listing {
	struct recorder *r;
	struct stack *s;
};

static int list_map(void *ctx, const struct tracee_map *m)
{
	struct listing *l = ctx;
	const uint32_t dev = m->major << 20 | m->minor;
	struct about_code *more, c = { .start = m->start, .end = m->end, .offset = m->offset };

	if (!(m->prot & PROT_EXEC) || m->path[0] != '/' || !m->inode)
		return 0;
	c.file = codefile__find(l->r, dev, m->inode, 0);
	if (!c.file)
		c.file = codefile__keep(l->r, dev, m->inode, 0, tracee__open_map(l->s->pid, m),
					m->path);
	more = c.file ? reallocarray(l->s->code, l->s->ncode + 1, sizeof(*more)) : NULL;
	if (!more)
		return -ENOMEM;
	l->s->code = more;
	l->s->code[l->s->ncode++] = c;
	return 0;
}

/** Reads registers and stack of a stopped thread. */
static struct kstack *read_stack(const struct task *t)
{
	struct kstack *k = calloc(1, sizeof(*k));
	struct regs64 regs;
	ssize_t n;

	if (!k || tracee__get_regs(t->tid, &regs)) {
		free(k);
		return NULL;
	}
	if (calllog__place(regs.rip) && /* the unwinder doesn't know bprec's code */
	    tracee__read(t->tid, regs.rsp, &regs.rip, sizeof(regs.rip)) == sizeof(regs.rip))
		regs.rsp += 8;
	memcpy(k->regs, &regs, sizeof(k->regs));
	n = tracee__read(t->pid, regs.rsp, k->bytes, sizeof(k->bytes));
	k->len = n > 0 ? (uint32_t)n : 0;
	return k;
}

/** Keeps the stack of an insider, which is stopped. */
static void keep_insider(struct recorder *r, struct task *t, uint64_t event)
{
	struct stack *s = r->ninsider_stacks < INSIDERS_MAX_STACKS ? new_stack(r) : NULL;
	struct listing l = { r, s };

	if (!s)
		return;
	r->ninsider_stacks++;
	s->id = ++r->next_stack;
	s->pid = t->pid;
	s->tid = t->tid;
	s->change = event;
	s->kept = read_stack(t);
	tracee__maps(t->pid, list_map, &l);
}

void stacks__insiders(struct recorder *r, uint64_t event, const struct change_insider *in,
		      uint32_t n)
{
	for (uint32_t i = 0; i < n && !r->watch; i++) {
		struct task *t = rtask__find(r, (pid_t)in[i].tid);

		if (!t)
			continue;
		if (t->state == TASK_STOPPED)
			keep_insider(r, t, event);
		else if (!t->stack_for)
			t->stack_for = event;
	}
}

void stacks__stopped(struct recorder *r, struct task *t)
{
	if (!t->stack_for)
		return;
	keep_insider(r, t, t->stack_for);
	t->stack_for = 0;
}

/** An EV_STACK in the making. */
struct naming {
	struct recorder *r;
	const struct about_code *code;
	size_t ncode;
	struct stack_frame frames[STACK_FRAMES_MAX];
	uint32_t n;
	char *strings;
	size_t len;
	FILE *f;
};

static const struct about_code *code_at(const struct naming *m, uint64_t addr)
{
	for (size_t i = 0; i < m->ncode; i++)
		if (addr >= m->code[i].start && addr < m->code[i].end)
			return &m->code[i];
	return NULL;
}

static void put_string(struct naming *m, const char *s)
{
	fprintf(m->f, "%.*s", STACK_STRING_MAX, s);
	fputc('\0', m->f);
}

static void take_frame(void *arg, const struct sym_frame *f)
{
	struct naming *m = arg;
	const struct about_code *c = code_at(m, f->pc - (f->how != SYM_PLACE));

	if (m->n == STACK_FRAMES_MAX)
		return;
	m->frames[m->n++] = (struct stack_frame){ .pc = f->pc, .offset = f->offset, .how = f->how };
	put_string(m, f->function);
	put_string(m, c ? c->file->path : "");
	put_string(m, c ? c->file->build_id : "");
}

/** Mappings as sym/ wants them; malloced. */
static struct sym_code *sym_codes(const struct naming *m)
{
	struct sym_code *v = calloc(m->ncode + 1, sizeof(*v));

	for (size_t i = 0; v && i < m->ncode; i++)
		v[i] = (struct sym_code){ m->code[i].start, m->code[i].end, m->code[i].offset,
					  m->code[i].file->fd, m->code[i].file->path };
	return v;
}

static void name_frames(struct naming *m, const struct kstack *k)
{
	struct sym_code *code = sym_codes(m);
	struct sym_copied kept = {
		.code = code,
		.ncode = m->ncode,
		.stack = k->bytes,
		.stack_len = k->len,
	};
	struct regs64 regs = { 0 };
	struct sym_copy *c;

	memcpy(&regs, k->regs, sizeof(k->regs));
	kept.sp = regs.rsp;
	c = code ? sym_copy__new(&kept) : NULL;
	if (c)
		sym__stack(sym_copy__source(c), &regs, STACK_FRAMES_MAX, take_frame, m);
	sym_copy__free(c);
	free(code);
}

static int write_stack(struct recorder *r, const struct stack *s, struct naming *m)
{
	const size_t frames = m->n * sizeof(m->frames[0]);
	struct ev_stack ev = {
		.stack = s->id,
		.writer = s->writer,
		.pid = (uint32_t)s->pid,
		.tid = (uint32_t)s->tid,
		.change = s->writer ? ~0ull : s->change,
		.nframes = m->n,
		.strings_len = (uint32_t)m->len,
	};
	char *tail = malloc(frames + m->len + 1);
	int err = tail ? who__write(r, s->writer) : -ENOMEM;

	if (!err) {
		memcpy(tail, m->frames, frames);
		memcpy(tail + frames, m->strings, m->len);
		err = emit(r, EV_STACK, NULL, &ev, sizeof(ev), tail, frames + m->len);
	}
	free(tail);
	return err;
}

/** All code of an outsider, that of its parent too where it is the same image; malloced. */
static int outsider_code(struct recorder *r, const struct stack *s, struct about_code **ret,
			 size_t *ret_n)
{
	const struct about *a = about__find(r, s->pid, s->start_ns);

	return a ? about__all_code(r, a, ret, ret_n) : 0;
}

/** Names a stack and writes it down. */
static int finish(struct recorder *r, struct stack *s)
{
	struct naming m = { .r = r, .code = s->code, .ncode = s->ncode };
	struct about_code *code = NULL;
	int err = s->writer ? outsider_code(r, s, &code, &m.ncode) : 0;

	if (code)
		m.code = code;
	m.f = err ? NULL : open_memstream(&m.strings, &m.len);
	if (m.f) {
		name_frames(&m, s->kept);
		fclose(m.f);
		if (m.n)
			err = write_stack(r, s, &m);
	}
	free(m.strings);
	free(code);
	free(s->kept);
	free(s->code);
	s->kept = NULL;
	s->code = NULL;
	s->written = true;
	return err;
}

/** The next one that is complete and was asked for. */
static struct stack *next_ready(struct recorder *r)
{
	struct stack *s;

	LL_FOREACH (r->stacks, s)
		if (s->id && s->kept)
			return s;
	return NULL;
}

int stacks__tick(struct recorder *r, uint64_t now)
{
	struct stack *s;

	if (now < r->next_stack_ns)
		return 0;
	s = next_ready(r);
	if (!s)
		return 0;
	const int err = finish(r, s);
	r->next_stack_ns = now_ns();
	r->next_stack_ns += SHARE * (r->next_stack_ns - now);
	return err;
}

int stacks__finish(struct recorder *r)
{
	struct stack *s;
	int err = 0;

	while (!err && (s = next_ready(r)))
		err = finish(r, s);
	return err;
}

void stacks__free(struct recorder *r)
{
	struct stack *s, *tmp;

	LL_FOREACH_SAFE (r->stacks, s, tmp) {
		free(s->kept);
		free(s->code);
		free(s);
	}
	r->stacks = NULL;
}
