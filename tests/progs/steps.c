/* SPDX-License-Identifier: MIT */
/*
 * steps.c: something for a debugger to look at. A thread, a child and the main thread call visit() in turn, which counts in private
 * and in shared memory; then a signal handler interrupts a computation. Prints where these are, and how often each process
 * came by.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 20

volatile uint64_t counter;	  /* private */
static volatile uint64_t *common; /* shared with the child */
static volatile sig_atomic_t alarms;

void visit(uint64_t round); /* a symbol of its own */

__attribute__((noinline)) void visit(uint64_t round)
{
	counter += round;
	*common += round;
	__asm__ volatile("pushf; pop %%rax; mov %%rax, %0" : "=m"(common[1]) : : "rax");
}

__attribute__((noinline)) static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static void *in_thread(void *arg)
{
	for (uint64_t i = 0; i < ROUNDS; i++) {
		visit(i);
		usleep(10);
	}
	return arg;
}

static void say(const char *who)
{
	printf("%s %d %d %lu %lu\n", who, getpid(), ROUNDS, counter, *common);
	fflush(stdout);
}

/** Computes until a signal has come; what it prints depends on when. */
static void compute(void)
{
	const struct itimerval soon = { { 0, 0 }, { 0, 20000 } };
	volatile uint64_t n = 0;

	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &soon, NULL);
	while (!alarms)
		n++;
	printf("computed %lu\n", n % 1000003);
}

int main(void)
{
	pthread_t t;
	pid_t pid;
	int status;

	common = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	printf("at %p %p %p\n", (void *)visit, (void *)&counter, (void *)on_alarm);
	fflush(stdout);
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, NULL);
	say("thread");
	pid = fork();
	if (!pid) {
		in_thread(NULL);
		say("child");
		_exit(3);
	}
	waitpid(pid, &status, 0);
	in_thread(NULL);
	say("main");
	compute();
	return WEXITSTATUS(status);
}
