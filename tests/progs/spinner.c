/* SPDX-License-Identifier: MIT */
/*
 * spinner.c: two processes that talk through one page of a mapped file by stores alone: no system call, no fault. FILE has a
 * page of zeros. `spinner FILE ask ROUNDS` prints "ready PID", then stores 1, 2, 3 ... into the first word and waits for
 * the answer in the second; `spinner FILE answer ROUNDS` is the other side: each answer depends on all questions so far.
 * Each prints "sum HEX", from what it saw: equal only if every store was seen, in order. The other side keeps the file mapped
 * until its stdin ends: whoever looks late still finds who it was.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Some minutes of looking at one word: the other side is gone. */
#define PATIENCE (1ull << 36)

struct page {
	volatile uint32_t asked, answered;
	volatile uint64_t answer;
};

/* Waits until the word has the value. Ends the program if it never gets it. */
static void await(const volatile uint32_t *word, uint32_t value)
{
	for (uint64_t i = 0; __atomic_load_n(word, __ATOMIC_ACQUIRE) != value; i++) {
		if (i > PATIENCE)
			_exit(3);
		__builtin_ia32_pause();
	}
}

static uint64_t mix(uint64_t sum, uint64_t value)
{
	return (sum ^ value) * 0x100000001b3u + 0x9e3779b9u;
}

static uint64_t ask(struct page *p, uint32_t rounds)
{
	uint64_t sum = 0;

	for (uint32_t n = 1; n <= rounds; n++) {
		__atomic_store_n(&p->asked, n, __ATOMIC_RELEASE);
		await(&p->answered, n);
		sum = mix(sum, p->answer);
	}
	return sum;
}

static uint64_t answer(struct page *p, uint32_t rounds)
{
	uint64_t questions = 1, sum = 0;

	for (uint32_t n = 1; n <= rounds; n++) {
		await(&p->asked, n);
		questions = mix(questions, n);
		p->answer = questions;
		sum = mix(sum, questions);
		__atomic_store_n(&p->answered, n, __ATOMIC_RELEASE);
	}
	return sum;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	const int fd = open(argv[1], O_RDWR);
	struct page *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	const uint32_t rounds = (uint32_t)atoi(argv[3]);

	if (fd < 0 || p == MAP_FAILED)
		return 1;
	printf("ready %d\n", getpid());
	fflush(stdout);
	printf("sum %016llx\n",
	       (unsigned long long)(strcmp(argv[2], "ask") ? answer(p, rounds) : ask(p, rounds)));
	fflush(stdout);
	while (!strcmp(argv[2], "answer") && getchar() != EOF)
		;
	return 0;
}
