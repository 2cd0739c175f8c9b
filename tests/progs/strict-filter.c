/* SPDX-License-Identifier: MIT */
/*
 * strict-filter.c: a seccomp filter that kills for every call but a few. "refused": makes a call that is allowed but fails
 * (its arguments are bad); "threads": the filter is for all threads, which then wait for each other in read(2) with more
 * than they asked for before.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALLOW(nr) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int there[2], back[2];

static int install(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* seccomp_data.nr */
		ALLOW(SYS_read),
		ALLOW(SYS_write),
		ALLOW(SYS_futex),
		ALLOW(SYS_rt_sigreturn),
		ALLOW(SYS_exit),
		ALLOW(SYS_exit_group),
		ALLOW(SYS_io_uring_setup),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
}

static int say(const char *text)
{
	return syscall(SYS_write, 1, text, strlen(text)) < 0;
}

static void *answer(void *arg)
{
	static char buf[200000];

	say("the thread has started\n");
	if (write(back[1], "s", 1) != 1 || read(there[0], buf, sizeof(buf)) != 1 ||
	    write(back[1], buf, 1) != 1)
		say("the thread failed\n");
	syscall(SYS_exit, 0);
	return arg;
}

static void refused(void)
{
	say(syscall(SYS_io_uring_setup, 0, NULL) < 0 ? "failed as it must\n" : "no error\n");
}

static void threads(void)
{
	static char buf[400000];

	if (write(there[1], "a", 1) != 1 || read(back[0], buf, sizeof(buf)) != 1)
		say("failed\n");
	say(buf[0] == 'a' ? "answered\n" : "no answer\n");
}

int main(int argc, char **argv)
{
	pthread_t thread;
	char c;
	int several = argc > 1 && !strcmp(argv[1], "threads");

	if (pipe(there) || pipe(back))
		return 1;
	if (several && (pthread_create(&thread, NULL, answer, NULL) || read(back[0], &c, 1) != 1))
		return 1;
	if (install())
		return 2;
	if (several)
		threads();
	else
		refused();
	syscall(SYS_exit_group, 5);
}
