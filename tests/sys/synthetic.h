/* SPDX-License-Identifier: MIT */
/* synthetic.h: cases that can't be carried out here: arguments and a result are made up, and the ranges are compared with those
 * that the kernel's source or the man page names. Each says why. */
#ifndef BPREC_TESTS_SYS_SYNTHETIC_H
#define BPREC_TESTS_SYS_SYNTHETIC_H

#include "harness.h"

#include <asm/ioctls.h>
#include <linux/btrfs.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/fscrypt.h>
#include <linux/fsverity.h>
#include <linux/futex.h>
#include <linux/input.h>
#include <linux/keyctl.h>
#include <linux/prctl.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Nothing more than one struct of n bytes: args[a]. */
#define ONE_OUT(name, result, n, nr, ...)         \
	static void syn_##name(struct t *t)       \
	{                                         \
		DO_FAKE(result, nr, __VA_ARGS__); \
		expect(t, U(t->buf[0].p), n);     \
	}

/* System log: privileges. */
ONE_OUT(syslog_read, 7, 7, SYS_syslog, 2, out(t, 100), 100)
ONE_OUT(syslog_read_all, 7, 7, SYS_syslog, 3, out(t, 100), 100)
ONE_OUT(syslog_read_clear, 7, 7, SYS_syslog, 4, out(t, 100), 100)

/* prctl of other architectures. */
ONE_OUT(unalign, 0, 4, SYS_prctl, PR_GET_UNALIGN, out(t, 4))
ONE_OUT(fpemu, 0, 4, SYS_prctl, PR_GET_FPEMU, out(t, 4))
ONE_OUT(fpexc, 0, 4, SYS_prctl, PR_GET_FPEXC, out(t, 4))
ONE_OUT(endian, 0, 4, SYS_prctl, PR_GET_ENDIAN, out(t, 4))
ONE_OUT(shadow_status, 0, 8, SYS_prctl, 74, out(t, 8))

/* Contexts of kernel AIO can't be had in a recording. */
ONE_OUT(io_getevents, 2, 64, SYS_io_getevents, 0, 1, 5, out(t, 5 * 32), 0)
ONE_OUT(io_pgetevents, 2, 64, SYS_io_pgetevents, 0, 1, 5, out(t, 5 * 32), 0, 0)

static void syn_io_cancel(struct t *t)
{
	uint8_t iocb[64] = { 0 };

	DO_FAKE(0, SYS_io_cancel, 0, in(t, iocb, sizeof(iocb)), out(t, 32));
	expect(t, U(t->buf[1].p), 32);
}

/* Priority-inheriting waits want a second thread at the right moment. */
static void syn_wait_requeue_pi(struct t *t)
{
	uint32_t a = 0, b = 0;

	DO_FAKE(0, SYS_futex, in(t, &a, 4), FUTEX_WAIT_REQUEUE_PI, 0, 0, in(t, &b, 4));
	expect(t, U(t->buf[1].p), 4);
}

static void syn_cmp_requeue_pi(struct t *t)
{
	uint32_t a = 0, b = 0;

	DO_FAKE(0, SYS_futex, in(t, &a, 4), FUTEX_CMP_REQUEUE_PI, 1, 1, in(t, &b, 4));
	expect(t, U(t->buf[1].p), 4);
}

/* Keys with public-key operations: a kernel option. */
static uint64_t key_params_of(struct t *t, uint32_t in_len, uint32_t out_len)
{
	uint32_t p[10] = { 1, in_len, out_len };

	return in(t, p, sizeof(p));
}

#define KEY_CRYPT(name, cmd)                                                               \
	static void syn_##name(struct t *t)                                                \
	{                                                                                  \
		uint64_t params = key_params_of(t, 6, 50);                                 \
		DO_FAKE(20, SYS_keyctl, cmd, params, S("enc=raw"), out(t, 6), out(t, 50)); \
		expect(t, U(t->buf[3].p), 20);                                             \
	}

KEY_CRYPT(key_encrypt, KEYCTL_PKEY_ENCRYPT)
KEY_CRYPT(key_decrypt, KEYCTL_PKEY_DECRYPT)
KEY_CRYPT(key_sign, KEYCTL_PKEY_SIGN)

static void syn_key_query(struct t *t)
{
	DO_FAKE(0, SYS_keyctl, KEYCTL_PKEY_QUERY, 1, 0, S("enc=raw"),
		out(t, sizeof(struct keyctl_pkey_query)));
	expect(t, U(t->buf[1].p), sizeof(struct keyctl_pkey_query));
}

static void syn_key_dh(struct t *t)
{
	t->in_unknown = true;
	DO_FAKE(20, SYS_keyctl, KEYCTL_DH_COMPUTE, out(t, 12), out(t, 50), 50, 0);
	expect(t, U(t->buf[1].p), 20);
}

/* Quotas: a file system that has them. QCMD shifts into the sign. */
#define QUOTA_CMD(cmd) ((uint32_t)(cmd) << 8 | USRQUOTA)
#define QUOTA(name, cmd, n)                                                          \
	static void syn_##name(struct t *t)                                          \
	{                                                                            \
		DO_FAKE(0, SYS_quotactl, QUOTA_CMD(cmd), S("/dev/x"), 0, out(t, n)); \
		expect(t, U(t->buf[1].p), n);                                        \
	}

QUOTA(getfmt, Q_GETFMT, 4)
QUOTA(getinfo, Q_GETINFO, sizeof(struct if_dqinfo))
QUOTA(getquota, Q_GETQUOTA, sizeof(struct if_dqblk))
QUOTA(getnextquota, Q_GETNEXTQUOTA, sizeof(struct if_nextdqblk))
QUOTA(xgetquota, Q_XGETQUOTA, sizeof(struct fs_disk_quota))
QUOTA(xgetqstat, Q_XGETQSTAT, sizeof(struct fs_quota_stat))
QUOTA(xgetqstatv, Q_XGETQSTATV, sizeof(struct fs_quota_statv))
QUOTA(xgetnextquota, Q_XGETNEXTQUOTA, sizeof(struct fs_disk_quota))
ONE_OUT(quotactl_fd, 0, 4, __NR_quotactl_fd, 3, QUOTA_CMD(Q_GETFMT), 0, out(t, 4))

/* One struct of an ioctl: what the kernel's source says it moves. */
struct ioctl_size {
	const char *key; /* "ioctl:..." */
	uint32_t cmd;	 /* number */
	uint32_t len;	 /* bytes written */
};
#define SIZE(cmd, len)                              \
	{                                           \
		"ioctl:" #cmd, (uint32_t)(cmd), len \
	}
#define SIZE_NEW(num, cmd, len)         \
	{                               \
		"ioctl:" #cmd, num, len \
	}

static const struct ioctl_size ioctl_sizes[] = {
	SIZE(TIOCGPGRP, 4),
	SIZE(TIOCGSID, 4),
	SIZE(TIOCMGET, 4),
	SIZE(TIOCGSERIAL, 72),
	SIZE_NEW(0x5459, TIOCSERGETLSR, 4),
	SIZE(TIOCGICOUNT, 80),
	SIZE(TIOCGRS485, 32),
	SIZE(TIOCSRS485, 32),
	SIZE(TIOCGDEV, 4),
	SIZE_NEW(0x4b33, KDGKBTYPE, 1),
	SIZE_NEW(0x4b3b, KDGETMODE, 4),
	SIZE_NEW(0x4b44, KDGKBMODE, 4),
	SIZE_NEW(0x4b62, KDGKBMETA, 4),
	SIZE_NEW(0x4b31, KDGETLED, 1),
	SIZE_NEW(0x4b64, KDGKBLED, 1),
	SIZE_NEW(0x4b46, KDGKBENT, 4),
	SIZE_NEW(0x5600, VT_OPENQRY, 4),
	SIZE_NEW(0x5601, VT_GETMODE, 8),
	SIZE_NEW(0x5603, VT_GETSTATE, 6),
	SIZE(FITRIM, 24),
	SIZE(FS_IOC_GET_ENCRYPTION_PWSALT, 16),
	SIZE(FS_IOC_GET_ENCRYPTION_POLICY, 12),
	SIZE(BTRFS_IOC_SUBVOL_GETFLAGS, 8),
	SIZE(BTRFS_IOC_FS_INFO, 1024),
	SIZE(BTRFS_IOC_DEV_INFO, 4096),
	SIZE(BTRFS_IOC_INO_LOOKUP, 4096),
	SIZE(BTRFS_IOC_TREE_SEARCH, 4096),
	SIZE(BTRFS_IOC_GET_SUBVOL_INFO, sizeof(struct btrfs_ioctl_get_subvol_info_args)),
	SIZE_NEW(0x8010b70b, NS_MNT_GET_NEXT, 16),
	SIZE_NEW(0x8010b70c, NS_MNT_GET_PREV, 16),
	SIZE_NEW(0x8008b70d, NS_GET_ID, 8),
	SIZE_NEW(0x8905, SIOCATMARK, 4),
	SIZE_NEW(0x8906, SIOCGSTAMP_OLD, 16),
	SIZE_NEW(0x8907, SIOCGSTAMPNS_OLD, 16),
	SIZE_NEW(0x8947, SIOCGMIIPHY, 40),
	SIZE_NEW(0x8948, SIOCGMIIREG, 40),
	SIZE_NEW(0x8949, SIOCSMIIREG, 40),
	SIZE_NEW(0x894b, SIOCOUTQNSD, 4),
	SIZE_NEW(0x8954, SIOCGARP, 68),
	SIZE_NEW(0x400454ca, TUNSETIFF, 40),
	SIZE_NEW(0x800454d2, TUNGETIFF, 40),
	SIZE_NEW(0x801054db, TUNGETFILTER, 16),
	SIZE(BLKROGET, 4),
	SIZE(BLKGETSIZE, 8),
	SIZE(BLKRAGET, 8),
	SIZE(BLKFRAGET, 8),
	SIZE(BLKSECTGET, 2),
	SIZE(BLKSSZGET, 4),
	SIZE(BLKBSZGET, 4),
	SIZE(BLKGETSIZE64, 8),
	SIZE_NEW(0xc0481273, BLKTRACESETUP, 72),
	SIZE(BLKIOMIN, 4),
	SIZE(BLKIOOPT, 4),
	SIZE(BLKALIGNOFF, 4),
	SIZE(BLKPBSZGET, 4),
	SIZE(BLKDISCARDZEROES, 4),
	SIZE(BLKROTATIONAL, 2),
	SIZE_NEW(0x80041284, BLKGETZONESZ, 4),
	SIZE_NEW(0x80041285, BLKGETNRZONES, 4),
	SIZE_NEW(0x0301, HDIO_GETGEO, 16),
	SIZE_NEW(0x4c03, LOOP_GET_STATUS, 168),
	SIZE_NEW(0x4c05, LOOP_GET_STATUS64, 232),
	{ NULL, 0, 0 },
};

/* The one that the key names. */
static void syn_ioctl_size(struct t *t)
{
	const struct ioctl_size *s = ioctl_sizes;

	while (strcmp(s->key, t->key))
		s++;
	DO_FAKE(0, SYS_ioctl, 0, s->cmd, out(t, s->len));
	expect(t, U(t->buf[0].p), s->len);
}

static void syn_evmask(struct t *t)
{
	struct input_mask m = { .type = 1, .codes_size = 30 };

	m.codes_ptr = out(t, 30);
	DO_FAKE(0, SYS_ioctl, 0, EVIOCGMASK, in(t, &m, sizeof(m)));
	expect(t, U(t->buf[0].p), 30);
}

static void syn_policy(struct t *t)
{
	uint64_t p[4] = { 24 };

	DO_FAKE(0, SYS_ioctl, 0, FS_IOC_GET_ENCRYPTION_POLICY_EX, in(t, p, sizeof(p)));
	expect(t, U(t->buf[0].p), 32);
}

static void syn_add_key(struct t *t)
{
	t->in_unknown = true;
	DO_FAKE(0, SYS_ioctl, 0, FS_IOC_ADD_ENCRYPTION_KEY,
		out(t, sizeof(struct fscrypt_add_key_arg)));
	expect(t, U(t->buf[0].p), sizeof(struct fscrypt_add_key_arg));
}

static void syn_digest(struct t *t)
{
	union {
		struct fsverity_digest head;
		uint8_t room[sizeof(struct fsverity_digest) + 64];
	} d = { .head = { .digest_size = 64 } };

	DO_FAKE(0, SYS_ioctl, 0, FS_IOC_MEASURE_VERITY, in(t, &d, sizeof(d)));
	expect(t, U(t->buf[0].p), sizeof(d));
}

static void syn_verity(struct t *t)
{
	struct fsverity_read_metadata_arg a = { .length = 100 };

	a.buf_ptr = out(t, 100);
	DO_FAKE(30, SYS_ioctl, 0, FS_IOC_READ_VERITY_METADATA, in(t, &a, sizeof(a)));
	expect(t, U(t->buf[0].p), 30);
}

static void syn_dedupe(struct t *t)
{
	union {
		struct file_dedupe_range head;
		uint8_t room[sizeof(struct file_dedupe_range) +
			     2 * sizeof(struct file_dedupe_range_info)];
	} d = { .head = { .dest_count = 2 } };

	DO_FAKE(0, SYS_ioctl, 0, FIDEDUPERANGE, in(t, &d, sizeof(d)));
	expect(t, U(t->buf[0].p), sizeof(d));
}

static void syn_snap_create(struct t *t)
{
	t->in_unknown = true;
	DO_FAKE(0, SYS_ioctl, 0, BTRFS_IOC_SNAP_CREATE_V2, out(t, 4096));
	expect(t, U(t->buf[0].p), 8);
}

/* Without SCHED_CORE, LAM, shadow stacks, hints by descriptor (removed in 5.17). */
static void syn_sched_core(struct t *t)
{
	DO_FAKE(0, SYS_prctl, PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, 0, out(t, 8));
	expect(t, U(t->buf[0].p), 8);
}
ONE_OUT(untag, 0, 8, SYS_arch_prctl, 0x4001, out(t, 8))
ONE_OUT(tag_bits, 0, 8, SYS_arch_prctl, 0x4003, out(t, 8))
ONE_OUT(shstk, 0, 8, SYS_arch_prctl, 0x5005, out(t, 8))
ONE_OUT(file_hint, 0, 8, SYS_fcntl, 0, F_GET_FILE_RW_HINT, out(t, 8))

#define DEVICE "needs a device, a driver or a file system that the test machine need not have"

static const struct sys_test synthetic[] = {
	{ "syslog:SYSLOG_ACTION_READ", syn_syslog_read, "waits for the next message" },
	{ "syslog:SYSLOG_ACTION_READ_ALL", syn_syslog_read_all, "needs CAP_SYSLOG" },
	{ "syslog:SYSLOG_ACTION_READ_CLEAR", syn_syslog_read_clear, "clears the machine's log" },
	{ "prctl:PR_GET_UNALIGN", syn_unalign, "not on x86" },
	{ "prctl:PR_GET_FPEMU", syn_fpemu, "not on x86" },
	{ "prctl:PR_GET_FPEXC", syn_fpexc, "not on x86" },
	{ "prctl:PR_GET_ENDIAN", syn_endian, "not on x86" },
	{ "prctl:PR_GET_SHADOW_STACK_STATUS", syn_shadow_status, "not on x86" },
	{ "prctl:PR_SCHED_CORE", syn_sched_core, "needs CONFIG_SCHED_CORE and SMT" },
	{ "arch_prctl:ARCH_GET_UNTAG_MASK", syn_untag, "needs CONFIG_ADDRESS_MASKING" },
	{ "arch_prctl:ARCH_GET_MAX_TAG_BITS", syn_tag_bits, "needs CONFIG_ADDRESS_MASKING" },
	{ "arch_prctl:ARCH_SHSTK_STATUS", syn_shstk, "needs a CPU with shadow stacks" },
	{ "fcntl:F_GET_FILE_RW_HINT", syn_file_hint, "removed in 5.17" },
	{ "io_getevents", syn_io_getevents, "io_setup is refused in a recording" },
	{ "io_pgetevents", syn_io_pgetevents, "io_setup is refused in a recording" },
	{ "io_cancel", syn_io_cancel, "io_setup is refused in a recording" },
	{ "futex:FUTEX_WAIT_REQUEUE_PI", syn_wait_requeue_pi, "needs a second thread in step" },
	{ "futex:FUTEX_CMP_REQUEUE_PI", syn_cmp_requeue_pi, "needs a second thread in step" },
	{ "keyctl:KEYCTL_PKEY_ENCRYPT", syn_key_encrypt, "needs asymmetric keys" },
	{ "keyctl:KEYCTL_PKEY_DECRYPT", syn_key_decrypt, "needs asymmetric keys" },
	{ "keyctl:KEYCTL_PKEY_SIGN", syn_key_sign, "needs asymmetric keys" },
	{ "keyctl:KEYCTL_PKEY_QUERY", syn_key_query, "needs asymmetric keys" },
	{ "keyctl:KEYCTL_DH_COMPUTE", syn_key_dh, "needs CONFIG_KEY_DH_OPERATIONS" },
	{ "quotactl:Q_GETFMT", syn_getfmt, "needs quotas" },
	{ "quotactl:Q_GETINFO", syn_getinfo, "needs quotas" },
	{ "quotactl:Q_GETQUOTA", syn_getquota, "needs quotas" },
	{ "quotactl:Q_GETNEXTQUOTA", syn_getnextquota, "needs quotas" },
	{ "quotactl:Q_XGETQUOTA", syn_xgetquota, "needs quotas" },
	{ "quotactl:Q_XGETQSTAT", syn_xgetqstat, "needs quotas" },
	{ "quotactl:Q_XGETQSTATV", syn_xgetqstatv, "needs quotas" },
	{ "quotactl:Q_XGETNEXTQUOTA", syn_xgetnextquota, "needs quotas" },
	{ "quotactl_fd", syn_quotactl_fd, "needs quotas" },
	{ "ioctl:EVIOCGMASK", syn_evmask, DEVICE },
	{ "ioctl:FS_IOC_GET_ENCRYPTION_POLICY_EX", syn_policy, DEVICE },
	{ "ioctl:FS_IOC_ADD_ENCRYPTION_KEY", syn_add_key, DEVICE },
	{ "ioctl:FS_IOC_MEASURE_VERITY", syn_digest, DEVICE },
	{ "ioctl:FS_IOC_READ_VERITY_METADATA", syn_verity, DEVICE },
	{ "ioctl:FIDEDUPERANGE", syn_dedupe, DEVICE },
	{ "ioctl:BTRFS_IOC_SNAP_CREATE_V2", syn_snap_create, DEVICE },
	{ NULL, NULL, NULL },
};

#endif
