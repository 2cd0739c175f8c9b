// SPDX-License-Identifier: MIT
/* fn_wait.c: rules of futexes, clock_nanosleep, pselect6's signal mask, mq_notify. */
#include "sys/fns.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

/* struct futex_waitv of include/uapi/linux/futex.h (5.16). */
#define WAITV_LEN  24u
#define WAITV_ADDR 8u
#define WAITV_MAX  128u

int sys_fn_futex(struct run *r, const struct sys_rule *rule)
{
	(void)rule;
	return run__cases(r, sys_futex_cases,
			  r->in->args[1] & (uint64_t)FUTEX_CMD_MASK & 0xffffffff);
}

/* n waiters at args[0], and the words that they watch. */
static int futex_waiters(struct run *r, uint64_t n)
{
	uint64_t at = r->in->args[0], addr;
	int err;

	if (r->mode != RUN_TOUCH || n > WAITV_MAX)
		return 0;
	err = run__mem(r, 0, n * WAITV_LEN, SYS_READS, 0);
	for (uint64_t i = 0; !err && i < n; i++, at += WAITV_LEN) {
		if (run__read(r, at + WAITV_ADDR, &addr, sizeof(addr)))
			return -EFAULT;
		err = run__nested(r, 0, at + WAITV_ADDR, addr, 8, SYS_READS, 0);
	}
	return err;
}

int sys_fn_futex_waitv(struct run *r, const struct sys_rule *rule)
{
	(void)rule;
	return futex_waiters(r, (uint32_t)r->in->args[1]);
}

int sys_fn_futex_requeue(struct run *r, const struct sys_rule *rule)
{
	(void)rule;
	return futex_waiters(r, 2);
}

int sys_fn_clock_rest(struct run *r, const struct sys_rule *rule)
{
	(void)rule;
	if (r->in->args[1] & TIMER_ABSTIME || !run__due(r, WHEN_EINTR))
		return 0;
	return run__mem(r, 3, sizeof(struct timespec), SYS_WRITES, SPAN_WEAK);
}

int sys_fn_pselect_mask(struct run *r, const struct sys_rule *rule)
{
	uint64_t at = r->in->args[5], v[2];
	int err;

	(void)rule;
	if (r->mode != RUN_TOUCH || !at)
		return 0;
	if (run__read(r, at, v, sizeof(v)))
		return -EFAULT;
	err = run__mem(r, 5, sizeof(v), SYS_READS, 0);
	return err ? err : run__nested(r, 5, at, v[0], v[1], SYS_READS, 0);
}

int sys_fn_mq_notify(struct run *r, const struct sys_rule *rule)
{
	uint64_t at = r->in->args[1];
	struct sigevent ev;
	int err;

	(void)rule;
	if (r->mode != RUN_TOUCH || !at)
		return 0;
	if (run__read(r, at, &ev, sizeof(ev)))
		return -EFAULT;
	err = run__mem(r, 1, sizeof(ev), SYS_READS, 0);
	/* A cookie of 32 bytes goes into the notification (NOTIFY_COOKIE_LEN, include/linux/mqueue.h). */
	if (!err && ev.sigev_notify == SIGEV_THREAD)
		err = run__nested(r, 1, at + offsetof(struct sigevent, sigev_value),
				  (uint64_t)(uintptr_t)ev.sigev_value.sival_ptr, 32, SYS_READS, 0);
	return err;
}
