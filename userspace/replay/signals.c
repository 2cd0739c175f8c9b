/* SPDX-License-Identifier: MIT */
/*
 * signals.c: signals, preemption points and patched instructions.
 *
 * The kernel delivers nothing here. A handler's frame, registers and extended state are those of the trace. A signal that an
 * instruction raised comes up by itself when the thread runs into it; all others happen where the thread stands.
 */
#include <errno.h>
#include <string.h>

#include "model/regs.h"
#include "replay/state.h"
#include "tracee/tracee.h"
#include "util/err.h"

#define PAD8(n) (((n) + 7) & ~7u)
#define INT3	0xcc

static int same_regs(struct replay *rp, struct rtask *t, const struct regs64 *want)
{
	uint64_t expected, found;
	const char *name;

	if (rp->opts.no_verify)
		return 0;
	rp->st.checks++;
	name = regs64__diff(want, &t->regs, &expected, &found);
	if (!name)
		return 0;
	return replay__differs(rp, "register %s: expected %#llx, found %#llx (at %#llx)", name,
			       (unsigned long long)expected, (unsigned long long)found,
			       (unsigned long long)t->regs.rip);
}

static int set_state(struct replay *rp, struct rtask *t, const struct regs64 *regs, const void *x,
		     size_t xlen)
{
	int err = 0;

	t->regs = *regs;
	t->regs.eflags &= ~0x100ull; /* it was stepped there */
	t->dirty = true;
	t->restart = false;
	t->state = RTASK_READY;
	if (xlen)
		err = tracee__set_xstate(t->real, x, xlen);
	return err ? replay__fail(rp, err, "setting the extended state: %s", strerror(-err)) : 0;
}

static int enter_handler(struct replay *rp, struct rtask *t, const struct ev_signal *s)
{
	const uint8_t *x = (const void *)(s + 1), *frame = x + PAD8(s->xsave_len);
	int err = mem__write(rp, t, s->regs_after.rsp, frame, s->frame_len);

	return err ? err : set_state(rp, t, &s->regs_after, x, s->xsave_len);
}

/** Runs to the instruction that raises the signal. */
static int run_into(struct replay *rp, struct rtask *t, const struct ev_signal *s)
{
	char where[160];
	int err = run__to_stop(rp, t);

	if (err)
		return err;
	if ((t->state == RTASK_FAULT || t->state == RTASK_TRAP) &&
	    t->info.si_signo == (int)s->signo) {
		t->state = RTASK_READY; /* what comes next decides */
		return 0;
	}
	return replay__differs(rp, "expected signal %u raised at %#llx, but %s", s->signo,
			       (unsigned long long)s->regs_before.rip,
			       run__where(t, where, sizeof(where)));
}

int signals__event(struct replay *rp, struct rtask *t, const struct event_header *ev)
{
	const struct ev_signal *s = (const void *)(ev + 1);
	int err = 0;

	if (s->place == SIGNAL_SYNC)
		err = run_into(rp, t, s);
	else if (s->action != SIGNAL_HANDLER)
		return 0; /* the thread does not feel it, or is gone */
	else if (s->place == SIGNAL_PREEMPT)
		err = point__signal(rp, t, s);
	if (!err)
		err = same_regs(rp, t, &s->regs_before);
	if (!err && s->action == SIGNAL_HANDLER)
		err = enter_handler(rp, t, s);
	return err;
}

int signals__regs(struct replay *rp, struct rtask *t, const struct event_header *ev)
{
	const struct ev_regs *r = (const void *)(ev + 1);

	if (r->why == REGS_SIGRETURN)
		return set_state(rp, t, &r->regs, r + 1, r->xsave_len);
	return point__regs(rp, t, r);
}

/** Has it stopped at this instruction: at its int3, or because it faults? */
static bool at_insn(const struct rtask *t, const struct ev_insn *i)
{
	if (t->state == RTASK_TRAP)
		return t->regs.rip == i->addr + 1;
	return t->state == RTASK_FAULT && i->kind != INSN_CPUID && t->info.si_code == SI_KERNEL &&
	       t->regs.rip == i->addr;
}

/** Runs to the instruction. Where rdtsc should fault and can't on this machine, a breakpoint takes its place for so long. */
static int to_insn(struct replay *rp, struct rtask *t, const struct ev_insn *i)
{
	const uint8_t trap = INT3;
	uint8_t byte = INT3;
	int err, put = 0;

	if (!rp->tsc_fault && t->state == RTASK_READY && mem__read(t, i->addr, &byte, 1) != 1)
		byte = INT3; /* nothing is there: what the thread runs into instead is the difference */
	if (byte == INT3)
		return run__to_stop(rp, t);
	err = mem__write(rp, t, i->addr, &trap, 1);
	if (err)
		return err;
	err = run__to_stop(rp, t);
	put = mem__write(rp, t, i->addr, &byte, 1);
	return err ? err : put;
}

int signals__insn(struct replay *rp, struct rtask *t, const struct event_header *ev)
{
	const struct ev_insn *i = (const void *)(ev + 1);
	char where[160];
	int err = to_insn(rp, t, i);

	if (err)
		return err;
	rp->st.checks++;
	if (!at_insn(t, i))
		return replay__differs(rp, "expected the patched instruction at %#llx, but %s",
				       (unsigned long long)i->addr,
				       run__where(t, where, sizeof(where)));
	t->regs.rax = i->rax;
	t->regs.rdx = i->rdx;
	if (i->kind != INSN_RDTSC)
		t->regs.rcx = i->rcx;
	if (i->kind == INSN_CPUID)
		t->regs.rbx = i->rbx;
	t->regs.rip = i->addr + i->length;
	t->state = RTASK_READY;
	t->dirty = true;
	return run__check_regs(rp, t, ev->reg_hash);
}
