/* SPDX-License-Identifier: MIT */
/*
 * run.c: letting a thread run user code up to its next stop, and telling what kind of stop that is.
 *
 * PTRACE_SYSEMU stops at the entry of each call, which is then not carried out. Signals from outside (a terminal's Ctrl-C, a
 * child's end) mean nothing here and are swallowed: what the program got is in the trace.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "model/regs.h"
#include "replay/state.h"
#include "sys/sys.h"
#include "tracee/tracee.h"
#include "util/err.h"

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31 /* asm/ptrace-abi.h; glibc has it as an enumerator */
#endif

#define NR_RESTART_SYSCALL    219
#define ERESTART_RESTARTBLOCK 516 /* linux/errno.h, kernel only */
#define SYSCALL_INSN_LEN      2

void run__restart(struct rtask *t)
{
	if (!t->restart)
		return;
	t->restart = false;
	t->regs.rax =
		(int64_t)t->regs.rax == -ERESTART_RESTARTBLOCK ? NR_RESTART_SYSCALL : t->restart_nr;
	t->regs.rip -= SYSCALL_INSN_LEN;
	t->dirty = true;
}

int run__set_regs(struct replay *rp, struct rtask *t)
{
	struct regs64 regs = t->regs;
	int err;

	if (!t->dirty)
		return 0;
	regs.orig_rax = ~0ull; /* else the kernel would look for a call to start over */
	err = tracee__set_regs(t->real, &regs);
	if (err)
		return replay__fail(rp, err, "setting registers: %s", strerror(-err));
	t->dirty = false;
	return 0;
}

static bool raised_here(int sig, const siginfo_t *si)
{
	return si->si_code > 0 && (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE ||
				   sig == SIGILL || sig == SIGTRAP);
}

int run__judge(struct replay *rp, struct rtask *t, int status)
{
	int sig, err;

	if (!WIFSTOPPED(status))
		return replay__fail(rp, -ESRCH, "its stub process ended (status %#x)", status);
	rp->st.stops++;
	sig = WSTOPSIG(status);
	err = tracee__get_regs(t->real, &t->regs);
	if (err)
		return replay__fail(rp, err, "reading registers: %s", strerror(-err));
	if (sig == (SIGTRAP | 0x80)) {
		t->state = RTASK_IN_CALL;
		return 0;
	}
	if (ptrace(PTRACE_GETSIGINFO, t->real, 0, &t->info))
		return 1;
	if (!raised_here(sig, &t->info))
		return 1;
	t->state = sig == SIGTRAP ? RTASK_TRAP : RTASK_FAULT;
	return 0;
}

int run__resume(struct replay *rp, struct rtask *t)
{
	int err;

	run__restart(t);
	err = run__set_regs(rp, t);
	if (err)
		return err;
	if (ptrace(PTRACE_SYSEMU, t->real, 0, 0))
		return replay__fail(rp, -errno, "continuing: %s", strerror(errno));
	t->state = RTASK_RUNNING;
	place__resumed(rp, t);
	return 0;
}

int run__go(struct replay *rp, struct rtask *t, int request)
{
	int status, err;

	do {
		err = run__set_regs(rp, t);
		if (err)
			return err;
		if (ptrace(request, t->real, 0, 0))
			return replay__fail(rp, -errno, "continuing: %s", strerror(errno));
		place__resumed(rp, t);
		err = place__wait(rp, t, &status);
		if (!err)
			err = run__judge(rp, t, status);
	} while (err == 1);
	return err;
}

int run__to_stop(struct replay *rp, struct rtask *t)
{
	int status, err = 0;

	if (t->state != RTASK_READY && t->state != RTASK_RUNNING)
		return 0;
	if (t->state == RTASK_READY && debug__on(rp, t))
		return debug__run(rp, t, NULL);
	do {
		if (t->state == RTASK_READY || err == 1)
			err = run__resume(rp, t);
		if (err < 0)
			return err;
		err = place__wait(rp, t, &status);
		if (err)
			return err;
		err = run__judge(rp, t, status);
	} while (err == 1);
	return err;
}

const char *run__where(const struct rtask *t, char *buf, size_t size)
{
	const struct sys_call *c = sys__lookup(t->regs.orig_rax);

	switch (t->state) {
	case RTASK_IN_CALL:
		if (c)
			snprintf(buf, size, "it calls %s(%#llx, %#llx, %#llx, ...) at %#llx",
				 c->name, (unsigned long long)t->regs.rdi,
				 (unsigned long long)t->regs.rsi, (unsigned long long)t->regs.rdx,
				 (unsigned long long)t->regs.rip);
		else
			snprintf(buf, size, "it makes call %llu at %#llx",
				 (unsigned long long)t->regs.orig_rax,
				 (unsigned long long)t->regs.rip);
		break;
	case RTASK_FAULT:
		snprintf(buf, size, "it got %s at %#llx (address %#llx)",
			 sigabbrev_np(t->info.si_signo) ? sigabbrev_np(t->info.si_signo)
							: "a signal",
			 (unsigned long long)t->regs.rip,
			 (unsigned long long)(uintptr_t)t->info.si_addr);
		break;
	case RTASK_TRAP:
		snprintf(buf, size, "it ran into a breakpoint at %#llx",
			 (unsigned long long)t->regs.rip - 1);
		break;
	default:
		snprintf(buf, size, "it is at %#llx", (unsigned long long)t->regs.rip);
	}
	return buf;
}

int run__to_call(struct replay *rp, struct rtask *t)
{
	char where[160];
	int err = run__to_stop(rp, t);

	if (err)
		return err;
	if (t->state != RTASK_IN_CALL)
		return replay__differs(rp, "expected a system call, but %s",
				       run__where(t, where, sizeof(where)));
	return 0;
}

int run__check_regs(struct replay *rp, struct rtask *t, uint64_t hash)
{
	uint64_t found;

	if (!hash || rp->opts.no_verify)
		return 0;
	found = regs64__hash(&t->regs);
	rp->st.checks++;
	if (found == hash)
		return 0;
	return replay__differs(
		rp,
		"registers differ: expected hash %#llx, found %#llx (rip %#llx, rsp %#llx, "
		"rax %#llx)",
		(unsigned long long)hash, (unsigned long long)found,
		(unsigned long long)t->regs.rip, (unsigned long long)t->regs.rsp,
		(unsigned long long)t->regs.rax);
}
