/* SPDX-License-Identifier: MIT */
/*
 * longout.c: one thread is blocked in read(0, buf, 2 MiB) while another one looks at buf all the time, with sched_yield after
 * each look, and says "seen K" when bytes are there.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static volatile char buf[2 << 20];
static volatile int round_no, ended;

static void *looker(void *arg)
{
	char line[32];

	while (!ended) {
		if (!buf[0]) {
			sched_yield();
			continue;
		}
		int n = snprintf(line, sizeof(line), "seen %d\n", round_no);
		if (write(1, line, (size_t)n) != n)
			_exit(1);
		buf[0] = 0;
		round_no++;
	}
	return arg;
}

int main(void)
{
	pthread_t t;
	char line[32];

	int n = snprintf(line, sizeof(line), "ready %d\n", getpid());
	if (write(1, line, (size_t)n) != n || pthread_create(&t, NULL, looker, NULL))
		return 1;
	for (int i = 0;; i++) {
		while (round_no != i)
			sched_yield();
		if (read(0, (void *)buf, sizeof(buf)) <= 0)
			break;
	}
	ended = 1;
	pthread_join(t, NULL);
	return 0;
}
