/* SPDX-License-Identifier: MIT */
/*
 * lateout.c: the first thread is blocked in read(0, buf, 8), a second one looks at buf all the time, with a sched_yield after
 * each 1,000,000 looks. It says "seen K first" if the bytes were there at its first look after a call, "seen K between" if they
 * came while it was looking, without a call in between: that can't be replayed unless it was stopped there and the place noted.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile char buf[8];
static volatile int round_no, ended;

static void *looker(void *arg)
{
	char line[32];
	int looks = 0;

	while (!ended) {
		if (!buf[7]) {
			if (++looks == 1000000) {
				sched_yield();
				looks = 0;
			}
			continue;
		}
		int n = snprintf(line, sizeof(line), "seen %d %s\n", round_no,
				 looks ? "between" : "first");
		if (write(1, line, (size_t)n) != n)
			_exit(1);
		memset((void *)buf, 0, sizeof(buf));
		looks = 0;
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
		if (read(0, (void *)buf, sizeof(buf)) != (ssize_t)sizeof(buf))
			break;
	}
	ended = 1;
	pthread_join(t, NULL);
	return 0;
}
