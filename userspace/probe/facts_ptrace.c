/* SPDX-License-Identifier: MIT */
/*
 * facts_ptrace.c: stopping a process, and stopping it at its system calls.
 *
 * The tracer changes what it can be seen to change: a call's result becomes FAKE_RESULT, and the child says by its exit
 * status whether it saw that. A stop that comes is not enough.
 */
#include "probe/facts.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/puppet.h"

/* What the tracer makes of a call's result; no process has this number. */
#define FAKE_RESULT 0x3ab1ec0d
/* Exit code of a puppet that saw FAKE_RESULT. */
#define SAW_FAKE 7

static int spin(void *arg)
{
	volatile int *running = arg;

	for (;;)
		*running = 1;
	return 0;
}

void fact__ptrace_seize(struct trial *t, void *arg)
{
	volatile int *running = trial__shared(sizeof(*running));
	struct user_regs_struct regs;
	struct puppet p;
	int status;

	(void)arg;
	if (!running)
		return trial__unknown(t, "no memory");
	if (!puppet__start(&p, t, PTRACE_O_TRACESYSGOOD, spin, (void *)running))
		return;
	while (!*running)
		usleep(100);
	if (ptrace(PTRACE_INTERRUPT, p.pid, 0, 0) < 0)
		return trial__no(t, "seized, PTRACE_INTERRUPT: %s", trial__errno(errno));
	status = puppet__wait(&p);
	if (status < 0 || !WIFSTOPPED(status) || status >> 16 != PTRACE_EVENT_STOP)
		return trial__no(t, "seized and interrupted, but no stop came (status %#x)",
				 (unsigned int)status);
	if (puppet__regs(&p, &regs) < 0 || !regs.rip)
		return trial__no(t, "seized and stopped, but the registers can't be read");
	trial__yes(t, "a running child was seized, interrupted and stopped, its registers read");
}

static int install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(*code), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		return -errno;
	return 0;
}

static int call_filtered(void *arg)
{
	(void)arg;
	if (install_filter() < 0)
		return 1;
	return syscall(SYS_getppid) == FAKE_RESULT ? SAW_FAKE : 0;
}

/* At a stop before a call: the call is left out and its result is FAKE_RESULT. */
static int fake_call(const struct puppet *p, bool skip)
{
	struct user_regs_struct regs;
	const int err = puppet__regs(p, &regs);

	if (err)
		return err;
	if (skip)
		regs.orig_rax = -1ULL;
	regs.rax = FAKE_RESULT;
	return ptrace(PTRACE_SETREGS, p->pid, 0, &regs) < 0 ? -errno : 0;
}

void fact__seccomp_trace(struct trial *t, void *arg)
{
	struct puppet p;
	int status;

	(void)arg;
	if (!puppet__start(&p, t, PTRACE_O_TRACESECCOMP, call_filtered, NULL))
		return;
	status = puppet__wait(&p);
	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 1)
		return trial__no(t, "a seccomp filter was refused");
	if (status < 0 || status >> 8 != (SIGTRAP | PTRACE_EVENT_SECCOMP << 8))
		return trial__no(t, "the filter was installed, but no stop came (status %#x)",
				 (unsigned int)status);
	if (fake_call(&p, true) < 0)
		return trial__no(t, "stopped at the call, but the registers can't be set");
	status = puppet__resume(&p, PTRACE_CONT);
	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == SAW_FAKE)
		trial__yes(t, "a filtered call stopped, was left out, and its result replaced");
	else
		trial__no(t, "stopped at the call, but its result was not replaced (status %#x)",
			  (unsigned int)status);
}

static int call_emulated(void *arg)
{
	const int *fds = arg;

	__asm__ volatile("int3");
	return syscall(SYS_write, fds[1], "x", 1) == FAKE_RESULT ? SAW_FAKE : 0;
}

void fact__sysemu(struct trial *t, void *arg)
{
	struct puppet p;
	int fds[2];
	int status;
	char byte;

	(void)arg;
	if (pipe(fds) < 0)
		return trial__unknown(t, "pipe: %s", trial__errno(errno));
	if (!puppet__start(&p, t, PTRACE_O_TRACESYSGOOD, call_emulated, fds))
		return;
	status = puppet__wait(&p);
	if (!puppet__trapped(status))
		return trial__unknown(t, "the child did not stop (status %#x)",
				      (unsigned int)status);
	status = puppet__resume(&p, PTRACE_SYSEMU);
	if (status < 0)
		return trial__no(t, "PTRACE_SYSEMU: %s", trial__errno(-status));
	if (fake_call(&p, false) < 0)
		return trial__no(t, "stopped at the call, but the registers can't be set");
	status = puppet__resume(&p, PTRACE_CONT);
	close(fds[1]);
	if (read(fds[0], &byte, 1) == 1)
		trial__no(t, "stopped at the call, but the kernel carried it out");
	else if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == SAW_FAKE)
		trial__yes(t, "a write was not carried out, and its result replaced");
	else
		trial__no(t, "the result was not replaced (status %#x)", (unsigned int)status);
}
