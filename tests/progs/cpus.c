/* SPDX-License-Identifier: MIT */
/*
 * cpus.c: which processors a program believes it may use: as it was started, in a child, after it has asked for the last one
 * alone, in that one's child, by the name of another process, and after it has asked for all of them again; and one call that
 * fails. Stops often and computes in between, so that a recorder that moves it has reason to.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static cpu_set_t start;

static void show(const char *when, pid_t of)
{
	cpu_set_t set = { 0 };
	long n = syscall(SYS_sched_getaffinity, of, sizeof(set), &set);

	printf("%s: %ld bytes, %d processors:", when, n, n < 0 ? -1 : CPU_COUNT(&set));
	for (int i = 0; n > 0 && i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			printf(" %d", i);
	puts("");
	fflush(stdout);
}

static void busy(void)
{
	for (volatile long i = 0; i < 30000000; i++)
		;
	for (int i = 0; i < 2000; i++)
		syscall(SYS_getppid);
}

static void in_child(const char *when)
{
	pid_t pid = fork();

	if (!pid) {
		busy();
		show(when, 0);
		show("its parent's", getppid());
		exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void ask(const cpu_set_t *set)
{
	if (sched_setaffinity(0, sizeof(*set), set))
		printf("refused: %s\n", strerror(errno));
}

int main(void)
{
	cpu_set_t last, none;

	sched_getaffinity(0, sizeof(start), &start);
	CPU_ZERO(&last);
	CPU_ZERO(&none);
	for (int i = CPU_SETSIZE - 1; i >= 0 && !CPU_COUNT(&last); i--)
		if (CPU_ISSET(i, &start))
			CPU_SET(i, &last);
	show("at the start", 0);
	in_child("a child");
	ask(&last);
	show("the last one alone", 0);
	busy();
	in_child("its child");
	printf("it runs on its own: %d\n", CPU_ISSET(sched_getcpu(), &last));
	ask(&none);
	show("after a call that failed", getpid());
	ask(&start);
	busy();
	show("all again", 0);
	printf("too small: %ld\n",
	       syscall(SYS_sched_getaffinity, 0, 1, &last) < 0 ? -(long)errno : 0);
	return 0;
}
