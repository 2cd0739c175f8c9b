/* SPDX-License-Identifier: MIT */
/*
 * pinned.c FILE: an outsider that neither maps FILE nor has it open, and yet stores to its first page: the page is a fixed
 * buffer of an io_uring (man 2 io_uring_register), which outlives the mapping. Prints "ready PID"; for each line "BYTE" it
 * has the kernel read that byte into the start of the page, and prints "done". Exit 77 if the kernel refuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct ring {
	int fd;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
	struct io_uring_params p;
} ring;

static int refuse(const char *what)
{
	printf("skip %s: %s\n", what, strerror(errno));
	return 77;
}

static int set_up(void)
{
	struct io_uring_params *p = &ring.p;
	const int prot = PROT_READ | PROT_WRITE;

	ring.fd = (int)syscall(SYS_io_uring_setup, 4, p);
	if (ring.fd < 0)
		return -1;
	ring.sq = mmap(NULL, p->sq_off.array + 4 * p->sq_entries, prot, MAP_SHARED, ring.fd,
		       IORING_OFF_SQ_RING);
	ring.cq = mmap(NULL, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe), prot,
		       MAP_SHARED, ring.fd, IORING_OFF_CQ_RING);
	ring.sqes = mmap(NULL, p->sq_entries * sizeof(*ring.sqes), prot, MAP_SHARED, ring.fd,
			 IORING_OFF_SQES);
	return ring.sq == MAP_FAILED || ring.cq == MAP_FAILED || ring.sqes == MAP_FAILED ? -1 : 0;
}

/* Has the kernel read one byte of fd to address `at` of the fixed buffer. */
static int read_fixed(int fd, char *at)
{
	unsigned int *tail = (void *)(ring.sq + ring.p.sq_off.tail);
	unsigned int mask = *(unsigned int *)(ring.sq + ring.p.sq_off.ring_mask);
	unsigned int *head = (void *)(ring.cq + ring.p.cq_off.head);
	struct io_uring_cqe *cqes = (void *)(ring.cq + ring.p.cq_off.cqes);
	unsigned int cmask = *(unsigned int *)(ring.cq + ring.p.cq_off.ring_mask), i = *tail & mask;

	memset(&ring.sqes[i], 0, sizeof(*ring.sqes));
	ring.sqes[i].opcode = IORING_OP_READ_FIXED;
	ring.sqes[i].fd = fd;
	ring.sqes[i].addr = (unsigned long)at;
	ring.sqes[i].len = 1;
	ring.sqes[i].off = (__u64)-1;
	((unsigned int *)(ring.sq + ring.p.sq_off.array))[i] = i;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return -1;
	int res = cqes[*head & cmask].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	errno = res < 0 ? -res : 0;
	return res == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDWR) : -1, end[2], byte;
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), c;
	struct iovec buffer = { page, 4096 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (page == MAP_FAILED || pipe(end))
		return 1;
	if (set_up())
		return refuse("io_uring_setup");
	if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &buffer, 1))
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
