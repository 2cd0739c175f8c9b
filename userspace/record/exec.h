/* SPDX-License-Identifier: MIT */
/* exec.h: a new image: everything in its address space is written down. */
#ifndef BPREC_RECORD_EXEC_H
#define BPREC_RECORD_EXEC_H

#include "record/recorder.h"

/** At PTRACE_EVENT_EXEC, the thread that called execve has taken its leader's id (man 2 ptrace): finds it under its former
 *  id, makes that its new one, and forgets the leader. NULL without memory. */
struct task *exec__rename(struct recorder *r, pid_t tid);
/** PTRACE_EVENT_EXEC: EV_SYSCALL of execve, EV_EXEC, EV_MAP, EV_PAGES and EV_MEM of the new image; then readies the thread.
 *  0 or -errno. */
int exec__stop(struct recorder *r, struct task *t);

#endif
