/* SPDX-License-Identifier: MIT */
/*
 * burst.c: an outsider that changes a file as often as it can: N changes of 8 bytes, change i at the beginning of page
 * i * STEP modulo PAGES, so that in the end each page holds the number of the last change to it. Prints what it took
 * per change, in nanoseconds.
 *
 *   burst FILE N PAGES STEP [write|store|append|faults|uring]    default: pwrite
 *
 * append: N changes of 8 bytes at the end; faults: stores, each of which faults, because the page table's entry is dropped
 * after each; uring: requests of an io_uring, BATCH at a time, the last one alone (their order is the kernel's affair).
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"

#define PAGE  4096ul
#define BATCH 64u

static volatile char *map;

/* Puts change i into the batch; runs it when it is full, and before and after the last change. */
static int queue(int fd, uint64_t i, uint64_t page, uint64_t n)
{
	static uint64_t values[BATCH];
	static unsigned int queued;
	struct io_uring_sqe *sqe = ring__next(queued);

	values[queued] = i;
	sqe->opcode = IORING_OP_WRITE;
	sqe->fd = fd;
	sqe->off = page * PAGE;
	sqe->addr = (uintptr_t)&values[queued];
	sqe->len = 8;
	if (++queued < BATCH && i + 2 < n)
		return 0;
	const int err = ring__run(queued, 8);
	queued = 0;
	return err;
}

/* One that faults, also where the page is there. */
static int store(uint64_t i, uint64_t page, bool drop)
{
	volatile char *at = map + page * PAGE;

	*(volatile uint64_t *)at = i;
	return drop ? madvise((void *)at, PAGE, MADV_DONTNEED) : 0;
}

static int change(int fd, const char *how, uint64_t i, uint64_t page, uint64_t n)
{
	if (map)
		return store(i, page, *how == 'f');
	else if (*how == 'u')
		return queue(fd, i, page, n);
	else if (*how == 'w')
		return lseek(fd, (off_t)(page * PAGE), SEEK_SET) < 0 || write(fd, &i, 8) != 8;
	else if (*how == 'a')
		return write(fd, &i, 8) != 8;
	else
		return pwrite(fd, &i, 8, (off_t)(page * PAGE)) != 8;
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
	if (*how == 'u' && ring__open(BATCH) < 0)
		return 77;
	if (*how == 's' || *how == 'f') {
		map = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED)
			return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (uint64_t i = 0; i < n; i++)
		if (change(fd, how, i, i * step % pages, n))
			return 3;
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.1f\n",
	       ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / (double)n);
	return 0;
}
