// SPDX-License-Identifier: MIT
/* fn_proc.c: rules of clone, clone3, capget, sched_setattr, lsm_list_modules, and of struct sock_fprog. */
#include "sys/fns.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <stddef.h>

/* Ids are written by the parent before it returns, the child's own (CLONE_CHILD_SETTID) by the child when it starts: in this
 * address space only with CLONE_VM; else the recorder reads it at the child's first stop. */
static int clone_ids(struct run *r, uint64_t flags)
{
	int err = 0;

	if (flags & CLONE_PARENT_SETTID || flags & CLONE_PIDFD)
		err = run__mem(r, 2, 4, SYS_WRITES, SPAN_PINNED);
	if (!err && flags & CLONE_CHILD_SETTID && flags & CLONE_VM)
		err = run__mem(r, 3, 4, SYS_WRITES, SPAN_PINNED);
	return err;
}

int sys_fn_clone(struct run *r, const struct sys_rule *rule)
{
	(void)rule;
	return run__due(r, WHEN_OK) ? clone_ids(r, r->in->args[0]) : 0;
}

/* One id whose pointer lies in struct clone_args. */
static int clone3_id(struct run *r, size_t at, uint64_t addr)
{
	return run__nested(r, 0, r->in->args[0] + at, addr, 4, SYS_WRITES, SPAN_PINNED);
}

int sys_fn_clone3(struct run *r, const struct sys_rule *rule)
{
	struct clone_args a = { 0 };
	uint64_t size = r->in->args[1];
	int err;

	(void)rule;
	if (!run__due(r, WHEN_OK))
		return 0;
	if (run__read(r, r->in->args[0], &a, size < sizeof(a) ? size : sizeof(a)))
		return run__unreadable(r);
	err = run__mem(r, 0, size, SYS_READS, SPAN_BOX);
	if (!err && a.flags & CLONE_PIDFD)
		err = clone3_id(r, offsetof(struct clone_args, pidfd), a.pidfd);
	if (!err && a.flags & CLONE_PARENT_SETTID)
		err = clone3_id(r, offsetof(struct clone_args, parent_tid), a.parent_tid);
	if (!err && a.flags & CLONE_CHILD_SETTID && a.flags & CLONE_VM)
		err = clone3_id(r, offsetof(struct clone_args, child_tid), a.child_tid);
	if (!err && a.set_tid_size <= 32)
		err = run__nested(r, 0, r->in->args[0] + offsetof(struct clone_args, set_tid),
				  a.set_tid, 4 * a.set_tid_size, SYS_READS, 0);
	return err;
}

int sys_fn_capdata(struct run *r, const struct sys_rule *rule)
{
	struct __user_cap_header_struct h;

	(void)rule;
	if (!run__due(r, WHEN_OK))
		return 0;
	if (run__read(r, r->in->args[0], &h, sizeof(h)))
		return run__unreadable(r);
	return run__mem(r, 1,
			sizeof(struct __user_cap_data_struct) *
				(h.version == _LINUX_CAPABILITY_VERSION_1 ? 1 : 2),
			SYS_WRITES, SPAN_WEAK | SPAN_CLIP);
}

int sys_fn_sched_attr(struct run *r, const struct sys_rule *rule)
{
	uint32_t size;

	(void)rule;
	if (r->mode != RUN_TOUCH || !r->in->args[1])
		return 0;
	if (run__read(r, r->in->args[1], &size, sizeof(size)))
		return -EFAULT;
	return run__mem(r, 1, size < 48 ? 48 : size, SYS_READS, 0);
}

int sys_fn_lsm_list(struct run *r, const struct sys_rule *rule)
{
	uint32_t size;
	uint64_t n;

	(void)rule;
	if (!run__due(r, WHEN_OK))
		return 0;
	if (run__read(r, r->in->args[1], &size, sizeof(size)))
		return run__unreadable(r);
	n = run__by_ret(r, size / 8);
	return run__mem(r, 0, n * 8, SYS_WRITES, 0);
}

int sys_fn_fprog(struct run *r, const struct sys_rule *rule)
{
	uint64_t at = r->in->args[rule->arg];
	struct sock_fprog p;
	int err;

	if (r->mode != RUN_TOUCH || !at)
		return 0;
	if (run__read(r, at, &p, sizeof(p)))
		return -EFAULT;
	err = run__mem(r, rule->arg, sizeof(p), SYS_READS, 0);
	return err ? err
		   : run__nested(r, rule->arg, at + offsetof(struct sock_fprog, filter),
				 (uint64_t)(uintptr_t)p.filter,
				 (uint64_t)p.len * sizeof(struct sock_filter), SYS_READS, 0);
}

int sys_fn_prctl_mm(struct run *r, const struct sys_rule *rule)
{
	(void)rule;
	if (r->in->args[1] == PR_SET_MM_MAP_SIZE)
		return run__due(r, WHEN_OK) ? run__mem(r, 2, 4, SYS_WRITES, SPAN_WEAK) : 0;
	if (r->in->args[1] == PR_SET_MM_MAP) /* has a pointer to an auxiliary vector */
		return r->mode == RUN_TOUCH ? -EOPNOTSUPP : 0;
	if (r->in->args[1] == PR_SET_MM_AUXV)
		return run__mem(r, 2, r->in->args[3], SYS_READS, 0);
	return 0;
}

int sys_fn_prctl_core(struct run *r, const struct sys_rule *rule)
{
	(void)rule;
	if ((uint32_t)r->in->args[1] != PR_SCHED_CORE_GET || !run__due(r, WHEN_OK))
		return 0;
	return run__mem(r, 4, 8, SYS_WRITES, SPAN_WEAK);
}

int sys_fn_clipped(struct run *r, const struct sys_rule *rule)
{
	if (!run__due(r, WHEN_OK))
		return 0;
	return run__mem(r, rule->arg, rule->size, rule->dir, SPAN_WEAK | SPAN_CLIP);
}
