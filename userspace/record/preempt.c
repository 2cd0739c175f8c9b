/* SPDX-License-Identifier: MIT */
/*
 * preempt.c: preemption points that a replay can find.
 *
 * A point is written as words of memory (EV_WORDS), hashes of memory (EV_MEMHASH) and all registers (EV_REGS): the first
 * time that all of it is as in the trace is the place. The thread is stepped on from where it was stopped, for two reasons:
 *
 * - The place has to be one that a replay can patch with a jump (tracee/relocate.h), and never in the middle of an instruction
 *   that repeats (rep stosb), where no breakpoint hits. Such an instruction is run over with an int3 behind it, and so is
 *   pushf, which would store the trap flag.
 * - What the steps store tells rounds of the loop apart. When the thread comes to an address for the second time it has made
 *   a whole round.
 *
 * On the way each stop is an event of the recorder's loop as any other (the thread may fault on memory that another thread
 * serves). A call, a fault or a patched instruction is an event by itself: then no point is needed. Signals wait until it is
 * written. Invariant: a thread with a point is TASK_RUNNING and keeps the token of its group.
 *
 * That nothing has run since an event is told by orig_rax: the kernel sets it to -1 at each entry that isn't a call
 * (arch/x86/entry/entry_64.S, idtentry_body; entry_fred.c), so a number there, and all registers equal, proves it.
 */
#include "record/preempt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "record/checksum.h"
#include "record/emit.h"
#include "record/sched.h"
#include "record/telling.h"
#include "tracee/access.h"
#include "tracee/calllog.h"
#include "tracee/cpuids.h"
#include "tracee/relocate.h"
#include "tracee/tracee.h"

#define FLAG_TRAP  0x100ull
#define INT3	   0xcc
#define TRAP_INT3  0x80		 /* SI_KERNEL: si_code of int3 (arch/x86/kernel/traps.c) */
#define LEARN	   64u		 /* steps after which a round need not be seen any more */
#define STEPS_MAX  200u		 /* ... and after which any place will do */
#define LONG_STEPS 24u		 /* what an instruction that repeats counts as: it may take long */
#define MARK	   0x7ffffff0ull /* orig_rax: no call's number */
#define ERRNO_MAX  4095
#define PICTURE_NS \
	20000000ull /* a thread that has run so long may be one that will be interrupted */

/** A thread on its way to a point. */
struct point {
	uint32_t steps, weight; /* steps made, and what they count as */
	uint64_t at[STEPS_MAX]; /* where it was before each step */
	bool round;		/* it was at one of them twice */
	uint64_t trap;		/* address of our int3; 0: none */
	uint8_t byte;		/* what was there */
	struct words_trail trail;
};

bool preempt__fresh(const struct task *t, const struct regs64 *regs)
{
	return (int64_t)regs->orig_rax >= 0 && !memcmp(regs, &t->exit_regs, sizeof(*regs));
}

int preempt__mark(struct task *t, struct regs64 *regs)
{
	t->at_point = false;
	t->exit_regs = *regs;
	/* with a call's number there, the kernel would take these for its results, and start calls over */
	if ((int64_t)regs->rax >= 0 || (int64_t)regs->rax < -ERRNO_MAX)
		regs->orig_rax = t->exit_regs.orig_rax = MARK;
	return tracee__set_regs(t->tid, regs);
}

static int write_words(struct recorder *r, struct task *t, const struct regs64 *regs,
		       struct words_trail *trail)
{
	struct words_trail none = { 0 };
	struct words w = { 0 };
	struct ev_words ev = { 0 };

	telling__choose(r, t, regs, trail ? trail : &none, &w);
	if (!w.n)
		return 0;
	ev.nwords = w.n;
	return emit(r, EV_WORDS, t, &ev, sizeof(ev), w.v, w.n * sizeof(*w.v));
}

static int write_point(struct recorder *r, struct task *t, struct regs64 *regs,
		       struct words_trail *trail)
{
	static uint8_t xstate[16384];
	struct ev_regs ev = { .why = REGS_PREEMPT, .regs = *regs };
	size_t len = sizeof(xstate);
	int err = tracee__get_xstate(t->tid, xstate, &len);

	ev.xsave_len = len;
	if (!err)
		err = write_words(r, t, regs, trail);
	if (!err)
		err = checksum__point(r, t, regs);
	if (!err)
		err = emit__hashed(r, EV_REGS, t, regs,
				   (struct iovec[]){ { &ev, sizeof(ev) }, { xstate, len } }, 2);
	return err;
}

/** Takes our int3 away. */
static int untrap(struct task *t)
{
	struct point *p = t->point;
	int err = 0;

	if (p->trap)
		err = tracee__write(t->tid, p->trap, &p->byte, 1);
	p->trap = 0;
	return err;
}

void preempt__drop(struct task *t)
{
	if (!t->point)
		return;
	untrap(t);
	free(t->point);
	t->point = NULL;
}

static int finish(struct recorder *r, struct task *t, struct regs64 *regs)
{
	int err = write_point(r, t, regs, t->point ? &t->point->trail : NULL);

	preempt__drop(t);
	if (!err)
		err = preempt__mark(t, regs);
	t->at_point = true;
	return err ? err : 1;
}

/** Can a replay put a jump in the place of the instruction? */
static bool is_good_place(const struct task *t, uint64_t rip)
{
	static uint8_t code[2 * RELOCATE_NEAR];
	struct relocate_plan plan;
	uint64_t start = rip - RELOCATE_NEAR;
	ssize_t n = tracee__read(t->tid, start, code, sizeof(code));

	if (n <= (ssize_t)RELOCATE_NEAR) { /* it is on the first page of a mapping */
		start = rip & ~(uint64_t)(BPREC_PAGE_SIZE - 1);
		n = tracee__read(t->tid, start, code, sizeof(code));
	}
	return n > (ssize_t)(rip - start) && !relocate__plan(code, n, start, rip, &plan);
}

static void cont(struct recorder *r, struct task *t)
{
	sched__continue(r, t, t->point && !t->point->trap ? PTRACE_SINGLESTEP : PTRACE_CONT);
}

void preempt__resume(struct recorder *r, struct task *t)
{
	cont(r, t);
}

/** Sets an int3 behind the instruction at rip. */
static int trap_behind(struct recorder *r, struct task *t, uint64_t addr)
{
	/* the page becomes the process's own by that, in a replay too */
	static uint8_t byte[8];
	const struct ev_data ev = { .addr = addr, .len = 1, .why = DATA_PATCH };
	const uint8_t trap = INT3;
	int err = tracee__read(t->tid, addr, byte, 1) == 1 ? 0 : -EFAULT;

	if (!err)
		err = tracee__write(t->tid, addr, &trap, 1);
	if (err)
		return err;
	t->point->trap = addr;
	t->point->byte = byte[0];
	return emit(r, EV_DATA, t, &ev, sizeof(ev), byte, sizeof(byte));
}

static void note_step(struct point *p, uint64_t rip, const struct insn_access *a)
{
	for (uint32_t i = 0; i < p->steps && !p->round; i++)
		p->round = p->at[i] == rip;
	p->at[p->steps++] = rip;
	p->weight += a->repeats ? LONG_STEPS : 1;
	for (size_t i = 0; i < a->n; i++)
		words_trail__add(&p->trail, a->v[i].addr, a->v[i].len, a->v[i].store);
}

static bool is_place(struct recorder *r, struct task *t, const struct regs64 *regs,
		     const struct insn_access *a)
{
	struct point *p = t->point;
	bool round = p->round;

	if (a->repeats || a->flags || calllog__place(regs->rip))
		return false; /* (in the code that logs calls a replay takes another way) */
	if (p->weight >= STEPS_MAX || a->traps || sched__held(r, t))
		return true;
	for (uint32_t i = 0; i < p->steps && !round; i++)
		round = p->at[i] == regs->rip;
	return (round || p->weight >= LEARN) && !cpuids__inside(regs->rip) &&
	       is_good_place(t, regs->rip);
}

/** The thread is stopped on its way: the point is here, or it goes on. */
static int advance(struct recorder *r, struct task *t, struct regs64 *regs)
{
	uint8_t code[ACCESS_INSN_MAX];
	const ssize_t n = tracee__read(t->tid, regs->rip, code, sizeof(code));
	struct insn_access a;
	int err = 0;

	if (n <= 0 || insn_access__decode(code, n, regs, &a))
		return finish(r, t, regs); /* it will fault */
	if (a.enters) {
		preempt__drop(t);
		cont(r, t);
		return 0;
	}
	if (is_place(r, t, regs, &a) || (regs->eflags & FLAG_TRAP))
		return finish(r, t, regs);
	if (t->point->steps < STEPS_MAX)
		note_step(t->point, regs->rip, &a);
	if (a.repeats || a.flags)
		err = trap_behind(r, t, regs->rip + a.length);
	if (err == -EFAULT || err == -EIO)
		return finish(r, t, regs); /* it can't be run over */
	if (!err)
		cont(r, t);
	return err;
}

int preempt__begin(struct recorder *r, struct task *t)
{
	struct regs64 regs;
	int err = tracee__get_regs(t->tid, &regs);

	if (err)
		return err;
	t->point = calloc(1, sizeof(*t->point));
	return t->point ? advance(r, t, &regs) : finish(r, t, &regs);
}

bool preempt__owns(const struct task *t, const siginfo_t *info)
{
	struct regs64 regs;

	if (!t->point || info->si_signo != SIGTRAP)
		return false;
	if (!t->point->trap)
		return info->si_code == TRAP_TRACE || info->si_code == TRAP_BRKPT;
	return info->si_code == TRAP_INT3 && !tracee__get_regs(t->tid, &regs) &&
	       regs.rip == t->point->trap + 1;
}

int preempt__step(struct recorder *r, struct task *t)
{
	struct regs64 regs;
	int err = tracee__get_regs(t->tid, &regs);

	if (!err && t->point->trap) {
		regs.rip = t->point->trap;
		err = untrap(t);
		if (!err)
			err = tracee__set_regs(t->tid, &regs);
	}
	return err ? err : advance(r, t, &regs);
}

int preempt__here(struct recorder *r, struct task *t)
{
	struct regs64 regs;
	int err = tracee__get_regs(t->tid, &regs);

	if (!err)
		err = finish(r, t, &regs);
	return err < 0 ? err : 0;
}

int preempt__killed(struct recorder *r, struct task *t)
{
	uint8_t code[ACCESS_INSN_MAX];
	struct insn_access a;
	struct regs64 regs;
	ssize_t n;

	if (sched__alone(t) || tracee__get_regs(t->tid, &regs) || preempt__fresh(t, &regs)) {
		preempt__drop(t); /* or nobody sees what it has done since */
		return 0;
	}
	if (t->point && t->point->trap && regs.rip == t->point->trap + 1)
		regs.rip--;
	preempt__drop(t);
	n = tracee__read(t->tid, regs.rip, code, sizeof(code));
	if (n <= 0 || insn_access__decode(code, n, &regs, &a) || a.repeats)
		return 0;
	return write_point(r, t, &regs, NULL);
}

/** Could somebody take the processor from it between two calls? */
static bool can_be_preempted(struct task *t)
{
	uint64_t caught = 0, ignored, blocked;

	return !sched__alone(t) || (!tracee__signals(t->pid, t->tid, &caught, &ignored, &blocked) &&
				    (caught & ~blocked));
}

void preempt__tick(struct recorder *r, uint64_t now)
{
	for (struct task *t = r->tasks; t; t = t->hh.next) {
		if (t->state != TASK_RUNNING || t->point || t->interrupt_sent ||
		    now - t->stop_ns < PICTURE_NS || t->picture_ns > t->stop_ns)
			continue;
		t->picture_ns = now;
		if (!can_be_preempted(t))
			continue;
		t->wants_picture = true;
		sched__interrupt(t, false);
	}
}

void preempt__free(struct task *t)
{
	free(t->point);
	free(t->picture);
	t->point = NULL;
	t->picture = NULL;
}
