/* SPDX-License-Identifier: MIT */
/*
 * signals.c: a signal is delivered where a replay can find the place again.
 *
 * Synchronous signals (a fault, a trap) are delivered where they came in, and so are those that come in at a call's exit.
 * One that arrives between two calls, and has a handler, is held back and sent again when the thread enters its next call,
 * or, where none comes in time (SIGNALS_HOLD_NS) or can be expected (SIGNALS_CALL_NS), at a preemption point (preempt.c);
 * its siginfo is put back at its second delivery stop. A stop or an end that others of the group live through waits for a
 * point too. What is ignored has no place.
 *
 * The call that it was held back for has not happened yet when the handler runs: the kernel skips it, and starts it over
 * after the handler. Else an exit would lose the signal, an exec or a SIG_DFL would make it fatal, a mask would hide it,
 * and a wait would end with EINTR. One signal of a number is sent at a time: the kernel keeps only one of those below
 * SIGRTMIN. It carries a cookie, so that it is told from others of its number.
 *
 * Where the program has a handler, the thread is stepped into it: the stop is at the handler's first instruction, with the
 * frame on the stack (PTRACE_SINGLESTEP with a signal executes no instruction of user code).
 */
#include "record/signals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "record/emit.h"
#include "record/patch.h"
#include "record/preempt.h"
#include "record/sched.h"
#include "record/telling.h"
#include "tracee/tracee.h"

#define FRAME_MAX (64u << 10) /* a frame holds the extended state: some KiB, more with AMX */

static uint8_t xstate[16384], frame[FRAME_MAX];

static bool is_sync(int sig, const siginfo_t *si)
{
	if (si->si_code <= 0)
		return false; /* sent by a process */
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP;
}

/** Where a signal came in, by the registers at its stop. SIGNAL_PREEMPT without t->at_point: between two calls. */
static enum signal_place place_of(const struct task *t, int sig)
{
	if (is_sync(sig, &t->info))
		return SIGNAL_SYNC;
	return preempt__fresh(t, &t->before_sig) && !t->at_point ? SIGNAL_AT_SYSCALL
								 : SIGNAL_PREEMPT;
}

static enum signal_action default_action(int sig)
{
	switch (sig) {
	case SIGCHLD:
	case SIGURG:
	case SIGWINCH:
	case SIGCONT:
		return SIGNAL_DEFAULT;
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return SIGNAL_STOP;
	default:
		return SIGNAL_FATAL;
	}
}

static enum signal_action action_of(struct task *t, int sig)
{
	uint64_t caught, ignored, blocked;
	const uint64_t bit = 1ull << (sig - 1);

	if (tracee__signals(t->pid, t->tid, &caught, &ignored, &blocked))
		return default_action(sig);
	if (caught & bit)
		return SIGNAL_HANDLER;
	return ignored & bit ? SIGNAL_IGNORED : default_action(sig);
}

static int write_signal(struct recorder *r, struct task *t, enum signal_action action,
			const struct regs64 *after, size_t xlen, size_t flen)
{
	static const uint8_t zeros[8];
	struct ev_signal ev = {
		.signo = t->info.si_signo,
		.place = place_of(t, t->info.si_signo),
		.action = action,
		.xsave_len = xlen,
		.frame_len = flen,
		.regs_before = t->before_sig,
		.regs_after = *after,
	};
	const struct iovec part[5] = {
		{ &ev, sizeof(ev) },	      { xstate, xlen },
		{ (void *)zeros, -xlen & 7 }, { frame, flen },
		{ (void *)zeros, -flen & 7 },
	};

	memcpy(ev.siginfo, &t->info, sizeof(t->info) < 128 ? sizeof(t->info) : 128);
	if (action == SIGNAL_HANDLER)
		return emit__hashed(r, EV_SIGNAL, t, after, part, 5);
	return emit__parts(r, EV_SIGNAL, t, part, 5);
}

/** Length of the signal frame at rsp: up to the end of its extended state, which lies above it (struct rt_sigframe and struct
 *  _fpx_sw_bytes of arch/x86/include/uapi/asm/sigcontext.h). */
static size_t frame_length(const struct task *t, uint64_t rsp)
{
	uint32_t magic_size[2] = { 0 };
	uint64_t fp = 0;

	if (tracee__read(t->tid, rsp + 8 + 224, &fp, 8) != 8 || fp < rsp)
		return 8192;
	if (tracee__read(t->tid, fp + 464, magic_size, 8) != 8 || magic_size[0] != 0x46505853)
		magic_size[1] = 512; /* FXSAVE alone */
	return fp + magic_size[1] - rsp < FRAME_MAX ? fp + magic_size[1] - rsp : 8192;
}

/** At the handler's first instruction: frame and state as the kernel made them. */
static int entered_handler(struct recorder *r, struct task *t)
{
	struct regs64 regs;
	size_t xlen = sizeof(xstate), flen = 0;
	ssize_t n;
	int err = tracee__get_regs(t->tid, &regs);

	t->step_to_handler = false;
	if (!err)
		err = tracee__get_xstate(t->tid, xstate, &xlen);
	if (err)
		return err;
	/* the frame reaches from the new stack pointer to the old one, or to its own end on an alternate stack */
	if (regs.rsp < t->before_sig.rsp && t->before_sig.rsp - regs.rsp < FRAME_MAX)
		flen = t->before_sig.rsp - regs.rsp;
	else
		flen = frame_length(t, regs.rsp);
	n = tracee__read(t->tid, regs.rsp, frame, flen);
	flen = n > 0 ? n : 0;
	err = write_signal(r, t, SIGNAL_HANDLER, &regs, xlen, flen);
	if (!err)
		err = preempt__mark(t, &regs);
	if (err)
		return err;
	if (!t->handler_rsp)
		t->handler_rsp = regs.rsp;
	t->stop = STOP_OTHER;
	sched__ready(r, t);
	return 0;
}

/** Is this the second delivery stop of a signal that was held back? Then puts its siginfo back. */
static bool take_held(struct task *t, int sig)
{
	for (struct pending_signal **p = &t->held; *p; p = &(*p)->next) {
		struct pending_signal *h = *p;
		const bool again = h->cookie == (uint64_t)t->info.si_value.sival_ptr;

		if (!h->cookie || h->info.si_signo != sig)
			continue;
		if (again) {
			t->info = h->info;
			ptrace(PTRACE_SETSIGINFO, t->tid, 0, &t->info);
		} else if (sig >= SIGRTMIN) {
			return false; /* it waits behind this one */
		}
		*p = h->next; /* not again: ours was merged into this one, which was pending already */
		free(h);
		return again;
	}
	return false;
}

/** Holds a signal back. False: no memory, deliver it now. */
static bool hold_back(struct recorder *r, struct task *t)
{
	struct pending_signal *h = calloc(1, sizeof(*h)), **p = &t->held;

	if (!h)
		return false;
	h->info = t->info;
	h->ns = t->stop_ns;
	while (*p)
		p = &(*p)->next;
	*p = h;
	r->nheld++;
	return true;
}

/** Delivers the signal in t->info at a place that the trace tells: an event of the thread, or the instruction that raised it. */
static int deliver(struct recorder *r, struct task *t)
{
	const int sig = t->info.si_signo;
	const bool sync = place_of(t, sig) == SIGNAL_SYNC;
	const enum signal_action action = action_of(t, sig);
	struct regs64 regs = t->before_sig;
	int err = 0;

	t->cont_sig = sig;
	t->step_to_handler = action == SIGNAL_HANDLER;
	if (!t->step_to_handler)
		err = write_signal(r, t, action, &t->before_sig, 0, 0);
	if (!err && sync && !t->step_to_handler)
		err = preempt__mark(t, &regs);
	if (err)
		return err;
	if (sync) /* what the thread has done up to here isn't written down before the handler is entered: no other may run */
		sched__continue(r, t, t->step_to_handler ? PTRACE_SINGLESTEP : PTRACE_CONT);
	else
		sched__ready(r, t);
	return 0;
}

/** A signal came in between two calls. */
static int between(struct recorder *r, struct task *t, bool again)
{
	const enum signal_action action = action_of(t, t->info.si_signo);
	int err = 0;

	if (!t->point && (action == SIGNAL_IGNORED || action == SIGNAL_DEFAULT ||
			  (action != SIGNAL_HANDLER && sched__alone(t)))) {
		err = write_signal(r, t, action, &t->before_sig, 0, 0);
		t->cont_sig = t->info.si_signo;
		if (!err)
			sched__continue(r, t, PTRACE_CONT);
		return err;
	}
	if (again || !hold_back(r, t)) { /* it has been put off long enough */
		preempt__drop(t);
		err = preempt__here(r, t);
		return err ? err : deliver(r, t);
	}
	if (t->point) {
		preempt__resume(r, t);
		return 0;
	}
	if (action == SIGNAL_HANDLER && !signals__due(t, t->stop_ns)) {
		if (t->picture_ns < t->call_ns)
			telling__keep(r, t, &t->before_sig);
		sched__continue(r, t, PTRACE_CONT);
		return 0;
	}
	err = preempt__begin(r, t);
	return err == 1 ? signals__at_point(r, t) : err;
}

int signals__stop(struct recorder *r, struct task *t, int sig)
{
	siginfo_t info;
	bool again;
	int err;

	if (ptrace(PTRACE_GETSIGINFO, t->tid, 0, &info))
		return errno == EINVAL ? 0 : -errno;
	if (t->step_to_handler && sig == SIGTRAP && info.si_code > 0)
		return entered_handler(r, t); /* t->info is still that of the signal */
	if (preempt__owns(t, &info)) {
		err = preempt__step(r, t);
		return err == 1 ? signals__at_point(r, t) : err;
	}
	t->info = info;
	if (is_sync(sig, &info))
		preempt__drop(t); /* an event by itself */
	err = sig == SIGTRAP ? patch__trap(r, t) : sig == SIGSEGV ? patch__fault(r, t) : 0;
	if (err)
		return err < 0 ? err : 0;
	t->step_to_handler = false;
	again = take_held(t, sig);
	err = tracee__get_regs(t->tid, &t->before_sig);
	if (err)
		return err;
	if (is_sync(sig, &t->info) || preempt__fresh(t, &t->before_sig))
		return deliver(r, t);
	return between(r, t, again);
}

/** Was another of its number, held back before it, sent and not yet delivered? */
static bool waits_for_another(const struct task *t, const struct pending_signal *h)
{
	for (const struct pending_signal *o = t->held; o != h; o = o->next)
		if (o->info.si_signo == h->info.si_signo)
			return true;
	return false;
}

/** Sends again what is held back. Returns how many were sent that are not in the set `blocked`. */
static int send_held(struct recorder *r, struct task *t, uint64_t blocked)
{
	static uint64_t cookies = 0xb9ec000000000000;
	int n = 0;

	for (struct pending_signal *h = t->held; h; h = h->next) {
		siginfo_t si = { .si_signo = h->info.si_signo, .si_code = SI_QUEUE };

		if (h->cookie || waits_for_another(t, h))
			continue;
		h->cookie = ++cookies;
		r->nheld--;
		si.si_value.sival_ptr = (void *)h->cookie;
		if (!syscall(SYS_rt_tgsigqueueinfo, t->pid, t->tid, si.si_signo, &si))
			n += !(blocked >> (si.si_signo - 1) & 1);
	}
	return n;
}

int signals__at_point(struct recorder *r, struct task *t)
{
	send_held(r, t, 0);
	if (t->group_stop && ptrace(PTRACE_INTERRUPT, t->tid, 0, 0) && errno != ESRCH)
		return -errno;
	sched__ready(r, t);
	return 0;
}

bool signals__due(const struct task *t, uint64_t now)
{
	for (const struct pending_signal *h = t->held; h; h = h->next)
		if (!h->cookie)
			return now - h->ns >= SIGNALS_HOLD_NS ||
			       now - t->call_ns >= SIGNALS_CALL_NS;
	return false;
}

void signals__count_call(struct task *t, const struct regs64 *regs)
{
	if (t->handler_rsp && (t->nr == SYS_rt_sigreturn || regs->rsp > t->handler_rsp))
		t->handler_rsp = 0;
	else if (!t->handler_rsp)
		t->call_ns = t->stop_ns;
}

bool signals__entry(struct recorder *r, struct task *t)
{
	uint64_t blocked = 0;

	if (!t->held)
		return false;
	/* one that is blocked by now stays pending: nothing would interrupt the call, and the program would see the
	 * number that makes it start over */
	ptrace(PTRACE_GETSIGMASK, t->tid, sizeof(blocked), &blocked);
	/* rt_sigreturn may be what unblocks it: delivered at its exit */
	return send_held(r, t, blocked) && t->nr != SYS_rt_sigreturn;
}

void signals__tick(struct recorder *r, uint64_t now)
{
	for (struct task *t = r->tasks; t; t = t->hh.next)
		if (t->state == TASK_RUNNING && signals__due(t, now))
			sched__interrupt(t, false);
}

int signals__returned(struct recorder *r, struct task *t, const struct regs64 *regs)
{
	struct ev_regs ev = { .why = REGS_SIGRETURN, .regs = *regs };
	size_t len = sizeof(xstate);
	int err;

	if (t->nr != 15) /* rt_sigreturn: the others of its class return as any call */
		return 0;
	err = tracee__get_xstate(t->tid, xstate, &len);
	if (err)
		return err;
	ev.xsave_len = len;
	err = emit__hashed(r, EV_REGS, t, regs,
			   (struct iovec[]){ { &ev, sizeof(ev) }, { xstate, len } }, 2);
	return err ? err : preempt__mark(t, &ev.regs);
}

void signals__drop(struct recorder *r, struct task *t)
{
	while (t->held) {
		struct pending_signal *p = t->held;

		t->held = p->next;
		r->nheld -= !p->cookie;
		free(p);
	}
}
