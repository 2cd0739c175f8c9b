// SPDX-License-Identifier: MIT
/* fn_key.c: rules of keyctl's operations with keys: keyctl(op, params, info, in, out), where params is struct
 * keyctl_pkey_params { key_id, in_len, out_len or in2_len, spare[7] } (include/uapi/linux/keyctl.h, 4.20). */
#include "sys/fns.h"

#include <errno.h>

#define PKEY_PARAMS_LEN 40u

static int key_params(struct run *r, uint32_t ret_params[3])
{
	if (run__read(r, r->in->args[1], ret_params, 3 * sizeof(*ret_params)))
		return -EFAULT;
	return run__mem(r, 1, PKEY_PARAMS_LEN, SYS_READS, 0);
}

/* Encrypt, decrypt, sign: in is read, out written by the result. */
int sys_fn_key_crypt(struct run *r, const struct sys_rule *rule)
{
	uint32_t p[3];
	int err;

	(void)rule;
	if (!run__due(r, WHEN_OK))
		return 0;
	err = key_params(r, p);
	if (err)
		return err == -EFAULT ? run__unreadable(r) : err;
	err = run__mem(r, 3, p[1], SYS_READS, 0);
	return err ? err : run__mem(r, 4, run__by_ret(r, p[2]), SYS_WRITES, SPAN_WEAK);
}

/* Verify: both are read. */
int sys_fn_key_verify(struct run *r, const struct sys_rule *rule)
{
	uint32_t p[3];
	int err;

	(void)rule;
	if (r->mode != RUN_TOUCH)
		return 0;
	err = key_params(r, p);
	if (err)
		return err;
	err = run__mem(r, 3, p[1], SYS_READS, 0);
	return err ? err : run__mem(r, 4, p[2], SYS_READS, 0);
}
