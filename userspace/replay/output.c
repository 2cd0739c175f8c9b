/* SPDX-License-Identifier: MIT */
/* output.c: what the program wrote to its stdout and stderr is written again, in the order of the trace. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <asm/unistd.h>

#include "replay/state.h"

#define IOV_MAX_ 1024

/** Passes on `len` bytes of the program's memory. */
static int pass(struct replay *rp, struct rtask *t, int stream, uint64_t addr, uint64_t len)
{
	uint8_t buf[65536];

	while (len) {
		const size_t want = len < sizeof(buf) ? len : sizeof(buf);
		const ssize_t n = mem__read(t, addr, buf, want);
		int err;

		if (n <= 0)
			return replay__differs(rp, "the bytes it wrote at %#llx can't be read",
					       (unsigned long long)addr);
		err = rp->opts.output(rp->opts.ctx, stream, buf, n);
		if (err)
			return err;
		addr += n;
		len -= n;
	}
	return 0;
}

static int pass_iov(struct replay *rp, struct rtask *t, int stream, uint64_t addr, uint64_t count,
		    uint64_t len)
{
	struct iovec v[IOV_MAX_];
	int err = 0;

	if (count > IOV_MAX_)
		count = IOV_MAX_;
	if (mem__read(t, addr, v, count * sizeof(*v)) != (ssize_t)(count * sizeof(*v)))
		return replay__differs(rp, "its iovec at %#llx can't be read",
				       (unsigned long long)addr);
	for (uint64_t i = 0; i < count && len && !err; i++) {
		const uint64_t n = v[i].iov_len < len ? v[i].iov_len : len;

		err = pass(rp, t, stream, (uintptr_t)v[i].iov_base, n);
		len -= n;
	}
	return err;
}

static int pass_msg(struct replay *rp, struct rtask *t, int stream, uint64_t addr, uint64_t len)
{
	struct msghdr m;

	if (mem__read(t, addr, &m, sizeof(m)) != sizeof(m))
		return replay__differs(rp, "its message at %#llx can't be read",
				       (unsigned long long)addr);
	return pass_iov(rp, t, stream, (uintptr_t)m.msg_iov, m.msg_iovlen, len);
}

int output__call(struct replay *rp, struct rtask *t, const struct ev_syscall *c)
{
	int stream;

	if (c->ret <= 0 || !rp->opts.output || !scope__shows(rp, t))
		return 0;
	switch (c->nr) {
	case __NR_write:
	case __NR_pwrite64:
	case __NR_sendto:
		stream = files__stream(rp->files, t->tid, (int)c->args[0]);
		return stream < 1 ? 0 : pass(rp, t, stream, c->args[1], c->ret);
	case __NR_writev:
	case __NR_pwritev:
	case __NR_pwritev2:
		stream = files__stream(rp->files, t->tid, (int)c->args[0]);
		return stream < 1 ? 0 : pass_iov(rp, t, stream, c->args[1], c->args[2], c->ret);
	case __NR_sendmsg:
		stream = files__stream(rp->files, t->tid, (int)c->args[0]);
		return stream < 1 ? 0 : pass_msg(rp, t, stream, c->args[1], c->ret);
	default:
		return 0;
	}
}

int output__moved(struct replay *rp, struct rtask *t, const struct ev_output *o)
{
	const int stream = files__stream(rp->files, t->tid, (int)o->fd);

	if (stream < 1 || !rp->opts.output || !scope__shows(rp, t))
		return 0;
	return rp->opts.output(rp->opts.ctx, stream, o + 1, o->len);
}
