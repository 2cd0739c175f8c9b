/* SPDX-License-Identifier: MIT */
/* terms.h: what a comparer compares at a preemption point, and in which order. Private to replay/. */
#ifndef BPREC_REPLAY_TERMS_H
#define BPREC_REPLAY_TERMS_H

#include "replay/state.h"
#include "tracee/comparer.h"

/** The terms of a point, and what was seen of each. Filled by terms__init. */
struct terms {
	size_t n; /* all there are: 16 registers, then halves of xmm registers, then words */
	struct {
		struct comparer_term t;
		bool usable;	/* the word is readable; of a half it is known that it changes */
		uint32_t apart; /* how often it was not the expected one */
		uint32_t moves; /* how often it was another one than the time before */
		uint64_t last;	/* value the last time */
	} v[COMPARER_TERMS];
	uint32_t seen; /* times looked */
	uint64_t
		point; /* its address: words of memory that the jump is in can't be compared in line */
};

/** xstate: NT_X86_XSTATE as recorded, NULL: not compared. At most 64 words count. */
void terms__init(struct terms *ts, const struct regs64 *regs, const void *xstate, size_t xlen,
		 const struct mem_word *words, size_t nwords);
/** Looks at a stopped thread at the point. xstate: the thread's now, NULL: not known. True: another order may do better
 *  than the last one. */
bool terms__look(struct terms *ts, struct rtask *t, const void *xstate, size_t xlen);
/** The terms that can be compared, those first that tell most often that the state is not the one. Returns how many. */
size_t terms__order(const struct terms *ts, struct comparer_term ret[COMPARER_TERMS]);

#endif
