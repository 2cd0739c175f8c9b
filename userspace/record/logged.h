/* SPDX-License-Identifier: MIT */
/*
 * logged.h: calls that a tracee made without a stop (tracee/calllog.h), into the trace.
 *
 * Invariants: every event of a thread comes after the calls that it logged before. A log is on only while its thread is alone in its
 * share group, but for a parent that waits for it in vfork, and nothing waits for its next call.
 */
#ifndef BPREC_RECORD_LOGGED_H
#define BPREC_RECORD_LOGGED_H

#include "record/recorder.h"
#include "tracee/wrappers.h"

/** Patches wrappers in a private executable mapping of the file that holds them, at a stop where calls can be injected; the first
 *  time in an address space with a log for it. What can't be patched stops at each call. 0 or -errno. */
int logged__patch(struct recorder *r, struct task *t, const struct model_vma *v,
		  const struct wrappers *w);
/** Before a stopped thread runs user code: switches its log on or off. alone: in its share group. */
void logged__arm(struct recorder *r, struct task *t, bool alone);
/** It is gone. What it logged since its last stop, where that could be asked for no more, is lost: in memory that it shared (vfork) it must
 *  not be taken for another's. */
void logged__gone(struct recorder *r, const struct task *t);
/** Writes down what a thread, stopped or inside a call, has logged. 0 or -errno. */
int logged__take(struct recorder *r, struct task *t);
/** The same at a stop that may be anywhere in user code, with these registers; the thread is led out of the code that logs. fresh:
 *  it has run nothing since its last event (preempt__fresh). 0 or -errno. */
int logged__settle(struct recorder *r, struct task *t, struct regs64 *regs, bool fresh);

#endif
