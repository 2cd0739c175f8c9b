/* SPDX-License-Identifier: MIT */
/*
 * pong.c: the insider of a ping-pong over a mapped file. `pong FILE` maps it, prints "ready PID", and for each byte that
 * arrives on stdin prints a hash of the first page. `pong FILE TO FROM ROUNDS` is the outsider: each round fills the page
 * by pwrite and at once wakes the insider through the fifo TO; it waits on the fifo FROM before the next round.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int inside(const char *file)
{
	char buf[64], c;
	int fd = open(file, O_RDONLY);
	const volatile unsigned char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	if (fd < 0 || map == MAP_FAILED)
		return 1;
	int n = snprintf(buf, sizeof(buf), "ready %d\n", getpid());
	if (write(1, buf, (size_t)n) != n)
		return 1;
	while (read(0, &c, 1) == 1) {
		uint64_t h = 0xcbf29ce484222325u;

		for (int i = 0; i < 4096; i++)
			h = (h ^ map[i]) * 0x100000001b3u;
		n = snprintf(buf, sizeof(buf), "%016llx\n", (unsigned long long)h);
		if (write(1, buf, (size_t)n) != n)
			return 1;
	}
	return 0;
}

static int outside(char **argv)
{
	int fd = open(argv[1], O_RDWR), to = open(argv[2], O_WRONLY),
	    from = open(argv[3], O_RDONLY);
	int rounds = atoi(argv[4]);
	static unsigned char page[4096];

	if (fd < 0 || to < 0 || from < 0)
		return 1;
	for (int i = 0; i < rounds; i++) {
		char line[18];

		for (size_t k = 0; k < sizeof(page); k++)
			page[k] = (unsigned char)(i * 31 + (int)k * 7 + i / 256);
		memcpy(page, &i, sizeof(i));
		if (pwrite(fd, page, sizeof(page), 0) != sizeof(page) || write(to, "x", 1) != 1)
			return 2;
		for (size_t got = 0; got < 17;) {
			ssize_t n = read(from, line + got, 17 - got);
			if (n <= 0)
				return 3;
			got += (size_t)n;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	return argc == 5 ? outside(argv) : argc == 2 ? inside(argv[1]) : 9;
}
