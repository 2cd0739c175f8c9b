/* SPDX-License-Identifier: MIT */
/*
 * ops_below.c: changes that the kernel makes on somebody's behalf: through a loop device, on the disk below the
 * filesystem, in memory that it shares, in the text of programs.
 *
 * Those of which the file's bytes can't tell look by themselves whether they changed anything.
 */
#include "probe/ops.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "probe/loop.h"

#define PAGE   4096u
#define INSIDE 64u

/* A page of one byte, aligned for O_DIRECT; NULL: no memory. */
static char *make_page(char byte)
{
	void *page;

	if (posix_memalign(&page, PAGE, PAGE))
		return NULL;
	memset(page, byte, PAGE);
	return page;
}

/* Writes a page past the cache of a device, and has it on the disk. 0 or -errno. */
static int write_page(int fd, const char *page, uint64_t at)
{
	if (pwrite(fd, page, PAGE, (off_t)at) != PAGE)
		return errno ? -errno : -EIO;
	return fsync(fd) < 0 ? -errno : 0;
}

/* The file again, by the name that its descriptor has in /proc. Descriptor or -errno. */
static int open_again(const struct op *o, int flags)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", o->fd);
	fd = open(name, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The page is made dirty before (attaching has cleaned it): the harder case, since becoming dirty is what shows. */
int op__kernel(struct op *o)
{
	char path[LOOP_PATH_MAX], *page = make_page('l');
	const int file = open_again(o, O_RDWR);
	int err;

	o->len = PAGE;
	o->keep = file < 0 ? file : loop__attach(file, path);
	if (file >= 0)
		close(file);
	if (o->keep < 0 || !page)
		err = o->keep < 0 ? o->keep : -ENOMEM;
	else if (pwrite(o->fd, "", 1, (off_t)o->off + PAGE - 1) != 1)
		err = -EIO;
	else
		err = write_page(o->keep, page, o->off);
	free(page);
	return err;
}

/* Where byte `off` of the file is on the disk. 0 or -errno. */
static int find_block(int fd, uint64_t off, uint64_t *ret)
{
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	} arg = { .map = { .fm_start = off,
			   .fm_length = PAGE,
			   .fm_flags = FIEMAP_FLAG_SYNC,
			   .fm_extent_count = 1 } };
	const struct fiemap_extent *e = arg.map.fm_extents;

	if (ioctl(fd, FS_IOC_FIEMAP, &arg) < 0)
		return -errno;
	if (!arg.map.fm_mapped_extents ||
	    (e->fe_flags &
	     (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_DATA_INLINE)))
		return -ENODATA;
	*ret = e->fe_physical + (off - e->fe_logical);
	return 0;
}

/* Does the disk hold other bytes than `page`? Read past the cache; a checksum that no longer fits is an answer too. */
static bool differs_on_disk(const struct op *o, const char *page)
{
	const int fd = open_again(o, O_RDONLY | O_DIRECT);
	char *buf = make_page(0);
	bool differs = false;

	if (fd >= 0 && buf) {
		const ssize_t n = pread(fd, buf, PAGE, (off_t)o->off);

		differs = n < 0 ? errno == EIO : n == PAGE && memcmp(buf, page, PAGE) != 0;
	}
	free(buf);
	if (fd >= 0)
		close(fd);
	return differs;
}

/* Overwrites one page of the device, which must hold what the file holds there. */
static int overwrite(int dev, uint64_t at, const struct op *o)
{
	char *was = make_page(0), *on_disk = make_page(0), *page = make_page('k');
	int err = -ENOMEM;

	if (!was || !on_disk || !page)
		goto out;
	err = -EIO;
	if (pread(o->fd, was, PAGE, (off_t)o->off) != PAGE ||
	    pread(dev, on_disk, PAGE, (off_t)at) != PAGE || memcmp(was, on_disk, PAGE) != 0)
		goto out;
	err = write_page(dev, page, at);
	if (!err && !differs_on_disk(o, was))
		err = -EIO;
out:
	free(was);
	free(on_disk);
	free(page);
	return err;
}

/* What is cached of the file stays as it is: who maps it sees the change when the page has been dropped and read again. */
int op__block_device(struct op *o)
{
	struct statfs st;
	uint64_t at = 0;
	int dev, err;

	o->len = PAGE;
	if (fstatfs(o->fd, &st) == 0 && (st.f_type == TMPFS_MAGIC || st.f_type == FUSE_SUPER_MAGIC))
		return -EOPNOTSUPP;
	if (!*o->device)
		return -ENODEV;
	if (fsync(o->fd) < 0)
		return -errno;
	err = find_block(o->fd, o->off, &at);
	if (err)
		return err;
	dev = open(o->device, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (dev <
	    0) /* since 6.8 a kernel may be built to refuse it (CONFIG_BLK_DEV_WRITE_MOUNTED) */
		return errno == EBUSY ? -EOPNOTSUPP : -errno;
	err = overwrite(dev, at, o);
	close(dev);
	return err;
}

int op__kernel_shared(struct op *o)
{
	const uint32_t key = 0;
	const uint64_t value = 0x6b6b6b6b6b6b6b6b;

	o->len = sizeof(value);
	if (o->shared_fd < 0)
		return o->shared_fd;
	if (bpf_map_update_elem(o->shared_fd, &key, &value, BPF_ANY))
		return -errno;
	return *o->shared == value ? 0 : -EIO;
}

static int uprobe_type(void)
{
	FILE *f = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	int type = -1;

	if (!f)
		return -EOPNOTSUPP;
	if (fscanf(f, "%d", &type) != 1)
		type = -EOPNOTSUPP;
	fclose(f);
	return type;
}

/* The byte that the insider would execute, -1: it can't. */
static int insider_byte(const struct op *o, const char *at)
{
	unsigned char byte;
	const struct iovec to = { &byte, 1 }, from = { (void *)at, 1 };

	return process_vm_readv(o->insider, &to, 1, &from, 1, 0) == 1 ? byte : -1;
}

int op__uprobe(struct op *o)
{
	static const char nop[INSIDE] = { [0 ... INSIDE - 1] = (char)0x90 };
	const char *at = o->text + o->off + INSIDE;
	struct perf_event_attr attr = { .size = sizeof(attr) };
	char name[32];
	const int type = uprobe_type();

	if (type < 0)
		return type;
	if (insider_byte(o, at) < 0)
		return -EACCES;
	if (pwrite(o->fd, nop, sizeof(nop), (off_t)o->off + INSIDE) != sizeof(nop))
		return -EIO;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", o->fd);
	attr.type = (uint32_t)type;
	attr.uprobe_path = (uintptr_t)name;
	attr.probe_offset = o->off + INSIDE;
	o->keep = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (o->keep < 0)
		return -errno;
	o->off = (uintptr_t)at;
	o->len = 1;
	return insider_byte(o, at) == 0xcc ? 0 : -EIO;
}
