/* SPDX-License-Identifier: MIT */
/* outputs.h: from a finished call to its EV_SYSCALL with the bytes that it wrote. */
#ifndef BPREC_RECORD_OUTPUTS_H
#define BPREC_RECORD_OUTPUTS_H

#include "record/recorder.h"

/** Writes EV_DATA events where needed, and the EV_SYSCALL of a call that returned `ret`; copies what went to a scratch area
 *  to its place. flags: enum syscall_flags to begin with. 0 or -errno. */
int outputs__write(struct recorder *r, struct task *t, int64_t ret, uint32_t flags);
/** sys_read_fn for a tracee; ctx is the struct task. */
long outputs__read(void *ctx, uint64_t addr, void *buf, size_t len);
/** The call of a thread as sys/ wants it. */
struct sys_invocation outputs__invocation(struct task *t, int64_t ret);

#endif
