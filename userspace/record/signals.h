/* SPDX-License-Identifier: MIT */
/* signals.h: signals of tracees: delivered, held back, written down. */
#ifndef BPREC_RECORD_SIGNALS_H
#define BPREC_RECORD_SIGNALS_H

#include "record/recorder.h"

/** How long an asynchronous signal may wait for the next call (DESIGN 8). */
#define SIGNALS_HOLD_NS 50000000ull
/** A thread whose last call is longer ago than this is not expected to make one soon. */
#define SIGNALS_CALL_NS 20000000ull

/** A signal that is held back. */
struct pending_signal {
	siginfo_t info;
	uint64_t ns;	 /* when it came */
	uint64_t cookie; /* si_value with which it was sent again; 0: not yet */
	struct pending_signal *next;
};

/** A signal-delivery stop, or the stop after the step into a handler. 0 or -errno. */
int signals__stop(struct recorder *r, struct task *t, int sig);
/** The thread is about to enter a call: signals held back are let in now. True: before the call, which must start over. */
bool signals__entry(struct recorder *r, struct task *t);
/** The thread stands at a preemption point (or where another event left it): what is held back is delivered there, then it
 *  goes on. 0 or -errno. */
int signals__at_point(struct recorder *r, struct task *t);
/** Has a signal of the thread been held back for long enough? */
bool signals__due(const struct task *t, uint64_t now);
/** After a call, with the registers at its exit: one of a signal handler says nothing about when the next comes. */
void signals__count_call(struct task *t, const struct regs64 *regs);
/** Stops threads for which signals have been held back for too long. */
void signals__tick(struct recorder *r, uint64_t now);
/** After rt_sigreturn: writes the registers down. 0 or -errno. */
int signals__returned(struct recorder *r, struct task *t, const struct regs64 *regs);
/** Frees what is held back. */
void signals__drop(struct recorder *r, struct task *t);

#endif
