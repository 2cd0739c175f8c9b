// SPDX-License-Identifier: MIT
/*
 * query.c: what the recorder asks about a call: what it wrote, what it may touch, whether it may wait.
 * The answers come from the rules of table.c; doubt is always answered with the larger set.
 */
#include "sys/fns.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Who takes the ranges. */
struct taker {
	sys_range_fn fn;
	void *ctx;
};

static int take(void *ctx, const struct span *s)
{
	const struct taker *t = ctx;
	const struct sys_range range = {
		.addr = s->addr, .len = s->len, .arg = s->arg, .dir = s->dir
	};

	return t->fn(t->ctx, &range);
}

int sys__outputs(const struct sys_invocation *in, sys_range_fn fn, void *ctx)
{
	struct taker t = { fn, ctx };
	struct run r = {
		.in = in, .mode = in->ret == -EFAULT ? RUN_FAULT : RUN_OUT, .sink = take, .ctx = &t
	};

	return run__call(&r);
}

int sys__touched(const struct sys_invocation *in, sys_range_fn fn, void *ctx)
{
	struct taker t = { fn, ctx };
	struct run r = { .in = in, .mode = RUN_TOUCH, .sink = take, .ctx = &t };

	return run__call(&r);
}

/* A range of addresses, for sys__may_touch. */
struct window {
	uint64_t lo, hi;
};

static int meets(void *ctx, const struct sys_range *r)
{
	const struct window *w = ctx;

	return r->addr < w->hi && r->addr + r->len > w->lo;
}

bool sys__may_touch(const struct sys_invocation *in, uint64_t lo, uint64_t hi)
{
	struct window w = { lo, hi };

	return sys__touched(in, meets, &w) != 0;
}

/* Row of the command of a call that has many, NULL if it isn't such a call or the command has no row. */
static const struct sys_case *blocking_case(const struct sys_invocation *in, bool *ret_has_cases)
{
	*ret_has_cases = true;
	switch (in->nr) {
	case SYS_futex:
		return sys_case_find(sys_futex_cases, in->args[1] & (uint32_t)FUTEX_CMD_MASK);
	case SYS_fcntl:
		return sys_case_find(sys_fcntl_cases, (uint32_t)in->args[1]);
	case SYS_ioctl:
		return sys_case_find(sys_ioctl_cases, (uint32_t)in->args[1]);
	case SYS_syslog:
		return sys_case_find(sys_syslog_cases, (uint32_t)in->args[0]);
	default:
		*ret_has_cases = false;
		return NULL;
	}
}

/* True if an argument tells the kernel not to wait. */
static bool asked_not_to_wait(const struct sys_invocation *in)
{
	const uint64_t *a = in->args;

	switch (in->nr) {
	case SYS_wait4:
		return a[2] & WNOHANG;
	case SYS_waitid:
		return a[3] & WNOHANG;
	case SYS_poll:
		return (int)a[2] == 0;
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		return (int)a[3] == 0;
	case SYS_flock:
		return a[1] & LOCK_NB;
	case SYS_msgsnd:
		return a[3] & IPC_NOWAIT;
	case SYS_msgrcv:
		return a[4] & IPC_NOWAIT;
	case SYS_recvfrom:
	case SYS_recvmmsg:
		return a[3] & MSG_DONTWAIT;
	case SYS_sendto:
	case SYS_sendmmsg:
		return a[3] & MSG_DONTWAIT;
	case SYS_recvmsg:
	case SYS_sendmsg:
		return a[2] & MSG_DONTWAIT;
	case SYS_clone: /* only for a vfork child */
		return !(a[0] & 0x4000 /* CLONE_VFORK */);
	default:
		return false;
	}
}

bool sys__may_block(const struct sys_invocation *in)
{
	const struct sys_call *c = sys__lookup(in->nr);
	const struct sys_case *k;
	bool has_cases;

	if (!c || c->sysclass == SYS_CLASS_REFUSED)
		return false;
	if (!(c->flags & SYS_MAY_BLOCK))
		return false;
	k = blocking_case(in, &has_cases);
	if (has_cases)
		return !k || k->waits;
	return !asked_not_to_wait(in);
}

int sys__write_fd(const struct sys_invocation *in)
{
	const struct sys_call *c = sys__lookup(in->nr);

	switch (in->nr) {
	case SYS_splice:
	case SYS_copy_file_range:
		return (int)in->args[2];
	case SYS_ioctl:
		/* The descriptor of an ioctl that copies is the target's (ioctl_ficlonerange(2)). */
		if ((uint32_t)in->args[1] == FICLONE || (uint32_t)in->args[1] == FICLONERANGE)
			return (int)in->args[0];
		return -1;
	default:
		return c && c->flags & SYS_WRITES_FD ? (int)in->args[0] : -1;
	}
}

int sys__output_arg(uint32_t nr)
{
	switch (nr) {
	case SYS_write:
	case SYS_pwrite64:
	case SYS_writev:
	case SYS_pwritev:
	case SYS_pwritev2:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_sendmmsg:
	case SYS_sendfile:
	case SYS_vmsplice:
		return 0;
	case SYS_tee:
		return 1;
	case SYS_splice:
	case SYS_copy_file_range:
		return 2;
	default:
		return -1;
	}
}
