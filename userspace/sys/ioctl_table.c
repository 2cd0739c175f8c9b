// SPDX-License-Identifier: MIT
/* ioctl_table.c: ioctls that have a row: those without direction and size in their number, and those that don't keep to
 * it. The argument is args[2]; structs of the kernel that the C library has otherwise are given by size. */
#include "sys/fns.h"

#include <asm/ioctls.h>
#include <linux/sockios.h>

const struct sys_case sys_ioctl_cases[] = {
	{ .name = NULL },
};
