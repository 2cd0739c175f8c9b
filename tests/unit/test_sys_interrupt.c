// SPDX-License-Identifier: MIT
/*
 * test_sys_interrupt.c: which calls return EINTR when a tracer interrupts them (SYS_EINTR_BOUND; signal(7)), found by doing
 * it. A child waits in a call; PTRACE_INTERRUPT stops it; after it goes on it either waits again or the call is over with
 * EINTR. Rows without the flag must never do the latter: the program would see what it would not have seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sys/sys.h"

/** One call that waits. */
struct wait_case {
	const char *name;   /* of the call */
	long (*wait)(void); /* waits; its result or -errno */
	bool eintr;	    /* does return EINTR */
};

/* Made by the test, so that they go although its child is killed. */
static int sem_id;
static char fifo[] = "/tmp/sys-fifo-XXXXXX";

static long result(long ret)
{
	return ret == -1 ? -errno : ret;
}

static int empty_pipe(void)
{
	int p[2];

	return pipe(p) ? -1 : p[0];
}

static long in_read(void)
{
	char c;

	return result(read(empty_pipe(), &c, 1));
}

static long in_read_eventfd(void)
{
	uint64_t v;

	return result(read(eventfd(0, 0), &v, sizeof(v)));
}

/* A socket, with a time-out if seconds isn't 0. */
static int udp(int seconds)
{
	struct timeval tv = { seconds, 0 };
	int p[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, p))
		return -1;
	if (seconds)
		setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return p[0];
}

static long in_recv(void)
{
	char c;

	return result(recv(udp(0), &c, 1, 0));
}

static long in_recv_timeout(void)
{
	char c;

	return result(recv(udp(1000), &c, 1, 0));
}

static long in_read_timeout(void)
{
	char c;

	return result(read(udp(1000), &c, 1));
}

static long in_recvmsg_timeout(void)
{
	char c;
	struct iovec v = { &c, 1 };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };

	return result(recvmsg(udp(1000), &h, 0));
}

static long in_accept_timeout(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval tv = { 1000, 0 };
	int l = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(l, (struct sockaddr *)&a, sizeof(a)) || listen(l, 1))
		return -1;
	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return result(accept(l, NULL, NULL));
}

static long in_epoll_wait(void)
{
	struct epoll_event ev;

	return result(syscall(SYS_epoll_wait, epoll_create1(0), &ev, 1, -1));
}

static long in_poll(void)
{
	struct pollfd p = { empty_pipe(), POLLIN, 0 };

	return result(syscall(SYS_poll, &p, 1, -1));
}

static long in_ppoll(void)
{
	struct pollfd p = { empty_pipe(), POLLIN, 0 };
	struct timespec ts = { 1000, 0 };

	return result(ppoll(&p, 1, &ts, NULL));
}

static long in_select(void)
{
	struct timeval tv = { 1000, 0 };

	return result(syscall(SYS_select, 0, NULL, NULL, NULL, &tv));
}

static long in_nanosleep(void)
{
	struct timespec ts = { 1000, 0 };

	return result(syscall(SYS_nanosleep, &ts, NULL));
}

static long in_clock_nanosleep(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += 1000;
	return result(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL));
}

static long in_futex(void)
{
	static uint32_t word;

	return result(syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0));
}

static long in_futex_timeout(void)
{
	struct timespec ts = { 1000, 0 };
	static uint32_t word;

	return result(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &ts, NULL, 0));
}

static long in_pause(void)
{
	return result(syscall(SYS_pause));
}

static long in_rt_sigsuspend(void)
{
	uint64_t mask = 0;

	return result(syscall(SYS_rt_sigsuspend, &mask, 8));
}

static long in_rt_sigtimedwait(void)
{
	uint64_t set = 1ull << (SIGUSR2 - 1);

	return result(syscall(SYS_rt_sigtimedwait, &set, NULL, NULL, 8));
}

static long in_semop(void)
{
	struct sembuf op = { 0, -1, 0 };

	return result(syscall(SYS_semop, sem_id, &op, 1));
}

static long in_flock(void)
{
	char path[] = "/tmp/sys-flock-XXXXXX";
	int a = mkstemp(path), b = open(path, O_RDWR);

	unlink(path);
	if (flock(a, LOCK_EX))
		return -1;
	return result(flock(b, LOCK_EX));
}

static long in_wait4(void)
{
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	return result(syscall(SYS_wait4, -1, NULL, 0, NULL));
}

static long in_open(void)
{
	return result(syscall(SYS_open, fifo, O_RDONLY));
}

static const struct wait_case cases[] = {
	{ "read", in_read, false },
	{ "read", in_read_eventfd, false },
	{ "read", in_read_timeout, true },
	{ "recvfrom", in_recv, false },
	{ "recvfrom", in_recv_timeout, true },
	{ "recvmsg", in_recvmsg_timeout, true },
	{ "accept", in_accept_timeout, true },
	{ "epoll_wait", in_epoll_wait, true },
	{ "poll", in_poll, false },
	{ "ppoll", in_ppoll, false },
	{ "select", in_select, false },
	{ "nanosleep", in_nanosleep, false },
	{ "clock_nanosleep", in_clock_nanosleep, false },
	{ "futex", in_futex, false },
	{ "futex", in_futex_timeout, false },
	{ "pause", in_pause, false },
	{ "rt_sigsuspend", in_rt_sigsuspend, false },
	{ "rt_sigtimedwait", in_rt_sigtimedwait, true },
	{ "semop", in_semop, true },
	{ "flock", in_flock, false },
	{ "wait4", in_wait4, false },
	{ "open", in_open, false },
};

/* State letter of a process, 0 when it can't be read. */
static char state_of(pid_t pid)
{
	char path[64], line[512] = "", *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	return p && p[1] ? p[2] : 0;
}

/* The call in which a process waits, -1 if it doesn't. */
static long call_of(pid_t pid)
{
	char path[64], line[256] = "";
	FILE *f;

	if (state_of(pid) != 'S')
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	return line[0] >= '0' && line[0] <= '9' ? strtol(line, NULL, 10) : -1;
}

/* Waits until the child waits in a call, or is over. 0: it waits. */
static int wait_for_call(pid_t pid, const char *name)
{
	long nr;

	for (;;) {
		int status;

		if (waitpid(pid, &status, WNOHANG | __WALL) == pid && WIFEXITED(status))
			return 1 + WEXITSTATUS(status);
		nr = call_of(pid);
		if (nr == sys__number(name) || nr == SYS_restart_syscall ||
		    (!strcmp(name, "open") && nr == SYS_openat))
			return 0;
		usleep(1000);
	}
}

enum { SAW_EINTR = 40, SAW_OTHER = 41 };

static void interrupted(void **state)
{
	const struct wait_case *c = *state;
	const struct sys_call *row = sys__lookup((uint64_t)sys__number(c->name));
	int status, end;
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(c->wait() == -EINTR ? SAW_EINTR : SAW_OTHER);
	}
	assert_true(pid > 0);
	assert_int_equal(wait_for_call(pid, c->name), 0);
	assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, __WALL), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	end = wait_for_call(pid, c->name);
	if (!end) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, __WALL);
	}
	if (end && end != 1 + SAW_EINTR)
		fail_msg("%s ended with something else than EINTR", c->name);
	assert_int_equal(end != 0, c->eintr);
	if (c->eintr)
		assert_true(row->flags & SYS_EINTR_BOUND);
	assert_true(row->flags & SYS_MAY_BLOCK);
}

static int make_things(void **state)
{
	int fd = mkstemp(fifo);

	(void)state;
	close(fd);
	unlink(fifo);
	sem_id = semget(IPC_PRIVATE, 1, 0600);
	return fd < 0 || sem_id < 0 || mkfifo(fifo, 0600);
}

static int remove_things(void **state)
{
	(void)state;
	unlink(fifo);
	return semctl(sem_id, 0, IPC_RMID);
}

int main(void)
{
	enum { N = sizeof(cases) / sizeof(cases[0]) };
	static struct CMUnitTest tests[N];

	for (int i = 0; i < N; i++)
		tests[i] = (struct CMUnitTest){ cases[i].name, interrupted, NULL, NULL,
						(void *)&cases[i] };
	return _cmocka_run_group_tests("sys_interrupt", tests, N, make_things, remove_things);
}
