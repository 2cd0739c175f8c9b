/* SPDX-License-Identifier: MIT */
/*
 * burst.c: an outsider that changes a file as often as it can: N changes of 8 bytes, change i at the beginning of page
 * i * STEP modulo PAGES, so that in the end each page holds the number of the last change to it. Prints what it took
 * per change, in nanoseconds.
 *
 *   burst FILE N PAGES STEP [write|store|append]     (default pwrite; append: N changes of 8 bytes at the end)
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul

static volatile char *map;

static int change(int fd, const char *how, uint64_t i, uint64_t page)
{
	if (map)
		*(volatile uint64_t *)(map + page * PAGE) = i;
	else if (*how == 'w')
		return lseek(fd, (off_t)(page * PAGE), SEEK_SET) < 0 || write(fd, &i, 8) != 8;
	else if (*how == 'a')
		return write(fd, &i, 8) != 8;
	else
		return pwrite(fd, &i, 8, (off_t)(page * PAGE)) != 8;
	return 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 5 ? argv[5] : "pwrite";
	struct timespec a, b;

	if (argc < 5)
		return 9;
	const uint64_t n = strtoull(argv[2], NULL, 0), pages = strtoull(argv[3], NULL, 0);
	const uint64_t step = strtoull(argv[4], NULL, 0);
	int fd = open(argv[1], O_RDWR | (*how == 'a' ? O_APPEND : 0));

	if (fd < 0)
		return 2;
	if (*how == 's') {
		map = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED)
			return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (uint64_t i = 0; i < n; i++)
		if (change(fd, how, i, i * step % pages))
			return 3;
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.1f\n",
	       ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / (double)n);
	return 0;
}
