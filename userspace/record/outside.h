/* SPDX-License-Identifier: MIT */
/* outside.h: what the BPF programs tell becomes changes of the trace. */
#ifndef BPREC_RECORD_OUTSIDE_H
#define BPREC_RECORD_OUTSIDE_H

#include "record/recorder.h"

/** For so long after sums of an object were written down, others gather changes, unless somebody waits for them. */
#define OUTSIDE_GATHER_NS 5000000ull
/** How long threads wait for an outsider's call to end, so that its change can be exact. */
#define OUTSIDE_HOLD_NS 1000000000ull

/** Acts on a record of the BPF programs. 0 or -errno. */
int outside__event(struct recorder *r, const struct kevent *ke);
/** Writes down the changes that are over and whose mappers are quiet. 0 or -errno. */
int outside__progress(struct recorder *r);
/** True if a change under way keeps this thread from running. */
bool outside__holds(struct recorder *r, const struct task *t);
/** Compares exposed objects where it is time. 0 or -errno. */
int outside__tick(struct recorder *r, uint64_t now);
/** True if ticks are needed soon. */
bool outside__busy(const struct recorder *r);
/** Pages [addr, addr + len) of a thread's memory (whole: all of it) are about to be unmapped: looks at exposed objects once
 *  more, and marks changes that are still under way (DESIGN 12, rules 1 and 9). 0 or -errno. */
int outside__before_unmap(struct recorder *r, struct task *t, uint64_t addr, uint64_t len,
			  bool whole);
/** The recording is over: what is left is written down, and what was lost. 0 or -errno. */
int outside__finish(struct recorder *r);

#endif
