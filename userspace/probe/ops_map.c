/* SPDX-License-Identifier: MIT */
/*
 * ops_map.c: changes through a mapping, and of another process's memory.
 *
 * The page is always read first: that is the harder case. On tmpfs a read fault maps it writable, and the store that
 * follows raises no fault (DESIGN 3); on disk filesystems the first store after it does.
 */
#include "probe/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE   4096u
#define INSIDE 64u

static const char bytes[OPS_LEN] = { [0 ... OPS_LEN - 1] = 'm' };

/* Reads the byte where the change will begin. Returns its address. */
static volatile char *touch(struct op *o)
{
	volatile char *at;

	o->off += INSIDE;
	o->len = OPS_LEN;
	at = o->map + o->off;
	(void)*at;
	return at;
}

int op__madvise_remove(struct op *o)
{
	o->len = PAGE;
	return madvise(o->map + o->off, PAGE, MADV_REMOVE) < 0 ? -errno : 0;
}

int op__mmap_store(struct op *o)
{
	volatile char *at = touch(o);

	for (unsigned int i = 0; i < OPS_LEN; i++)
		at[i] = 's';
	return 0;
}

/* Fills a pipe and calls get() to take the bytes out of it into the page. */
static int from_pipe(struct op *o, ssize_t (*get)(int fd, void *to))
{
	volatile char *at = touch(o);
	int err = -EIO;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	if (write(fds[1], bytes, OPS_LEN) == OPS_LEN) {
		const ssize_t n = get(fds[0], (void *)at);

		err = n < 0 ? -errno : n == OPS_LEN ? 0 : -EIO;
	}
	close(fds[0]);
	close(fds[1]);
	return err;
}

static ssize_t get_by_read(int fd, void *to)
{
	return read(fd, to, OPS_LEN);
}

static ssize_t get_by_vmsplice(int fd, void *to)
{
	const struct iovec iov = { to, OPS_LEN };

	return vmsplice(fd, &iov, 1, 0);
}

int op__read_into_mapping(struct op *o)
{
	return from_pipe(o, get_by_read);
}

int op__vmsplice(struct op *o)
{
	return from_pipe(o, get_by_vmsplice);
}

static int copy_in(int uffd, char *to, const char *page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)to, PAGE },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_copy copy = { .dst = (uintptr_t)to, .src = (uintptr_t)page, .len = PAGE };
	int err = 0;

	if (ioctl(uffd, UFFDIO_API, &api) < 0 || ioctl(uffd, UFFDIO_REGISTER, &reg) < 0)
		return -errno;
	if (ioctl(uffd, UFFDIO_COPY, &copy) < 0)
		err = -errno;
	ioctl(uffd, UFFDIO_UNREGISTER, &reg.range);
	return err;
}

/* UFFDIO_COPY fills what is missing: the page is made a hole first, by a call that is no part of the trial. */
int op__userfaultfd(struct op *o)
{
	static const char page[PAGE] = { [0 ... PAGE - 1] = 'u' };
	const int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	int err;

	o->len = PAGE;
	if (uffd < 0)
		return -errno;
	if (fallocate(o->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)o->off, PAGE) < 0)
		err = -errno;
	else
		err = copy_in(uffd, o->map + o->off, page);
	close(uffd);
	return err;
}

/* A debugger stores into the mapping of a process that is no insider (insiders have a tracer already). */
int op__ptrace(struct op *o)
{
	touch(o);
	o->len = sizeof(long);
	errno = 0;
	ptrace(PTRACE_PEEKDATA, o->helper, o->map + o->off, 0);
	if (errno)
		return -errno;
	return ptrace(PTRACE_POKEDATA, o->helper, o->map + o->off, 0x7070707070707070) < 0 ? -errno
											   : 0;
}

int op__remote_memory(struct op *o)
{
	const struct iovec from = { (void *)bytes, OPS_LEN };
	const struct iovec to = { o->victim + INSIDE, OPS_LEN };

	o->off = (uintptr_t)o->victim + INSIDE;
	o->len = OPS_LEN;
	return process_vm_writev(o->insider, &from, 1, &to, 1, 0) == OPS_LEN ? 0 : -errno;
}

int op__proc_mem(struct op *o)
{
	static const char other[OPS_LEN] = { [0 ... OPS_LEN - 1] = 'p' };
	char name[32];
	int err = 0;
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/mem", (int)o->insider);
	o->off = (uintptr_t)o->victim + INSIDE;
	o->len = OPS_LEN;
	fd = open(name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pwrite(fd, other, OPS_LEN, (off_t)o->off) != OPS_LEN)
		err = -errno;
	close(fd);
	return err;
}
