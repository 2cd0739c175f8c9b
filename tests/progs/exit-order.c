/* SPDX-License-Identifier: MIT */
/*
 * exit-order.c: one thread reads from a pipe into a word; another looks at the word, makes a call that takes a while and
 * doesn't wait, and notes what it saw before it. What it saw is printed. A child feeds the pipe.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS	 400
#define MESSAGES 1000

static volatile uint32_t word;
static int pipe_fds[2];
static char noise[1 << 20];

static void *reader(void *arg)
{
	uint32_t n = 0;

	(void)arg;
	while (read(pipe_fds[0], (void *)&word, sizeof(word)) == sizeof(word))
		n = word;
	return (void *)(uintptr_t)n;
}

static void feed(void)
{
	for (uint32_t n = 1; n <= MESSAGES; n++)
		if (write(pipe_fds[1], &n, sizeof(n)) != sizeof(n))
			exit(1);
	exit(0);
}

int main(void)
{
	static uint32_t seen[ROUNDS];
	pthread_t t;
	uint64_t sum = 0;
	pid_t pid;
	void *last;

	if (pipe(pipe_fds))
		return 1;
	pid = fork();
	if (!pid)
		feed();
	close(pipe_fds[1]);
	pthread_create(&t, NULL, reader, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		seen[i] = word;
		if (getrandom(noise, sizeof(noise) >> (i & 3), 0) < 0)
			return 1;
	}
	pthread_join(t, &last);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < ROUNDS; i++)
		sum = sum * 31 + seen[i];
	for (int i = 0; i < ROUNDS; i += 20)
		printf("%u ", seen[i]);
	printf("%u %llu\n", (unsigned int)(uintptr_t)last, (unsigned long long)sum);
	return 0;
}
