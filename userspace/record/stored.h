/* SPDX-License-Identifier: MIT */
/* stored.h: words that the kernel stores into a program's memory when threads come and go. */
#ifndef BPREC_RECORD_STORED_H
#define BPREC_RECORD_STORED_H

#include "record/recorder.h"

/** The parent's event of a clone: writes down the ids that were stored into the parent's memory. 0 or -errno. */
int stored__by_clone(struct recorder *r, struct task *t, struct task *child, uint64_t flags);
/** The child's first stop, after its EV_PROCESS: the id that was stored into its memory. 0 or -errno. */
int stored__at_start(struct recorder *r, struct task *t);
/** PTRACE_EVENT_EXIT: notes the robust futexes that the thread holds. */
void stored__at_exit(struct recorder *r, struct task *t);
/** The thread is gone, or a leader is a zombie: writes down the futex words that changed. 0 or -errno. */
int stored__robust(struct recorder *r, struct task *t);
/** The thread is gone: did the kernel store 0 at its clear_child_tid address? */
bool stored__cleared(struct recorder *r, struct task *t);
/** A leader ends, and others see what the kernel stores then (threads of its process that go on; whoever maps a robust futex that
 *  it holds): waits until it has left its memory, and writes down what was stored. 0 or -errno. */
int stored__leader(struct recorder *r, struct task *t);

#endif
