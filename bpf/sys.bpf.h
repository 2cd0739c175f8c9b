/* SPDX-License-Identifier: GPL-2.0-only */
/* sys.bpf.h: how the programs of system calls are declared. */
#ifndef BPREC_SYS_BPF_H
#define BPREC_SYS_BPF_H

#include "obs.bpf.h"

/** Head of the program at the entry of a call; an argument that the call doesn't have must not be read. */
#define SYS_ENTER(call)                             \
	SEC("tracepoint/syscalls/sys_enter_" #call) \
	int enter_##call(struct sys_enter *ctx)

/** Head of the program at the exit of a call. */
#define SYS_EXIT(call)                             \
	SEC("tracepoint/syscalls/sys_exit_" #call) \
	int exit_##call(struct sys_exit *ctx)

#endif
