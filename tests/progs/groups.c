/* SPDX-License-Identifier: MIT */
/*
 * groups.c: processes that share no memory they write.
 *
 * groups burn N ROUNDS   two children compute at the same time, N steps in each round, and print a line after each
 * groups watch FILE N    two children map FILE, and for each byte that one of them gets from stdin compute for N steps and print
 *                        its first byte
 * groups shared N        two children take turns with N steps of a counter in shared memory: they are one group
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long burn(unsigned long n, unsigned long x)
{
	for (unsigned long i = 0; i < n; i++)
		x = x * 6364136223846793005ul + i;
	return x;
}

static void line(int round, unsigned long x)
{
	printf("%d %d %lx\n", getpid(), round, x);
	fflush(stdout);
}

static void compute(unsigned long n, int rounds)
{
	for (int r = 0; r < rounds; r++)
		line(r, burn(n, getpid() + r));
}

static void watch(const volatile char *map, unsigned long n)
{
	char c;

	while (read(0, &c, 1) == 1) {
		const unsigned long x = burn(n, c);

		printf("%d %c %lx\n", getpid(), *map, x & *map);
		fflush(stdout);
	}
}

static void take_turns(volatile unsigned long *shared, int me, unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		while (*shared % 2 != (unsigned long)me)
			usleep(100);
		line((int)i, (*shared)++);
	}
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[1] : "";
	void *map = NULL;
	int status, sum = 0;

	if (!strcmp(how, "watch"))
		map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, open(argv[2], O_RDONLY), 0);
	else if (!strcmp(how, "shared"))
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return 1;
	for (int k = 0; k < 2; k++) {
		if (fork())
			continue;
		if (!strcmp(how, "burn"))
			compute(strtoul(argv[2], NULL, 0), atoi(argv[3]));
		else if (!strcmp(how, "watch"))
			watch(map, strtoul(argv[3], NULL, 0));
		else
			take_turns(map, k, strtoul(argv[2], NULL, 0));
		_exit(k + 3);
	}
	while (wait(&status) > 0)
		sum += WEXITSTATUS(status);
	printf("%d end\n", getpid());
	return sum;
}
