/* SPDX-License-Identifier: MIT */
/*
 * stub.c: the processes in which recorded user code runs again.
 *
 * A stub is a child that shares bprec's table of descriptors (CLONE_FILES: so it can map memfds by number) and has no
 * memory but one page with `syscall; int3`. It never executes anything else than that and the program's own code, and is
 * stopped at each of the program's calls (PTRACE_SYSEMU), which the kernel doesn't carry out. All stubs are bprec's own
 * children (CLONE_PARENT; CLONE_UNTRACED: a debugger of bprec itself does not get them), each a thread group of its own, even where the program had threads: nobody can tell, since no
 * call of the program is carried out.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay/state.h"
#include "tracee/tracee.h"
#include "util/err.h"

#define PAGE	  4096ull
#define TASK_SIZE 0x7ffffffff000ull /* user addresses end here (4-level page tables) */
#define RSEQ_SIG  0x53053053u	    /* glibc's signature on x86-64 */

extern const ptrdiff_t __rseq_offset __attribute__((weak));

/** In the child: what the kernel would write into memory that is somebody else's soon. */
static void forget_libc(void)
{
	if (&__rseq_offset)
		syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, 32, 1,
			RSEQ_SIG);
	syscall(SYS_set_robust_list, NULL, 24);
	syscall(SYS_set_tid_address, NULL);
}

/** The child of stub__first, up to its first stop. */
static void child(bool tsc_fault)
{
	static const uint8_t code[] = { 0x0f, 0x05, 0xcc }; /* syscall; int3 */
	const struct rlimit none = { 0, 0 };
	const uint64_t empty = 0;
	void *page = mmap((void *)STUB_PAGE, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (page != (void *)STUB_PAGE)
		_exit(1);
	memcpy(page, code, sizeof(code));
	if (mprotect(page, PAGE, PROT_READ | PROT_EXEC))
		_exit(1);
	setrlimit(RLIMIT_CORE, &none);
	if (tsc_fault)
		prctl(PR_SET_TSC, PR_TSC_SIGSEGV); /* rdtsc in code that isn't patched stops */
	forget_libc();
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &empty, NULL, 8);
	if (ptrace(PTRACE_TRACEME, 0, 0, 0))
		_exit(2);
	syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
	_exit(3);
}

/** Waits for a stop of a stub. Its status, or -ESRCH with err__set. */
static int wait_stop(pid_t pid, int *ret_status)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return err__set(-errno, "waiting for a stub process: %s", strerror(errno));
	if (!WIFSTOPPED(status))
		return err__set(-ESRCH, "a stub process of the replay ended (status %#x)", status);
	*ret_status = status;
	return 0;
}

int stub__call(struct replay *rp, pid_t pid, long nr, const uint64_t args[6], int64_t *ret)
{
	struct regs64 regs = rp->empty_regs;
	int status, err;

	regs.rip = STUB_PAGE;
	regs.rax = nr;
	regs.orig_rax = ~0ull;
	regs.rdi = args[0];
	regs.rsi = args[1];
	regs.rdx = args[2];
	regs.r10 = args[3];
	regs.r8 = args[4];
	regs.r9 = args[5];
	regs.eflags = 0x202;
	err = tracee__set_regs(pid, &regs);
	if (err)
		return err__set(err, "setting registers of a stub: %s", strerror(-err));
	do {
		if (ptrace(PTRACE_CONT, pid, 0, 0))
			return err__set(-errno, "continuing a stub: %s", strerror(errno));
		err = wait_stop(pid, &status);
		if (err)
			return err;
	} while (status >> 8 !=
		 SIGTRAP); /* events of clone, signals from outside: on to the int3 */
	rp->st.stops++;
	err = tracee__get_regs(pid, &regs);
	*ret = regs.rax;
	return err;
}

int stub__clone(struct replay *rp, pid_t from, bool share, pid_t *ret)
{
	const uint64_t args[6] = { CLONE_PARENT | CLONE_FILES | (share ? CLONE_VM : 0) | SIGCHLD };
	int64_t pid;
	int status, err = stub__call(rp, from, SYS_clone, args, &pid);

	if (err)
		return err;
	if (pid < 0)
		return err__set((int)pid, "making a stub process: %s", strerror((int)-pid));
	err = wait_stop((pid_t)pid, &status); /* its first stop, traced as its parent is */
	if (!err)
		*ret = (pid_t)pid;
	return err;
}

int stub__new(struct replay *rp, pid_t *ret)
{
	return stub__clone(rp, rp->empty, false, ret);
}

void stub__kill(pid_t pid)
{
	int status;

	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) < 0 ? errno == EINTR : WIFSTOPPED(status))
		;
}

int stub__first(struct replay *rp)
{
	const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
			     PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
	const uint64_t low[6] = { 0, STUB_PAGE };
	const uint64_t high[6] = { STUB_PAGE + PAGE, TASK_SIZE - STUB_PAGE - PAGE };
	int64_t ret[2] = { 0 };
	int status, err;

	rp->empty = (pid_t)syscall(SYS_clone, CLONE_FILES | CLONE_UNTRACED | SIGCHLD, NULL, NULL,
				   NULL, 0);
	if (rp->empty < 0)
		return err__set(-errno, "making a stub process: %s", strerror(errno));
	if (!rp->empty)
		child(rp->tsc_fault);
	err = wait_stop(rp->empty, &status);
	if (err)
		return err;
	if (ptrace(PTRACE_SETOPTIONS, rp->empty, 0, options))
		return err__set(-errno, "tracing a stub process: %s", strerror(errno));
	err = tracee__get_regs(rp->empty, &rp->empty_regs);
	rp->empty_regs.fs_base = rp->empty_regs.gs_base = 0;
	if (!err)
		err = stub__call(rp, rp->empty, SYS_munmap, low, &ret[0]);
	if (!err)
		err = stub__call(rp, rp->empty, SYS_munmap, high, &ret[1]);
	if (!err && (ret[0] || ret[1]))
		err = err__set(-ENOMEM, "a stub process could not be emptied: %s",
			       strerror((int)-(ret[0] ? ret[0] : ret[1])));
	return err;
}
