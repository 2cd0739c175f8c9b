/* SPDX-License-Identifier: MIT */
/* sums.h: many changes of one outsider that the kernel side told as one (struct ksum, bpf/sum.bpf.c). */
#ifndef BPREC_RECORD_SUMS_H
#define BPREC_RECORD_SUMS_H

#include "record/recorder.h"

/** Sets the change's range to all pages that its open sum is about by now. */
void sums__look(const struct recorder *r, struct change *c);
/** Adds them to *ret, each by itself; ke: a record with KEVF_SUMMED whose sum is still open. 0 or -ENOMEM. */
int sums__add_pages(const struct recorder *r, const struct kevent *ke, struct ranges *ret);
/** Does the outsider have a call of the open sum under way now? */
bool sums__under_way(const struct recorder *r, const struct change *c);
/** Closes the change's sum. 1: nothing of it is under way (or it is to be taken all the same, `gone`: its process is): it is an
 *  ordinary change now, which has ended; where its pages aren't neighbours the rest follows it in r->changes as changes of their
 *  own. 0: not yet, but nothing more joins it. Or -errno. */
int sums__close(struct recorder *r, struct change *c, bool gone);
/** Calls fn with each run of pages that the closed sum of a change, some of which is under way, is about; fn sets part->count
 *  to 0 if it has written that down. 0, -errno or fn's value. */
int sums__each_run(struct recorder *r, struct change *c,
		   int (*fn)(struct recorder *r, struct change *part, void *ctx), void *ctx);

#endif
