/* SPDX-License-Identifier: MIT */
/*
 * launch.c: starting the command.
 *
 * The child says on a close-on-exec pipe that it is ready (an int 0), waits on another for the word to go, and says on the
 * first one why it could not execute the command (an errno); the end of that pipe without an errno means that the execve
 * was done. In between the parent seizes it and calls before_exec. From the installation of the seccomp filter on each
 * call of the child stops: the parent lets them go until PTRACE_EVENT_EXEC arrives.
 *
 * The filter goes in before the user is changed: as root it needs no no_new_privs, and setuid programs then behave as they do
 * under strace.
 */
#include "tracee/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tracee/filter.h"
#include "tracee/signals.h"
#include "util/err.h"

#define TRACE_OPTIONS                                                                             \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | \
	 PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL |    \
	 PTRACE_O_TRACEVFORKDONE)

/* Both ends of the two pipes; -1: closed. */
struct launch_pipes {
	int go[2];     /* parent to child */
	int report[2]; /* child to parent */
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_pipes(struct launch_pipes *p)
{
	close_fd(&p->go[0]);
	close_fd(&p->go[1]);
	close_fd(&p->report[0]);
	close_fd(&p->report[1]);
}

static int open_pipes(struct launch_pipes *p)
{
	*p = (struct launch_pipes){ { -1, -1 }, { -1, -1 } };
	if (pipe2(p->go, O_CLOEXEC) < 0 || pipe2(p->report, O_CLOEXEC) < 0) {
		int err = -errno;
		close_pipes(p);
		return err;
	}
	return 0;
}

/* Reads one int; 0 if it came, else -EPIPE. */
static int read_int(int fd, int *ret)
{
	int value;
	ssize_t n;

	do {
		n = read(fd, &value, sizeof(value));
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(value))
		return -EPIPE;
	*ret = value;
	return 0;
}

static void write_int(int fd, int value)
{
	while (write(fd, &value, sizeof(value)) < 0 && errno == EINTR)
		;
}

static int drop_user(const struct tracee_launch *l)
{
	if (geteuid() == 0 && initgroups(l->user, l->gid) < 0)
		return -errno;
	if (setresgid(l->gid, l->gid, l->gid) < 0 || setresuid(l->uid, l->uid, l->uid) < 0)
		return -errno;
	/* A change of user makes a process undumpable until its next execve (man 2 prctl). */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return 0;
}

/* What a traced child needs: no ASLR, and our filter. */
static int prepare_child(struct sock_filter *insns, size_t ninsns)
{
	const int persona = personality(0xffffffff);

	if (persona < 0 || personality((unsigned long)persona | ADDR_NO_RANDOMIZE) < 0)
		return -errno;
	return tracee_filter__install(insns, ninsns);
}

/* The child, up to and including execve. Returns why it failed. */
static int run_child(const struct tracee_launch *l, struct sock_filter *insns, size_t ninsns,
		     const struct launch_pipes *p)
{
	int go;

	close(p->go[1]); /* so that the parent's death ends the waiting */
	close(p->report[0]);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	write_int(p->report[1], 0);
	if (read_int(p->go[0], &go) < 0)
		_exit(127);
	signals__restore();
	int err = l->untraced ? 0 : prepare_child(insns, ninsns);
	if (!err && l->drop_user)
		err = drop_user(l);
	if (err)
		return err;
	if (l->tsc_fault)
		prctl(PR_SET_TSC,
		      PR_TSC_SIGSEGV); /* last: time must not be asked for by the vDSO any more */
	execvpe(l->argv[0], l->argv, l->envp);
	return -errno;
}

/* Waits for a status of the child; 0 or -ESRCH. */
static int wait_child(pid_t pid, int *ret_status)
{
	pid_t got;

	do {
		got = waitpid(pid, ret_status, __WALL);
	} while (got < 0 && errno == EINTR);
	return got == pid ? 0 : -ESRCH;
}

static void kill_child(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	while (wait_child(pid, &status) == 0 && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, pid, NULL, NULL);
}

/* Lets a stopped child go on as its stop demands. */
static void resume_child(pid_t pid, int status)
{
	int event = status >> 16, sig = WSTOPSIG(status);

	if (event == PTRACE_EVENT_STOP && sig != SIGTRAP)
		ptrace(PTRACE_LISTEN, pid, NULL, NULL); /* group stop: until SIGCONT */
	else
		ptrace(PTRACE_CONT, pid, NULL, (void *)(long)(event ? 0 : sig));
}

/* From "go" to PTRACE_EVENT_EXEC. -ECHILD: the child ended before. */
static int follow_to_exec(pid_t pid)
{
	int status;

	while (wait_child(pid, &status) == 0 && WIFSTOPPED(status)) {
		if (status >> 16 == PTRACE_EVENT_EXEC)
			return 0;
		resume_child(pid, status);
	}
	return -ECHILD;
}

/* The same for a child that nobody traces: its report ends when the execve was done, or says why not. */
static int await_exec(pid_t pid, struct launch_pipes *p)
{
	int err, status;

	if (read_int(p->report[0], &err) < 0)
		return 0;
	wait_child(pid, &status);
	return err;
}

/* Why a child that has ended did not execute the command. */
static int launch_error(const struct tracee_launch *l, struct launch_pipes *p)
{
	int err;

	close_fd(&p->report[1]);
	if (read_int(p->report[0], &err) < 0 || err >= 0)
		return err__set(-EINTR, "%s: killed before it could be executed", l->argv[0]);
	return err;
}

/* Parent's part while the child is held. */
static int seize(const struct tracee_launch *l, pid_t pid, struct launch_pipes *p,
		 int (*before_exec)(void *ctx, pid_t pid), void *ctx)
{
	int ready;

	if (read_int(p->report[0], &ready) < 0)
		return err__set(-EAGAIN, "the new process ended at once");
	if (!l->untraced && ptrace(PTRACE_SEIZE, pid, NULL, (void *)TRACE_OPTIONS) < 0) {
		int err = -errno;
		return err__set(err, "ptrace: cannot seize the new process: %m");
	}
	return before_exec ? before_exec(ctx, pid) : 0;
}

int tracee__launch(const struct tracee_launch *l, int (*before_exec)(void *ctx, pid_t pid),
		   void *ctx, pid_t *ret_pid)
{
	struct sock_filter insns[TRACEE_FILTER_MAX];
	size_t ninsns = l->untraced ? 0 : tracee_filter__build(l, insns);
	struct launch_pipes p;
	pid_t pid = -1;
	int err;

	tracee__save_signals();
	err = open_pipes(&p);
	if (err)
		return err;
	pid = fork();
	if (pid < 0) {
		err = -errno;
		goto out;
	}
	if (pid == 0) {
		write_int(p.report[1], run_child(l, insns, ninsns, &p));
		_exit(127);
	}
	close_fd(&p.report[1]);
	err = seize(l, pid, &p, before_exec, ctx);
	if (err) {
		kill_child(pid);
		goto out;
	}
	write_int(p.go[1], 1);
	err = l->untraced ? await_exec(pid, &p) : follow_to_exec(pid);
	if (err == -ECHILD)
		err = launch_error(l, &p);
	if (!err)
		*ret_pid = pid;
out:
	close_pipes(&p);
	return err;
}
