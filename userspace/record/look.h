/* SPDX-License-Identifier: MIT */
/* look.h: when which pages of exposed objects are compared with what was saved of them, and what that may cost. */
#ifndef BPREC_RECORD_LOOK_H
#define BPREC_RECORD_LOOK_H

#include "record/recorder.h"

/** Begins to count the time that looks may take. */
void look__start(struct recorder *r);
/** Looks at exposed objects where it is time. 0 or -errno. */
int look__tick(struct recorder *r);
/** True if an object has to be looked at from time to time. */
bool look__wanted(const struct recorder *r, const struct object *o);
/** Insiders are about to unmap the object, or to end: looks at all of it, or writes a gap about what had to be left out. 0 or
 *  -errno. */
int look__last(struct recorder *r, struct object *o);
/** An outsider that could write the object is gone; its exposure has not yet ended in the list. A whole look begins, and goes
 *  on in ticks. 0 or -errno. */
int look__holder_gone(struct recorder *r, const struct exposure *e);
/** Notes in the trace what the looks have cost. 0 or -errno. */
int look__finish(struct recorder *r);

#endif
