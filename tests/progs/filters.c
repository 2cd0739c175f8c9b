/* SPDX-License-Identifier: MIT */
/*
 * filters.c: installs a seccomp filter of its own, in which some calls fail with errors and one raises SIGSYS, makes those
 * calls and prints what it gets. A child inherits the filter; a second filter is put on top of the first.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t sigsys_nr;

static void on_sigsys(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	sigsys_nr = si->si_syscall;
}

static int install(int nr, unsigned action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

static void try_all(const char *who)
{
	struct utsname u;
	char buf[16];

	errno = 0;
	long a = syscall(SYS_uname, &u);
	printf("%s: uname %ld %s\n", who, a, strerror(errno));
	errno = 0;
	a = syscall(SYS_getcwd, buf, 16);
	printf("%s: getcwd %d %s\n", who, a < 0, strerror(errno));
	errno = 0;
	a = syscall(SYS_sethostname, "x", 1);
	printf("%s: sethostname raised SIGSYS for %d: %d\n", who, SYS_sethostname,
	       sigsys_nr == SYS_sethostname);
	printf("%s: getppid works: %d\n", who, getppid() > 0);
	fflush(stdout);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };

	sigaction(SIGSYS, &sa, NULL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	printf("first filter %d\n", install(SYS_uname, SECCOMP_RET_ERRNO | 77));
	printf("second filter %d\n", install(SYS_getcwd, SECCOMP_RET_ERRNO | EXDEV));
	printf("third filter %d\n", install(SYS_sethostname, SECCOMP_RET_TRAP));
	try_all("parent");
	pid_t pid = fork();
	if (!pid) {
		try_all("child");
		printf("fourth filter %d\n", install(SYS_sched_yield, SECCOMP_RET_KILL_PROCESS));
		fflush(stdout);
		syscall(SYS_sched_yield);
		_exit(0);
	}
	int status;
	waitpid(pid, &status, 0);
	printf("child: signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	return 0;
}
