/* SPDX-License-Identifier: MIT */
/* stop.h: what kind of ptrace stop a thread is in, and waiting for its next one without losing what is not ours. */
#ifndef BPREC_TRACEE_STOP_H
#define BPREC_TRACEE_STOP_H

#include <signal.h>
#include <sys/types.h>

/** Kinds of stops, by what must be done to carry out a call there. */
enum stop_kind {
	STOP_EXIT = 1, /* exit of a call */
	STOP_ENTRY,    /* entry of a call (PTRACE_SYSCALL) */
	STOP_SECCOMP,  /* PTRACE_EVENT_SECCOMP: entry of a call too */
	STOP_SIGNAL,   /* a signal is about to be delivered */
	STOP_TRAP,     /* PTRACE_EVENT_STOP: group stop, PTRACE_INTERRUPT, start of a new task */
	STOP_INSIDE, /* event inside a call that will return soon: exec, fork, clone, vfork done */
	STOP_VFORK,  /* event inside a call that returns when somebody else is done */
	STOP_DYING,  /* PTRACE_EVENT_EXIT */
};

/** Kind of the stop that tid is in. *ret_info gets the siginfo (of the signal, at STOP_SIGNAL). Kind or -errno. */
int stop__kind(pid_t tid, siginfo_t *ret_info);
/** Waits for the next stop of tid and takes it; kind or -errno. -ESRCH if the thread dies, is at PTRACE_EVENT_EXIT or is
 *  replaced by an exec: that report is left for whoever waits next. */
int stop__wait(pid_t tid, siginfo_t *ret_info);
/** Lets it run to its next stop by `how` (PTRACE_CONT, PTRACE_SYSCALL) with signal sig, and waits as stop__wait does. */
int stop__run(pid_t tid, int how, int sig, siginfo_t *ret_info);

#endif
