/* SPDX-License-Identifier: MIT */
/* rearm.h: --rearm=soft-dirty: an outsider's next store to a page faults again. */
#ifndef BPREC_RECORD_REARM_H
#define BPREC_RECORD_REARM_H

#include "record/recorder.h"

/** Tries whether this kernel can do it, with memory of its own; warns and notes if not. Sets r->rearm. To be called once the
 *  trace is there, before anything is recorded. 0 or -errno. */
int rearm__start(struct recorder *r);
/** Clears the soft-dirty bits of a process (writer: its id as an outsider), and notes in the trace that it is done, or that it
 *  can't be, once for each outsider. 0 or -errno of the writer. */
int rearm__process(struct recorder *r, pid_t pid, uint32_t writer);

#endif
