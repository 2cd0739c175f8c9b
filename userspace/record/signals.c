/* SPDX-License-Identifier: MIT */
/*
 * signals.c: a signal is delivered where a replay can find the place again.
 *
 * Synchronous signals (a fault, a trap) are delivered where they came in, and so are those that come in at a call's exit.
 * One that arrives between two calls, and has a handler, is held back and sent again when the thread enters its next call,
 * or after SIGNALS_HOLD_NS; its siginfo is put back at its second delivery stop. Where no call comes in time, its place is
 * written down with all registers (place SIGNAL_PREEMPT).
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
#include "record/sched.h"
#include "tracee/tracee.h"

#define FRAME_MAX (64u << 10) /* a frame holds the extended state: some KiB, more with AMX */

static uint8_t xstate[16384], frame[FRAME_MAX];

static bool is_sync(int sig, const siginfo_t *si)
{
	if (si->si_code <= 0)
		return false; /* sent by a process */
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP;
}

static enum signal_place place_of(const struct task *t, int sig)
{
	if (is_sync(sig, &t->info))
		return SIGNAL_SYNC;
	/* nothing has run since the exit stop if every register is as it was there */
	return memcmp(&t->before_sig, &t->exit_regs, sizeof(t->exit_regs)) ? SIGNAL_PREEMPT
									   : SIGNAL_AT_SYSCALL;
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
	if (err)
		return err;
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
static bool hold_back(struct task *t)
{
	struct pending_signal *h = calloc(1, sizeof(*h)), **p = &t->held;

	if (!h)
		return false;
	h->info = t->info;
	h->ns = t->stop_ns;
	while (*p)
		p = &(*p)->next;
	*p = h;
	return true;
}

int signals__stop(struct recorder *r, struct task *t, int sig)
{
	enum signal_action action;
	siginfo_t info;
	bool again;
	int err;

	if (ptrace(PTRACE_GETSIGINFO, t->tid, 0, &info))
		return errno == EINVAL ? 0 : -errno;
	if (t->step_to_handler && sig == SIGTRAP && info.si_code > 0)
		return entered_handler(r, t); /* t->info is still that of the signal */
	t->info = info;
	err = sig == SIGTRAP ? patch__trap(r, t) : sig == SIGSEGV ? patch__fault(r, t) : 0;
	if (err)
		return err < 0 ? err : 0;
	t->step_to_handler = false;
	again = take_held(t, sig);
	err = tracee__get_regs(t->tid, &t->before_sig);
	if (err)
		return err;
	action = action_of(t, sig);
	if (!again && action == SIGNAL_HANDLER && place_of(t, sig) == SIGNAL_PREEMPT &&
	    hold_back(t)) {
		sched__ready(r, t);
		return 0;
	}
	t->cont_sig = sig;
	if (action == SIGNAL_HANDLER) {
		t->step_to_handler = true;
	} else {
		err = write_signal(r, t, action, &t->before_sig, 0, 0);
		if (err)
			return err;
	}
	sched__ready(r, t);
	return 0;
}

/** Was another of its number, held back before it, sent and not yet delivered? */
static bool waits_for_another(const struct task *t, const struct pending_signal *h)
{
	for (const struct pending_signal *o = t->held; o != h; o = o->next)
		if (o->info.si_signo == h->info.si_signo)
			return true;
	return false;
}

/** Sends again what is held back for at least `age`. Returns how many were sent that are not in the set `blocked`. */
static int send_held(struct task *t, uint64_t now, uint64_t age, uint64_t blocked)
{
	static uint64_t cookies = 0xb9ec000000000000;
	int n = 0;

	for (struct pending_signal *h = t->held; h; h = h->next) {
		siginfo_t si = { .si_signo = h->info.si_signo, .si_code = SI_QUEUE };

		if (h->cookie || now - h->ns < age || waits_for_another(t, h))
			continue;
		h->cookie = ++cookies;
		si.si_value.sival_ptr = (void *)h->cookie;
		if (!syscall(SYS_rt_tgsigqueueinfo, t->pid, t->tid, si.si_signo, &si))
			n += !(blocked >> (si.si_signo - 1) & 1);
	}
	return n;
}

bool signals__entry(struct task *t)
{
	uint64_t blocked = 0;

	if (!t->held)
		return false;
	/* one that is blocked by now stays pending: nothing would interrupt the call, and the program would see the
	 * number that makes it start over */
	ptrace(PTRACE_GETSIGMASK, t->tid, sizeof(blocked), &blocked);
	/* rt_sigreturn may be what unblocks it: delivered at its exit */
	return send_held(t, t->stop_ns, 0, blocked) && t->nr != SYS_rt_sigreturn;
}

void signals__tick(struct recorder *r, uint64_t now)
{
	for (struct task *t = r->tasks; t; t = t->hh.next)
		if (t->held)
			send_held(t, now, SIGNALS_HOLD_NS, 0);
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
	return emit__hashed(r, EV_REGS, t, regs,
			    (struct iovec[]){ { &ev, sizeof(ev) }, { xstate, len } }, 2);
}

void signals__drop(struct task *t)
{
	while (t->held) {
		struct pending_signal *p = t->held;

		t->held = p->next;
		free(p);
	}
}
