/* SPDX-License-Identifier: MIT */
/*
 * lateout.c: one thread is blocked in read(0, buf, 8), another one looks at buf all the time (with sched_yield between)
 * and says "seen K" when the bytes are there. In the trace no "seen" may come before the read that brought the bytes.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile char buf[8];
static volatile int round_no, ended;

static void *reader(void *arg)
{
	for (int i = 0;; i++) {
		while (round_no != i)
			sched_yield();
		if (read(0, (void *)buf, sizeof(buf)) != (ssize_t)sizeof(buf))
			break;
	}
	ended = 1;
	return arg;
}

int main(void)
{
	pthread_t t;
	char line[32];

	int n = snprintf(line, sizeof(line), "ready %d\n", getpid());
	if (write(1, line, (size_t)n) != n || pthread_create(&t, NULL, reader, NULL))
		return 1;
	while (!ended) {
		if (!buf[7]) {
			sched_yield();
			continue;
		}
		n = snprintf(line, sizeof(line), "seen %d\n", round_no);
		if (write(1, line, (size_t)n) != n)
			return 1;
		memset((void *)buf, 0, sizeof(buf));
		round_no++;
	}
	pthread_join(t, NULL);
	return 0;
}
