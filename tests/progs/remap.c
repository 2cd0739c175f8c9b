/* SPDX-License-Identifier: MIT */
/*
 * remap.c FILE ROUNDS CALLS: an insider that maps FILE, looks twice at its first 8 bytes, and unmaps it, ROUNDS times. Between
 * the looks it makes CALLS system calls. Prints what it saw, one line for each round: both numbers.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS_MAX 100000

static uint64_t saw[ROUNDS_MAX][2];

int main(int argc, char **argv)
{
	const long rounds = argc == 4 ? atol(argv[2]) : 0, calls = argc == 4 ? atol(argv[3]) : 0;
	const int fd = argc == 4 ? open(argv[1], O_RDONLY) : -1;

	if (fd < 0 || rounds > ROUNDS_MAX)
		return 9;
	for (long i = 0; i < rounds; i++) {
		volatile uint64_t *at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

		if (at == MAP_FAILED)
			return 2;
		saw[i][0] = *at;
		for (long k = 0; k < calls; k++)
			syscall(SYS_getppid);
		saw[i][1] = *at;
		munmap((void *)at, 4096);
	}
	for (long i = 0; i < rounds; i++)
		printf("%lu %lu\n", saw[i][0], saw[i][1]);
	return 0;
}
