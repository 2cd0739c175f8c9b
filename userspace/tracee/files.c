/* SPDX-License-Identifier: MIT */
/*
 * files.c: descriptors of ours for the files a tracee has open or mapped. Only regular files and block devices: opening a
 * device or a FIFO can have effects, and wait.
 */
#include "tracee/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Reads of ours are not to show in the access time; only the owner and root may ask for that (man 2 open, O_NOATIME). */
static int open_readonly(const char *path)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = open(path, flags | O_NOATIME);

	if (fd < 0 && errno == EPERM)
		fd = open(path, flags);
	return fd < 0 ? -errno : fd;
}

static bool has_pages(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISBLK(st->st_mode);
}

static int open_pidfd(pid_t pid)
{
	const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	/* not a leader: PIDFD_THREAD, since Linux 6.9, has the value of O_EXCL */
	return pidfd >= 0 ? pidfd : (int)syscall(SYS_pidfd_open, pid, O_EXCL);
}

/* Duplicate of the process's descriptor. The pidfd stays ours: a program that starts maps many files, one after the other. It never
 * leads to another process that has the same number later. */
static int duplicate(pid_t pid, int fd)
{
	static pid_t last;
	static int pidfd = -1;
	int dup = pidfd >= 0 && pid == last ? (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0) : -1;

	if (dup >= 0)
		return dup;
	if (pidfd >= 0)
		close(pidfd);
	last = pid;
	pidfd = open_pidfd(pid);
	if (pidfd >= 0)
		dup = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	return dup < 0 ? -errno : dup;
}

int tracee__get_fd(pid_t pid, int fd, bool *ret_dup)
{
	int dup = duplicate(pid, fd);
	struct stat st;
	char path[64];

	if (dup < 0)
		return dup;
	if (fstat(dup, &st) < 0 || !has_pages(&st)) {
		close(dup);
		return -ENODEV;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", dup);
	int own = open_readonly(path);
	*ret_dup = own < 0;
	if (own < 0)
		return dup;
	close(dup);
	return own;
}

/* Is the open file the one of the mapping? A different device is believed only where st_dev is known to be another one than
 * that of the mapping: btrfs (subvolumes) and overlayfs (HOOKS 5). */
static bool same_file(int fd, const struct tracee_map *m)
{
	struct stat st;
	struct statfs fs;

	if (fstat(fd, &st) < 0 || !has_pages(&st) || st.st_ino != m->inode)
		return false;
	if (st.st_dev == makedev(m->major, m->minor))
		return true;
	return fstatfs(fd, &fs) == 0 &&
	       (fs.f_type == BTRFS_SUPER_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC);
}

/* Opens a path after a look at what it is. */
static int open_checked(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	return has_pages(&st) ? open_readonly(path) : -ENODEV;
}

int tracee__open_map(pid_t pid, const struct tracee_map *m)
{
	char path[4096 + 64];

	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", (int)pid,
		 (unsigned long)m->start, (unsigned long)m->end);
	int fd = open_checked(path);
	if (fd >= 0 || fd == -ENODEV)
		return fd;
	/* Without CAP_CHECKPOINT_RESTORE (EPERM): by name, in the process's own root. */
	if (m->path[0] != '/')
		return fd;
	snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, m->path);
	fd = open_checked(path);
	if (fd >= 0 && !same_file(fd, m)) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}
