/* SPDX-License-Identifier: MIT */
/*
 * point.c: preemption points found again.
 *
 * In the recording the thread was stopped between two calls. Its state there is in the trace: all registers, the extended
 * state, some words of memory. Where all of it is equal the continuation is equal, and the first such place is the right
 * one. A breakpoint at the recorded rip stops the thread the first few times it comes by. After that, code in the process
 * itself compares (match.h) and stops it only where registers and words are equal; where that can't be put in, it goes on
 * by breakpoint. The full comparison is made here, always.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <time.h>

#include "model/regs.h"
#include "replay/hunt.h"
#include "tracee/tracee.h"
#include "util/err.h"

#define ARRIVALS 3 /* by breakpoint, before a comparer is worth its calls */

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

/** Reads the extended state into `now`. */
static void read_xstate(struct rtask *t, struct point *p)
{
	p->now_len = sizeof(p->now);
	if (!p->xhash || tracee__get_xstate(t->real, p->now, &p->now_len))
		p->now_len = 0;
}

static bool memory_equal(struct replay *rp, struct rtask *t, const struct point *p)
{
	struct memhash_difference d;

	return !p->memhash || !memhash__find_difference(rp, t, p->memhash, &d);
}

/** All but the hashed memory. */
static bool looks_right(struct rtask *t, struct point *p)
{
	uint64_t a, b;

	p->now_len = 0;
	if (regs64__diff(&t->regs, p->regs, &a, &b) || !words_equal(t, p))
		return false;
	if (!p->xhash)
		return true;
	read_xstate(t, p);
	return p->now_len && xstate__hash(p->now, p->now_len) == p->xhash;
}

static bool is_there(struct replay *rp, struct rtask *t, struct point *p)
{
	return looks_right(t, p) && memory_equal(rp, t, p);
}

/** By breakpoint, at most `arrivals` times. 1: it is there, 0: not yet. */
static int by_breakpoint(struct replay *rp, struct rtask *t, struct point *p, uint64_t arrivals)
{
	int err = 0;

	for (uint64_t i = 0; i < arrivals && !err; i++) {
		if (is_there(rp, t, p))
			return 1;
		if (t->regs.rip == p->regs->rip) {
			if (p->terms.n) {
				read_xstate(t, p);
				terms__look(&p->terms, t, p->now, p->now_len);
			}
			err = hunt__step(rp, t, p);
		}
		if (!err && t->regs.rip != p->regs->rip)
			err = hunt__arrive(rp, t, p);
	}
	return err;
}

/** The thread stands at the trap of an equal state. 1: it is the one; 0: it goes on. */
static int at_hit(struct replay *rp, struct rtask *t, struct point *p)
{
	int err = match__disarm(p->m); /* words and hashed pages may hold code */

	t->state = RTASK_READY;
	if (err || is_there(rp, t, p))
		return err ? err : 1;
	if (!p->now_len)
		read_xstate(t, p);
	err = terms__look(&p->terms, t, p->now, p->now_len) ? hunt__make(p) : 0;
	return err ? err : match__enter(p->m);
}

/** The thread stands where the comparer's jump can't be left in place. 1: at the point. */
static int at_edge(struct replay *rp, struct rtask *t, struct point *p)
{
	int err = match__disarm(p->m);

	t->state = RTASK_READY;
	do {
		err = err ? err : hunt__step(rp, t, p);
	} while (!err && match__in_jump(p->m));
	if (err)
		return err;
	if (t->regs.rip != p->regs->rip)
		return match__arm(p->m);
	return is_there(rp, t, p) ? 1 : match__enter(p->m);
}

/** By a comparer; the thread is at the point, in a state that is not the one. 1: it is there. */
static int by_match(struct replay *rp, struct rtask *t, struct point *p)
{
	int err = hunt__make(p);

	if (!err)
		err = match__enter(p->m);
	while (!err) {
		err = hunt__go(rp, t, p, SYSEMU);
		if (err)
			return err;
		switch (match__judge(p->m)) {
		case MATCH_HIT:
			err = at_hit(rp, t, p);
			break;
		case MATCH_AWAY:
			err = at_edge(rp, t, p);
			break;
		default:
			err = hunt__not_met(rp, t, p);
		}
		if (!err)
			err = hunt__too_long(rp, t, p);
	}
	return err;
}

/** What is beyond the first few arrivals. 1: it is there. */
static int search(struct replay *rp, struct rtask *t, struct point *p)
{
	struct match m;
	int closed, err;

	if (is_there(rp, t, p))
		return 1;
	err = t->regs.rip == p->regs->rip ? match__open(&m, rp, t, p->regs->rip) : -ENOTSUP;
	if (!err) {
		p->m = &m;
		err = by_match(rp, t, p);
		closed = match__close(&m);
		p->m = NULL;
		rp->st.points_matched += err == 1;
		err = err >= 0 && closed ? closed : err;
	}
	if (err != -ENOTSUP)
		return err;
	err = hunt__set_budget(rp, t, p, false);
	return err ? err : by_breakpoint(rp, t, p, ~0ull);
}

static int look_for(struct replay *rp, struct rtask *t, struct point *p)
{
	int err, lifted, opened;

	err = hunt__set_budget(rp, t, p, true);
	if (!err)
		err = guard__open(&p->guard, rp, t, p->regs->rip, RELOCATE_JUMP);
	if (!err)
		err = by_breakpoint(rp, t, p, ARRIVALS);
	if (!err)
		err = search(rp, t, p);
	if (err < 0 && err != -REPLAY_E_STOPPED)
		return err;
	opened = guard__set(&p->guard, rp, t, false);
	err = err < 0 ? err : opened;
	if (!err)
		err = match__drop_copies(rp, t, p->regs->rip, RELOCATE_JUMP);
	lifted = hunt__bound(rp, t, RLIM_INFINITY);
	return err ? err : lifted;
}

static bool goal_met(struct replay *rp, struct rtask *t, void *ctx)
{
	return is_there(rp, t, ctx);
}

/** The same with steps, or breakpoints that are near. */
static int find_stepwise(struct replay *rp, struct rtask *t, struct point *p)
{
	const struct debug_goal goal = { p->regs->rip, goal_met, p };
	const int err = debug__run(rp, t, &goal);

	return err == 1 ? hunt__not_met(rp, t, p) : err;
}

static int find(struct replay *rp, struct rtask *t, struct point *p)
{
	int err;

	if (t->state != RTASK_READY)
		return hunt__not_met(rp, t, p);
	run__restart(t);
	if (is_there(rp, t, p)) {
		rp->st.checks++;
		rp->st.preemptions += !(p->again || t->sought);
		t->sought = false;
		return 0;
	}
	rp->st.preemptions += !t->sought;
	err = debug__near(rp, t, p->regs->rip) ? find_stepwise(rp, t, p) : look_for(rp, t, p);
	t->sought = err == -REPLAY_E_STOPPED; /* it goes on */
	rp->st.checks += !t->sought;
	return err;
}

/** Time of the recording since the thread's event before this one. */
static uint64_t time_since(const struct rtask *t, const void *body)
{
	const struct event_header *ev = (const struct event_header *)body - 1;

	return ev->time_ns > t->last_ns ? ev->time_ns - t->last_ns : 0;
}

static int find_new(struct replay *rp, struct rtask *t, const struct point *what)
{
	struct point *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return err__set(-ENOMEM, "no memory");
	*p = *what;
	p->xhash = p->xlen ? xstate__hash(p->xstate, p->xlen) : 0;
	terms__init(&p->terms, p->regs, p->xlen ? p->xstate : NULL, p->xlen, p->words, p->nwords);
	err = find(rp, t, p);
	free(p);
	return err;
}

int point__regs(struct replay *rp, struct rtask *t, const struct ev_regs *r)
{
	const struct ev_words *w = t->words ? (const void *)(t->words + 1) : NULL;
	const struct point p = {
		.regs = &r->regs,
		.xstate = r + 1,
		.xlen = r->xsave_len,
		.words = w ? (const void *)(w + 1) : NULL,
		.nwords = w ? w->nwords : 0,
		.memhash = t->memhash ? (const void *)(t->memhash + 1) : NULL,
		.took_ns = time_since(t, r),
	};
	const int err = find_new(rp, t, &p);

	if (err == -REPLAY_E_STOPPED) /* they are asked for again */
		return err;
	free(t->words);
	free(t->memhash);
	t->words = t->memhash = NULL;
	return err;
}

int point__signal(struct replay *rp, struct rtask *t, const struct ev_signal *s)
{
	const struct point p = { .regs = &s->regs_before,
				 .again = true,
				 .took_ns = time_since(t, s) };

	return find_new(rp, t, &p);
}
