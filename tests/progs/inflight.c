/* SPDX-License-Identifier: MIT */
/*
 * inflight.c: an outsider whose write stops in its middle, for as long as the test likes.
 *
 * The buffer it writes lies in memory registered with userfaultfd, of which the second half is missing: the kernel copies
 * the first half into the file and then waits for the page. Prints "ready PID", then obeys:
 *   begin HOW PATH OFFSET PAGES BYTE            -> begun TID, when half of it is in the file; HOW: pwrite, write, aio (io_submit,
 *                                                  which writes before it returns), io_uring (a thread of the kernel writes)
 *   second PAGES BYTE                           -> begun TID: another thread's write(2) by the same descriptor
 *   dupaway                                     -> ok: the descriptor now means /dev/null
 *   release                                     -> done N: the write went on and returned N
 * man 2 userfaultfd; without UFFD_USER_MODE_ONLY faults of the kernel are handled too (needs root).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ring.h"

static struct {
	char how; /* its first letter */
	int fd;
	off_t off;
	size_t len;
	char *buf;
	volatile pid_t tid;
	ssize_t ret;
	pthread_t thread;
} job[2];
static int uffd, byte;

static ssize_t by_aio(int i)
{
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PWRITE,
			   .aio_fildes = (unsigned int)job[i].fd };
	struct iocb *list[] = { &cb };
	struct io_event done = { 0 };
	aio_context_t ctx = 0;

	cb.aio_buf = (uintptr_t)job[i].buf;
	cb.aio_nbytes = job[i].len;
	cb.aio_offset = job[i].off;
	if (syscall(SYS_io_setup, 1, &ctx) || syscall(SYS_io_submit, ctx, 1, list) != 1 ||
	    syscall(SYS_io_getevents, ctx, 1, 1, &done, NULL) != 1)
		return -1;
	syscall(SYS_io_destroy, ctx);
	return done.res;
}

static ssize_t by_uring(int i)
{
	if (ring__open(4) < 0)
		return -1;
	struct io_uring_sqe *sqe = ring__next(0);

	sqe->opcode = IORING_OP_WRITE;
	sqe->flags = IOSQE_ASYNC;
	sqe->fd = job[i].fd;
	sqe->addr = (uintptr_t)job[i].buf;
	sqe->len = (unsigned int)job[i].len;
	sqe->off = (__u64)job[i].off;
	return ring__run(1, (int)job[i].len) ? -1 : (ssize_t)job[i].len;
}

static void *writer(void *arg)
{
	int i = (int)(long)arg;

	job[i].tid = (pid_t)syscall(SYS_gettid);
	switch (job[i].how) {
	case 'p':
		job[i].ret = pwrite(job[i].fd, job[i].buf, job[i].len, job[i].off);
		break;
	case 'a':
		job[i].ret = by_aio(i);
		break;
	case 'i':
		job[i].ret = by_uring(i);
		break;
	default:
		job[i].ret = write(job[i].fd, job[i].buf, job[i].len);
	}
	return NULL;
}

static int start(int i)
{
	job[i].tid = 0;
	if (pthread_create(&job[i].thread, NULL, writer, (void *)(long)i))
		return -1;
	while (!job[i].tid)
		sched_yield();
	return 0;
}

/* Memory whose second half faults into uffd. */
static char *trap_buffer(size_t len)
{
	char *buf = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	madvise(buf, len, MADV_NOHUGEPAGE);
	memset(buf, byte, len / 2);
	reg.range.start = (uintptr_t)buf + len / 2;
	reg.range.len = len / 2;
	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return NULL;
	return buf;
}

static int begin(const char *args)
{
	char how[16], path[512];
	long off, pages;
	struct uffd_msg msg;

	if (sscanf(args, "%15s %511s %ld %ld %d", how, path, &off, &pages, &byte) != 5)
		return printf("error usage\n");
	job[0].how = how[0];
	job[0].off = off;
	job[0].len = (size_t)pages * 4096;
	job[0].fd = open(path, O_RDWR);
	job[0].buf = trap_buffer(job[0].len);
	if (job[0].fd < 0 || !job[0].buf || lseek(job[0].fd, off, SEEK_SET) < 0 || start(0))
		return printf("error %s\n", strerror(errno));
	if (read(uffd, &msg, sizeof(msg)) != sizeof(msg))
		return printf("error read uffd: %s\n", strerror(errno));
	return printf("begun %d\n", job[0].tid);
}

static int second(const char *args)
{
	long pages;
	int value;

	if (sscanf(args, "%ld %d", &pages, &value) != 2)
		return printf("error usage\n");
	job[1].fd = job[0].fd;
	job[1].len = (size_t)pages * 4096;
	job[1].buf = malloc(job[1].len);
	memset(job[1].buf, value, job[1].len);
	if (start(1))
		return printf("error %s\n", strerror(errno));
	return printf("begun %d\n", job[1].tid);
}

static int release(void)
{
	size_t half = job[0].len / 2;
	char *rest = malloc(half);
	struct uffdio_copy copy = { .dst = (uintptr_t)job[0].buf + half,
				    .src = (uintptr_t)rest,
				    .len = half };

	memset(rest, byte, half);
	if (ioctl(uffd, UFFDIO_COPY, &copy))
		return printf("error UFFDIO_COPY: %s\n", strerror(errno));
	pthread_join(job[0].thread, NULL);
	if (job[1].tid)
		pthread_join(job[1].thread, NULL);
	close(uffd);
	free(rest);
	return printf("done %zd\n", job[0].ret);
}

static int dup_away(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, job[0].fd) < 0)
		return printf("error dup2: %s\n", strerror(errno));
	return printf("ok\n");
}

int main(void)
{
	char line[1024];

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready %d\n", getpid());
	while (fgets(line, sizeof(line), stdin)) {
		if (!strncmp(line, "begin ", 6))
			begin(line + 6);
		else if (!strncmp(line, "second ", 7))
			second(line + 7);
		else if (!strncmp(line, "dupaway", 7))
			dup_away();
		else if (!strncmp(line, "release", 7))
			release();
		else
			printf("error what?\n");
	}
	return 0;
}
