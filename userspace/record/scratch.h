/* SPDX-License-Identifier: MIT */
/* scratch.h: outputs of calls that may wait go to a scratch area of the thread, and are copied at the exit stop, so that no
 * other thread of the group sees them land while it runs (DESIGN 12, rule 6). */
#ifndef BPREC_RECORD_SCRATCH_H
#define BPREC_RECORD_SCRATCH_H

#include "record/recorder.h"

/** Redirects the outputs of the call that the thread is about to enter, if other threads of its group could see them.
 *  *may_wait is set to false where they can't be redirected: the thread then keeps the token while it waits.
 *  0 or -errno. */
int scratch__set_up(struct recorder *r, struct task *t, struct regs64 *regs, bool *may_wait);
/** Puts the arguments back into the registers after the call. */
int scratch__restore(struct task *t, struct regs64 *regs);

#endif
