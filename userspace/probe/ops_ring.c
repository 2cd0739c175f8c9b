/* SPDX-License-Identifier: MIT */
#include "probe/ops.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INSIDE 20u

static const char bytes[OPS_LEN] = { [0 ... OPS_LEN - 1] = 'r' };

/* The rings of one io_uring instance with one entry. */
struct uring {
	int fd;
	struct io_uring_params params;
	char *sq, *cq;
	struct io_uring_sqe *sqe;
};

static void *map_ring(const struct uring *u, size_t len, off_t at)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd, at);
}

/* Sizes as in io_uring_setup(2). */
static int uring_open(struct uring *u)
{
	const struct io_uring_params *p = &u->params;

	memset(u, 0, sizeof(*u));
	u->fd = (int)syscall(SYS_io_uring_setup, 1, &u->params);
	if (u->fd < 0)
		return -errno;
	u->sq = map_ring(u, p->sq_off.array + p->sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
	u->cq = map_ring(u, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe),
			 IORING_OFF_CQ_RING);
	u->sqe = map_ring(u, p->sq_entries * sizeof(*u->sqe), IORING_OFF_SQES);
	if (u->sq == MAP_FAILED || u->cq == MAP_FAILED || u->sqe == MAP_FAILED)
		return -ENOMEM;
	return 0;
}

/* Submits the one entry and waits for it. Its result, or -errno. */
static int uring_run(struct uring *u)
{
	uint32_t *tail = (uint32_t *)(u->sq + u->params.sq_off.tail);
	const struct io_uring_cqe *cqe =
		(const struct io_uring_cqe *)(u->cq + u->params.cq_off.cqes);

	((uint32_t *)(u->sq + u->params.sq_off.array))[0] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	return cqe[0].res;
}

/* The mappings go with the trial's process. */
int op__io_uring(struct op *o)
{
	struct uring u;
	int err = uring_open(&u);

	if (err)
		goto out;
	o->off += INSIDE;
	o->len = OPS_LEN;
	u.sqe->opcode = IORING_OP_WRITE;
	u.sqe->fd = o->fd;
	u.sqe->off = o->off;
	u.sqe->addr = (uintptr_t)bytes;
	u.sqe->len = OPS_LEN;
	err = uring_run(&u);
	if (err >= 0)
		err = err == OPS_LEN ? 0 : -EIO;
out:
	if (u.fd >= 0)
		close(u.fd);
	return err;
}

int op__aio(struct op *o)
{
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = (uint32_t)o->fd };
	struct iocb *cbs[1] = { &cb };
	struct io_event ev = { 0 };
	aio_context_t ctx = 0;
	int err = 0;

	o->off += INSIDE;
	o->len = OPS_LEN;
	cb.aio_buf = (uintptr_t)bytes;
	cb.aio_nbytes = OPS_LEN;
	cb.aio_offset = (int64_t)o->off;
	if (syscall(SYS_io_setup, 1, &ctx) < 0)
		return -errno;
	if (syscall(SYS_io_submit, ctx, 1, cbs) != 1 ||
	    syscall(SYS_io_getevents, ctx, 1, 1, &ev, NULL) != 1)
		err = -errno;
	else if (ev.res != OPS_LEN)
		err = ev.res < 0 ? (int)ev.res : -EIO;
	syscall(SYS_io_destroy, ctx);
	return err;
}
