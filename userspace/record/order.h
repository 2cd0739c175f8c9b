/* SPDX-License-Identifier: MIT */
/* order.h: one order of output over all share groups (DESIGN 7). */
#ifndef BPREC_RECORD_ORDER_H
#define BPREC_RECORD_ORDER_H

#include "record/recorder.h"

/** Finds out which of bprec's own descriptors 0 to 2 are the same file. 0 or -errno. */
int order__start(struct recorder *r);
/** Others run: the descriptor of a call that writes must be looked at. */
bool order__matters(const struct recorder *r);
/** A call's entry, its arguments known: notes the stream that it writes to. */
void order__entry(struct recorder *r, struct task *t);
/** Is another thread inside a call that writes to the same stream? */
bool order__holds(const struct recorder *r, const struct task *t);
/** The thread goes on into its call. */
void order__begin(struct recorder *r, struct task *t);
/** The call was written down, or the thread ends. True: another may write, sched__run is due. */
bool order__end(struct recorder *r, struct task *t);

#endif
