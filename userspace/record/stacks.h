/* SPDX-License-Identifier: MIT */
/* stacks.h: where outsiders were when they changed something, and insiders when they were stopped for it. */
#ifndef BPREC_RECORD_STACKS_H
#define BPREC_RECORD_STACKS_H

#include "bprec/kwho.h"
#include "record/recorder.h"

/** Id of the stack of an outsider at this event, for ev_change.stack; 0: it has none. The EV_STACK is written later, and only if
 *  the stack was told. writer: id of the outsider. */
uint32_t stacks__of_event(struct recorder *r, const struct kevent *ke, uint32_t writer);
/** Takes a record of kwho.h. Nothing is written to the trace by it. 0 or -ENOMEM. */
int stacks__record(struct recorder *r, const struct kwho *who);
/** A change was written as event number `event`: keeps the stacks of these insiders, as soon as they stop. Failures cost the
 *  stack only. */
void stacks__insiders(struct recorder *r, uint64_t event, const struct change_insider *in,
		      uint32_t n);
/** A thread has stopped: keeps its stack if that is wanted. */
void stacks__stopped(struct recorder *r, struct task *t);
/** Names a stack that waits and writes it down, if the time spent on it so far allows. 0 or -errno. */
int stacks__tick(struct recorder *r, uint64_t now);
/** Writes down all that are left. 0 or -errno. */
int stacks__finish(struct recorder *r);
/** Frees. */
void stacks__free(struct recorder *r);

#endif
