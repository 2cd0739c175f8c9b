/* SPDX-License-Identifier: MIT */
/* forks.c: N children, of which every third is a vfork with exec, every third runs on for a while; sums their statuses. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(int i)
{
	char *argv[] = { "sh", "-c", "exit 5", NULL };
	pid_t pid = i % 25 == 1 ? vfork() : fork();

	if (pid)
		return pid;
	if (i % 25 == 1) {
		execv("/bin/sh", argv);
		_exit(99);
	}
	_exit(i % 7);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 500;
	int status, ended = 0;
	long sum = 0;

	for (int i = 0; i < n; i++) {
		if (start(i) < 0) {
			perror("fork");
			return 1;
		}
		/* At most 20 at a time */
		if (i - ended >= 20 && wait(&status) > 0 && ++ended)
			sum += WEXITSTATUS(status);
	}
	while (wait(&status) > 0 && ++ended)
		sum += WEXITSTATUS(status);
	printf("%d children, sum of statuses %ld\n", ended, sum);
	return 0;
}
