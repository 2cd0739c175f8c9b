// SPDX-License-Identifier: MIT
/*
 * blocked.c: calls that wait, in a program with a second thread that runs meanwhile and then gives them what they wait for.
 * Each prints what it got. A recorder lets such calls write to a scratch area; what the program sees must be the same.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int pipe_fd[2], dgram[2], listener, queue;
static struct sockaddr_in address;
static pid_t waiter;

/* Waits until the main thread waits in a call. */
static void until_it_waits(void)
{
	char path[64], line[256];
	FILE *f;
	char *p;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", getpid(), waiter);
	for (;;) {
		f = fopen(path, "re");
		p = f && fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
		if (f)
			fclose(f);
		if (p && p[2] == 'S')
			return;
		sched_yield();
	}
}

static void *give_pipe(void *arg)
{
	until_it_waits();
	if (write(pipe_fd[1], "ten bytes.", 10) != 10)
		abort();
	return arg;
}

static void *give_dgrams(void *arg)
{
	until_it_waits();
	for (int i = 0; i < 3; i++)
		if (send(dgram[1], "ten bytes.", 10, 0) != 10)
			abort();
	return arg;
}

/* A descriptor as control data. */
static void *give_rights(void *arg)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { "ten bytes.", 10 };
	struct msghdr h = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_len = CMSG_LEN(sizeof(int));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(c), &pipe_fd[0], sizeof(int));
	until_it_waits();
	if (sendmsg(dgram[1], &h, 0) != 10)
		abort();
	return arg;
}

static void *give_connection(void *arg)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);

	until_it_waits();
	if (connect(s, (struct sockaddr *)&address, sizeof(address)))
		abort();
	close(s);
	return arg;
}

static void *give_message(void *arg)
{
	struct {
		long type;
		char text[8];
	} m = { 7, "message" };

	until_it_waits();
	if (msgsnd(queue, &m, sizeof(m.text), 0))
		abort();
	return arg;
}

static void *give_signal(void *arg)
{
	until_it_waits();
	syscall(SYS_tgkill, getpid(), waiter, SIGUSR1);
	return arg;
}

/* Prints n bytes, dots for those that were not written. */
static void show(const char *what, long ret, const void *bytes, size_t n)
{
	printf("%s: %ld:", what, ret);
	for (size_t i = 0; i < n; i++)
		printf(" %02x", ((const unsigned char *)bytes)[i]);
	printf("\n");
}

static void do_read(void)
{
	char b[24];

	memset(b, '.', sizeof(b));
	show("read", read(pipe_fd[0], b, sizeof(b)), b, sizeof(b));
}

static void do_readv(void)
{
	char b[24];
	struct iovec v[2] = { { b, 4 }, { b + 6, 12 } };

	memset(b, '.', sizeof(b));
	show("readv", readv(pipe_fd[0], v, 2), b, sizeof(b));
}

static void do_poll(void)
{
	struct pollfd p[2] = { { -1, POLLIN, 9 }, { pipe_fd[0], POLLIN, 9 } };
	long n = poll(p, 2, -1);

	printf("poll: %ld: %d %d\n", n, p[0].revents, p[1].revents);
	do_read();
}

static void do_select(void)
{
	fd_set r, w;

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(pipe_fd[0], &r);
	FD_SET(pipe_fd[0], &w); /* can't be */
	printf("select: %d: ", select(pipe_fd[0] + 1, &r, NULL, &w, NULL));
	printf("%d %d\n", FD_ISSET(pipe_fd[0], &r), FD_ISSET(pipe_fd[0], &w));
	do_read();
}

static void do_epoll(void)
{
	struct epoll_event ev[3] = { { .events = EPOLLIN, .data.u64 = 77 } };
	int ep = epoll_create1(0), n;

	epoll_ctl(ep, EPOLL_CTL_ADD, pipe_fd[0], &ev[0]);
	memset(ev, '.', sizeof(ev));
	n = epoll_wait(ep, ev, 3, -1);
	show("epoll_wait", n, ev, sizeof(ev));
	close(ep);
	do_read();
}

static void do_recvfrom(void)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	char b[16];
	long n;

	memset(b, '.', sizeof(b));
	n = recvfrom(dgram[0], b, sizeof(b), 0, (struct sockaddr *)&a, &len);
	show("recvfrom", n, b, sizeof(b));
	printf("address of %u bytes\n", len);
	for (int i = 0; i < 2; i++)
		if (recv(dgram[0], b, sizeof(b), 0) != 10)
			abort();
}

static void do_recvmsg(void)
{
	char b[16], control[64];
	struct iovec v[2] = { { b, 3 }, { b + 4, 12 } };
	struct msghdr h = { .msg_iov = v,
			    .msg_iovlen = 2,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	long n;
	int fd;

	memset(b, '.', sizeof(b));
	memset(control, '.', sizeof(control));
	n = recvmsg(dgram[0], &h, MSG_CMSG_CLOEXEC);
	show("recvmsg", n, b, sizeof(b));
	printf("header: %d %d %zu %x\n", h.msg_iov == v, h.msg_control == control, h.msg_controllen,
	       h.msg_flags);
	show("control", 0, control, sizeof(control));
	memcpy(&fd, control + CMSG_LEN(0), sizeof(fd));
	close(fd);
}

static void do_recvmmsg(void)
{
	char b[3][16];
	struct iovec v[3];
	struct mmsghdr h[3] = { 0 };
	long n;

	memset(b, '.', sizeof(b));
	for (int i = 0; i < 3; i++) {
		v[i] = (struct iovec){ b[i], sizeof(b[i]) };
		h[i].msg_hdr.msg_iov = &v[i];
		h[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(dgram[0], h, 3, MSG_WAITFORONE, NULL);
	while (n < 3 && recvmmsg(dgram[0], h + n, 1, 0, NULL) == 1)
		n++;
	show("recvmmsg", n, b, sizeof(b));
	for (int i = 0; i < 3; i++)
		printf("message %d: %u %d\n", i, h[i].msg_len, h[i].msg_hdr.msg_iov == &v[i]);
}

static void do_accept(void)
{
	struct sockaddr_in a;
	socklen_t len = 8; /* too short: the length that is needed comes back */
	int fd;

	memset(&a, '.', sizeof(a));
	fd = accept(listener, (struct sockaddr *)&a, &len);
	a.sin_port = 0;
	show("accept", fd >= 0, &a, sizeof(a));
	printf("address of %u bytes\n", len);
	close(fd);
}

static void do_wait4(void)
{
	int status = 0x7777;
	pid_t pid = fork();

	if (!pid) {
		char c;

		_exit(read(pipe_fd[0], &c, 1) == 1 ? c : 0);
	}
	pid = waitpid(pid, &status, 0) == pid;
	printf("wait4: %d %x\n", pid, status);
	do_read();
}

static void do_msgrcv(void)
{
	char b[24];

	memset(b, '.', sizeof(b));
	show("msgrcv", msgrcv(queue, b, sizeof(b) - 8, 0, 0), b, sizeof(b));
}

static void do_nanosleep(void)
{
	struct timespec ts = { 1000, 0 }, rest = { 7, 7 };
	long n = syscall(SYS_nanosleep, &ts, &rest);

	printf("nanosleep: %ld %d: %d\n", n, errno, rest.tv_sec > 900 && rest.tv_sec <= 1000);
}

static void do_sigwait(void)
{
	siginfo_t si;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	memset(&si, '.', sizeof(si));
	printf("rt_sigtimedwait: %d: ", sigwaitinfo(&set, &si));
	printf("%d %d %d\n", si.si_signo, si.si_code, si.si_pid == getpid());
}

static void *give_usr2(void *arg)
{
	until_it_waits();
	kill(getpid(), SIGUSR2);
	return arg;
}

/* Makes the call while the other thread waits for it. */
static void with(void *(*give)(void *), void (*call)(void))
{
	pthread_t t;

	if (pthread_create(&t, NULL, give, NULL))
		abort();
	call();
	pthread_join(t, NULL);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void set_up(void)
{
	socklen_t len = sizeof(address);
	sigset_t set;

	waiter = gettid();
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (pipe(pipe_fd) || socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram) ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &len))
		abort();
	queue = msgget(IPC_PRIVATE, 0600);
	signal(SIGUSR1, on_signal);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int main(void)
{
	set_up();
	with(give_pipe, do_read);
	with(give_pipe, do_readv);
	with(give_pipe, do_poll);
	with(give_pipe, do_select);
	with(give_pipe, do_epoll);
	with(give_dgrams, do_recvfrom);
	with(give_rights, do_recvmsg);
	with(give_dgrams, do_recvmmsg);
	with(give_connection, do_accept);
	with(give_pipe, do_wait4);
	with(give_message, do_msgrcv);
	with(give_signal, do_nanosleep);
	with(give_usr2, do_sigwait);
	msgctl(queue, IPC_RMID, NULL);
	return 0;
}
