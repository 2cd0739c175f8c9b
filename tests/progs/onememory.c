/* SPDX-License-Identifier: MIT */
/* onememory.c: two processes that have the same memory (clone with CLONE_VM). Prints "ready PID CHILD". For each line, the child
 * stores the next number into the memory of both, and the parent prints "saw NUMBER" when it has seen it. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[65536];
static int to_child[2];
static volatile int number;

static int child(void *arg)
{
	char c;

	(void)arg;
	while (read(to_child[0], &c, 1) == 1 && c != 'q')
		number++;
	return 0;
}

int main(void)
{
	int seen = 0;
	pid_t pid;
	char c;

	if (pipe(to_child))
		return 1;
	pid = clone(child, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	if (pid < 0)
		return 1;
	alarm(300);
	printf("ready %d %d\n", getpid(), pid);
	fflush(stdout);
	while (read(0, &c, 1) == 1) {
		if (c != '\n')
			continue;
		if (write(to_child[1], "s", 1) != 1)
			return 1;
		while (number == seen)
			usleep(1000);
		seen = number;
		printf("saw %d\n", seen);
		fflush(stdout);
	}
	if (write(to_child[1], "q", 1) != 1)
		return 1;
	return waitpid(pid, NULL, 0) == pid ? 0 : 1;
}
