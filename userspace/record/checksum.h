/* SPDX-License-Identifier: MIT */
/* checksum.h: hashes of the program's memory in the trace, which a replay compares (EV_MEMHASH). */
#ifndef BPREC_RECORD_CHECKSUM_H
#define BPREC_RECORD_CHECKSUM_H

#include "record/recorder.h"

/** A call has returned, and what it did is written down; the thread has not gone on. 0 or -errno. */
int checksum__call(struct recorder *r, struct task *t);
/** The process ends by exit_group; its EV_SYSCALL was the last event. 0 or -errno. */
int checksum__end(struct recorder *r, struct task *t);
/** The thread is stopped at a preemption point, whose EV_REGS comes next. 0 or -errno. */
int checksum__point(struct recorder *r, struct task *t, const struct regs64 *regs);

#endif
