/* SPDX-License-Identifier: MIT */
/* real_file.h: cases that are carried out: reading, waiting for descriptors, files and directories. */
#ifndef BPREC_TESTS_SYS_REAL_FILE_H
#define BPREC_TESTS_SYS_REAL_FILE_H

#include "harness.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>

/* A pipe with this text in it. */
static void pipe_of(struct t *t, int p[2], const char *text)
{
	assert_int_equal(pipe(p), 0);
	fd_of(t, p[0]);
	fd_of(t, p[1]);
	assert_int_equal(write(p[1], text, strlen(text)), (ssize_t)strlen(text));
}

/* Three iovecs: 4, 0 and 40 bytes, in a buffer of their own. */
static uint64_t iov_of(struct t *t)
{
	struct iovec v[3] = { { (void *)(uintptr_t)out(t, 4), 4 },
			      { (void *)(uintptr_t)8, 0 },
			      { (void *)(uintptr_t)out(t, 40), 40 } };

	return in(t, v, sizeof(v));
}

static void real_read(struct t *t)
{
	int p[2];

	pipe_of(t, p, "ten bytes.");
	DO(SYS_read, p[0], out(t, 100), 100);
	assert_int_equal(t->ret, 10);
	expect(t, U(t->buf[0].p), 10);
}

static void real_pread64(struct t *t)
{
	DO(SYS_pread64, file_of(t, "hello, world"), out(t, 100), 100, 7);
	assert_int_equal(t->ret, 5);
	expect(t, U(t->buf[0].p), 5);
}

static void real_readv(struct t *t)
{
	int p[2];

	pipe_of(t, p, "ten bytes.");
	DO(SYS_readv, p[0], iov_of(t), 3);
	assert_int_equal(t->ret, 10);
	expect(t, U(t->buf[0].p), 4);
	expect(t, U(t->buf[1].p), 6);
}

static void real_preadv(struct t *t)
{
	DO(SYS_preadv, file_of(t, "hello, world"), iov_of(t), 3, 2, 0);
	assert_int_equal(t->ret, 10);
}

static void real_preadv2(struct t *t)
{
	DO(SYS_preadv2, file_of(t, "hello, world"), iov_of(t), 3, 2, 0, 0);
	assert_int_equal(t->ret, 10);
}

static void real_pipe(struct t *t)
{
	int p[2];

	t->varies = true;
	DO(SYS_pipe, out(t, 8));
	assert_true(went_well(t));
	memcpy(p, t->buf[0].p, sizeof(p));
	fd_of(t, p[0]);
	fd_of(t, p[1]);
}

static void real_pipe2(struct t *t)
{
	int p[2];

	t->varies = true;
	DO(SYS_pipe2, out(t, 8), O_CLOEXEC);
	assert_true(went_well(t));
	memcpy(p, t->buf[0].p, sizeof(p));
	fd_of(t, p[0]);
	fd_of(t, p[1]);
}

static uint64_t pollfds_of(struct t *t)
{
	struct pollfd v[3];
	int p[2];

	pipe_of(t, p, "x");
	v[0] = (struct pollfd){ p[0], POLLIN, 0x7777 };
	v[1] = (struct pollfd){ p[1], POLLIN, 0x7777 };
	v[2] = (struct pollfd){ 9999, POLLIN, 0x7777 };
	return in(t, v, sizeof(v));
}

static void real_poll(struct t *t)
{
	DO(SYS_poll, pollfds_of(t), 3, 1000);
	assert_int_equal(t->ret, 2);
}

static void real_ppoll(struct t *t)
{
	struct timespec ts = { 1, 500 };
	uint64_t mask = 0;

	t->varies = true;
	DO(SYS_ppoll, pollfds_of(t), 3, in(t, &ts, sizeof(ts)), in(t, &mask, 8), 8);
	assert_int_equal(t->ret, 2);
}

/* Sets for 100 bits: 16 bytes are used. Bit of the pipe's end is set. */
static uint64_t set_of(struct t *t, int fd)
{
	uint64_t bits[2] = { 0 };

	assert_in_range(fd, 0, 99);
	bits[fd / 64] |= 1ull << fd % 64;
	return in(t, bits, sizeof(bits));
}

static void real_select(struct t *t)
{
	struct timeval tv = { 5, 123 };
	int p[2];

	t->varies = true;
	pipe_of(t, p, "x");
	DO(SYS_select, 100, set_of(t, p[0]), set_of(t, p[1]), set_of(t, p[1]),
	   in(t, &tv, sizeof(tv)));
	assert_int_equal(t->ret, 2);
}

static void real_pselect6(struct t *t)
{
	struct timespec ts = { 5, 123 };
	uint64_t mask = 0, v[2] = { in(t, &mask, 8), 8 };
	int p[2];

	t->varies = true;
	pipe_of(t, p, "x");
	DO(SYS_pselect6, 100, set_of(t, p[0]), set_of(t, p[1]), set_of(t, p[1]),
	   in(t, &ts, sizeof(ts)), in(t, v, sizeof(v)));
	assert_int_equal(t->ret, 2);
}

/* The same set twice: pieces that lie on each other. */
static void real_select_same(struct t *t)
{
	uint64_t set;
	int p[2];

	pipe_of(t, p, "x");
	set = set_of(t, p[0]);
	DO(SYS_select, 100, set, set, 0, 0);
	assert_int_equal(t->ret, 1);
}

static int epoll_of(struct t *t)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 0x0123456789abcdef };
	int p[2], ep = fd_of(t, epoll_create1(0));

	pipe_of(t, p, "x");
	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), 0);
	return ep;
}

static void real_epoll_wait(struct t *t)
{
	int ep = epoll_of(t);

	DO(SYS_epoll_wait, ep, out(t, 4 * 12), 4, 1000);
	assert_int_equal(t->ret, 1);
	expect(t, U(t->buf[0].p), 12);
}

static void real_epoll_pwait(struct t *t)
{
	uint64_t mask = 0;
	int ep = epoll_of(t);

	DO(SYS_epoll_pwait, ep, out(t, 4 * 12), 4, 1000, in(t, &mask, 8), 8);
	assert_int_equal(t->ret, 1);
}

static void real_epoll_pwait2(struct t *t)
{
	struct timespec ts = { 1, 0 };
	uint64_t mask = 0;
	int ep = epoll_of(t);

	DO(SYS_epoll_pwait2, ep, out(t, 4 * 12), 4, in(t, &ts, sizeof(ts)), in(t, &mask, 8), 8);
	if (went_well(t))
		assert_int_equal(t->ret, 1);
}

static void real_stat(struct t *t)
{
	DO(SYS_stat, S("/proc/self/exe"), out(t, sizeof(struct stat)));
	went_well(t);
}

static void real_lstat(struct t *t)
{
	DO(SYS_lstat, S("/"), out(t, sizeof(struct stat)));
	went_well(t);
}

static void real_fstat(struct t *t)
{
	t->varies = true;
	DO(SYS_fstat, file_of(t, "x"), out(t, sizeof(struct stat)));
	went_well(t);
}

static void real_newfstatat(struct t *t)
{
	DO(SYS_newfstatat, AT_FDCWD, S("/"), out(t, sizeof(struct stat)), 0);
	went_well(t);
}

static void real_statx(struct t *t)
{
	DO(SYS_statx, AT_FDCWD, S("/"), 0, STATX_BASIC_STATS | STATX_BTIME,
	   out(t, sizeof(struct statx)));
	went_well(t);
}

static void real_statfs(struct t *t)
{
	t->varies = true;
	DO(SYS_statfs, S("/"), out(t, sizeof(struct statfs)));
	went_well(t);
}

static void real_fstatfs(struct t *t)
{
	t->varies = true;
	DO(SYS_fstatfs, file_of(t, "x"), out(t, sizeof(struct statfs)));
	went_well(t);
}

static void real_ustat(struct t *t)
{
	struct stat st;

	t->varies = true;
	assert_int_equal(stat("/proc", &st), 0);
	DO(SYS_ustat, st.st_dev, out(t, 32));
	went_well(t);
}

static void real_sysfs(struct t *t)
{
	/* Names are of any length; the buffer is the longest that the table counts with. */
	DO(SYS_sysfs, 2, 0, out(t, 64));
	went_well(t);
}

static void real_getdents(struct t *t)
{
	t->varies = true;
	DO(SYS_getdents, fd_of(t, open("/", O_RDONLY | O_DIRECTORY)), out(t, 300), 300);
	if (went_well(t))
		expect(t, U(t->buf[0].p), (uint64_t)t->ret);
}

static void real_getdents64(struct t *t)
{
	t->varies = true;
	DO(SYS_getdents64, fd_of(t, open("/", O_RDONLY | O_DIRECTORY)), out(t, 300), 300);
	if (went_well(t))
		expect(t, U(t->buf[0].p), (uint64_t)t->ret);
}

static void real_getcwd(struct t *t)
{
	DO(SYS_getcwd, out(t, 4096), 4096);
	went_well(t);
}

static void real_readlink(struct t *t)
{
	DO(SYS_readlink, S("/proc/self/exe"), out(t, 5), 5);
	assert_int_equal(t->ret, 5);
}

static void real_readlinkat(struct t *t)
{
	DO(SYS_readlinkat, AT_FDCWD, S("/proc/self/exe"), out(t, 200), 200);
	went_well(t);
}

static void real_name_to_handle_at(struct t *t)
{
	uint32_t handle[2 + 32] = { 128 };

	t->varies = true;
	DO(SYS_name_to_handle_at, AT_FDCWD, S("/dev/shm"), in(t, handle, sizeof(handle)), out(t, 4),
	   0);
	went_well(t);
}

/* Too small a buffer: the length that is needed comes back with EOVERFLOW. */
static void real_name_to_handle_small(struct t *t)
{
	uint32_t handle[2] = { 0 };

	t->varies = true;
	DO(SYS_name_to_handle_at, AT_FDCWD, S("/dev/shm"), in(t, handle, sizeof(handle)), out(t, 4),
	   0);
	if (t->ret == -EOPNOTSUPP)
		leave_out(t, "no file handles on /dev/shm");
	else
		assert_int_equal(t->ret, -EOVERFLOW);
}

/* A file with an attribute, or -1. */
static int xattr_file(struct t *t)
{
	char path[] = "/tmp/sys-xattr-XXXXXX";
	int fd = fd_of(t, mkstemp(path));

	unlink(path);
	if (fsetxattr(fd, "user.test", "value", 5, 0)) {
		leave_out(t, "no user attributes in /tmp");
		return -1;
	}
	return fd;
}

/* Path of a descriptor. */
static uint64_t fd_path(struct t *t, int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return in(t, path, strlen(path) + 1);
}

static void real_getxattr(struct t *t)
{
	int fd = xattr_file(t);

	if (fd < 0)
		return;
	DO(SYS_getxattr, fd_path(t, fd), S("user.test"), out(t, 100), 100);
	assert_int_equal(t->ret, 5);
}

static void real_fgetxattr(struct t *t)
{
	int fd = xattr_file(t);

	if (fd < 0)
		return;
	DO(SYS_fgetxattr, fd, S("user.test"), out(t, 100), 100);
	assert_int_equal(t->ret, 5);
	expect(t, U(t->buf[1].p), 5);
}

static void real_getxattrat(struct t *t)
{
	struct {
		uint64_t value;
		uint32_t size, flags;
	} a = { 0, 100, 0 };
	int fd = xattr_file(t);

	if (fd < 0)
		return;
	a.value = out(t, 100);
	DO(__NR_getxattrat, AT_FDCWD, fd_path(t, fd), 0, S("user.test"), in(t, &a, sizeof(a)), 16);
	if (went_well(t))
		assert_int_equal(t->ret, 5);
}

static void real_listxattr(struct t *t)
{
	int fd = xattr_file(t);

	if (fd < 0)
		return;
	DO(SYS_listxattr, fd_path(t, fd), out(t, 100), 100);
	if (went_well(t))
		expect(t, U(t->buf[1].p), (uint64_t)t->ret);
}

static void real_flistxattr(struct t *t)
{
	int fd = xattr_file(t);

	if (fd < 0)
		return;
	DO(SYS_flistxattr, fd, out(t, 100), 100);
	went_well(t);
}

static void real_listxattrat(struct t *t)
{
	int fd = xattr_file(t);

	if (fd < 0)
		return;
	DO(__NR_listxattrat, AT_FDCWD, fd_path(t, fd), 0, out(t, 100), 100);
	went_well(t);
}

/* A real path, for the calls that don't follow links. */
static void real_lgetxattr(struct t *t)
{
	char path[] = "/tmp/sys-xattr-XXXXXX";
	int fd = fd_of(t, mkstemp(path));

	if (fsetxattr(fd, "user.test", "value", 5, 0)) {
		leave_out(t, "no user attributes in /tmp");
	} else {
		DO(SYS_lgetxattr, S(path), S("user.test"), out(t, 100), 100);
		assert_int_equal(t->ret, 5);
	}
	unlink(path);
	t->varies = true; /* the path */
}

static void real_llistxattr(struct t *t)
{
	char path[] = "/tmp/sys-xattr-XXXXXX";
	int fd = fd_of(t, mkstemp(path));

	if (fsetxattr(fd, "user.test", "value", 5, 0)) {
		leave_out(t, "no user attributes in /tmp");
	} else {
		DO(SYS_llistxattr, S(path), out(t, 100), 100);
		went_well(t);
	}
	unlink(path);
	t->varies = true;
}

static void real_file_getattr(struct t *t)
{
	/* Longer than the kernel's struct: the rest is filled with zeros. */
	DO(__NR_file_getattr, AT_FDCWD, S("/"), out(t, 64), 64, 0);
	if (t->ret == -ENOTTY)
		leave_out(t, "the root file system has no such attributes");
	else
		went_well(t);
}

static void real_listmount(struct t *t)
{
	struct {
		uint32_t size, spare;
		uint64_t id, param;
	} req = { sizeof(req), 0, ~0ull, 0 };

	t->varies = true;
	DO(__NR_listmount, in(t, &req, sizeof(req)), out(t, 8 * 4), 4, 0);
	went_well(t);
}

static uint64_t root_mount_id(void)
{
	struct statx stx;

	if (statx(AT_FDCWD, "/", 0, 0x4000 /* STATX_MNT_ID_UNIQUE */, &stx) ||
	    !(stx.stx_mask & 0x4000))
		return 0;
	return stx.stx_mnt_id;
}

static void real_statmount(struct t *t)
{
	struct {
		uint32_t size, spare;
		uint64_t id, param;
	} req = { sizeof(req), 0, root_mount_id(), 0x3f };

	t->varies = true;
	if (!req.id) {
		leave_out(t, "no unique mount ids");
		return;
	}
	DO(__NR_statmount, in(t, &req, sizeof(req)), out(t, 1024), 1024, 0);
	went_well(t);
}

static void real_cachestat(struct t *t)
{
	uint64_t range[2] = { 0, 4096 };

	DO(__NR_cachestat, file_of(t, "x"), in(t, range, sizeof(range)), out(t, 40), 0);
	went_well(t);
}

static void real_sendfile(struct t *t)
{
	uint64_t at = 2;
	int p[2];

	pipe_of(t, p, "x");
	DO(SYS_sendfile, p[1], file_of(t, "hello, world"), in(t, &at, 8), 5);
	assert_int_equal(t->ret, 5);
}

static void real_splice(struct t *t)
{
	uint64_t at = 2;
	int p[2];

	pipe_of(t, p, "x");
	DO(SYS_splice, file_of(t, "hello, world"), in(t, &at, 8), p[1], 0, 5, 0);
	assert_int_equal(t->ret, 5);
}

static void real_splice_out(struct t *t)
{
	uint64_t at = 2;
	int p[2];

	pipe_of(t, p, "ten bytes.");
	DO(SYS_splice, p[0], 0, file_of(t, "hello, world"), in(t, &at, 8), 5, 0);
	assert_int_equal(t->ret, 5);
	expect(t, U(t->buf[0].p), 8);
}

static void real_copy_file_range(struct t *t)
{
	uint64_t from = 2, to = 3;

	DO(SYS_copy_file_range, file_of(t, "hello, world"), in(t, &from, 8), file_of(t, ""),
	   in(t, &to, 8), 5, 0);
	assert_int_equal(t->ret, 5);
}

static void real_vmsplice(struct t *t)
{
	int p[2];

	pipe_of(t, p, "ten bytes.");
	DO(SYS_vmsplice, p[0], iov_of(t), 3, 0);
	assert_int_equal(t->ret, 10);
}

static const struct sys_test real_file[] = {
	{ "read", real_read, NULL },
	{ "pread64", real_pread64, NULL },
	{ "readv", real_readv, NULL },
	{ "preadv", real_preadv, NULL },
	{ "preadv2", real_preadv2, NULL },
	{ "pipe", real_pipe, NULL },
	{ "pipe2", real_pipe2, NULL },
	{ "poll", real_poll, NULL },
	{ "ppoll", real_ppoll, NULL },
	{ "select", real_select, NULL },
	{ "select", real_select_same, NULL },
	{ "pselect6", real_pselect6, NULL },
	{ "epoll_wait", real_epoll_wait, NULL },
	{ "epoll_pwait", real_epoll_pwait, NULL },
	{ "epoll_pwait2", real_epoll_pwait2, NULL },
	{ "stat", real_stat, NULL },
	{ "lstat", real_lstat, NULL },
	{ "fstat", real_fstat, NULL },
	{ "newfstatat", real_newfstatat, NULL },
	{ "statx", real_statx, NULL },
	{ "statfs", real_statfs, NULL },
	{ "fstatfs", real_fstatfs, NULL },
	{ "ustat", real_ustat, NULL },
	{ "sysfs:SYSFS_NAME_OF", real_sysfs, NULL },
	{ "getdents", real_getdents, NULL },
	{ "getdents64", real_getdents64, NULL },
	{ "getcwd", real_getcwd, NULL },
	{ "readlink", real_readlink, NULL },
	{ "readlinkat", real_readlinkat, NULL },
	{ "name_to_handle_at", real_name_to_handle_at, NULL },
	{ "name_to_handle_at", real_name_to_handle_small, NULL },
	{ "getxattr", real_getxattr, NULL },
	{ "lgetxattr", real_lgetxattr, NULL },
	{ "fgetxattr", real_fgetxattr, NULL },
	{ "getxattrat", real_getxattrat, NULL },
	{ "listxattr", real_listxattr, NULL },
	{ "llistxattr", real_llistxattr, NULL },
	{ "flistxattr", real_flistxattr, NULL },
	{ "listxattrat", real_listxattrat, NULL },
	{ "file_getattr", real_file_getattr, NULL },
	{ "listmount", real_listmount, NULL },
	{ "statmount", real_statmount, NULL },
	{ "cachestat", real_cachestat, NULL },
	{ "sendfile", real_sendfile, NULL },
	{ "splice", real_splice, NULL },
	{ "splice", real_splice_out, NULL },
	{ "copy_file_range", real_copy_file_range, NULL },
	{ "vmsplice", real_vmsplice, NULL },
	{ NULL, NULL, NULL },
};

#endif
