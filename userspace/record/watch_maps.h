/* SPDX-License-Identifier: MIT */
/* watch_maps.h: what the watched processes map, from the kernel's records and lists. */
#ifndef BPREC_RECORD_WATCH_MAPS_H
#define BPREC_RECORD_WATCH_MAPS_H

#include "record/recorder.h"

/** Acts on a KEV_WATCH of this process. 0 or -errno. */
int watch_maps__mapped(struct recorder *r, struct task *t, const struct kevent *ke);
/** The mappings of a process may be other than the model has them: they will be listed. */
void watch_maps__stirred(struct recorder *r, const struct task *t);
/** A child has what its parent has, what isn't settled yet too. */
void watch_maps__inherit(struct recorder *r, const struct task *parent, const struct task *child);
/** Reads the kernel's list of a process's mappings: those that are new are written down at once, those that are gone are kept
 *  for watch_maps__settle. 0 or -errno. */
int watch_maps__list(struct recorder *r, struct task *t);
/** Lists those processes that need it (now: without regard to what it costs). 0 or -errno. */
int watch_maps__list_stirred(struct recorder *r, bool now);
/** Writes down what was found gone (EV_UNMAP) by lists that are older than drained_ns: all records until then were acted on,
 *  and changes that they tell of were written down with the mapping still there. 0 or -errno. */
int watch_maps__settle(struct recorder *r, uint64_t drained_ns);
/** True if some process waits to be listed or settled. */
bool watch_maps__busy(const struct recorder *r);

#endif
