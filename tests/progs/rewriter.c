/* SPDX-License-Identifier: MIT */
/*
 * rewriter.c FILE OFFSET LENGTH: a program to be recorded: maps the file, says "ready PID", then writes LENGTH bytes at OFFSET again
 * and again, until there is something to be read, or the input is at its end.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 50 /* writes between two looks at the input */

int main(int argc, char **argv)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	static char bytes[4096];
	struct stat st;

	if (argc != 4)
		return 2;
	const int fd = open(argv[1], O_RDWR);
	const off_t at = atoll(argv[2]);
	const size_t len = strtoull(argv[3], NULL, 0);
	if (fd < 0 || len > sizeof(bytes) || fstat(fd, &st))
		return 2;
	if (mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		return 3;
	memset(bytes, 'w', sizeof(bytes));
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (!poll(&in, 1, 0))
		for (int i = 0; i < ROUNDS; i++)
			if (pwrite(fd, bytes, len, at) != (ssize_t)len)
				return 4;
	return 0;
}
