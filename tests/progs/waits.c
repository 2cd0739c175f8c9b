/* SPDX-License-Identifier: MIT */
/*
 * waits.c: maps the file of its first argument, then waits in each of the calls that a signal or a stop could end early,
 * and prints what they return. Each waits about 300 ms and prints "wait NAME NR" before, "NAME RESULT" after.
 * (man 7 signal, "Interruption of system calls and library functions by stop signals".)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct timespec soon = { 0, 300000000 };
static int sock[2];

static long wait_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0);

	epoll_ctl(ep, EPOLL_CTL_ADD, sock[0], &ev);
	long ret = epoll_wait(ep, &ev, 1, 300);
	close(ep);
	return ret;
}

static long wait_semtimedop(void)
{
	int id = semget(IPC_PRIVATE, 1, 0600);
	struct sembuf op = { 0, -1, 0 };
	long ret = semtimedop(id, &op, 1, &soon);
	int saved = errno;

	semctl(id, 0, IPC_RMID);
	errno = saved;
	return ret;
}

static long wait_sigtimedwait(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return sigtimedwait(&set, NULL, &soon);
}

static long wait_recv(void)
{
	char c;
	struct timeval tv = { 0, 300000 };

	setsockopt(sock[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return recv(sock[0], &c, 1, 0);
}

static long wait_poll(void)
{
	struct pollfd p = { sock[0], POLLIN, 0 };

	return poll(&p, 1, 300);
}

static long wait_select(void)
{
	fd_set set;
	struct timeval tv = { 0, 300000 };

	FD_ZERO(&set);
	FD_SET(sock[0], &set);
	return select(sock[0] + 1, &set, NULL, NULL, &tv);
}

static long wait_sleep(void)
{
	return clock_nanosleep(CLOCK_MONOTONIC, 0, &soon, NULL);
}

static long wait_futex(void)
{
	static int word;

	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &soon, NULL, 0);
}

/* The child of a vfork runs on for a while before its exec: the parent doesn't stop until then. */
static long wait_vfork(void)
{
	int status = -1;
	pid_t pid = vfork();

	if (!pid) {
		nanosleep(&soon, NULL);
		execl("/bin/sh", "sh", "-c", "exit 4", (char *)NULL);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static long wait_child(void)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		nanosleep(&soon, NULL);
		_exit(6);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WEXITSTATUS(status);
}

static const struct {
	const char *name;
	long (*fn)(void);
	int nr; /* the call it is blocked in */
} waits[] = {
	{ "epoll_wait", wait_epoll, SYS_epoll_wait },
	{ "semtimedop", wait_semtimedop, SYS_semtimedop },
	{ "sigtimedwait", wait_sigtimedwait, SYS_rt_sigtimedwait },
	{ "recv", wait_recv, SYS_recvfrom },
	{ "poll", wait_poll, SYS_poll },
	{ "select", wait_select, SYS_pselect6 },
	{ "clock_nanosleep", wait_sleep, SYS_clock_nanosleep },
	{ "futex", wait_futex, SYS_futex },
	{ "vfork", wait_vfork, SYS_vfork },
	{ "wait4", wait_child, SYS_wait4 },
};

int main(int argc, char **argv)
{
	int fd = open(argc > 1 ? argv[1] : "/etc/passwd", O_RDONLY);
	char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	if (fd < 0 || map == MAP_FAILED || socketpair(AF_UNIX, SOCK_STREAM, 0, sock))
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready %d\n", getpid());
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		char line[8];

		/* The test asks for each */
		if (!fgets(line, sizeof(line), stdin))
			return 2;
		printf("wait %s %d\n", waits[i].name, waits[i].nr);
		errno = 0;
		long ret = waits[i].fn();
		printf("%s %ld %s\n", waits[i].name, ret, ret < 0 ? strerrorname_np(errno) : "-");
	}
	return map[0] ? 0 : 0;
}
