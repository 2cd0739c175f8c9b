/* SPDX-License-Identifier: MIT */
/*
 * pinned.c FILE: an outsider that neither maps FILE nor has it open, and yet stores to its first page: the page is a fixed
 * buffer of an io_uring (man 2 io_uring_register), which outlives the mapping. Prints "ready PID"; for each line "BYTE" it
 * has the kernel read that byte into the start of the page, and prints "done". Exit 77 if the kernel refuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ring.h"

static int refuse(const char *what)
{
	printf("skip %s: %s\n", what, strerror(errno));
	return 77;
}

/* Has the kernel read one byte of fd to address `at` of the fixed buffer. */
static int read_fixed(int fd, char *at)
{
	struct io_uring_sqe *sqe = ring__next(0);

	sqe->opcode = IORING_OP_READ_FIXED;
	sqe->fd = fd;
	sqe->addr = (unsigned long)at;
	sqe->len = 1;
	sqe->off = (__u64)-1;
	return ring__run(1, 1);
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDWR) : -1, end[2], byte;
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), c;
	struct iovec buffer = { page, 4096 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (page == MAP_FAILED || pipe(end))
		return 1;
	const int ring = ring__open(4);
	if (ring < 0)
		return refuse("io_uring_setup");
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1))
		return refuse("io_uring_register");
	munmap(page, 4096);
	close(fd);
	printf("ready %d\n", getpid());
	while (scanf("%d", &byte) == 1) {
		c = (char)byte;
		if (write(end[1], &c, 1) != 1 || read_fixed(end[0], page))
			printf("error %s\n", strerror(errno));
		else
			printf("done\n");
	}
	return 0;
}
