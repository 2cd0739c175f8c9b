/* SPDX-License-Identifier: MIT */
#include "tracee/stop.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* si_code of a system call stop with PTRACE_O_TRACESYSGOOD. */
#define CODE_SYSGOOD (SIGTRAP | 0x80)

/* Entry or exit? PTRACE_GET_SYSCALL_INFO: Linux 5.3. */
static int syscall_kind(pid_t tid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, (void *)sizeof(info), &info) < 0)
		return -errno;
	return info.op == PTRACE_SYSCALL_INFO_EXIT ? STOP_EXIT : STOP_ENTRY;
}

static enum stop_kind event_kind(int event)
{
	switch (event) {
	case PTRACE_EVENT_SECCOMP:
		return STOP_SECCOMP;
	case PTRACE_EVENT_STOP:
		return STOP_TRAP;
	case PTRACE_EVENT_VFORK:
		return STOP_VFORK;
	case PTRACE_EVENT_EXIT:
		return STOP_DYING;
	default:
		return STOP_INSIDE;
	}
}

int stop__kind(pid_t tid, siginfo_t *ret_info)
{
	siginfo_t info;

	if (ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) < 0)
		return -errno;
	*ret_info = info;
	if (info.si_signo == SIGTRAP && info.si_code == CODE_SYSGOOD)
		return syscall_kind(tid);
	/* Events put their number into bits 8 and up; no signal's si_code reaches so far (Linux 6.18, siginfo.h). */
	return info.si_code > 0xff ? (int)event_kind(info.si_code >> 8) : STOP_SIGNAL;
}

int stop__wait(pid_t tid, siginfo_t *ret_info)
{
	siginfo_t peek;
	int status;

	do {
		memset(&peek, 0, sizeof(peek));
	} while (waitid(P_PID, (id_t)tid, &peek, WEXITED | WSTOPPED | WNOWAIT | __WALL) < 0 &&
		 errno == EINTR);
	if (peek.si_code != CLD_TRAPPED && peek.si_code != CLD_STOPPED)
		return -ESRCH;
	int event = peek.si_status >> 8;
	if (event == PTRACE_EVENT_EXIT || event == PTRACE_EVENT_EXEC)
		return -ESRCH;
	if (waitpid(tid, &status, __WALL | WNOHANG) != tid || !WIFSTOPPED(status))
		return -ESRCH;
	return stop__kind(tid, ret_info);
}

int stop__run(pid_t tid, int how, int sig, siginfo_t *ret_info)
{
	if (ptrace((enum __ptrace_request)how, tid, NULL, (void *)(long)sig) < 0)
		return -errno;
	return stop__wait(tid, ret_info);
}
