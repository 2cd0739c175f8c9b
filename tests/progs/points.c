/* SPDX-License-Identifier: MIT */
/*
 * points.c MODE [N]: is interrupted where it makes no calls, and prints something that depends on where. N: how many
 * interruptions, or how much work. Modes: see the table at the end.
 *
 * The loops are in assembler where it matters in which register or word their counter is.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "trail.h"

#define THREADS 8

static volatile long seen, want;  /* handler runs, and how many end the loop */
static volatile uint64_t counter; /* of loops in memory */
static volatile uint64_t rounds;  /* of outer loops in memory */
static volatile int flag;
static struct itimerval
	again; /* one-shot: set anew by the handler, so that the loop goes on in between */

/** Notes all that tells where the program is: the registers and the counters in memory. */
static void note(int sig, siginfo_t *si, void *ctx)
{
	const ucontext_t *uc = ctx;

	(void)sig;
	(void)si;
	for (int i = 0; i <= REG_RIP; i++)
		mix((uint64_t)uc->uc_mcontext.gregs[i]);
	mix(counter);
	mix(rounds);
	seen++;
	if (again.it_value.tv_usec)
		setitimer(ITIMER_REAL, &again, NULL);
}

/** Signals from here on: so long after each other, whether handled or not (`period`) or after the handler. 0: no more. */
static void timer(long usec, bool period)
{
	struct sigaction sa = { .sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct itimerval it = { { 0, period ? usec : 0 }, { 0, usec } };

	again.it_value.tv_usec = period ? 0 : usec;
	if (usec)
		sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

static void end(const char *what)
{
	timer(0, false);
	printf("%s: %ld handler runs, trail %016llx, counter %llu, rounds %llu\n", what, seen,
	       (unsigned long long)trail, (unsigned long long)counter, (unsigned long long)rounds);
}

/** The counter is in a register. */
static void in_register(void)
{
	uint64_t n = 0;

	timer(3000, false);
	__asm__ volatile("1: inc %0\n"
			 "   cmpq %2, %1\n"
			 "   jl 1b\n"
			 : "+r"(n)
			 : "m"(seen), "r"(want));
	timer(0, false);
	counter = n;
	end("register");
}

/** ... in a word of memory. */
static void in_memory(void)
{
	timer(3000, false);
	while (seen < want)
		counter++;
	end("memory");
}

/** ... in the frame, as a compiler without optimisation does it. */
__attribute__((noinline, optimize("O0"))) static void in_frame(void)
{
	volatile uint64_t n = 0;
	uint64_t sum = 0;

	timer(3000, false);
	while (seen < want) {
		n++;
		sum += n & 3;
	}
	timer(0, false);
	counter = n + sum;
	end("frame");
}

/** The inner loop's registers are the same in each round of the outer one, whose counter is in memory. */
static void nested(void)
{
	timer(3000, false);
	while (seen < want) {
		rounds++;
		for (int i = 0; i < 20000; i++)
			__asm__ volatile("" : "+r"(i));
	}
	end("nested");
}

/** The same, and the counter is in the frame of the caller, whose callee has no memory of its own. */
__attribute__((noinline)) static void inner(long n)
{
	while (n--)
		__asm__ volatile("" : "+r"(n));
}

__attribute__((noinline, optimize("O0"))) static void nested_frame(void)
{
	volatile uint64_t n = 0;

	timer(3000, false);
	while (seen < want) {
		n++;
		inner(20000);
	}
	timer(0, false);
	counter = n;
	end("nested-frame");
}

/** One instruction that takes long: 100 MB, again and again. */
static void one_instruction(void)
{
	const size_t len = 100u << 20;
	uint8_t *const area =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		exit(3);
	timer(5000, false);
	while (seen < want) {
		void *to = area;
		size_t n = len;

		rounds++;
		__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"((int)rounds) : "memory");
	}
	timer(0, false);
	for (size_t i = 0; i < len; i += 4096)
		mix(area[i]);
	end("stosb");
}

/** So many signals at 1 kHz, whatever the handler takes; no call is made in between. */
static void khz(void)
{
	uint64_t x = 88172645463325252u;

	timer(1000, true);
	while (seen < want) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		counter++;
	}
	timer(0, false);
	mix(x);
	end("khz");
}

/** A fixed piece of work, interrupted as often as it takes. */
static void compute(void)
{
	uint64_t x = 88172645463325252u;

	timer(1000, true);
	for (long i = 0; i < want * 1000000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	timer(0, false);
	mix(x);
	end("compute");
}

static void *spinner(void *arg)
{
	uint64_t n = 0;

	(void)arg;
	for (long i = 0; i < want; i++) {
		while (flag != 1)
			n++;
		flag = 2;
	}
	counter = n;
	return NULL;
}

/** Two threads wait for each other without a call. */
static void spin(void)
{
	pthread_t t;
	uint64_t n = 0;

	pthread_create(&t, NULL, spinner, NULL);
	for (long i = 0; i < want; i++) {
		flag = 1;
		while (flag != 2)
			n++;
	}
	pthread_join(t, NULL);
	rounds = n;
	end("spin");
}

static uint64_t shared[64];
static uint8_t order[1 << 20];
static volatile uint32_t at;

static void *racer(void *arg)
{
	const uintptr_t me = (uintptr_t)arg;

	while (!flag)
		;
	for (long i = 0; i < want * 100000; i++) {
		const uint32_t k = at++;

		order[k % sizeof(order)] = (uint8_t)me;
		shared[(k ^ me) % 64] += me * (uint64_t)i;
	}
	return NULL;
}

static void race_while(bool signals)
{
	pthread_t t[THREADS];
	long changes = 0;

	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, racer, (void *)(i + 1));
	if (signals)
		timer(1000, true);
	flag = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (size_t i = 1; i < sizeof(order); i++) {
		if (order[i] != order[i - 1])
			changes++;
		mix(order[i]);
	}
	for (int i = 0; i < 64; i++)
		mix(shared[i]);
	timer(0, false);
	printf("race: at %u, changes of hand %ld, trail %016llx\n", at, changes,
	       (unsigned long long)trail);
}

/** Threads race on memory. */
static void race(void)
{
	race_while(false);
}

/** ... and signals come to any of them. */
static void race_signals(void)
{
	race_while(true);
}

/** A child computes on shared memory, and is stopped, continued and killed there. */
static void stopped(void)
{
	volatile uint64_t *m =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (m == MAP_FAILED || (pid = fork()) < 0)
		exit(3);
	if (!pid)
		for (;;)
			m[0]++;
	for (long i = 0; i < want; i++) {
		const uint64_t from = m[0];

		while (m[0] < from + 100000)
			;
		kill(pid, SIGSTOP);
		waitpid(pid, NULL, WUNTRACED);
		mix(m[0]);
		printf("stopped at %llu\n", (unsigned long long)m[0]);
		kill(pid, SIGCONT);
	}
	for (const uint64_t from = m[0]; m[0] < from + 100000;)
		;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("killed at %llu, trail %016llx\n", (unsigned long long)m[0],
	       (unsigned long long)trail);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
		long n; /* default */
	} modes[] = {
		{ "register", in_register, 20 },
		{ "memory", in_memory, 20 },
		{ "frame", in_frame, 20 },
		{ "nested", nested, 20 },
		{ "nested-frame", nested_frame, 20 },
		{ "stosb", one_instruction, 10 },
		{ "khz", khz, 2000 },
		{ "compute", compute, 100 },
		{ "spin", spin, 20 },
		{ "race", race, 5 },
		{ "race-signals", race_signals, 5 },
		{ "stopped", stopped, 3 },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[1], modes[i].name)) {
			want = argc > 2 ? atol(argv[2]) : modes[i].n;
			modes[i].fn();
			return 0;
		}
	return 9;
}
