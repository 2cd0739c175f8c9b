/* SPDX-License-Identifier: MIT */
/*
 * memory.c: reading and writing a tracee's memory.
 *
 * Three ways, from fast to slow. process_vm_readv/writev obey page protection and need the right to attach at the time of
 * the call. /proc/PID/mem ignores page protection (FOLL_FORCE), so that it reads PROT_NONE pages and copies read-only
 * private ones on write; it needs the same right. PTRACE_PEEKDATA/POKEDATA go by the
 * rights at the time of attaching (ptrace_access_vm in kernel/ptrace.c): they are what is left for a program that made itself
 * undumpable when bprec was root at the start and is no longer (--user).
 */
#include "tracee/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE ((uint64_t)BPREC_PAGE_SIZE)

static int open_mem(pid_t pid, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	int fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool no_permission(int err)
{
	return err == -EPERM || err == -EACCES;
}

/* Reads by /proc/PID/mem; bytes or -errno. */
static ssize_t read_mem(pid_t pid, uint64_t addr, void *buf, size_t len)
{
	int fd = open_mem(pid, O_RDONLY);

	if (fd < 0)
		return fd;
	ssize_t n = pread(fd, buf, len, (off_t)addr);
	int err = -errno;
	close(fd);
	if (n < 0)
		return err == -EIO ? -EFAULT : err;
	return n ? n : -ESRCH; /* 0: the address space is gone */
}

/* Reads word by word; bytes or -errno. */
static ssize_t read_peek(pid_t pid, uint64_t addr, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t at = (addr + done) & ~7ull;
		errno = 0;
		long word = ptrace(PTRACE_PEEKDATA, pid, (void *)at, NULL);
		if (errno)
			return done ? (ssize_t)done : errno == ESRCH ? -EPERM : -EFAULT;
		size_t skip = addr + done - at, n = 8 - skip;
		if (n > len - done)
			n = len - done;
		memcpy((char *)buf + done, (char *)&word + skip, n);
		done += n;
	}
	return (ssize_t)done;
}

/* What process_vm_readv could not read. */
static ssize_t read_slow(pid_t pid, uint64_t addr, void *buf, size_t len)
{
	ssize_t n = read_mem(pid, addr, buf, len);

	return no_permission((int)n) ? read_peek(pid, addr, buf, len) : n;
}

ssize_t tracee__read(pid_t pid, uint64_t addr, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		struct iovec to = { (char *)buf + done, len - done };
		struct iovec from = { (void *)(addr + done), len - done };
		ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);
		if (n < 0 && errno == ESRCH)
			return done ? (ssize_t)done : -ESRCH;
		if (n <= 0) { /* the one page only: the next may be readable the fast way again */
			size_t rest = PAGE - ((addr + done) & (PAGE - 1));
			n = read_slow(pid, addr + done, to.iov_base,
				      rest < len - done ? rest : len - done);
		}
		if (n < 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Writes by /proc/PID/mem; bytes or -errno. */
static ssize_t write_mem(pid_t pid, uint64_t addr, const void *buf, size_t len)
{
	int fd = open_mem(pid, O_WRONLY);

	if (fd < 0)
		return fd;
	ssize_t n = pwrite(fd, buf, len, (off_t)addr);
	int err = -errno;
	close(fd);
	if (n < 0)
		return err == -EIO ? -EFAULT : err;
	return n ? n : -ESRCH;
}

/* Writes word by word; bytes or -errno. */
static ssize_t write_poke(pid_t pid, uint64_t addr, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t at = (addr + done) & ~7ull;
		errno = 0;
		long word = ptrace(PTRACE_PEEKDATA, pid, (void *)at, NULL);
		if (errno)
			return errno == ESRCH ? -EPERM : -EFAULT;
		size_t skip = addr + done - at, n = 8 - skip;
		if (n > len - done)
			n = len - done;
		memcpy((char *)&word + skip, (const char *)buf + done, n);
		if (ptrace(PTRACE_POKEDATA, pid, (void *)at, (void *)word) < 0)
			return errno == ESRCH ? -EPERM : -EFAULT;
		done += n;
	}
	return (ssize_t)done;
}

static ssize_t write_slow(pid_t pid, uint64_t addr, const void *buf, size_t len)
{
	ssize_t n = write_mem(pid, addr, buf, len);

	return no_permission((int)n) ? write_poke(pid, addr, buf, len) : n;
}

int tracee__write(pid_t pid, uint64_t addr, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		struct iovec from = { (char *)buf + done, len - done };
		struct iovec to = { (void *)(addr + done), len - done };
		ssize_t n = process_vm_writev(pid, &from, 1, &to, 1, 0);
		if (n < 0 && errno == ESRCH)
			return -ESRCH;
		if (n <= 0) {
			size_t rest = PAGE - ((addr + done) & (PAGE - 1));
			n = write_slow(pid, addr + done, from.iov_base,
				       rest < len - done ? rest : len - done);
		}
		if (n < 0)
			return (int)n;
		done += (size_t)n;
	}
	return 0;
}

ssize_t tracee__read_string(pid_t pid, uint64_t addr, char *buf, size_t size)
{
	size_t done = 0;

	while (done + 1 < size) {
		/* Never across a page: the string may end right before an unmapped one. */
		size_t n = PAGE - ((addr + done) & (PAGE - 1));
		if (n > 256 && !done)
			n = 256;
		if (n > size - 1 - done)
			n = size - 1 - done;
		ssize_t got = tracee__read(pid, addr + done, buf + done, n);
		if (got < 0)
			return got;
		const char *end = memchr(buf + done, '\0', (size_t)got);
		if (end)
			return end - buf;
		done += (size_t)got;
	}
	if (size)
		buf[done] = '\0';
	return (ssize_t)done;
}
