/* SPDX-License-Identifier: MIT */
#include "ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct ring {
	int fd;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
	struct io_uring_params p;
} ring;

int ring__open(unsigned int n)
{
	struct io_uring_params *p = &ring.p;
	const int prot = PROT_READ | PROT_WRITE;

	ring.fd = (int)syscall(SYS_io_uring_setup, n, p);
	if (ring.fd < 0)
		return -1;
	ring.sq = mmap(NULL, p->sq_off.array + 4 * p->sq_entries, prot, MAP_SHARED, ring.fd,
		       IORING_OFF_SQ_RING);
	ring.cq = mmap(NULL, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe), prot,
		       MAP_SHARED, ring.fd, IORING_OFF_CQ_RING);
	ring.sqes = mmap(NULL, p->sq_entries * sizeof(*ring.sqes), prot, MAP_SHARED, ring.fd,
			 IORING_OFF_SQES);
	if (ring.sq == MAP_FAILED || ring.cq == MAP_FAILED || ring.sqes == MAP_FAILED)
		return -1;
	return ring.fd;
}

struct io_uring_sqe *ring__next(unsigned int i)
{
	const unsigned int tail = *(unsigned int *)(ring.sq + ring.p.sq_off.tail) + i;
	const unsigned int at = tail & *(unsigned int *)(ring.sq + ring.p.sq_off.ring_mask);

	((unsigned int *)(ring.sq + ring.p.sq_off.array))[at] = at;
	return memset(&ring.sqes[at], 0, sizeof(*ring.sqes));
}

int ring__run(unsigned int n, int result)
{
	unsigned int *tail = (void *)(ring.sq + ring.p.sq_off.tail);
	unsigned int *head = (void *)(ring.cq + ring.p.cq_off.head);
	const unsigned int mask = *(unsigned int *)(ring.cq + ring.p.cq_off.ring_mask);
	const struct io_uring_cqe *cqes = (void *)(ring.cq + ring.p.cq_off.cqes);
	int err = 0;

	__atomic_store_n(tail, *tail + n, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, n, n, IORING_ENTER_GETEVENTS, NULL, 0) != n)
		return -1;
	for (unsigned int i = 0; i < n; i++) {
		const int res = cqes[(*head + i) & mask].res;

		if (res != result)
			err = res < 0 ? -res : EIO;
	}
	__atomic_store_n(head, *head + n, __ATOMIC_RELEASE);
	errno = err;
	return err ? -1 : 0;
}
