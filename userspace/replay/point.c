/* SPDX-License-Identifier: MIT */
/*
 * point.c: preemption points found again.
 *
 * In the recording the thread was stopped between two calls. Its state there is in the trace: all registers, the extended
 * state, some words of memory. Where all of it is equal the continuation is equal, and the first such place is the right
 * one. A breakpoint at the recorded rip stops the thread the first few times it comes by. After that, code in the process
 * itself compares (match.h) and stops it only where registers and words are equal; where that can't be put in, it goes on
 * by breakpoint. The full comparison is made here, always.
 *
 * A thread that never gets there must not run for ever: its processor time and ours are bounded by a generous multiple of
 * the recorded time. RLIMIT_CPU of the stub makes it stop, at whole seconds.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <time.h>

#include "model/regs.h"
#include "replay/match.h"
#include "replay/state.h"
#include "replay/terms.h"
#include "tracee/tracee.h"
#include "util/err.h"

#define SYSEMU_SINGLESTEP 32 /* PTRACE_SYSEMU_SINGLESTEP, asm/ptrace-abi.h */
#define SYSEMU		  31

#define INT3	 0xcc
#define ARRIVALS 3 /* by breakpoint, before a comparer is worth its calls */
#define XSTATE	 16384
#define TRAPFLAG 0x100ull

/* Processor time that a search may take: at least the first, and this many times the recorded time. By breakpoint a round
 * takes up to 80 us. */
#define FLOOR_NS	    10000000000ull
#define TIMES_MATCH	    100
#define TIMES_BREAKPOINT    1000
#define FLOOR_BREAKPOINT_NS 60000000000ull

/** A point that is looked for. */
struct point {
	const struct regs64 *regs;
	const void *xstate;
	size_t xlen;
	uint64_t xhash; /* of xstate; 0: not compared */
	const struct mem_word *words;
	uint32_t nwords;
	const struct ev_memhash *memhash; /* NULL: none */
	uint64_t took_ns;		  /* in the recording, since the thread's event before */
	uint64_t budget_ns;		  /* processor time of stub and engine that it may take */
	uint64_t start_ns;		  /* what they had used when it began */
	struct match *m;		  /* NULL: by breakpoint */
	struct terms terms;
	uint8_t now[XSTATE]; /* the thread's extended state, if now_len */
	size_t now_len;
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

/** Processor time that stub and engine have used. */
static uint64_t used_ns(struct rtask *t)
{
	struct timespec stub = { 0 }, mine = { 0 };
	clockid_t id;

	if (!clock_getcpuclockid(t->real, &id))
		clock_gettime(id, &stub);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mine);
	return (uint64_t)(stub.tv_sec + mine.tv_sec) * 1000000000ull + stub.tv_nsec + mine.tv_nsec;
}

/** Sets or lifts the bound after which the kernel stops the stub. */
static int bound_stub(struct replay *rp, struct rtask *t, uint64_t seconds)
{
	struct rlimit rl;

	if (prlimit(t->real, RLIMIT_CPU, NULL, &rl))
		return replay__fail(rp, -errno, "reading a limit: %s", strerror(errno));
	rl.rlim_cur = seconds < rl.rlim_max ? seconds : rl.rlim_max;
	if (prlimit(t->real, RLIMIT_CPU, &rl, NULL))
		return replay__fail(rp, -errno, "setting a limit: %s", strerror(errno));
	return 0;
}

static int set_budget(struct replay *rp, struct rtask *t, struct point *p, bool matching)
{
	const uint64_t least = matching ? FLOOR_NS : FLOOR_BREAKPOINT_NS;
	const uint64_t times = matching ? TIMES_MATCH : TIMES_BREAKPOINT;
	const uint64_t most = 1ull << 62;

	p->start_ns = used_ns(t);
	p->budget_ns = p->took_ns < most / times ? p->took_ns * times + least : most;
	return bound_stub(rp, t, (p->start_ns + p->budget_ns) / 1000000000ull + 1);
}

static int not_met(struct replay *rp, struct rtask *t, const struct point *p)
{
	char where[160];

	return replay__differs(rp, "the preemption point at %#llx was not met before %s",
			       (unsigned long long)p->regs->rip,
			       run__where(t, where, sizeof(where)));
}

static int too_long(struct replay *rp, struct rtask *t, const struct point *p)
{
	if (used_ns(t) - p->start_ns <= p->budget_ns)
		return 0;
	if (p->m)
		match__judge(p->m);
	return replay__differs(
		rp,
		"the preemption point at %#llx was not met in %.1f s of computing, after %.3f s in "
		"the recording",
		(unsigned long long)p->regs->rip, (double)p->budget_ns / 1e9,
		(double)p->took_ns / 1e9);
}

/** Lets it run to its next stop by `how`. */
static int go(struct replay *rp, struct rtask *t, const struct point *p, int how)
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
		if (err == 1 && too_long(rp, t, p))
			return -REPLAY_E_DIFFERS;
	} while (err == 1);
	return err;
}

/** The flags that pushf has stored while it was stepped over have the trap flag. */
static int mend_pushf(struct replay *rp, struct rtask *t, uint64_t rip)
{
	uint8_t code[2] = { 0 };
	uint16_t flags;

	if (mem__read(t, rip, code, 2) < 1 ||
	    (code[0] != 0x9c && !((code[0] == 0x66 || code[0] == 0x48) && code[1] == 0x9c)) ||
	    mem__read(t, t->regs.rsp, &flags, sizeof(flags)) != sizeof(flags))
		return 0;
	flags &= ~TRAPFLAG;
	return mem__write(rp, t, t->regs.rsp, &flags, sizeof(flags));
}

/** Over one instruction, where the program's own bytes are. */
static int step_over(struct replay *rp, struct rtask *t, const struct point *p)
{
	const uint64_t rip = t->regs.rip;
	int err = go(rp, t, p, SYSEMU_SINGLESTEP);

	if (err)
		return err;
	if (t->state != RTASK_TRAP || t->info.si_code != TRAP_TRACE)
		return not_met(rp, t, p);
	t->state = RTASK_READY;
	return mend_pushf(rp, t, rip);
}

/** One time to the breakpoint. */
static int next_arrival(struct replay *rp, struct rtask *t, const struct point *p)
{
	const uint8_t trap = INT3;
	uint8_t byte;
	int err, put;

	if (mem__read(t, p->regs->rip, &byte, 1) != 1)
		return replay__differs(rp, "there is no code at the preemption point %#llx",
				       (unsigned long long)p->regs->rip);
	err = match__poke(rp, t, p->regs->rip, &trap, 1);
	if (err)
		return err;
	err = go(rp, t, p, SYSEMU);
	put = match__poke(rp, t, p->regs->rip, &byte, 1);
	if (err || put)
		return err ? err : put;
	if (t->state != RTASK_TRAP || t->regs.rip != p->regs->rip + 1)
		return not_met(rp, t, p);
	t->regs.rip--;
	t->dirty = true;
	t->state = RTASK_READY;
	return too_long(rp, t, p);
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
			err = step_over(rp, t, p);
		}
		if (!err && t->regs.rip != p->regs->rip)
			err = next_arrival(rp, t, p);
	}
	return err;
}

static int make(struct point *p)
{
	struct comparer_term terms[COMPARER_TERMS];
	const size_t n = terms__order(&p->terms, terms);

	return match__build(p->m, terms, n);
}

/** The thread stands at the trap of an equal state. 1: it is the one; 0: it goes on. */
static int at_hit(struct replay *rp, struct rtask *t, struct point *p)
{
	int err;

	t->state = RTASK_READY;
	if (looks_right(t, p)) {
		err = match__disarm(p->m);
		if (err || memory_equal(rp, t, p))
			return err ? err : 1;
	}
	if (!p->now_len)
		read_xstate(t, p);
	err = terms__look(&p->terms, t, p->now, p->now_len) ? make(p) : 0;
	return err ? err : match__enter(p->m);
}

/** The thread stands where the comparer's jump can't be left in place. 1: at the point. */
static int at_edge(struct replay *rp, struct rtask *t, struct point *p)
{
	int err = match__disarm(p->m);

	t->state = RTASK_READY;
	do {
		err = err ? err : step_over(rp, t, p);
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
	int err = make(p);

	if (!err)
		err = match__enter(p->m);
	while (!err) {
		err = go(rp, t, p, SYSEMU);
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
			err = not_met(rp, t, p);
		}
		if (!err)
			err = too_long(rp, t, p);
	}
	return err;
}

/** What is beyond the first few arrivals. 1: it is there. */
static int search(struct replay *rp, struct rtask *t, struct point *p)
{
	struct match m;
	int err = t->regs.rip == p->regs->rip ? match__open(&m, rp, t, p->regs->rip) : -ENOTSUP;
	int closed;

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
	err = set_budget(rp, t, p, false);
	return err ? err : by_breakpoint(rp, t, p, ~0ull);
}

static int find(struct replay *rp, struct rtask *t, struct point *p)
{
	int err = 0, lifted;

	if (t->state != RTASK_READY)
		return not_met(rp, t, p);
	run__restart(t);
	rp->st.checks++;
	rp->st.preemptions++;
	if (is_there(rp, t, p))
		return 0;
	err = set_budget(rp, t, p, true);
	if (!err)
		err = by_breakpoint(rp, t, p, ARRIVALS);
	if (!err)
		err = search(rp, t, p);
	if (err < 0)
		return err;
	err = match__drop_copies(rp, t, p->regs->rip, RELOCATE_JUMP);
	lifted = bound_stub(rp, t, RLIM_INFINITY);
	return err ? err : lifted;
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

	free(t->words);
	free(t->memhash);
	t->words = t->memhash = NULL;
	return err;
}

int point__signal(struct replay *rp, struct rtask *t, const struct ev_signal *s)
{
	const struct point p = { .regs = &s->regs_before, .took_ns = time_since(t, s) };

	return find_new(rp, t, &p);
}
