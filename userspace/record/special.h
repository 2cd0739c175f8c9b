/* SPDX-License-Identifier: MIT */
/* special.h: calls that need a word of their own: tree, seccomp, moving data past the program's memory ... */
#ifndef BPREC_RECORD_SPECIAL_H
#define BPREC_RECORD_SPECIAL_H

#include "record/recorder.h"

/** Before the call; may change registers in the tracee. True: it is not to be carried out, and *ret is its result. */
bool special__entry(struct recorder *r, struct task *t, struct regs64 *regs, int64_t *ret);
/** After the call. 0 or -errno. */
int special__exit(struct recorder *r, struct task *t, int64_t ret);

#endif
