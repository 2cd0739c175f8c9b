/* SPDX-License-Identifier: MIT */
#include "probe/priv.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* PROC_USER_INIT_INO: inode of the initial user namespace in nsfs (include/linux/proc_ns.h, since 3.8). */
#define INITIAL_USERNS_INODE 0xEFFFFFFDu

static uint64_t effective(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

bool priv__has(int cap)
{
	const uint64_t have = effective();

	if ((cap == CAP_BPF || cap == CAP_PERFMON) && (have >> CAP_SYS_ADMIN & 1))
		return true;
	return have >> cap & 1;
}

bool priv__initial_userns(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) < 0 || st.st_ino == INITIAL_USERNS_INODE;
}

int priv__mount_own(const char *type, const char *dir, const char *proof)
{
	if (access(proof, F_OK) == 0)
		return 0;
	if (errno == EACCES)
		return -EACCES;
	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	return mount(type, dir, type, 0, NULL) < 0 ? -errno : 1;
}

int priv__tracefs(void)
{
	if (access("/sys/kernel/debug/tracing/events", F_OK) == 0)
		return 0;
	return priv__mount_own("tracefs", "/sys/kernel/tracing", "/sys/kernel/tracing/events");
}
