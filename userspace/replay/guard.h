/* SPDX-License-Identifier: MIT */
/* guard.h: code that the program may write to while bprec's jump or breakpoint is in it. Private to replay/. */
#ifndef BPREC_REPLAY_GUARD_H
#define BPREC_REPLAY_GUARD_H

#include "replay/state.h"

/** Pages of code whose protection has lost its write right for a while. Zero-initialise. */
struct guard {
	uint64_t addr, len; /* bytes, whole pages; len 0: nothing to guard */
	uint32_t prot;	    /* what the program has set */
};

/** Guards the pages of [addr, addr + len) if the program may write there. 0 or negative with err__set. */
int guard__open(struct guard *g, struct replay *rp, struct rtask *t, uint64_t addr, uint64_t len);
/** Did the thread stop because it stores there? */
bool guard__hit(const struct guard *g, const struct rtask *t);
/** Lets the program write there (on: no longer). 0 or negative with err__set. */
int guard__set(const struct guard *g, struct replay *rp, struct rtask *t, bool on);

#endif
