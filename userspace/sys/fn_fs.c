// SPDX-License-Identifier: MIT
/* fn_fs.c: rules of file handles, mounts, extended attributes by struct, quotas. */
#include "sys/fns.h"

#include <errno.h>
#include <stddef.h>

#define HANDLE_HEAD	8u     /* struct file_handle before f_handle */
#define HANDLE_UNIQUE	0x001u /* AT_HANDLE_MNT_ID_UNIQUE (6.12): the mount's id has 8 bytes */
#define STATMOUNT_HEAD	512u   /* struct statmount before its texts (6.8) */
#define XATTR_ARGS_SIZE 8u     /* offset of size in struct xattr_args (6.13) */

int sys_fn_name_handle(struct run *r, const struct sys_rule *rule)
{
	/* Too small a buffer gets the length that is needed, and the mount's id all the same. */
	bool small = r->mode == RUN_OUT && r->in->ret == -EOVERFLOW;
	uint64_t id_len = r->in->args[4] & HANDLE_UNIQUE ? 8 : 4;
	uint32_t n;
	int err;

	(void)rule;
	if (!run__due(r, WHEN_OK) && !small)
		return 0;
	if (run__read(r, r->in->args[2], &n, sizeof(n)))
		return run__unreadable(r);
	err = run__mem(r, 2, HANDLE_HEAD + (small ? 0 : (uint64_t)n), SYS_READS | SYS_WRITES,
		       SPAN_WEAK | SPAN_CLIP);
	return err ? err : run__mem(r, 3, id_len, SYS_WRITES, SPAN_WEAK);
}

int sys_fn_open_handle(struct run *r, const struct sys_rule *rule)
{
	uint32_t n;

	(void)rule;
	if (r->mode != RUN_TOUCH)
		return 0;
	if (run__read(r, r->in->args[1], &n, sizeof(n)))
		return -EFAULT;
	return run__mem(r, 1, HANDLE_HEAD + (uint64_t)n, SYS_READS, 0);
}

/* A struct at args[0] that begins with its size. */
int sys_fn_mnt_id_req(struct run *r, const struct sys_rule *rule)
{
	uint32_t size;

	(void)rule;
	if (r->mode != RUN_TOUCH || !r->in->args[0])
		return 0;
	if (run__read(r, r->in->args[0], &size, sizeof(size)))
		return -EFAULT;
	return run__mem(r, 0, size < 24 ? 24 : size, SYS_READS, 0);
}

/* struct statmount begins with the bytes used, texts behind it included. */
int sys_fn_statmount(struct run *r, const struct sys_rule *rule)
{
	uint64_t len = r->in->args[2];
	uint32_t used;

	(void)rule;
	if (!run__due(r, WHEN_OK))
		return 0;
	if (r->mode == RUN_OUT && len >= STATMOUNT_HEAD) {
		if (run__read(r, r->in->args[1], &used, sizeof(used)))
			return -EFAULT;
		used = used < STATMOUNT_HEAD ? STATMOUNT_HEAD : used;
		len = used < len ? used : len;
	}
	return run__mem(r, 1, len, SYS_WRITES, SPAN_WEAK);
}

int sys_fn_xattr_args(struct run *r, const struct sys_rule *rule)
{
	uint64_t at = r->in->args[4], value, len = 0;
	uint32_t size;
	int err;

	if (r->mode == RUN_OUT && (!(rule->dir & SYS_WRITES) || run__failed(r)))
		return 0;
	if (run__read(r, at, &value, sizeof(value)) ||
	    run__read(r, at + XATTR_ARGS_SIZE, &size, sizeof(size)))
		return run__unreadable(r);
	err = run__mem(r, 4, r->in->args[5], SYS_READS, SPAN_BOX);
	len = rule->dir & SYS_WRITES ? run__by_ret(r, size) : size;
	return err ? err : run__nested(r, 4, at, value, len, rule->dir, 0);
}

int sys_fn_quotactl(struct run *r, const struct sys_rule *rule)
{
	const struct sys_call *c = sys__lookup(r->in->nr);
	/* quotactl(cmd, special, id, addr); quotactl_fd(fd, cmd, id, addr) */
	uint32_t cmd = (uint32_t)r->in->args[c->name[8] ? 1 : 0];

	(void)rule;
	return run__cases(r, sys_quota_cases, cmd >> 8);
}
