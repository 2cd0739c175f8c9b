/* SPDX-License-Identifier: MIT */
/* calls.h: system calls of tracees, at their entry and exit stops. */
#ifndef BPREC_RECORD_CALLS_H
#define BPREC_RECORD_CALLS_H

#include "record/recorder.h"

/** The thread stopped before a call. plain: the filter says that nothing is to be done (registers aren't read). Continues
 *  or queues it. 0 or -errno (fatal). */
int calls__entry(struct recorder *r, struct task *t, bool plain);
/** The filters have run over a call whose entry was seen by PTRACE_SYSCALL: goes on into it. 0 or -errno. */
int calls__filtered(struct task *t);
/** A call that isn't an x86-64 one (int 0x80, x32): answered with ENOSYS. */
int calls__foreign(struct recorder *r, struct task *t);
/** The thread stopped after a call: writes it down, and readies the thread. 0 or -errno (fatal). */
int calls__exit(struct recorder *r, struct task *t);
/** Writes an EV_SYSCALL for the current call of a thread that will not come to an exit stop (exec, exit). */
int calls__no_return(struct recorder *r, struct task *t, int64_t ret);

#endif
