/* SPDX-License-Identifier: MIT */
/*
 * trial.c: a forked child, a shared page for its answer, and a bounded wait.
 *
 * The child is the leader of a process group of its own, so that one kill(2) ends it together with the tracees it
 * made; it and they also die with their parents (PR_SET_PDEATHSIG), so that nothing stays behind when bprec itself is
 * killed. The end of a trial is told by a byte in a pipe: waiting for it by poll(2) needs neither a signal handler nor
 * pidfd_open, which a sandbox may refuse.
 */
#include "probe/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/priv.h"

/* How long a killed child gets until it is given up (one that is stuck in the kernel). */
#define KILL_WAIT_MS 1000

static void answer(struct trial *t, enum probe_answer a, const char *fmt, va_list ap)
{
	vsnprintf(t->why, sizeof(t->why), fmt, ap);
	t->answer = a;
}

#define DEFINE_ANSWER(name, value)                                \
	void trial__##name(struct trial *t, const char *fmt, ...) \
	{                                                         \
		va_list ap;                                       \
                                                                  \
		va_start(ap, fmt);                                \
		answer(t, value, fmt, ap);                        \
		va_end(ap);                                       \
	}

DEFINE_ANSWER(yes, PROBE_YES)
DEFINE_ANSWER(no, PROBE_NO)
DEFINE_ANSWER(unknown, PROBE_UNKNOWN)

const char *trial__errno(int err)
{
	const char *name = strerrorname_np(err);

	if (err ==
	    524) /* ENOTSUPP, a number inside the kernel that BPF lets out (include/linux/errno.h) */
		return "ENOTSUPP";
	return name ? name : "unknown error";
}

void trial__refused(struct trial *t, int cap, const char *what, int err)
{
	if ((err == EPERM || err == EACCES) && cap >= 0 && !priv__has(cap))
		trial__unknown(t, "needs root: %s: %s", what, trial__errno(err));
	else if ((err == EPERM || err == EACCES) && cap >= 0 && !priv__initial_userns())
		trial__unknown(t, "needs root outside this user namespace: %s: %s", what,
			       trial__errno(err));
	else
		trial__no(t, "%s: %s", what, trial__errno(err));
}

pid_t trial__fork(void)
{
	const pid_t parent = getpid();
	const pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

void *trial__shared(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* The child's side: never returns. */
static void run_child(trial_fn fn, void *arg, struct trial *t, int done)
{
	static const int defaults[] = { SIGCHLD, SIGTRAP, SIGSEGV, SIGUSR1, SIGPIPE };
	sigset_t none;

	setpgid(0, 0);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++)
		signal(defaults[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fn(t, arg);
	if (write(done, "", 1) != 1)
		_exit(1);
	_exit(0);
}

/* Reaps pid, which has ended or been killed; gives up on one that does not die. */
static int reap(pid_t pid, int *status)
{
	for (unsigned int ms = 0; ms < KILL_WAIT_MS; ms++) {
		const pid_t got = waitpid(pid, status, WNOHANG);

		if (got == pid)
			return 0;
		if (got < 0 && errno != EINTR)
			return -errno;
		poll(NULL, 0, 1);
	}
	return -ETIMEDOUT;
}

/* Waits for the child's byte, or its end without one. Ends what is left of its process group. */
static void supervise(pid_t pid, int done, unsigned int timeout_ms, struct trial *t)
{
	struct pollfd pfd = { .fd = done, .events = POLLIN };
	int status = 0;
	char byte;
	int got;

	do
		got = poll(&pfd, 1, (int)timeout_ms);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		trial__unknown(t, "the trial did not end in %u ms", timeout_ms);
	const bool said = got > 0 && read(done, &byte, 1) == 1;

	if (!said)
		kill(pid, SIGKILL);
	const int err = reap(pid, &status);

	kill(-pid, SIGKILL); /* its own children, if it could not end them */
	if (said || got == 0)
		return;
	if (err == 0 && WIFSIGNALED(status))
		trial__unknown(t, "the trial was ended by signal %d", WTERMSIG(status));
	else
		trial__unknown(t, "the trial broke off");
}

int trial__start(trial_fn fn, void *arg, struct trial_child *ret)
{
	struct trial *t = trial__shared(sizeof(*t));
	int fds[2];
	int err;

	if (!t)
		return -ENOMEM;
	trial__unknown(t, "the trial gave no answer");
	if (pipe2(fds, O_CLOEXEC) < 0) {
		err = -errno;
		goto out;
	}
	const pid_t pid = trial__fork();

	if (pid == 0) {
		close(fds[0]);
		run_child(fn, arg, t, fds[1]);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		err = pid;
		goto out;
	}
	setpgid(pid, pid);
	*ret = (struct trial_child){ .shared = t, .pid = pid, .done = fds[0] };
	return 0;
out:
	munmap(t, sizeof(*t));
	return err;
}

void trial__finish(struct trial_child *c, unsigned int timeout_ms, struct trial *ret)
{
	supervise(c->pid, c->done, timeout_ms, c->shared);
	*ret = *c->shared;
	close(c->done);
	munmap(c->shared, sizeof(*c->shared));
}

void trial__run(trial_fn fn, void *arg, unsigned int timeout_ms, struct trial *ret)
{
	struct trial_child c;
	const int err = trial__start(fn, arg, &c);

	if (err)
		trial__unknown(ret, "the trial could not be started: %s", trial__errno(-err));
	else
		trial__finish(&c, timeout_ms, ret);
}
