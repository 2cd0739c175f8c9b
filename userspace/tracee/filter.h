/* SPDX-License-Identifier: MIT */
/* filter.h: the seccomp filter of the tracees. */
#ifndef BPREC_TRACEE_FILTER_H
#define BPREC_TRACEE_FILTER_H

#include <stddef.h>

#include <linux/filter.h>

#include "tracee/tracee.h"

/** Room that tracee_filter__build needs. */
#define TRACEE_FILTER_MAX 120u

/** Builds the program for the launch's `plain` table into insns[TRACEE_FILTER_MAX]; returns its length. */
size_t tracee_filter__build(const struct tracee_launch *l, struct sock_filter *insns);
/** Installs it in the calling process, with no_new_privs only if the kernel asks for it. 0 or -errno. Async-signal-safe. */
int tracee_filter__install(struct sock_filter *insns, size_t n);

#endif
