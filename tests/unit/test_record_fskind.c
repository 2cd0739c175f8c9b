/* SPDX-License-Identifier: MIT */
/* Which file systems are known to be this machine's alone. */
#include <linux/magic.h>
#include <mntent.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/vfs.h>

#include "record/fskind.h"

static void by_magic(void **state)
{
	(void)state;
	assert_int_equal(fskind__of(0), FSKIND_LOCAL); /* not observed: nothing is known of it */
	assert_int_equal(fskind__of(EXT4_SUPER_MAGIC), FSKIND_LOCAL);
	assert_int_equal(fskind__of(TMPFS_MAGIC), FSKIND_LOCAL);
	assert_int_equal(fskind__of(0x7366746e), FSKIND_LOCAL);
	assert_int_equal(fskind__of(FUSE_SUPER_MAGIC), FSKIND_SERVED);
	assert_int_equal(fskind__of(SMB2_SUPER_MAGIC), FSKIND_SERVED);
	assert_int_equal(fskind__of(0x0bd00bd0), FSKIND_SERVED);
}

static void others_are_unknown(void **state)
{
	(void)state;
	assert_int_equal(fskind__of(0xf15f),
			 FSKIND_UNKNOWN); /* eCryptfs: shows files of another one */
	assert_int_equal(fskind__of(0x12345678), FSKIND_UNKNOWN);
	assert_int_equal(fskind__of((1ull << 32) + TMPFS_MAGIC), FSKIND_UNKNOWN);
}

/* What is mounted here is what programs map: a list that lacked one of these would make every verdict uncertain. */
static void all_that_are_mounted(void **state)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	struct statfs st;

	(void)state;
	assert_non_null(f);
	while ((m = getmntent(f))) {
		if (statfs(m->mnt_dir, &st))
			continue;
		if (fskind__of((uint32_t)st.f_type) == FSKIND_UNKNOWN)
			fail_msg("%s on %s: magic number %#x", m->mnt_type, m->mnt_dir,
				 (uint32_t)st.f_type);
	}
	endmntent(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_magic),
		cmocka_unit_test(others_are_unknown),
		cmocka_unit_test(all_that_are_mounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
