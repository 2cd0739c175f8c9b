/* SPDX-License-Identifier: MIT */
/*
 * waitall.c SOCKET: one thread connects and is blocked in recv(buf, 8, MSG_WAITALL), which stores what comes piece by piece;
 * another one looks at buf all the time, with sched_yield after each look, and says "seen" when its first byte is there. It
 * ends then. Prints "ready PID" first.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static volatile char buf[8];

static void *looker(void *arg)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "ready %d\n", getpid());

	if (write(1, line, (size_t)n) != n)
		_exit(1);
	while (!buf[0])
		sched_yield();
	if (write(1, "seen\n", 5) != 5)
		_exit(1);
	return arg;
}

int main(int argc, char **argv)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pthread_t t;

	if (argc != 2)
		return 2;
	strncpy(to.sun_path, argv[1], sizeof(to.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    pthread_create(&t, NULL, looker, NULL))
		return 1;
	if (recv(fd, (void *)buf, sizeof(buf), MSG_WAITALL) != sizeof(buf))
		return 1;
	pthread_join(t, NULL);
	return 0;
}
