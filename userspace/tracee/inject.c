/* SPDX-License-Identifier: MIT */
/*
 * inject.c: carrying out a system call in a stopped tracee, as if nothing had happened.
 *
 * How: all signals are blocked (PTRACE_SETSIGMASK), the registers of the call are set with rip at a `syscall` instruction,
 * the thread runs from stop to stop by PTRACE_SYSCALL up to the exit of the call, and everything is put back. The
 * seccomp stop of the call is passed through. PTRACE_CONT would save a stop, but a filter of the tracee's own may hide the
 * seccomp stop, and the thread would run into the int3 behind the instruction.
 *
 * What must not get lost (all tried on Linux 6.18; tests/unit/test_tracee_inject*.c):
 * - The registers at the exit of an interrupted call (rax -ERESTART*) are turned into a restart or EINTR on the way to user
 *   mode, but only if TIF_SIGPENDING is set then, which the run has cleared. So PTRACE_INTERRUPT is used to set it, and the
 *   thread ends up in a PTRACE_EVENT_STOP stop with the old registers.
 * - A group stop must be one at which PTRACE_LISTEN works afterwards: the same way. The kernel reports the stopping signal
 *   again if the group is still stopped.
 * - A PTRACE_EVENT_STOP that comes in on the way is taken and asked for again by PTRACE_INTERRUPT: the next continue ends in
 *   one.
 * - At a signal-delivery stop the kernel has dequeued the signal. It is sent again (PTRACE_SYSCALL with a signal, at the exit
 *   stop) with all others blocked, and gets its siginfo back at the new signal-delivery stop.
 * - SIGSTOP can't be blocked: suppressed if it comes in, and sent again.
 * - sigsuspend, ppoll, pselect and epoll_pwait leave a temporary mask in force up to the delivery of the signal that ended
 *   them; setting a mask would end it. There the answer is -EAGAIN, see injectable().
 * - After an event inside a call (exec, fork, clone) the kernel still stores the result into rax: the thread runs to the
 *   exit stop of that call first.
 */
#include "tracee/inject.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracee/stop.h"

/* Results with which the kernel leaves an interrupted call, never seen by user code (include/linux/errno.h). */
#define ERESTARTSYS	      512
#define ERESTARTNOINTR	      513
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516

#define SYSCALL_INSN 0x050fu /* 0f 05 */
#define SIGSET_BYTES 8ul

/* One injection. */
struct injection {
	pid_t tid;
	enum stop_kind kind; /* stop it began at */
	siginfo_t signal;    /* signal to be delivered, at STOP_SIGNAL */
	struct regs64 regs;  /* to be restored */
	uint64_t mask;	     /* signal mask to be restored */
	uint64_t insn;	     /* address of a syscall instruction */
	long poked;	     /* word that was there before; valid if has_poked */
	bool has_poked;
	bool trapped;	/* a PTRACE_EVENT_STOP was taken on the way */
	bool sigstop;	/* a SIGSTOP was suppressed on the way */
	bool gone;	/* died */
	int64_t result; /* of the call */
};

static int get_mask(pid_t tid, uint64_t *ret)
{
	return ptrace(PTRACE_GETSIGMASK, tid, (void *)SIGSET_BYTES, ret) < 0 ? -errno : 0;
}

static int set_mask(pid_t tid, uint64_t mask)
{
	return ptrace(PTRACE_SETSIGMASK, tid, (void *)SIGSET_BYTES, &mask) < 0 ? -errno : 0;
}

static bool restart_pending(const struct regs64 *r)
{
	int64_t ret = (int64_t)r->rax;

	return (int64_t)r->orig_rax >= 0 &&
	       (ret == -ERESTARTSYS || ret == -ERESTARTNOINTR || ret == -ERESTARTNOHAND ||
		ret == -ERESTART_RESTARTBLOCK);
}

/* Is a temporary signal mask in force (TIF_RESTORE_SIGMASK)? PTRACE_GETSIGMASK tells the one that will be restored, the status
 * file the one in force. Only calls that end by -ERESTARTNOHAND or -EINTR leave one. */
static int injectable(const struct injection *j)
{
	int64_t ret = (int64_t)j->regs.rax;
	uint64_t caught, ignored, blocked;

	if ((int64_t)j->regs.orig_rax < 0 || (ret != -ERESTARTNOHAND && ret != -EINTR))
		return 0;
	int err = tracee__signals(j->tid, j->tid, &caught, &ignored, &blocked);
	if (err)
		return err;
	return blocked == j->mask ? 0 : -EAGAIN;
}

/* Runs to the next stop that matters: stops of signals and traps that come in between are noted and left behind. */
static int run(struct injection *j, int how, int sig)
{
	siginfo_t info;
	int kind = stop__run(j->tid, how, sig, &info);

	while (kind == STOP_TRAP || (kind == STOP_SIGNAL && info.si_signo == SIGSTOP)) {
		if (kind == STOP_TRAP)
			j->trapped = true;
		else
			j->sigstop = true;
		kind = stop__run(j->tid, how, 0, &info);
	}
	if (kind == -ESRCH)
		j->gone = true;
	return kind;
}

/* From the thread's present stop to the exit stop of the call that the registers now hold. */
static int run_to_exit(struct injection *j)
{
	int kind;

	do {
		kind = run(j, PTRACE_SYSCALL, 0);
	} while (kind == STOP_ENTRY || kind == STOP_SECCOMP);
	if (kind < 0)
		return kind;
	return kind == STOP_EXIT ? 0 : -EIO;
}

/* Finds or makes a syscall instruction: the one asked for, the one in bprec's page, else the bytes at rip. */
static int find_insn(struct injection *j, uint64_t insn)
{
	uint16_t bytes = 0;

	j->insn = insn ? insn : TRACEE_PAGE_ADDR;
	if (insn || (tracee__read(j->tid, j->insn, &bytes, sizeof(bytes)) == sizeof(bytes) &&
		     bytes == SYSCALL_INSN))
		return 0;
	j->insn = j->regs.rip;
	errno = 0;
	j->poked = ptrace(PTRACE_PEEKTEXT, j->tid, (void *)j->insn, NULL);
	if (errno)
		return -errno;
	long word = (j->poked & ~0xffffl) | SYSCALL_INSN;
	if (ptrace(PTRACE_POKETEXT, j->tid, (void *)j->insn, (void *)word) < 0)
		return -errno;
	j->has_poked = true;
	return 0;
}

static void set_call(struct regs64 *r, uint32_t nr, const uint64_t args[6])
{
	r->rdi = args[0];
	r->rsi = args[1];
	r->rdx = args[2];
	r->r10 = args[3];
	r->r8 = args[4];
	r->r9 = args[5];
	r->rax = nr;
}

/* Reads the result at the exit stop. */
static int take_result(struct injection *j)
{
	struct regs64 r;
	int err = tracee__get_regs(j->tid, &r);

	if (!err)
		j->result = (int64_t)r.rax;
	return err;
}

/* Where user code would go on: the call is made by a syscall instruction. Ends at its exit stop. */
static int call_in_user_mode(struct injection *j, uint32_t nr, const uint64_t args[6])
{
	struct regs64 r = j->regs;

	set_call(&r, nr, args);
	r.rip = j->insn;
	r.orig_rax = ~0ull;
	int err = tracee__set_regs(j->tid, &r);
	if (!err)
		err = run_to_exit(j);
	return err ? err : take_result(j);
}

/* Before a call: the call is replaced. Ends at its exit stop. */
static int call_at_entry(struct injection *j, uint32_t nr, const uint64_t args[6])
{
	struct regs64 r = j->regs;

	set_call(&r, nr, args);
	r.orig_rax = nr;
	r.rax = (uint64_t)-ENOSYS;
	int err = tracee__set_regs(j->tid, &r);
	if (!err)
		err = run_to_exit(j);
	return err ? err : take_result(j);
}

/* Back from the exit stop of the injected call to the entry of the pending one, by executing its instruction again. */
static int back_to_entry(struct injection *j)
{
	struct regs64 r = j->regs;

	r.rip -= 2; /* the length of syscall, sysenter and int 0x80 */
	r.rax = r.orig_rax;
	r.orig_rax = ~0ull;
	int err = tracee__set_regs(j->tid, &r);
	if (err)
		return err;
	int kind = run(j, j->kind == STOP_SECCOMP ? PTRACE_CONT : PTRACE_SYSCALL, 0);
	if (kind < 0)
		return kind;
	return kind == (int)j->kind ? set_mask(j->tid, j->mask) : -EIO;
}

/* Back to a signal-delivery stop of the same signal. */
static int back_to_signal(struct injection *j)
{
	int signo = j->signal.si_signo;
	int err = tracee__set_regs(j->tid, &j->regs);

	if (!err)
		err = set_mask(j->tid, ~(1ull << (signo - 1)));
	if (err)
		return err;
	siginfo_t info;
	int kind = stop__run(j->tid, PTRACE_CONT, signo, &info);
	while (kind == STOP_TRAP) {
		j->trapped = true;
		kind = stop__run(j->tid, PTRACE_CONT, 0, &info);
	}
	if (kind < 0)
		return kind;
	if (kind != STOP_SIGNAL)
		return -EIO;
	if (ptrace(PTRACE_SETSIGINFO, j->tid, NULL, &j->signal) < 0)
		return -errno;
	return set_mask(j->tid, j->mask);
}

/* Back to a PTRACE_EVENT_STOP, which sets TIF_SIGPENDING on the way. */
static int back_to_trap(struct injection *j)
{
	siginfo_t info;
	int err = tracee__set_regs(j->tid, &j->regs);

	if (!err && ptrace(PTRACE_INTERRUPT, j->tid, NULL, NULL) < 0)
		err = -errno;
	if (err)
		return err;
	/* With all signals blocked still, so that nothing is dequeued before the trap; SIGSTOP makes it a group stop. */
	int kind = stop__run(j->tid, PTRACE_CONT, 0, &info);
	if (kind < 0)
		return kind;
	if (kind != STOP_TRAP)
		return -EIO;
	if (j->kind == STOP_TRAP || info.si_signo == SIGTRAP)
		j->trapped = false;
	else
		j->trapped = true; /* a group stop the caller doesn't know of */
	return set_mask(j->tid, j->mask);
}

static int back_to_user_mode(struct injection *j)
{
	if (j->kind == STOP_SIGNAL)
		return back_to_signal(j);
	if (j->kind == STOP_TRAP || restart_pending(&j->regs))
		return back_to_trap(j);
	int err = tracee__set_regs(j->tid, &j->regs);
	return err ? err : set_mask(j->tid, j->mask);
}

/* Asks again for what was taken on the way. */
static void requeue(const struct injection *j)
{
	if (j->trapped)
		ptrace(PTRACE_INTERRUPT, j->tid, NULL, NULL);
	if (j->sigstop)
		syscall(SYS_tkill, j->tid, SIGSTOP);
}

/* Finds out where the thread is and takes it to a place from which a call can be made. */
static int begin(struct injection *j)
{
	siginfo_t info;
	int kind = stop__kind(j->tid, &info);

	if (kind < 0)
		return kind;
	if (kind == STOP_DYING)
		return -ESRCH;
	if (kind == STOP_VFORK)
		return -EBUSY;
	if (kind == STOP_INSIDE) {
		int err = run_to_exit(j);
		if (err)
			return err;
		kind = STOP_EXIT;
	}
	j->kind = (enum stop_kind)kind;
	j->signal = info;
	int err = tracee__get_regs(j->tid, &j->regs);
	if (!err)
		err = get_mask(j->tid, &j->mask);
	return err ? err : injectable(j);
}

static bool at_entry(const struct injection *j)
{
	return j->kind == STOP_SECCOMP || j->kind == STOP_ENTRY;
}

/* Call and way back; signals are blocked meanwhile. */
static int carry_out(struct injection *j, uint32_t nr, const uint64_t args[6], uint64_t insn)
{
	int err = at_entry(j) ? 0 : find_insn(j, insn);

	if (err)
		return err;
	err = set_mask(j->tid, ~0ull);
	if (err)
		return err;
	if (at_entry(j))
		err = call_at_entry(j, nr, args);
	else
		err = call_in_user_mode(j, nr, args);
	if (j->has_poked && !j->gone)
		ptrace(PTRACE_POKETEXT, j->tid, (void *)j->insn, (void *)j->poked);
	if (err)
		return err;
	return at_entry(j) ? back_to_entry(j) : back_to_user_mode(j);
}

int inject__with(pid_t tid, uint64_t insn, uint32_t nr, const uint64_t args[6], int64_t *ret)
{
	struct injection j = { .tid = tid };
	int err = begin(&j);

	if (!err)
		err = carry_out(&j, nr, args, insn);
	if (!j.gone)
		requeue(&j);
	if (!err)
		*ret = j.result;
	return err;
}

int tracee__inject(pid_t tid, uint32_t nr, const uint64_t args[6], int64_t *ret)
{
	return inject__with(tid, 0, nr, args, ret);
}

int tracee__inject_at_entry(pid_t tid, uint32_t nr, const uint64_t args[6], int64_t *ret)
{
	siginfo_t info;
	int kind = stop__kind(tid, &info);

	if (kind < 0)
		return kind;
	if (kind != STOP_SECCOMP && kind != STOP_ENTRY)
		return -EINVAL;
	return inject__with(tid, 0, nr, args, ret);
}
