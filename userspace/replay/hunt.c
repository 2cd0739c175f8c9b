/* SPDX-License-Identifier: MIT */
/*
 * hunt.c: a thread on its way to a preemption point: run, stepped, stopped by a breakpoint, kept from running for ever.
 *
 * Its processor time and ours are bounded by a generous multiple of the recorded time: no clock on the wall is looked at, so
 * a busy machine changes nothing. RLIMIT_CPU of the stub makes it stop, at whole seconds.
 */
#include "replay/hunt.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <time.h>

#include "tracee/tracee.h"
#include "util/err.h"

#define INT3	 0xcc
#define TRAPFLAG 0x100ull

/* Processor time that a search may take: at least the first, and this many times the recorded time. By breakpoint a round
 * takes up to 80 us. */
#define FLOOR_NS	    10000000000ull
#define TIMES_MATCH	    100
#define TIMES_BREAKPOINT    1000
#define FLOOR_BREAKPOINT_NS 60000000000ull

int hunt__make(struct point *p)
{
	struct comparer_term terms[COMPARER_TERMS];
	const size_t n = terms__order(&p->terms, terms);

	return match__build(p->m, terms, n);
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
int hunt__bound(struct replay *rp, struct rtask *t, uint64_t seconds)
{
	struct rlimit rl;

	if (prlimit(t->real, RLIMIT_CPU, NULL, &rl))
		return replay__fail(rp, -errno, "reading a limit: %s", strerror(errno));
	rl.rlim_cur = seconds < rl.rlim_max ? seconds : rl.rlim_max;
	if (prlimit(t->real, RLIMIT_CPU, &rl, NULL))
		return replay__fail(rp, -errno, "setting a limit: %s", strerror(errno));
	return 0;
}

int hunt__set_budget(struct replay *rp, struct rtask *t, struct point *p, bool matching)
{
	const uint64_t least = matching ? FLOOR_NS : FLOOR_BREAKPOINT_NS;
	const uint64_t times = matching ? TIMES_MATCH : TIMES_BREAKPOINT;
	const uint64_t most = 1ull << 62;

	p->start_ns = used_ns(t);
	p->budget_ns = p->took_ns < most / times ? p->took_ns * times + least : most;
	return hunt__bound(rp, t, (p->start_ns + p->budget_ns) / 1000000000ull + 1);
}

int hunt__not_met(struct replay *rp, struct rtask *t, const struct point *p)
{
	char where[160];

	return replay__differs(rp, "the preemption point at %#llx was not met before %s",
			       (unsigned long long)p->regs->rip,
			       run__where(t, where, sizeof(where)));
}

int hunt__too_long(struct replay *rp, struct rtask *t, const struct point *p)
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
static int run_once(struct replay *rp, struct rtask *t, const struct point *p, int how)
{
	int status, err;

	if (rp->nbreaks && how == SYSEMU)
		return debug__go(rp, t);
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
		if (err == 1 && hunt__too_long(rp, t, p))
			return -REPLAY_E_DIFFERS;
	} while (err == 1);
	return err;
}

static int set_breakpoint(struct replay *rp, struct rtask *t, struct point *p)
{
	const uint8_t trap = INT3;
	int err;

	if (mem__read(t, p->regs->rip, &p->byte, 1) != 1)
		return replay__differs(rp, "there is no code at the preemption point %#llx",
				       (unsigned long long)p->regs->rip);
	err = match__poke(rp, t, p->regs->rip, &trap, 1);
	p->breakpoint = !err;
	return err;
}

static int clear_breakpoint(struct replay *rp, struct rtask *t, struct point *p)
{
	int err = p->breakpoint ? match__poke(rp, t, p->regs->rip, &p->byte, 1) : 0;

	p->breakpoint = false;
	return err;
}

/** The program has written other instructions to the point, and may stand among them. */
static int take_new_code(struct replay *rp, struct rtask *t, struct point *p)
{
	int err;

	t->state = RTASK_READY;
	err = match__reload(p->m);
	while (!err && match__in_jump(p->m)) {
		err = run_once(rp, t, p, SYSEMU_SINGLESTEP);
		if (!err && (t->state != RTASK_TRAP || t->info.si_code != TRAP_TRACE))
			return hunt__not_met(rp, t, p);
		t->state = RTASK_READY;
	}
	return err ? err : hunt__make(p);
}

/** The thread stands at a store to the code that is patched: carries it out, with the program's own bytes there. */
static int let_store(struct replay *rp, struct rtask *t, struct point *p)
{
	const bool breakpoint = p->breakpoint, armed = p->m && p->m->armed;
	int err = armed ? match__disarm(p->m) : clear_breakpoint(rp, t, p);

	if (!err)
		err = guard__set(&p->guard, rp, t, false);
	t->state = RTASK_READY;
	if (!err)
		err = run_once(rp, t, p, SYSEMU_SINGLESTEP);
	if (!err && (t->state != RTASK_TRAP || t->info.si_code != TRAP_TRACE))
		return hunt__not_met(rp, t, p);
	if (!err)
		err = guard__set(&p->guard, rp, t, true);
	if (!err && breakpoint)
		err = set_breakpoint(rp, t, p);
	if (!err && armed && match__stale(p->m))
		err = take_new_code(rp, t, p);
	return err || !armed ? err : match__arm(p->m);
}

/** The same; stores to the code that is patched are no stops. */
int hunt__go(struct replay *rp, struct rtask *t, struct point *p, int how)
{
	int err = run_once(rp, t, p, how);

	while (!err && guard__hit(&p->guard, t)) {
		err = let_store(rp, t, p);
		if (err || how == SYSEMU_SINGLESTEP)
			return err;
		t->state = RTASK_READY;
		err = hunt__too_long(rp, t, p);
		if (!err)
			err = run_once(rp, t, p, how);
	}
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
int hunt__step(struct replay *rp, struct rtask *t, struct point *p)
{
	const uint64_t rip = t->regs.rip;
	int err = hunt__go(rp, t, p, SYSEMU_SINGLESTEP);

	if (err)
		return err;
	if (t->state != RTASK_TRAP || t->info.si_code != TRAP_TRACE)
		return hunt__not_met(rp, t, p);
	t->state = RTASK_READY;
	return mend_pushf(rp, t, rip);
}

/** One time to the breakpoint. */
int hunt__arrive(struct replay *rp, struct rtask *t, struct point *p)
{
	int err = set_breakpoint(rp, t, p), put;

	if (err)
		return err;
	err = hunt__go(rp, t, p, SYSEMU);
	put = clear_breakpoint(rp, t, p);
	if (err || put)
		return err ? err : put;
	if (t->state != RTASK_TRAP || t->regs.rip != p->regs->rip + 1)
		return hunt__not_met(rp, t, p);
	t->regs.rip--;
	t->dirty = true;
	t->state = RTASK_READY;
	return hunt__too_long(rp, t, p);
}
