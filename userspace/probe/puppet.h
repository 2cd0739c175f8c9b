/* SPDX-License-Identifier: MIT */
/* puppet.h: a child that a trial traces: it waits until it is seized and told to go. */
#ifndef BPREC_PROBE_PUPPET_H
#define BPREC_PROBE_PUPPET_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/user.h>

#include "probe/trial.h"

/** A child under PTRACE_SEIZE. It goes with the trial (PR_SET_PDEATHSIG, PTRACE_O_EXITKILL). */
struct puppet {
	pid_t pid;
};

/** Forks a child that will run fn(arg) and _exit with its result; seizes it with options and lets it go.
 *  On failure t has the answer. */
bool puppet__start(struct puppet *p, struct trial *t, unsigned long options, int (*fn)(void *),
		   void *arg);
/** Continues with a ptrace request (PTRACE_CONT, PTRACE_SINGLESTEP, PTRACE_SYSEMU) and waits for what comes. The wait
 *  status, or -errno. */
int puppet__resume(const struct puppet *p, int request);
/** Waits for what comes without continuing. The wait status, or -errno. */
int puppet__wait(const struct puppet *p);
/** Is the status a stop by SIGTRAP and no ptrace event? */
bool puppet__trapped(int status);
/** Registers at a stop. 0 or -errno. */
int puppet__regs(const struct puppet *p, struct user_regs_struct *ret);

#endif
