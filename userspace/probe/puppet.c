/* SPDX-License-Identifier: MIT */
#include "probe/puppet.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void run(int go, int (*fn)(void *), void *arg)
{
	char byte;

	if (read(go, &byte, 1) != 1)
		_exit(125);
	_exit(fn(arg));
}

bool puppet__start(struct puppet *p, struct trial *t, unsigned long options, int (*fn)(void *),
		   void *arg)
{
	int go[2];

	if (pipe2(go, O_CLOEXEC) < 0) {
		trial__unknown(t, "pipe: %s", trial__errno(errno));
		return false;
	}
	p->pid = trial__fork();
	if (p->pid == 0)
		run(go[0], fn, arg);
	if (p->pid < 0) {
		trial__unknown(t, "fork: %s", trial__errno(-p->pid));
		return false;
	}
	if (ptrace(PTRACE_SEIZE, p->pid, 0, options | PTRACE_O_EXITKILL) < 0) {
		/* Yama's ptrace_scope 3 refuses root too; 0 to 2 allow one's own child or CAP_SYS_PTRACE. */
		trial__no(t, "PTRACE_SEIZE of a child: %s", trial__errno(errno));
		return false;
	}
	if (write(go[1], "", 1) != 1) {
		trial__unknown(t, "pipe: %s", trial__errno(errno));
		return false;
	}
	return true;
}

int puppet__wait(const struct puppet *p)
{
	int status;
	pid_t got;

	do
		got = waitpid(p->pid, &status, __WALL);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : status;
}

int puppet__resume(const struct puppet *p, int request)
{
	if (ptrace(request, p->pid, 0, 0) < 0)
		return -errno;
	return puppet__wait(p);
}

bool puppet__trapped(int status)
{
	return status >= 0 && WIFSTOPPED(status) && status >> 8 == SIGTRAP;
}

int puppet__regs(const struct puppet *p, struct user_regs_struct *ret)
{
	return ptrace(PTRACE_GETREGS, p->pid, 0, ret) < 0 ? -errno : 0;
}
