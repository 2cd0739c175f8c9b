/* SPDX-License-Identifier: MIT */
/* match.h: the state at an address is compared by code in the stub process itself, which traps where it is the one that is
 * looked for. Private to replay/. All functions but match__judge want the thread stopped. */
#ifndef BPREC_REPLAY_MATCH_H
#define BPREC_REPLAY_MATCH_H

#include "replay/state.h"
#include "tracee/comparer.h"

/** One search. Filled by match__open. */
struct match {
	struct replay *rp;
	struct rtask *t;      /* whose point it is */
	uint64_t area;	      /* pages mapped for it, 0: none */
	size_t len;	      /* bytes of `original` */
	bool armed;	      /* the jump is in the program's code */
	uint8_t original[32]; /* the program's own bytes at the point */
	struct comparer c;
};

/** Why the thread stopped. */
enum match_stop {
	MATCH_HIT, /* all that the comparer compares is equal; regs are as at the point */
	MATCH_AWAY, /* where the comparer can't be left in place: to be stepped on, without it, from regs.rip */
	MATCH_OTHER, /* by itself: regs and info are as if there were no comparer */
};

/** Finds room. 0; -ENOTSUP: there is none, or the code can't be patched; else negative with err__set. */
int match__open(struct match *m, struct replay *rp, struct rtask *t, uint64_t point);
/** (Re)makes the comparer. 0, -ENOTSUP, or negative with err__set. */
int match__build(struct match *m, const struct comparer_term *terms, size_t n);
/** Puts the jump into the program's code. 0 or negative with err__set. */
int match__arm(struct match *m);
/** Takes it away. 0 or negative with err__set. */
int match__disarm(struct match *m);
/** Not armed: has the program written other instructions to the point? */
bool match__stale(const struct match *m);
/** Takes those; the thread's registers become those that it has in its own code. To be built again. 0 or negative with
 *  err__set. */
int match__reload(struct match *m);
/** Arms it for a thread at the point, whose next round is to be looked at: it goes on with the instructions there. */
int match__enter(struct match *m);
/** Tells a stop of the thread. */
enum match_stop match__judge(struct match *m);
/** Is rip within what the jump replaces, but not at its beginning? */
bool match__in_jump(const struct match *m);
/** Takes everything away. 0 or negative with err__set. */
int match__close(struct match *m);

/** Writes at most 5 bytes of code. 0 or negative with err__set. */
int match__poke(struct replay *rp, struct rtask *t, uint64_t addr, const void *bytes, size_t len);
/** After code at the point was written to and put back: as if it had not been. 0 or negative with err__set. */
int match__drop_copies(struct replay *rp, struct rtask *t, uint64_t point, size_t len);

#endif
