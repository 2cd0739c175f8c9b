/* SPDX-License-Identifier: MIT */
/* mm.h: calls that change the address space. */
#ifndef BPREC_RECORD_MM_H
#define BPREC_RECORD_MM_H

#include "record/recorder.h"

/** Before the call. True: it is not to be carried out, and *ret is its result. */
bool mm__entry(struct recorder *r, struct task *t, int64_t *ret);
/** After the call: events for what it did. 0 or -errno. */
int mm__exit(struct recorder *r, struct task *t, int64_t ret);

#endif
