/* SPDX-License-Identifier: MIT */
/* inject.h: injected calls, for this layer. */
#ifndef BPREC_TRACEE_INJECT_H
#define BPREC_TRACEE_INJECT_H

#include "tracee/tracee.h"

/** tracee__inject by the syscall instruction at `insn`; 0: that of bprec's page, else the bytes at rip. */
int inject__with(pid_t tid, uint64_t insn, uint32_t nr, const uint64_t args[6], int64_t *ret);

#endif
