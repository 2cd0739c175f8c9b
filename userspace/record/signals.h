/* SPDX-License-Identifier: MIT */
/* signals.h: signals of tracees: delivered, held back, written down. */
#ifndef BPREC_RECORD_SIGNALS_H
#define BPREC_RECORD_SIGNALS_H

#include "record/recorder.h"

/** How long an asynchronous signal may wait for the next call (DESIGN 8). */
#define SIGNALS_HOLD_NS 50000000ull

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
bool signals__entry(struct task *t);
/** Lets in what was held back for too long. */
void signals__tick(struct recorder *r, uint64_t now);
/** After rt_sigreturn: writes the registers down. 0 or -errno. */
int signals__returned(struct recorder *r, struct task *t, const struct regs64 *regs);
/** Frees what is held back. */
void signals__drop(struct task *t);

#endif
