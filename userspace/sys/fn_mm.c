// SPDX-License-Identifier: MIT
/* fn_mm.c: rules of mincore and of masks of memory nodes. */
#include "sys/fns.h"

int sys_fn_mincore(struct run *r, const struct sys_rule *rule)
{
	uint64_t pages = r->in->args[1] / 4096 + (r->in->args[1] % 4096 != 0);

	(void)rule;
	/* A part may have been written before ENOMEM. */
	return run__mem(r, 2, pages, SYS_WRITES, SPAN_WEAK | (run__failed(r) ? SPAN_CLIP : 0));
}

/* Bytes of a mask for maxnode bits: one less than it says, in whole longs (mm/mempolicy.c, 5.10 to 6.18). */
static uint64_t nodemask_len(uint64_t maxnode)
{
	return maxnode ? (maxnode - 1 + 63) / 64 * 8 : 0;
}

static int nodemask_in(struct run *r, uint32_t arg, uint64_t maxnode)
{
	return run__mem(r, arg, nodemask_len(maxnode), SYS_READS, 0);
}

int sys_fn_nodemask_get(struct run *r, const struct sys_rule *rule)
{
	(void)rule;
	if (!run__due(r, WHEN_OK))
		return 0;
	return run__mem(r, 1, nodemask_len(r->in->args[2]), SYS_WRITES, SPAN_WEAK);
}

int sys_fn_nodemask_set(struct run *r, const struct sys_rule *rule)
{
	(void)rule;
	return nodemask_in(r, 1, r->in->args[2]);
}

int sys_fn_nodemask_mbind(struct run *r, const struct sys_rule *rule)
{
	(void)rule;
	return nodemask_in(r, 3, r->in->args[4]);
}

int sys_fn_nodemask_migrate(struct run *r, const struct sys_rule *rule)
{
	int err;

	(void)rule;
	err = nodemask_in(r, 2, r->in->args[1]);
	return err ? err : nodemask_in(r, 3, r->in->args[1]);
}
