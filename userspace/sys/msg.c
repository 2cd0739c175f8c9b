// SPDX-License-Identifier: MIT
/* msg.c: struct msghdr and struct mmsghdr: sendmsg, recvmsg, sendmmsg, recvmmsg.
 * What recvmsg writes: the name, the buffers by the result, control data, and three fields of the header itself:
 * msg_namelen, msg_controllen, msg_flags (____sys_recvmsg, net/socket.c, 5.10 to 6.18). The padding between control
 * messages isn't written, and with MSG_TRUNC a TCP socket throws the data away: such spans are weak. */
#include "sys/run.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* The kernel reads no more headers than that in one call (UIO_MAXIOV). */
#define MMSG_LIMIT 1024

/* A header, where it is, and how much data it took or gave. */
struct msg_at {
	uint64_t addr;	/* of the struct msghdr */
	uint32_t arg;	/* argument of the call */
	uint32_t dir;	/* of the data */
	uint64_t bytes; /* data moved, or UINT64_MAX before the call */
	uint32_t flags; /* SPAN_WEAK with MSG_TRUNC */
};

static int msg_field(struct run *r, const struct msg_at *m, size_t offset, size_t len)
{
	return run__emit(r, (struct span){ .addr = m->addr + offset,
					   .len = len,
					   .arg = m->arg,
					   .dir = SYS_WRITES,
					   .flags = SPAN_FIELD });
}

static int msg_fields(struct run *r, const struct msg_at *m)
{
	int err;

	if (m->dir != SYS_WRITES)
		return 0;
	err = msg_field(r, m, offsetof(struct msghdr, msg_namelen), sizeof(socklen_t));
	if (!err)
		err = msg_field(r, m, offsetof(struct msghdr, msg_controllen), sizeof(size_t));
	if (!err)
		err = msg_field(r, m, offsetof(struct msghdr, msg_flags), sizeof(int));
	return err;
}

/* All that a header points to. */
static int msg_run(struct run *r, const struct msg_at *m)
{
	struct msghdr h;
	struct span iov = { .arg = m->arg, .flags = SPAN_IN_MEM | m->flags };
	uint64_t namelen;
	int err;

	if (run__read(r, m->addr, &h, sizeof(h)))
		return run__unreadable(r);
	/* The kernel cuts longer names (__copy_msghdr, net/socket.c); a negative length is EINVAL. */
	namelen = h.msg_namelen < sizeof(struct sockaddr_storage) ? h.msg_namelen
								  : sizeof(struct sockaddr_storage);
	err = run__nested(r, m->arg, m->addr + offsetof(struct msghdr, msg_name),
			  (uint64_t)(uintptr_t)h.msg_name, namelen, m->dir, SPAN_WEAK | SPAN_CLIP);
	if (err)
		return err;
	iov.addr = (uint64_t)(uintptr_t)h.msg_iov;
	iov.ptr_at = m->addr + offsetof(struct msghdr, msg_iov);
	err = run__iov(r, &iov, h.msg_iovlen, m->dir, m->bytes);
	if (err)
		return err;
	err = run__nested(r, m->arg, m->addr + offsetof(struct msghdr, msg_control),
			  (uint64_t)(uintptr_t)h.msg_control, h.msg_controllen, m->dir,
			  SPAN_WEAK | SPAN_CLIP);
	return err ? err : msg_fields(r, m);
}

static uint32_t msg_weak(const struct run *r, uint8_t flags_arg)
{
	return r->in->args[ARG_NR(flags_arg)] & MSG_TRUNC ? SPAN_WEAK : 0;
}

int run__msg(struct run *r, const struct sys_rule *rule)
{
	struct msg_at m = { .addr = r->in->args[rule->arg],
			    .arg = rule->arg,
			    .dir = rule->dir,
			    .bytes = run__by_ret(r, UINT64_MAX),
			    .flags = msg_weak(r, rule->n) };
	int err;

	if (r->mode == RUN_OUT && (run__failed(r) || !(rule->dir & SYS_WRITES)))
		return 0;
	err = run__mem(r, m.arg, sizeof(struct msghdr), SYS_READS, SPAN_BOX);
	return err ? err : msg_run(r, &m);
}

/* Header i of an array: its length field is always written, by sendmmsg too. */
static int mmsg_one(struct run *r, struct msg_at *m, uint64_t i)
{
	uint64_t at = r->in->args[m->arg] + i * sizeof(struct mmsghdr);
	uint32_t len;
	int err;

	m->addr = at + offsetof(struct mmsghdr, msg_hdr);
	m->bytes = UINT64_MAX;
	if (r->mode == RUN_OUT) {
		if (run__read(r, at + offsetof(struct mmsghdr, msg_len), &len, sizeof(len)))
			return -EFAULT;
		m->bytes = len;
	}
	err = msg_run(r, m);
	return err ? err : msg_field(r, m, offsetof(struct mmsghdr, msg_len), sizeof(unsigned int));
}

int run__mmsg(struct run *r, const struct sys_rule *rule)
{
	uint64_t n = run__arg(r, rule->n);
	struct msg_at m = { .arg = rule->arg, .dir = rule->dir, .flags = msg_weak(r, rule->m) };
	int err;

	if (n > MMSG_LIMIT)
		n = MMSG_LIMIT;
	err = run__mem(r, m.arg, n * sizeof(struct mmsghdr), SYS_READS, SPAN_BOX);
	n = run__by_ret(r, n);
	for (uint64_t i = 0; !err && i < n; i++)
		err = mmsg_one(r, &m, i);
	return err;
}
