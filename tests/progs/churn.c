// SPDX-License-Identifier: MIT
/* churn FILE: a child writes, cuts and grows the file by calls, while its parent maps it, reads it and unmaps it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 65536

static char buf[SIZE];

static int change(int fd)
{
	for (int i = 0; i < 3000; i++) {
		memset(buf, i, 5000);
		if (pwrite(fd, buf, 5000, (i * 7919) % 60000) != 5000)
			return 1;
		if (i % 50 == 0 && ftruncate(fd, 30000 + i * 5))
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600) : -1, status = 1;

	if (fd < 0 || pwrite(fd, buf, SIZE, 0) != SIZE)
		return 1;
	pid_t child = fork();
	if (!child)
		_exit(change(fd));
	for (int i = 0; i < 300; i++) {
		volatile char *m =
			mmap(NULL, SIZE, PROT_READ, i & 1 ? MAP_SHARED : MAP_PRIVATE, fd, 0);
		if (m == MAP_FAILED)
			return 1;
		(void)m[0];
		munmap((void *)m, SIZE);
	}
	waitpid(child, &status, 0);
	return status != 0;
}
