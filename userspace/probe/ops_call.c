/* SPDX-License-Identifier: MIT */
/*
 * ops_call.c: changes of a file by system calls, one function per channel.
 *
 * Each makes one change of the op's file, says in off and len which bytes it changed, and returns 0, or -errno where the
 * kernel or the file system refuses it. The bytes written differ from those before, except by dedupe.
 */
#include "probe/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096u

/* Where in its page a small change begins: not at the edge, to tell ranges from pages. */
#define INSIDE 20u

static const char bytes[OPS_LEN] = { [0 ... OPS_LEN - 1] = 'c' };

/* A small change inside the page. */
static void small(struct op *o)
{
	o->off += INSIDE;
	o->len = OPS_LEN;
}

/* 0 if all bytes were written. */
static int all(ssize_t n)
{
	if (n < 0)
		return -errno;
	return n == OPS_LEN ? 0 : -EIO;
}

int op__write(struct op *o)
{
	small(o);
	if (lseek(o->fd, (off_t)o->off, SEEK_SET) < 0)
		return -errno;
	return all(write(o->fd, bytes, OPS_LEN));
}

int op__pwrite(struct op *o)
{
	small(o);
	return all(pwrite(o->fd, bytes, OPS_LEN, (off_t)o->off));
}

int op__writev(struct op *o)
{
	const struct iovec iov[2] = { { (void *)bytes, 40 }, { (void *)bytes, OPS_LEN - 40 } };

	small(o);
	if (lseek(o->fd, (off_t)o->off, SEEK_SET) < 0)
		return -errno;
	return all(writev(o->fd, iov, 2));
}

int op__pwritev(struct op *o)
{
	const struct iovec iov[2] = { { (void *)bytes, 40 }, { (void *)bytes, OPS_LEN - 40 } };

	small(o);
	return all(pwritev(o->fd, iov, 2, (off_t)o->off));
}

int op__sendfile(struct op *o)
{
	off_t from = 0;

	small(o);
	if (lseek(o->fd, (off_t)o->off, SEEK_SET) < 0)
		return -errno;
	return all(sendfile(o->fd, o->src, &from, OPS_LEN));
}

int op__splice(struct op *o)
{
	loff_t to;
	int fds[2];
	int err;

	small(o);
	to = (loff_t)o->off;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	err = all(write(fds[1], bytes, OPS_LEN));
	if (!err)
		err = all(splice(fds[0], NULL, o->fd, &to, OPS_LEN, 0));
	close(fds[0]);
	close(fds[1]);
	return err;
}

int op__copy_file_range(struct op *o)
{
	loff_t from = 0, to;

	small(o);
	to = (loff_t)o->off;
	return all(copy_file_range(o->src, &from, o->fd, &to, OPS_LEN, 0));
}

int op__clone(struct op *o)
{
	const struct file_clone_range range = {
		.src_fd = o->src, .src_offset = 0, .src_length = PAGE, .dest_offset = o->off
	};

	o->len = PAGE;
	return ioctl(o->fd, FICLONERANGE, &range) < 0 ? -errno : 0;
}

/* Bytes are equal afterwards as before, but the page may be dropped and read again. */
int op__dedupe(struct op *o)
{
	union {
		struct file_dedupe_range range;
		char room[sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info)];
	} arg = { .range = { .src_offset = o->off, .src_length = PAGE, .dest_count = 1 } };
	struct file_dedupe_range_info *info = arg.range.info;
	char page[PAGE];

	o->len = PAGE;
	if (pread(o->fd, page, PAGE, (off_t)o->off) != PAGE ||
	    pwrite(o->src, page, PAGE, (off_t)o->off) != PAGE)
		return -EIO;
	info->dest_fd = o->fd;
	info->dest_offset = o->off;
	if (ioctl(o->src, FIDEDUPERANGE, &arg) < 0)
		return -errno;
	return info->status < 0 ? info->status : 0;
}

int op__fallocate(struct op *o)
{
	o->len = PAGE;
	if (fallocate(o->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)o->off, PAGE) < 0)
		return -errno;
	return 0;
}

/* The file has no name; its descriptor has one in /proc, which is followed to the same inode (proc(5)). */
static void name_fd(int fd, char buf[32])
{
	snprintf(buf, 32, "/proc/self/fd/%d", fd);
}

/* By name: the harder case, since the kernel shows the object only afterwards. */
int op__truncate(struct op *o)
{
	char name[32];

	name_fd(o->fd, name);
	o->len = ~0ull;
	return truncate(name, (off_t)o->off) < 0 ? -errno : 0;
}

int op__open_trunc(struct op *o)
{
	char name[32];
	int fd;

	name_fd(o->fd, name);
	o->off = 0;
	o->len = ~0ull;
	fd = open(name, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int op__direct_write(struct op *o)
{
	char name[32];
	void *page;
	int err = 0;
	int fd;

	name_fd(o->fd, name);
	o->len = PAGE;
	fd = open(name, O_WRONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (posix_memalign(&page, PAGE, PAGE)) {
		err = -ENOMEM;
		goto out;
	}
	memset(page, 'd', PAGE);
	if (pwrite(fd, page, PAGE, (off_t)o->off) != PAGE)
		err = -errno;
	free(page);
out:
	close(fd);
	return err;
}
