/* SPDX-License-Identifier: MIT */
/* telling.h: pictures of a stopped thread's memory, and what of it tells rounds of a loop apart. */
#ifndef BPREC_RECORD_TELLING_H
#define BPREC_RECORD_TELLING_H

#include "record/recorder.h"
#include "record/words.h"

/** Keeps a picture of the thread's memory, which the next point is compared with (t->picture). Without memory: none. */
void telling__keep(struct recorder *r, struct task *t, const struct regs64 *regs);
/** Chooses the words at a point, and keeps the picture of it for the next one. trail: what was touched on the way there; what
 *  the code around may touch is added. */
void telling__choose(struct recorder *r, struct task *t, const struct regs64 *regs,
		     struct words_trail *trail, struct words *ret);

#endif
