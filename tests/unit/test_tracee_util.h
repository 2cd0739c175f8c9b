/* SPDX-License-Identifier: MIT */
/* test_tracee_util.h: real tracees for the tests. The test program is its own tracee: started as `PROGRAM tracee NAME` it runs
 * the function of that name and exits with its value; 0 means that it saw what it should have seen. */
#ifndef TEST_TRACEE_UTIL_H
#define TEST_TRACEE_UTIL_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tracee/tracee.h"

/** What a tracee does. */
struct tracee_role {
	const char *name;
	int (*run)(void);
};

/** First thing in main: in a tracee runs its role and exits. */
static inline void be_tracee(int argc, char **argv, const struct tracee_role *roles)
{
	if (argc < 3 || strcmp(argv[1], "tracee")) {
		alarm(120); /* a tracee that went astray is a failure, not a wait for ever */
		return;
	}
	for (; roles->name; roles++) {
		if (!strcmp(roles->name, argv[2]))
			_exit(roles->run());
	}
	_exit(99);
}

static inline bool no_plain(uint32_t nr)
{
	(void)nr;
	return false;
}

/** Launches argv; returns launch's value. */
static inline int launch_argv(char *const *argv, pid_t *ret_pid)
{
	const struct tracee_launch l = {
		.argv = argv, .envp = environ, .plain = no_plain, .nr_max = 512
	};

	return tracee__launch(&l, NULL, NULL, ret_pid);
}

/** Launches a role; at the exec stop. */
static inline pid_t launch_role(const char *name)
{
	char *argv[] = { (char *)"/proc/self/exe", (char *)"tracee", (char *)name, NULL };
	pid_t pid;

	assert_int_equal(launch_argv(argv, &pid), 0);
	return pid;
}

static inline int wait_stop(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, __WALL), pid);
	return status;
}

/** Continues it and returns the next status. */
static inline int run(pid_t pid, int how, int sig)
{
	assert_int_equal(ptrace((enum __ptrace_request)how, pid, NULL, (void *)(long)sig), 0);
	return wait_stop(pid);
}

static inline bool at_event(int status, int event)
{
	return WIFSTOPPED(status) && status >> 16 == event;
}

static inline bool at_signal(int status, int sig)
{
	return WIFSTOPPED(status) && status >> 16 == 0 && WSTOPSIG(status) == sig;
}

static inline bool at_syscall(int status)
{
	return at_signal(status, SIGTRAP | 0x80);
}

/** Runs it to the seccomp stop of call nr; signals on the way are delivered. */
static inline struct regs64 run_to_call(pid_t pid, uint64_t nr)
{
	struct regs64 regs;
	int sig = 0;

	for (;;) {
		int status = run(pid, PTRACE_CONT, sig);
		sig = 0;
		if (!WIFSTOPPED(status))
			fail_msg("ended before call %d: status %x", (int)nr, status);
		if (at_event(status, PTRACE_EVENT_SECCOMP)) {
			assert_int_equal(tracee__get_regs(pid, &regs), 0);
			if (regs.orig_rax == nr)
				return regs;
		} else if (status >> 16 == 0) {
			sig = WSTOPSIG(status);
		}
	}
}

/** Runs it to its end, with signals delivered; exit status, or 1000 + signal. */
static inline int finish(pid_t pid, int sig)
{
	for (;;) {
		int status = run(pid, PTRACE_CONT, sig);
		sig = 0;
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (WIFSIGNALED(status))
			return 1000 + WTERMSIG(status);
		if (status >> 16 == 0)
			sig = WSTOPSIG(status);
	}
}

/** Ends it whatever it does. */
static inline void destroy(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, pid, NULL, NULL);
}

/** Waits until it is blocked in call nr. */
static inline void wait_blocked(pid_t pid, uint32_t nr)
{
	uint64_t args[6];
	uint32_t now = ~0u;

	while (tracee__blocked_call(pid, pid, &now, args) != 1 || now != nr)
		usleep(200);
}

static inline void assert_same_regs(const struct regs64 *a, const struct regs64 *b)
{
	const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b;

	for (size_t i = 0; i < sizeof(*a) / 8; i++) {
		if (x[i] != y[i])
			fail_msg("register word %zu: %lx, was %lx", i, y[i], x[i]);
	}
}

#endif
