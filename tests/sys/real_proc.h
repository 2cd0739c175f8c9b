/* SPDX-License-Identifier: MIT */
/* real_proc.h: cases that are carried out: processes, identity, limits, memory, commands of prctl, arch_prctl and fcntl. */
#ifndef BPREC_TESTS_SYS_REAL_PROC_H
#define BPREC_TESTS_SYS_REAL_PROC_H

#include "harness.h"

#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>

/* A child that is gone with status 3. */
static pid_t child_of(struct t *t)
{
	pid_t pid = fork();

	t->varies = true;
	assert_true(pid >= 0);
	if (!pid)
		_exit(3);
	return pid;
}

static void real_wait4(struct t *t)
{
	pid_t pid = child_of(t);

	DO(SYS_wait4, (uint64_t)pid, out(t, 4), 0, out(t, sizeof(struct rusage)));
	assert_int_equal(t->ret, pid);
	expect(t, U(t->buf[0].p), 4);
}

static void real_waitid(struct t *t)
{
	pid_t pid = child_of(t);

	DO(SYS_waitid, P_PID, (uint64_t)pid, out(t, 28), WEXITED, out(t, sizeof(struct rusage)));
	assert_int_equal(t->ret, 0);
}

/* Nobody to wait for: infop is written all the same. */
static void real_waitid_none(struct t *t)
{
	DO(SYS_waitid, P_PID, (uint64_t)getpid(), out(t, 28), WEXITED, 0);
	assert_int_equal(t->ret, -ECHILD);
	expect(t, U(t->buf[0].p), 28);
}

#define PROC_CASE(call, ...)                  \
	static void real_##call(struct t *t)  \
	{                                     \
		DO(__NR_##call, __VA_ARGS__); \
		went_well(t);                 \
	}
#define PROC_CASE_VARIES(call, ...)           \
	static void real_##call(struct t *t)  \
	{                                     \
		t->varies = true;             \
		DO(__NR_##call, __VA_ARGS__); \
		went_well(t);                 \
	}

PROC_CASE(uname, out(t, 390))
PROC_CASE(getrlimit, RLIMIT_NOFILE, out(t, 16))
PROC_CASE(prlimit64, 0, RLIMIT_NOFILE, 0, out(t, 16))
PROC_CASE_VARIES(getrusage, RUSAGE_SELF, out(t, sizeof(struct rusage)))
PROC_CASE_VARIES(sysinfo, out(t, sizeof(struct sysinfo)))
PROC_CASE(getresuid, out(t, 4), out(t, 4), out(t, 4))
PROC_CASE(getresgid, out(t, 4), out(t, 4), out(t, 4))
PROC_CASE(getgroups, 1000, out(t, 4000))
PROC_CASE(sched_getparam, 0, out(t, 4))
PROC_CASE_VARIES(sched_rr_get_interval, 0, out(t, 16))
PROC_CASE(sched_getaffinity, 0, 1024, out(t, 1024))
PROC_CASE(sched_getattr, 0, out(t, 100), 100, 0)
PROC_CASE_VARIES(getcpu, out(t, 4), out(t, 4), 0)
PROC_CASE_VARIES(getrandom, out(t, 33), 33, 0)
PROC_CASE(get_mempolicy, out(t, 4), out(t, 1024 / 8), 1024 + 1, 0, 0)

static void real_capget(struct t *t)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };

	DO(SYS_capget, in(t, &h, sizeof(h)), out(t, 24));
	went_well(t);
}

static void real_capget_old(struct t *t)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_1, 0 };

	DO(SYS_capget, in(t, &h, sizeof(h)), out(t, 12));
	went_well(t);
}

/* A version that nobody knows: the kernel's own comes back. */
static void real_capset(struct t *t)
{
	struct __user_cap_header_struct h = { 77, 0 };
	uint32_t data[6] = { 0 };

	DO(SYS_capset, in(t, &h, sizeof(h)), in(t, data, sizeof(data)));
	assert_int_equal(t->ret, -EINVAL);
	assert_int_not_equal(t->buf[0].p[0], 77);
}

static void real_sched_setattr(struct t *t)
{
	uint32_t attr[64] = { sizeof(attr) };

	attr[63] = 1; /* not known */
	DO(SYS_sched_setattr, 0, in(t, attr, sizeof(attr)), 0);
	assert_int_equal(t->ret, -E2BIG);
	expect(t, U(t->buf[0].p), 4);
}

static void real_mincore(struct t *t)
{
	uint8_t *p = mmap(NULL, 5 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	DO(SYS_mincore, U(p), 5 * PAGE - 100, out(t, 5));
	went_well(t);
	munmap(p, 5 * PAGE);
}

static void real_move_pages(struct t *t)
{
	uint64_t pages[3];
	static int page;

	for (int i = 0; i < 3; i++)
		pages[i] = U(&page);
	DO(SYS_move_pages, 0, 3, in(t, pages, sizeof(pages)), 0, out(t, 12), 0);
	went_well(t);
}

static void real_process_vm_readv(struct t *t)
{
	static char text[] = "twenty bytes of text";
	struct iovec theirs = { text, 20 };
	struct iovec mine[2] = { { (void *)(uintptr_t)out(t, 4), 4 },
				 { (void *)(uintptr_t)out(t, 40), 40 } };

	DO(SYS_process_vm_readv, (uint64_t)getpid(), in(t, mine, sizeof(mine)), 2,
	   in(t, &theirs, sizeof(theirs)), 1, 0);
	assert_int_equal(t->ret, 20);
	expect(t, U(t->buf[0].p), 4);
	expect(t, U(t->buf[1].p), 16);
}

static void real_seccomp(struct t *t)
{
	DO(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, out(t, sizeof(struct seccomp_notif_sizes)));
	went_well(t);
}

/* The child's id is written for the parent; the child ends at once on our copy of the stack. */
static void real_clone(struct t *t)
{
	t->varies = t->no_plan = true;
	DO(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, 0, out(t, 4), 0, 0);
	if (!t->ret)
		_exit(0);
	if (went_well(t))
		waitpid((pid_t)t->ret, NULL, 0);
	expect(t, U(t->buf[0].p), 4);
}

static void real_clone3(struct t *t)
{
	uint64_t a[8] = { CLONE_PARENT_SETTID | CLONE_PIDFD, 0, 0, 0, SIGCHLD };
	uint32_t fd;

	t->varies = t->no_plan = true;
	a[1] = out(t, 4);
	a[3] = out(t, 4);
	DO(SYS_clone3, in(t, a, sizeof(a)), sizeof(a));
	if (!t->ret)
		_exit(0);
	if (!went_well(t))
		return;
	memcpy(&fd, t->buf[0].p, sizeof(fd));
	fd_of(t, (int)fd);
	waitpid((pid_t)t->ret, NULL, 0);
}

static void lsm_ids(struct t *t, uint32_t room)
{
	DO(__NR_lsm_list_modules, out(t, room), in(t, &room, 4), 0);
	if (t->ret == -E2BIG)
		return;
	if (went_well(t))
		expect(t, U(t->buf[0].p), 8 * (uint64_t)t->ret);
}

static void real_lsm_list_modules(struct t *t)
{
	lsm_ids(t, 8 * 32);
}

/* No room: the size that is needed comes back. */
static void real_lsm_list_small(struct t *t)
{
	lsm_ids(t, 8);
}

static void real_lsm_get_self_attr(struct t *t)
{
	uint32_t room = 500;

	DO(__NR_lsm_get_self_attr, 100 /* LSM_ATTR_CURRENT */, out(t, room), in(t, &room, 4), 0);
	if (t->ret != -EOPNOTSUPP)
		went_well(t);
}

/* prctl: PR_x writes n bytes at args[1]. */
#define PRCTL_CASE(cmd, n)                              \
	static void real_##cmd(struct t *t)             \
	{                                               \
		DO(SYS_prctl, cmd, out(t, n), 0, 0, 0); \
		if (went_well(t))                       \
			expect(t, U(t->buf[0].p), n);   \
	}

PRCTL_CASE(PR_GET_PDEATHSIG, 4)
PRCTL_CASE(PR_GET_NAME, 16)
PRCTL_CASE(PR_GET_TSC, 4)
PRCTL_CASE(PR_GET_CHILD_SUBREAPER, 4)

static void real_prctl_tid_address(struct t *t)
{
	DO(SYS_prctl, PR_GET_TID_ADDRESS, out(t, 8), 0, 0, 0);
	if (t->ret == -EINVAL)
		leave_out(t, "no checkpoint/restore in this kernel");
	else
		went_well(t);
}

static void real_prctl_mm(struct t *t)
{
	DO(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP_SIZE, out(t, 4), 0, 0);
	if (t->ret == -EINVAL)
		leave_out(t, "no checkpoint/restore in this kernel");
	else
		went_well(t);
}

static void real_prctl_core(struct t *t)
{
	DO(SYS_prctl, PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, 0, out(t, 8));
	if (t->ret == -EINVAL || t->ret == -ENODEV)
		leave_out(t, "no core scheduling here");
	else
		went_well(t);
}

/* The result is the whole length however short the buffer is. */
static void real_prctl_auxv(struct t *t)
{
	DO(SYS_prctl, 0x41555856, out(t, 40), 40, 0, 0);
	if (t->ret == -EINVAL)
		leave_out(t, "PR_GET_AUXV came with 6.4");
	else if (went_well(t))
		expect(t, U(t->buf[0].p), 40);
}

#define ARCH_CASE(cmd, num)                                 \
	static void real_##cmd(struct t *t)                 \
	{                                                   \
		DO(SYS_arch_prctl, num, out(t, 8));         \
		if (t->ret == -EINVAL)                      \
			leave_out(t, "not in this kernel"); \
		else                                        \
			went_well(t);                       \
	}

ARCH_CASE(get_fs, ARCH_GET_FS)
ARCH_CASE(get_gs, ARCH_GET_GS)
ARCH_CASE(xcomp_supp, 0x1021)
ARCH_CASE(xcomp_perm, 0x1022)
ARCH_CASE(xcomp_guest_perm, 0x1024)
ARCH_CASE(untag_mask, 0x4001)
ARCH_CASE(max_tag_bits, 0x4003)
ARCH_CASE(shstk_status, 0x5005)

static void real_fcntl_getlk(struct t *t)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 4 };

	DO(SYS_fcntl, file_of(t, "x"), F_GETLK, in(t, &l, sizeof(l)));
	went_well(t);
}

static void real_fcntl_ofd_getlk(struct t *t)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 4 };

	DO(SYS_fcntl, file_of(t, "x"), F_OFD_GETLK, in(t, &l, sizeof(l)));
	went_well(t);
}

#define FCNTL_CASE(cmd, num)                                    \
	static void real_##cmd(struct t *t)                     \
	{                                                       \
		DO(SYS_fcntl, file_of(t, "x"), num, out(t, 8)); \
		if (t->ret == -EINVAL)                          \
			leave_out(t, "not in this kernel");     \
		else if (went_well(t))                          \
			expect(t, U(t->buf[0].p), 8);           \
	}

FCNTL_CASE(own_ex, F_GETOWN_EX)
FCNTL_CASE(owner_uids, 17)
FCNTL_CASE(rw_hint, F_GET_RW_HINT)
FCNTL_CASE(file_rw_hint, F_GET_FILE_RW_HINT)

static const struct sys_test real_proc[] = {
	{ "wait4", real_wait4, NULL },
	{ "waitid", real_waitid, NULL },
	{ "waitid", real_waitid_none, NULL },
	{ "uname", real_uname, NULL },
	{ "getrlimit", real_getrlimit, NULL },
	{ "prlimit64", real_prlimit64, NULL },
	{ "getrusage", real_getrusage, NULL },
	{ "sysinfo", real_sysinfo, NULL },
	{ "getresuid", real_getresuid, NULL },
	{ "getresgid", real_getresgid, NULL },
	{ "getgroups", real_getgroups, NULL },
	{ "sched_getparam", real_sched_getparam, NULL },
	{ "sched_rr_get_interval", real_sched_rr_get_interval, NULL },
	{ "sched_getaffinity", real_sched_getaffinity, NULL },
	{ "sched_getattr", real_sched_getattr, NULL },
	{ "sched_setattr", real_sched_setattr, NULL },
	{ "getcpu", real_getcpu, NULL },
	{ "getrandom", real_getrandom, NULL },
	{ "get_mempolicy", real_get_mempolicy, NULL },
	{ "capget", real_capget, NULL },
	{ "capget", real_capget_old, NULL },
	{ "capset", real_capset, NULL },
	{ "mincore", real_mincore, NULL },
	{ "move_pages", real_move_pages, NULL },
	{ "process_vm_readv", real_process_vm_readv, NULL },
	{ "seccomp:SECCOMP_GET_NOTIF_SIZES", real_seccomp, NULL },
	{ "clone", real_clone, NULL },
	{ "clone3", real_clone3, NULL },
	{ "lsm_list_modules", real_lsm_list_modules, NULL },
	{ "lsm_list_modules", real_lsm_list_small, NULL },
	{ "lsm_get_self_attr", real_lsm_get_self_attr, NULL },
	{ "prctl:PR_GET_PDEATHSIG", real_PR_GET_PDEATHSIG, NULL },
	{ "prctl:PR_GET_NAME", real_PR_GET_NAME, NULL },
	{ "prctl:PR_GET_TSC", real_PR_GET_TSC, NULL },
	{ "prctl:PR_GET_CHILD_SUBREAPER", real_PR_GET_CHILD_SUBREAPER, NULL },
	{ "prctl:PR_GET_TID_ADDRESS", real_prctl_tid_address, NULL },
	{ "prctl:PR_SET_MM", real_prctl_mm, NULL },
	{ "prctl:PR_SCHED_CORE", real_prctl_core, NULL },
	{ "prctl:PR_GET_AUXV", real_prctl_auxv, NULL },
	{ "arch_prctl:ARCH_GET_FS", real_get_fs, NULL },
	{ "arch_prctl:ARCH_GET_GS", real_get_gs, NULL },
	{ "arch_prctl:ARCH_GET_XCOMP_SUPP", real_xcomp_supp, NULL },
	{ "arch_prctl:ARCH_GET_XCOMP_PERM", real_xcomp_perm, NULL },
	{ "arch_prctl:ARCH_GET_XCOMP_GUEST_PERM", real_xcomp_guest_perm, NULL },
	{ "arch_prctl:ARCH_GET_UNTAG_MASK", real_untag_mask, NULL },
	{ "arch_prctl:ARCH_GET_MAX_TAG_BITS", real_max_tag_bits, NULL },
	{ "arch_prctl:ARCH_SHSTK_STATUS", real_shstk_status, NULL },
	{ "fcntl:F_GETLK", real_fcntl_getlk, NULL },
	{ "fcntl:F_OFD_GETLK", real_fcntl_ofd_getlk, NULL },
	{ "fcntl:F_GETOWN_EX", real_own_ex, NULL },
	{ "fcntl:F_GETOWNER_UIDS", real_owner_uids, NULL },
	{ "fcntl:F_GET_RW_HINT", real_rw_hint, NULL },
	{ "fcntl:F_GET_FILE_RW_HINT", real_file_rw_hint, NULL },
	{ NULL, NULL, NULL },
};

#endif
