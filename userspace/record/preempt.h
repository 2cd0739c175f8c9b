/* SPDX-License-Identifier: MIT */
/* preempt.h: preemption points: a thread is given up, or a signal delivered, between two calls (DESIGN 8). */
#ifndef BPREC_RECORD_PREEMPT_H
#define BPREC_RECORD_PREEMPT_H

#include "record/recorder.h"

/** Is the thread, whose registers are these at a stop, where its last event left it, without having run user code since? */
bool preempt__fresh(const struct task *t, const struct regs64 *regs);
/** A stopped thread is where its last event left it: gives it these registers, with a mark in them by which preempt__fresh knows
 *  that. 0 or -errno. */
int preempt__mark(struct task *t, struct regs64 *regs);

/** The thread stopped between two calls, and others want to run or a signal waits: looks for a good place from here on. 1:
 *  the point is written, the thread stands there; 0: it has been continued, and either preempt__step says the same later or
 *  the thread makes a call, which will do; -errno. */
int preempt__begin(struct recorder *r, struct task *t);
/** Is this SIGTRAP that of a step on the way? */
bool preempt__owns(const struct task *t, const siginfo_t *info);
/** After such a stop. As preempt__begin. */
int preempt__step(struct recorder *r, struct task *t);
/** Goes on after a stop on the way that was for something else (a signal, an interrupt). */
void preempt__resume(struct recorder *r, struct task *t);
/** The thread has come to something that is an event: no point is needed. NULL point is allowed. */
void preempt__drop(struct task *t);
/** Writes the point where the thread stands, whatever place that is. 0 or -errno. */
int preempt__here(struct recorder *r, struct task *t);
/** The thread, which ran user code, is being killed: writes the point if a replay can find it. 0 or -errno. */
int preempt__killed(struct recorder *r, struct task *t);
/** Stops threads that have run for long, to take a picture of their memory. */
void preempt__tick(struct recorder *r, uint64_t now);
/** Frees what a thread has of this. */
void preempt__free(struct task *t);

#endif
