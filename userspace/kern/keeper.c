// SPDX-License-Identifier: MIT
/*
 * keeper.c: a process that holds the hooks' descriptors a moment longer than we do.
 *
 * Detaching a program from a classic tracepoint waits for RCU grace periods, one after another: 52 of them took 1.4 s
 * on 6.18. Whoever closes the last descriptor waits. If that were the recorder, it would end 1.4 s late, and when it is
 * killed, the tracees would live on as long: the kernel closes a dying process's files before it ends its ptrace
 * attachments (do_exit: exit_files, exit_task_work, exit_notify). So the last descriptor is the keeper's. It is nobody's
 * child, has nothing else open, and ends when the other end of its pipe is closed.
 *
 * It takes its time: a detaching holds the mutex of all trace events while it waits, and a recording that begins meanwhile needs that
 * 50 times. One that began 2 to 4 s after another had ended took 0.9 to 1.8 s to start (6.18), 0.1 s otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "kern/state.h"

#define REST_MAX_NS 200000000u

/** Descriptors that the keeper keeps. */
struct kept {
	unsigned int fd[2 * KHOOK_MAX + 1];
	int n;
};

static int compare(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

static void close_others(struct kept *kept)
{
	unsigned int from = 0;

	qsort(kept->fd, kept->n, sizeof(kept->fd[0]), compare);
	for (int i = 0; i < kept->n; i++) {
		if (kept->fd[i] > from)
			close_range(from, kept->fd[i] - 1, 0);
		from = kept->fd[i] + 1;
	}
	close_range(from, ~0u, 0);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/** Closes one after another, and lets others have the mutex for as long as each has taken. */
static void close_slowly(const struct kept *kept)
{
	for (int i = 0; i < kept->n; i++) {
		const uint64_t from = now_ns();
		struct timespec rest = { 0 };

		close((int)kept->fd[i]);
		const uint64_t took = now_ns() - from;
		rest.tv_nsec = (long)(took < REST_MAX_NS ? took : REST_MAX_NS);
		nanosleep(&rest, NULL);
	}
}

static void keep(struct kern *k, int pipe_fd)
{
	struct kept kept = { .fd = { pipe_fd }, .n = 1 };
	sigset_t all;
	char c;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "bprec-hooks", 0, 0, 0);
	for (int i = 0; i < KHOOK_MAX; i++) {
		if (k->links[i])
			kept.fd[kept.n++] = bpf_link__fd(k->links[i]);
		if (k->perf_fds[i] >= 0)
			kept.fd[kept.n++] = k->perf_fds[i];
	}
	close_others(&kept);
	while (read(pipe_fd, &c, 1) > 0)
		;
	close_slowly(&kept);
}

void keeper_start(struct kern *k)
{
	const int before = k->keeper_pipe;
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	child = fork();
	if (child == 0) {
		if (setsid() >= 0 && fork() == 0)
			keep(k, ends[0]);
		_exit(0);
	}
	close(ends[0]);
	if (child < 0)
		close(ends[1]);
	else
		k->keeper_pipe = ends[1];
	if (child > 0 && before >= 0)
		close(before); /* the old one's descriptors aren't the last */
	while (child > 0 && waitpid(child, NULL, 0) < 0)
		if (errno != EINTR)
			break;
}
