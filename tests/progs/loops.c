/* SPDX-License-Identifier: MIT */
/*
 * loops.c: loops whose cost per round `make bench` compares; each prints nanoseconds per round: of 20 parts the
 * third fastest, which other work on the machine disturbs least.
 *
 *   loops getppid N | loops pwrite FILE N | loops fault N     N rounds
 *   loops store FILE N       stores into pages of a file, each of which faults; FILE is made, of FILE_PAGES pages
 *   loops compute N          N million rounds of arithmetic (prints a checksum instead)
 *   loops map FILE           maps the file and reads one byte of it
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PARTS	   20
#define FILE_PAGES 256

static int fd = -1;

static void round_getppid(void)
{
	syscall(SYS_getppid);
}

static void round_pwrite(void)
{
	if (pwrite(fd, "0123456789abcdef", 16, 100) != 16)
		_exit(3);
}

static void round_fault(void)
{
	static char *area;
	static size_t at;
	const size_t len = 4096 * 256;

	if (!area || at == len) {
		if (area)
			munmap(area, len);
		area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		madvise(area, len, MADV_NOHUGEPAGE);
		at = 0;
	}
	area[at] = 1;
	at += 4096;
}

/* The entries in the page table go after each pass over the file. */
static void round_store(void)
{
	static char *area;
	static size_t at;
	const size_t len = 4096 * FILE_PAGES;

	if (!area) {
		area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (area == MAP_FAILED)
			_exit(3);
	}
	/* a read before it would make its neighbours writable, too (fault-around) */
	*(volatile char *)(area + at) = 1;
	at += 4096;
	if (at < len)
		return;
	madvise(area, len, MADV_DONTNEED);
	at = 0;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int measure(void (*fn)(void), long n)
{
	double part[PARTS];

	for (int p = 0; p < PARTS; p++) {
		double start = now();
		for (long i = 0; i < n / PARTS; i++)
			fn();
		part[p] = (now() - start) / (double)(n / PARTS);
	}
	qsort(part, PARTS, sizeof(part[0]), ascending);
	printf("%.1f\n", part[2]);
	return 0;
}

static int compute(long millions)
{
	uint64_t x = 88172645463325252u;

	for (long i = 0; i < millions * 1000000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	printf("%llu\n", (unsigned long long)x);
	return 0;
}

static int map(const char *path)
{
	struct stat st;

	fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		return 3;
	const char *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	printf("%d\n", at == MAP_FAILED ? -1 : at[0]);
	return at == MAP_FAILED;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (!strcmp(what, "getppid"))
		return measure(round_getppid, atol(argv[2]));
	if (!strcmp(what, "fault"))
		return measure(round_fault, atol(argv[2]));
	if (!strcmp(what, "compute"))
		return compute(atol(argv[2]));
	if (!strcmp(what, "map"))
		return map(argv[2]);
	if ((strcmp(what, "pwrite") && strcmp(what, "store")) || argc < 4)
		return 9;
	fd = open(argv[2], O_RDWR | O_CREAT, 0600);
	if (*what == 's')
		return ftruncate(fd, 4096 * FILE_PAGES) ? 3 : measure(round_store, atol(argv[3]));
	return measure(round_pwrite, atol(argv[3]));
}
