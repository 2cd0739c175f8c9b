/* SPDX-License-Identifier: MIT */
/*
 * ops.c: ways of changing a file.
 *
 * Each operation is a function of the table at the end. Those that need a descriptor get one that was opened
 * beforehand if there is one, so that an outsider older than a recording really writes through an old descriptor;
 * the same goes for mappings. Errors are -errno; -EXDEV stands for "wrote less than was asked for".
 */
#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static struct target targets[4096];
static size_t ntargets;

struct target *target__get(const char *path)
{
	for (size_t i = ntargets; i-- > 0;)
		if (!strcmp(targets[i].path, path))
			return &targets[i];
	if (ntargets == sizeof(targets) / sizeof(targets[0]))
		return NULL;
	struct target *t = &targets[ntargets++];
	snprintf(t->path, sizeof(t->path), "%s", path);
	t->fd = -1;
	return t;
}

int target__open(struct target *t)
{
	t->fd = open(t->path, O_RDWR | O_CLOEXEC);
	return t->fd < 0 ? -errno : 0;
}

void target__close(struct target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

/* Reads one byte of each whole or partial page. */
static void touch_pages(const char *map, size_t len)
{
	for (size_t i = 0; i < len; i += 4096)
		(void)*(const volatile char *)(map + i);
}

static int map_file(int fd, int prot, int flags, char **ret_map, size_t *ret_len)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	*ret_len = (size_t)st.st_size;
	*ret_map = mmap(NULL, *ret_len, prot, flags, fd, 0);
	return *ret_map == MAP_FAILED ? -errno : 0;
}

int target__map(struct target *t, int touch)
{
	int fd = open(t->path, O_RDWR | O_CLOEXEC);
	int err = fd < 0 ? -errno : 0;

	if (!err)
		err = map_file(fd, PROT_READ | PROT_WRITE, MAP_SHARED, &t->map, &t->len);
	if (fd >= 0)
		close(fd);
	if (err)
		t->map = NULL;
	else if (touch)
		touch_pages(t->map, t->len);
	return err;
}

void target__unmap(struct target *t)
{
	if (t->map)
		munmap(t->map, t->len);
	t->map = NULL;
}

/* The bytes an operation writes. */
struct job {
	struct target *t;
	off_t off;
	size_t len;
	char *buf;
	int fd;	   /* of the target, opened for this job unless the target has one */
	pid_t pid; /* who did it, 0: the caller */
};

static int done(const struct job *j, ssize_t ret)
{
	if (ret < 0)
		return -errno;
	return (size_t)ret == j->len ? 0 : -EXDEV;
}

static int write_at(const struct job *j, int fd)
{
	if (lseek(fd, j->off, SEEK_SET) < 0)
		return -errno;
	return done(j, write(fd, j->buf, j->len));
}

/* Two vectors over the bytes, the second one may be empty. */
static void halves(const struct job *j, struct iovec iov[2])
{
	size_t half = (j->len + 1) / 2;

	iov[0] = (struct iovec){ j->buf, half };
	iov[1] = (struct iovec){ j->buf + half, j->len - half };
}

static int op_write(struct job *j)
{
	return write_at(j, j->fd);
}

static int op_pwrite(struct job *j)
{
	return done(j, pwrite(j->fd, j->buf, j->len, j->off));
}

static int op_writev(struct job *j)
{
	struct iovec iov[2];

	halves(j, iov);
	if (lseek(j->fd, j->off, SEEK_SET) < 0)
		return -errno;
	return done(j, writev(j->fd, iov, 2));
}

static int op_pwritev(struct job *j)
{
	struct iovec iov[2];

	halves(j, iov);
	return done(j, pwritev(j->fd, iov, 2, j->off));
}

static int op_pwritev2(struct job *j)
{
	struct iovec iov[2];

	halves(j, iov);
	return done(j, pwritev2(j->fd, iov, 2, j->off, 0));
}

static int op_write_dup(struct job *j)
{
	int fd = dup(j->fd);
	int err = fd < 0 ? -errno : write_at(j, fd);

	close(fd);
	return err;
}

/* Sends fd over the socket. */
static int send_fd(int sock, int fd)
{
	char byte = 0;
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) < 0 ? -errno : 0;
}

/* Receives a descriptor. It or -errno. */
static int recv_fd(int sock)
{
	char byte;
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd = -EBADMSG;

	if (recvmsg(sock, &msg, 0) < 0)
		return -errno;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* Runs fn(j) in a child that ends with its result. */
static int in_child(struct job *j, int (*fn)(struct job *))
{
	int status;

	j->pid = fork();
	if (j->pid < 0)
		return -errno;
	if (!j->pid)
		_exit(-fn(j));
	if (waitpid(j->pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

/* A child opens the file and sends the descriptor; the caller never opened it itself. */
static int op_write_scm(struct job *j)
{
	int sock[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sock))
		return -errno;
	pid_t pid = fork();
	if (!pid) {
		int fd = open(j->t->path, O_RDWR);
		_exit(fd < 0 ? errno : -send_fd(sock[1], fd));
	}
	int fd = pid < 0 ? -errno : recv_fd(sock[0]);
	waitpid(pid, NULL, 0);
	int err = fd < 0 ? fd : write_at(j, fd);
	if (fd >= 0)
		close(fd);
	close(sock[0]);
	close(sock[1]);
	return err;
}

static int op_write_inherited(struct job *j)
{
	return in_child(j, op_write);
}

static int op_append(struct job *j)
{
	int fd = open(j->t->path, O_WRONLY | O_APPEND);
	int err = fd < 0 ? -errno : done(j, write(fd, j->buf, j->len));

	close(fd);
	return err;
}

static int op_truncate(struct job *j)
{
	return truncate(j->t->path, j->off) ? -errno : 0;
}

static int op_ftruncate(struct job *j)
{
	return ftruncate(j->fd, j->off) ? -errno : 0;
}

static int op_open_trunc(struct job *j)
{
	int fd = open(j->t->path, O_WRONLY | O_TRUNC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int op_fallocate(struct job *j)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	return fallocate(j->fd, mode, j->off, (off_t)j->len) ? -errno : 0;
}

static int op_rename_over(struct job *j)
{
	char name[sizeof(j->t->path) + 8];

	snprintf(name, sizeof(name), "%s.new", j->t->path);
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
	int err = fd < 0 ? -errno : done(j, pwrite(fd, j->buf, j->len, j->off));
	close(fd);
	if (!err && rename(name, j->t->path))
		err = -errno;
	return err;
}

static int op_read(struct job *j)
{
	return done(j, pread(j->fd, j->buf, j->len, j->off));
}

/* How a mapping for stores is made ready. */
enum prepare { FIRST_STORE, READ_FIRST, POPULATE, MADV, MPROTECT };

/* The target's mapping, or a new one prepared in the given way. */
static int store_map(struct job *j, enum prepare how, char **ret_map, size_t *ret_len)
{
	int err = 0;

	*ret_map = j->t->map;
	*ret_len = j->t->len;
	if (j->t->map)
		return 0;
	int prot = how == MPROTECT ? PROT_READ : PROT_READ | PROT_WRITE;
	err = map_file(j->fd, prot, MAP_SHARED | (how == POPULATE ? MAP_POPULATE : 0), ret_map,
		       ret_len);
	if (err)
		return err;
	if (how == READ_FIRST || how == MPROTECT)
		touch_pages(*ret_map, *ret_len);
	if (how == MPROTECT && mprotect(*ret_map, *ret_len, PROT_READ | PROT_WRITE))
		err = -errno;
	if (how == MADV && madvise(*ret_map, *ret_len, MADV_POPULATE_WRITE))
		err = -errno;
	return err;
}

static int store(struct job *j, enum prepare how)
{
	char *map;
	size_t len;
	int err = store_map(j, how, &map, &len);

	if (err)
		return err;
	memcpy(map + j->off, j->buf, j->len);
	if (!j->t->map)
		munmap(map, len);
	return 0;
}

static int op_store(struct job *j)
{
	return store(j, FIRST_STORE);
}

static int op_store_after_read(struct job *j)
{
	return store(j, READ_FIRST);
}

static int op_store_populate(struct job *j)
{
	return store(j, POPULATE);
}

static int op_store_madvise(struct job *j)
{
	return store(j, MADV);
}

static int op_store_mprotect(struct job *j)
{
	return store(j, MPROTECT);
}

/* A child stores through the mapping it inherited. */
static int op_store_fork(struct job *j)
{
	char *keep = j->t->map;
	int err = keep ? 0 : target__map(j->t, 0);

	if (!err)
		err = in_child(j, op_store);
	if (!keep)
		target__unmap(j->t);
	return err;
}

/* The kernel stores: read(2) into the mapping, whose page is first touched there. */
static int op_store_kernel(struct job *j)
{
	int p[2];
	char *map;
	size_t len;
	int err = store_map(j, FIRST_STORE, &map, &len);

	if (err)
		return err;
	if (pipe(p))
		return -errno;
	err = done(j, write(p[1], j->buf, j->len));
	if (!err)
		err = done(j, read(p[0], map + j->off, j->len));
	close(p[0]);
	close(p[1]);
	if (!j->t->map)
		munmap(map, len);
	return err;
}

/* Each way by name; needs_fd: the target is opened for it. */
static const struct op {
	const char *name;
	int (*run)(struct job *j);
	int needs_fd;
} ops[] = {
	{ "write", op_write, 1 },
	{ "pwrite64", op_pwrite, 1 },
	{ "writev", op_writev, 1 },
	{ "pwritev", op_pwritev, 1 },
	{ "pwritev2", op_pwritev2, 1 },
	{ "write-dup", op_write_dup, 1 },
	{ "write-scm", op_write_scm, 0 },
	{ "write-inherited", op_write_inherited, 1 },
	{ "append", op_append, 0 },
	{ "truncate", op_truncate, 0 },
	{ "ftruncate", op_ftruncate, 1 },
	{ "open-trunc", op_open_trunc, 0 },
	{ "fallocate", op_fallocate, 1 },
	{ "rename-over", op_rename_over, 0 },
	{ "read", op_read, 1 },
	{ "store", op_store, 1 },
	{ "store-kernel", op_store_kernel, 1 },
	{ "store-after-read", op_store_after_read, 1 },
	{ "store-populate", op_store_populate, 1 },
	{ "store-madvise", op_store_madvise, 1 },
	{ "store-mprotect", op_store_mprotect, 1 },
	{ "store-fork", op_store_fork, 1 },
};

static const struct op *op_find(const char *name)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(ops[i].name, name))
			return &ops[i];
	return NULL;
}

int op_run(const char *name, struct target *t, off_t off, size_t len, int byte, pid_t *ret_pid)
{
	const struct op *op = op_find(name);
	struct job j = { .t = t, .off = off, .len = len, .fd = t->fd };

	*ret_pid = 0;
	if (!op)
		return -ENOSYS;
	j.buf = malloc(len + 1);
	for (size_t i = 0; i < len; i++)
		j.buf[i] = (char)(byte + (int)i);
	if (op->needs_fd && j.fd < 0 && !t->map)
		j.fd = open(t->path, O_RDWR | O_CLOEXEC);
	int err = op->needs_fd && j.fd < 0 && !t->map ? -errno : op->run(&j);
	if (j.fd >= 0 && t->fd < 0)
		close(j.fd);
	free(j.buf);
	*ret_pid = j.pid;
	return err;
}
