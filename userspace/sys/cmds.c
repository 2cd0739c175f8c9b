// SPDX-License-Identifier: MIT
/*
 * cmds.c: calls whose use of memory depends on a command: fcntl, prctl, arch_prctl, semctl, shmctl, msgctl, keyctl, quotactl,
 * syslog, seccomp, futex, sysfs, fsconfig. One line per command; commands that aren't here aren't described.
 * Numbers newer than Debian 12's headers are written out with the version that brought them.
 */
#include "sys/fns.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/futex.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/quota.h>
#include <linux/seccomp.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#define FLOCK_LEN sizeof(struct flock)
/* Longest text that the kernel takes or gives there. */
#define FS_NAME_MAX 64

/* clang-format off */
#define CMD(cmd, ...)	    { .value = (uint64_t)(cmd), .name = #cmd, .rules = RULES(__VA_ARGS__) }
#define CMD_WAITS(cmd, ...) { .value = (uint64_t)(cmd), .name = #cmd, .rules = RULES(__VA_ARGS__), .waits = true }
#define NEW(num, cmd, ...)  { .value = (num), .name = #cmd, .rules = RULES(__VA_ARGS__) }
#define NEW_WAITS(num, cmd, ...) { .value = (num), .name = #cmd, .rules = RULES(__VA_ARGS__), .waits = true }
#define LAST		    { .name = NULL }

const struct sys_case sys_fcntl_cases[] = {
	CMD(F_DUPFD, NONE),
	CMD(F_GETFD, NONE),
	CMD(F_SETFD, NONE),
	CMD(F_GETFL, NONE),
	CMD(F_SETFL, NONE),
	CMD(F_GETLK, INOUT(2, FLOCK_LEN)),
	CMD(F_SETLK, IN(2, FLOCK_LEN)),
	CMD_WAITS(F_SETLKW, IN(2, FLOCK_LEN)),
	CMD(F_SETOWN, NONE),
	CMD(F_GETOWN, NONE),
	CMD(F_SETSIG, NONE),
	CMD(F_GETSIG, NONE),
	CMD(F_SETOWN_EX, IN(2, 8)),
	CMD(F_GETOWN_EX, OUT(2, 8)),
	NEW(17, F_GETOWNER_UIDS, OUT(2, 8)),
	CMD(F_OFD_GETLK, INOUT(2, FLOCK_LEN)),
	CMD(F_OFD_SETLK, IN(2, FLOCK_LEN)),
	CMD_WAITS(F_OFD_SETLKW, IN(2, FLOCK_LEN)),
	CMD(F_SETLEASE, NONE),
	CMD(F_GETLEASE, NONE),
	CMD(F_NOTIFY, NONE),
	NEW(1027, F_DUPFD_QUERY, NONE),	  /* 6.10 */
	NEW(1028, F_CREATED_QUERY, NONE), /* 6.12 */
	NEW(1029, F_CANCELLK, NONE),
	CMD(F_DUPFD_CLOEXEC, NONE),
	CMD(F_SETPIPE_SZ, NONE),
	CMD(F_GETPIPE_SZ, NONE),
	CMD(F_ADD_SEALS, NONE),
	CMD(F_GET_SEALS, NONE),
	CMD(F_GET_RW_HINT, OUT(2, 8)),
	CMD(F_SET_RW_HINT, IN(2, 8)),
	CMD(F_GET_FILE_RW_HINT, OUT(2, 8)),
	CMD(F_SET_FILE_RW_HINT, IN(2, 8)),
	LAST
};

const struct sys_case sys_prctl_cases[] = {
	CMD(PR_SET_PDEATHSIG, NONE),
	CMD(PR_GET_PDEATHSIG, OUT(1, 4)),
	CMD(PR_GET_DUMPABLE, NONE),
	CMD(PR_SET_DUMPABLE, NONE),
	CMD(PR_GET_UNALIGN, OUT(1, 4)),
	CMD(PR_SET_UNALIGN, NONE),
	CMD(PR_GET_KEEPCAPS, NONE),
	CMD(PR_SET_KEEPCAPS, NONE),
	CMD(PR_GET_FPEMU, OUT(1, 4)),
	CMD(PR_SET_FPEMU, NONE),
	CMD(PR_GET_FPEXC, OUT(1, 4)),
	CMD(PR_SET_FPEXC, NONE),
	CMD(PR_GET_TIMING, NONE),
	CMD(PR_SET_TIMING, NONE),
	CMD(PR_SET_NAME, STR(1)),
	CMD(PR_GET_NAME, OUT(1, 16)),
	CMD(PR_GET_ENDIAN, OUT(1, 4)),
	CMD(PR_SET_ENDIAN, NONE),
	CMD(PR_GET_SECCOMP, NONE),
	CMD(PR_SET_SECCOMP, { .kind = RULE_FN, .arg = 2, .dir = SYS_READS, .fn = sys_fn_fprog }),
	CMD(PR_CAPBSET_READ, NONE),
	CMD(PR_CAPBSET_DROP, NONE),
	CMD(PR_GET_TSC, OUT(1, 4)),
	CMD(PR_SET_TSC, NONE),
	CMD(PR_GET_SECUREBITS, NONE),
	CMD(PR_SET_SECUREBITS, NONE),
	CMD(PR_SET_TIMERSLACK, NONE),
	CMD(PR_GET_TIMERSLACK, NONE),
	CMD(PR_TASK_PERF_EVENTS_DISABLE, NONE),
	CMD(PR_TASK_PERF_EVENTS_ENABLE, NONE),
	CMD(PR_MCE_KILL, NONE),
	CMD(PR_MCE_KILL_GET, NONE),
	CMD(PR_SET_MM, FN(sys_fn_prctl_mm, SYS_WRITES)),
	CMD(PR_SET_PTRACER, NONE),
	CMD(PR_SET_CHILD_SUBREAPER, NONE),
	CMD(PR_GET_CHILD_SUBREAPER, OUT(1, 4)),
	CMD(PR_SET_NO_NEW_PRIVS, NONE),
	CMD(PR_GET_NO_NEW_PRIVS, NONE),
	CMD(PR_GET_TID_ADDRESS, OUT(1, 8)),
	CMD(PR_SET_THP_DISABLE, NONE),
	CMD(PR_GET_THP_DISABLE, NONE),
	CMD(PR_MPX_ENABLE_MANAGEMENT, NONE),
	CMD(PR_MPX_DISABLE_MANAGEMENT, NONE),
	CMD(PR_CAP_AMBIENT, NONE),
	CMD(PR_GET_SPECULATION_CTRL, NONE),
	CMD(PR_SET_SPECULATION_CTRL, NONE),
	CMD(PR_SET_IO_FLUSHER, NONE),
	CMD(PR_GET_IO_FLUSHER, NONE),
	/* The kernel reads the selector byte at every later system call. */
	CMD(PR_SET_SYSCALL_USER_DISPATCH, IN(4, 1)),
	CMD(PR_SCHED_CORE, FN(sys_fn_prctl_core, SYS_WRITES)),
	NEW(65, PR_SET_MDWE, NONE),			/* 6.3 */
	NEW(66, PR_GET_MDWE, NONE),			/* 6.3 */
	CMD(PR_SET_VMA, STR(4)),
	NEW(67, PR_SET_MEMORY_MERGE, NONE),		/* 6.4 */
	NEW(68, PR_GET_MEMORY_MERGE, NONE),		/* 6.4 */
	NEW(74, PR_GET_SHADOW_STACK_STATUS, OUT(1, 8)),	/* 6.13; EINVAL on x86 */
	NEW(75, PR_SET_SHADOW_STACK_STATUS, NONE),	/* 6.13 */
	NEW(76, PR_LOCK_SHADOW_STACK_STATUS, NONE),	/* 6.13 */
	NEW(77, PR_TIMER_CREATE_RESTORE_IDS, NONE),	/* 6.15 */
	NEW(78, PR_FUTEX_HASH, NONE),			/* 6.16 */
	/* The result is the whole length, however short the buffer is. */
	NEW(0x41555856, PR_GET_AUXV, OUT_RET_WEAK(1, 2)), /* 6.4 */
	LAST
};

const struct sys_case sys_arch_prctl_cases[] = {
	CMD(ARCH_SET_GS, NONE),
	CMD(ARCH_SET_FS, NONE),
	CMD(ARCH_GET_FS, OUT(1, 8)),
	CMD(ARCH_GET_GS, OUT(1, 8)),
	CMD(ARCH_GET_CPUID, NONE),
	CMD(ARCH_SET_CPUID, NONE),
	NEW(0x1021, ARCH_GET_XCOMP_SUPP, OUT(1, 8)),	    /* 5.16 */
	NEW(0x1022, ARCH_GET_XCOMP_PERM, OUT(1, 8)),	    /* 5.16 */
	NEW(0x1023, ARCH_REQ_XCOMP_PERM, NONE),		    /* 5.16 */
	NEW(0x1024, ARCH_GET_XCOMP_GUEST_PERM, OUT(1, 8)), /* 5.17 */
	NEW(0x1025, ARCH_REQ_XCOMP_GUEST_PERM, NONE),	    /* 5.17 */
	NEW(0x4001, ARCH_GET_UNTAG_MASK, OUT(1, 8)),	    /* 6.4 */
	NEW(0x4002, ARCH_ENABLE_TAGGED_ADDR, NONE),	    /* 6.4 */
	NEW(0x4003, ARCH_GET_MAX_TAG_BITS, OUT(1, 8)),	    /* 6.4 */
	NEW(0x4004, ARCH_FORCE_TAGGED_SVA, NONE),	    /* 6.4 */
	/* Maps memory by itself (a shadow stack) when it succeeds. */
	NEW(0x5001, ARCH_SHSTK_ENABLE, UNDESCRIBED),	    /* 6.6 */
	NEW(0x5002, ARCH_SHSTK_DISABLE, NONE),		    /* 6.6 */
	NEW(0x5003, ARCH_SHSTK_LOCK, NONE),		    /* 6.6 */
	NEW(0x5004, ARCH_SHSTK_UNLOCK, NONE),		    /* 6.6 */
	NEW(0x5005, ARCH_SHSTK_STATUS, OUT(1, 8)),	    /* 6.6 */
	LAST
};

/* GETALL and SETALL take an unsigned short per semaphore, and only the kernel knows how many there are: at most SEMMSL, 32000
 * (semget(2)). What can't be read behind the array is cut off. */
#define SEM_ALL_LEN 64000u
#define GETALL_RULE { .kind = RULE_FN, .arg = 3, .dir = SYS_WRITES, .size = SEM_ALL_LEN, .fn = sys_fn_clipped }
#define SETALL_RULE { .kind = RULE_FN, .arg = 3, .dir = SYS_READS, .size = SEM_ALL_LEN, .fn = sys_fn_clipped }

const struct sys_case sys_semctl_cases[] = {
	CMD(IPC_RMID, NONE),
	CMD(IPC_SET, IN(3, sizeof(struct semid_ds))),
	CMD(IPC_STAT, OUT(3, sizeof(struct semid_ds))),
	CMD(IPC_INFO, OUT(3, sizeof(struct seminfo))),
	CMD(GETPID, NONE),
	CMD(GETVAL, NONE),
	CMD(GETALL, GETALL_RULE),
	CMD(GETNCNT, NONE),
	CMD(GETZCNT, NONE),
	CMD(SETVAL, NONE),
	CMD(SETALL, SETALL_RULE),
	CMD(SEM_STAT, OUT(3, sizeof(struct semid_ds))),
	CMD(SEM_INFO, OUT(3, sizeof(struct seminfo))),
	CMD(SEM_STAT_ANY, OUT(3, sizeof(struct semid_ds))),
	LAST
};

const struct sys_case sys_shmctl_cases[] = {
	CMD(IPC_RMID, NONE),
	CMD(IPC_SET, IN(2, sizeof(struct shmid_ds))),
	CMD(IPC_STAT, OUT(2, sizeof(struct shmid_ds))),
	CMD(IPC_INFO, OUT(2, sizeof(struct shminfo))),
	CMD(SHM_LOCK, NONE),
	CMD(SHM_UNLOCK, NONE),
	CMD(SHM_STAT, OUT(2, sizeof(struct shmid_ds))),
	CMD(SHM_INFO, OUT(2, sizeof(struct shm_info))),
	CMD(SHM_STAT_ANY, OUT(2, sizeof(struct shmid_ds))),
	LAST
};

const struct sys_case sys_msgctl_cases[] = {
	CMD(IPC_RMID, NONE),
	CMD(IPC_SET, IN(2, sizeof(struct msqid_ds))),
	CMD(IPC_STAT, OUT(2, sizeof(struct msqid_ds))),
	CMD(IPC_INFO, OUT(2, sizeof(struct msginfo))),
	CMD(MSG_STAT, OUT(2, sizeof(struct msqid_ds))),
	CMD(MSG_INFO, OUT(2, sizeof(struct msginfo))),
	CMD(MSG_STAT_ANY, OUT(2, sizeof(struct msqid_ds))),
	LAST
};

const struct sys_case sys_keyctl_cases[] = {
	CMD(KEYCTL_GET_KEYRING_ID, NONE),
	CMD(KEYCTL_JOIN_SESSION_KEYRING, STR(1)),
	CMD(KEYCTL_UPDATE, IN_N(2, 1, 3)),
	CMD(KEYCTL_REVOKE, NONE),
	CMD(KEYCTL_CHOWN, NONE),
	CMD(KEYCTL_SETPERM, NONE),
	CMD(KEYCTL_DESCRIBE, OUT_RET_WEAK(2, 3)),
	CMD(KEYCTL_CLEAR, NONE),
	CMD(KEYCTL_LINK, NONE),
	CMD(KEYCTL_UNLINK, NONE),
	CMD(KEYCTL_SEARCH, STR(2), STR(3)),
	CMD(KEYCTL_READ, OUT_RET_WEAK(2, 3)),
	CMD(KEYCTL_INSTANTIATE, IN_N(2, 1, 3)),
	CMD(KEYCTL_NEGATE, NONE),
	CMD(KEYCTL_SET_REQKEY_KEYRING, NONE),
	CMD(KEYCTL_SET_TIMEOUT, NONE),
	CMD(KEYCTL_ASSUME_AUTHORITY, NONE),
	CMD(KEYCTL_GET_SECURITY, OUT_RET_WEAK(2, 3)),
	CMD(KEYCTL_SESSION_TO_PARENT, NONE),
	CMD(KEYCTL_REJECT, NONE),
	CMD(KEYCTL_INSTANTIATE_IOV, IOV_IN(2, 3)),
	CMD(KEYCTL_INVALIDATE, NONE),
	CMD(KEYCTL_GET_PERSISTENT, NONE),
	CMD(KEYCTL_DH_COMPUTE, IN_UNKNOWN, OUT_RET_WEAK(2, 3)),
	CMD(KEYCTL_PKEY_QUERY, STR(3), OUT(4, sizeof(struct keyctl_pkey_query))),
	CMD(KEYCTL_PKEY_ENCRYPT, STR(2), FN(sys_fn_key_crypt, SYS_WRITES)),
	CMD(KEYCTL_PKEY_DECRYPT, STR(2), FN(sys_fn_key_crypt, SYS_WRITES)),
	CMD(KEYCTL_PKEY_SIGN, STR(2), FN(sys_fn_key_crypt, SYS_WRITES)),
	CMD(KEYCTL_PKEY_VERIFY, STR(2), FN(sys_fn_key_verify, SYS_READS)),
	CMD(KEYCTL_RESTRICT_KEYRING, STR(2), STR(3)),
	CMD(KEYCTL_MOVE, NONE),
	CMD(KEYCTL_CAPABILITIES, OUT_N(1, 1, 2)),
	CMD(KEYCTL_WATCH_KEY, NONE),
	LAST
};

/* By the command without the type of quota (cmd >> 8). */
const struct sys_case sys_quota_cases[] = {
	CMD(Q_SYNC, NONE),
	CMD(Q_QUOTAON, STR(3)),
	CMD(Q_QUOTAOFF, NONE),
	CMD(Q_GETFMT, OUT(3, 4)),
	CMD(Q_GETINFO, OUT(3, sizeof(struct if_dqinfo))),
	CMD(Q_SETINFO, IN(3, sizeof(struct if_dqinfo))),
	CMD(Q_GETQUOTA, OUT(3, sizeof(struct if_dqblk))),
	CMD(Q_SETQUOTA, IN(3, sizeof(struct if_dqblk))),
	CMD(Q_GETNEXTQUOTA, OUT(3, sizeof(struct if_nextdqblk))),
	CMD(Q_XQUOTAON, IN(3, 4)),
	CMD(Q_XQUOTAOFF, IN(3, 4)),
	CMD(Q_XGETQUOTA, OUT(3, sizeof(struct fs_disk_quota))),
	CMD(Q_XSETQLIM, IN(3, sizeof(struct fs_disk_quota))),
	CMD(Q_XGETQSTAT, OUT(3, sizeof(struct fs_quota_stat))),
	CMD(Q_XQUOTARM, IN(3, 4)),
	CMD(Q_XQUOTASYNC, NONE),
	CMD(Q_XGETQSTATV, INOUT(3, sizeof(struct fs_quota_statv))),
	CMD(Q_XGETNEXTQUOTA, OUT(3, sizeof(struct fs_disk_quota))),
	LAST
};

/* syslog(2) has no header with names for user space. */
const struct sys_case sys_syslog_cases[] = {
	NEW(0, SYSLOG_ACTION_CLOSE, NONE),
	NEW(1, SYSLOG_ACTION_OPEN, NONE),
	NEW_WAITS(2, SYSLOG_ACTION_READ, OUT_RET(1, INT(2))),
	NEW(3, SYSLOG_ACTION_READ_ALL, OUT_RET(1, INT(2))),
	NEW(4, SYSLOG_ACTION_READ_CLEAR, OUT_RET(1, INT(2))),
	NEW(5, SYSLOG_ACTION_CLEAR, NONE),
	NEW(6, SYSLOG_ACTION_CONSOLE_OFF, NONE),
	NEW(7, SYSLOG_ACTION_CONSOLE_ON, NONE),
	NEW(8, SYSLOG_ACTION_CONSOLE_LEVEL, NONE),
	NEW(9, SYSLOG_ACTION_SIZE_UNREAD, NONE),
	NEW(10, SYSLOG_ACTION_SIZE_BUFFER, NONE),
	LAST
};

const struct sys_case sys_seccomp_cases[] = {
	CMD(SECCOMP_SET_MODE_STRICT, NONE),
	CMD(SECCOMP_SET_MODE_FILTER, { .kind = RULE_FN, .arg = 2, .dir = SYS_READS, .fn = sys_fn_fprog }),
	CMD(SECCOMP_GET_ACTION_AVAIL, IN(2, 4)),
	CMD(SECCOMP_GET_NOTIF_SIZES, OUT(2, sizeof(struct seccomp_notif_sizes))),
	LAST
};

/* By the operation without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME. args[3] is a time-out or a count. */
const struct sys_case sys_futex_cases[] = {
	CMD_WAITS(FUTEX_WAIT, IN(0, 4), IN(3, 16)),
	CMD(FUTEX_WAKE, IN(0, 4)),
	CMD(FUTEX_REQUEUE, IN(0, 4), IN(4, 4)),
	CMD(FUTEX_CMP_REQUEUE, IN(0, 4), IN(4, 4)),
	CMD(FUTEX_WAKE_OP, IN(0, 4), INOUT_PINNED(4, 4)),
	CMD_WAITS(FUTEX_LOCK_PI, INOUT_PINNED(0, 4), IN(3, 16)),
	CMD(FUTEX_UNLOCK_PI, INOUT_PINNED(0, 4)),
	CMD(FUTEX_TRYLOCK_PI, INOUT_PINNED(0, 4)),
	CMD_WAITS(FUTEX_WAIT_BITSET, IN(0, 4), IN(3, 16)),
	CMD(FUTEX_WAKE_BITSET, IN(0, 4)),
	CMD_WAITS(FUTEX_WAIT_REQUEUE_PI, IN(0, 4), IN(3, 16), INOUT_PINNED(4, 4)),
	CMD(FUTEX_CMP_REQUEUE_PI, IN(0, 4), INOUT_PINNED(4, 4)),
	CMD_WAITS(FUTEX_LOCK_PI2, INOUT_PINNED(0, 4), IN(3, 16)),
	LAST
};

const struct sys_case sys_sysfs_cases[] = {
	NEW(1, SYSFS_INDEX_OF, STR(1)),
	NEW(2, SYSFS_NAME_OF, OUT_TEXT(2, FS_NAME_MAX)),
	NEW(3, SYSFS_COUNT, NONE),
	LAST
};

const struct sys_case sys_fsconfig_cases[] = {
	CMD(FSCONFIG_SET_FLAG, STR(2)),
	CMD(FSCONFIG_SET_STRING, STR(2), STR(3)),
	CMD(FSCONFIG_SET_BINARY, STR(2), IN_N(3, 1, INT(4))),
	CMD(FSCONFIG_SET_PATH, STR(2), STR(3)),
	CMD(FSCONFIG_SET_PATH_EMPTY, STR(2), STR(3)),
	CMD(FSCONFIG_SET_FD, STR(2)),
	CMD(FSCONFIG_CMD_CREATE, NONE),
	CMD(FSCONFIG_CMD_RECONFIGURE, NONE),
	NEW(8, FSCONFIG_CMD_CREATE_EXCL, NONE), /* 6.6 */
	LAST
};
/* clang-format on */
