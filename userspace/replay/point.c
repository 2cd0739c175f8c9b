/* SPDX-License-Identifier: MIT */
/*
 * point.c: preemption points found again.
 *
 * In the recording the thread was stopped between two calls. Its state there is in the trace: all registers, the extended
 * state, some words of memory. Where all of it is equal the continuation is equal, and the first such place is the right
 * one. A breakpoint at the recorded rip stops the thread each time it comes by; it goes on until the state is the one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "model/regs.h"
#include "replay/state.h"
#include "tracee/tracee.h"
#include "util/err.h"

#define SYSEMU		  31 /* PTRACE_SYSEMU, asm/ptrace-abi.h */
#define SYSEMU_SINGLESTEP 32

#define INT3 0xcc

/** A point that is looked for. */
struct point {
	const struct regs64 *regs;
	const void *xstate;
	size_t xlen;
	const struct mem_word *words;
	uint32_t nwords;
	const struct ev_memhash *memhash; /* NULL: none */
	uint8_t byte;			  /* what was at its rip */
};

static bool words_equal(struct rtask *t, const struct point *p)
{
	for (uint32_t i = 0; i < p->nwords; i++) {
		uint64_t v;

		if (mem__read(t, p->words[i].addr, &v, sizeof(v)) != sizeof(v) ||
		    v != p->words[i].value)
			return false;
	}
	return true;
}

static bool xstate_equal(struct rtask *t, const struct point *p)
{
	uint8_t x[16384];
	size_t len = sizeof(x);

	if (!p->xlen)
		return true;
	if (tracee__get_xstate(t->real, x, &len))
		return false;
	return xstate__hash(x, len) == xstate__hash(p->xstate, p->xlen);
}

static bool memory_equal(struct replay *rp, struct rtask *t, const struct point *p)
{
	struct memhash_difference d;

	return !p->memhash || !memhash__find_difference(rp, t, p->memhash, &d);
}

static bool is_there(struct replay *rp, struct rtask *t, const struct point *p)
{
	uint64_t a, b;

	return !regs64__diff(&t->regs, p->regs, &a, &b) && words_equal(t, p) &&
	       xstate_equal(t, p) && memory_equal(rp, t, p);
}

/** Lets it run to its next stop by `how`. */
static int go(struct replay *rp, struct rtask *t, int how)
{
	int status, err;

	do {
		err = run__set_regs(rp, t);
		if (err)
			return err;
		if (ptrace(how, t->real, 0, 0))
			return replay__fail(rp, -errno, "continuing: %s", strerror(errno));
		place__resumed(rp, t);
		err = place__wait(rp, t, &status);
		if (err)
			return err;
		err = run__judge(rp, t, status);
	} while (err == 1);
	return err;
}

static int not_met(struct replay *rp, struct rtask *t, const struct point *p)
{
	char where[160];

	return replay__differs(rp, "the preemption point at %#llx was not met before %s",
			       (unsigned long long)p->regs->rip,
			       run__where(t, where, sizeof(where)));
}

/** Over the instruction at the point, whose own byte is back. */
static int step_over(struct replay *rp, struct rtask *t, const struct point *p)
{
	int err = go(rp, t, SYSEMU_SINGLESTEP);

	if (err)
		return err;
	if (t->state != RTASK_TRAP || t->info.si_code != TRAP_TRACE)
		return not_met(rp, t, p);
	t->state = RTASK_READY;
	return 0;
}

/** One time to the breakpoint. */
static int next_arrival(struct replay *rp, struct rtask *t, const struct point *p)
{
	const uint8_t trap = INT3;
	int err = mem__write(rp, t, p->regs->rip, &trap, 1), put;

	if (err)
		return err;
	err = go(rp, t, SYSEMU);
	put = mem__write(rp, t, p->regs->rip, &p->byte, 1);
	if (err || put)
		return err ? err : put;
	if (t->state != RTASK_TRAP || t->regs.rip != p->regs->rip + 1)
		return not_met(rp, t, p);
	t->regs.rip--;
	t->dirty = true;
	t->state = RTASK_READY;
	return 0;
}

static int find(struct replay *rp, struct rtask *t, struct point *p)
{
	int err = 0;

	if (t->state != RTASK_READY)
		return not_met(rp, t, p);
	run__restart(t);
	if (mem__read(t, p->regs->rip, &p->byte, 1) != 1)
		return replay__differs(rp, "there is no code at the preemption point %#llx",
				       (unsigned long long)p->regs->rip);
	while (!err && !is_there(rp, t, p)) {
		if (t->regs.rip == p->regs->rip)
			err = step_over(rp, t, p);
		if (!err && t->regs.rip != p->regs->rip)
			err = next_arrival(rp, t, p);
	}
	if (err)
		return err;
	rp->st.preemptions++;
	rp->st.checks++;
	return 0;
}

int point__regs(struct replay *rp, struct rtask *t, const struct ev_regs *r)
{
	const struct ev_words *w = t->words ? (const void *)(t->words + 1) : NULL;
	struct point p = {
		.regs = &r->regs,
		.xstate = r + 1,
		.xlen = r->xsave_len,
		.words = w ? (const void *)(w + 1) : NULL,
		.nwords = w ? w->nwords : 0,
		.memhash = t->memhash ? (const void *)(t->memhash + 1) : NULL,
	};
	const int err = find(rp, t, &p);

	free(t->words);
	free(t->memhash);
	t->words = t->memhash = NULL;
	return err;
}

int point__signal(struct replay *rp, struct rtask *t, const struct ev_signal *s)
{
	struct point p = { .regs = &s->regs_before };

	return find(rp, t, &p);
}
