/* SPDX-License-Identifier: MIT */
/*
 * descriptors.c: which descriptors of a recorded process lead to the command's stdout and stderr.
 *
 * Only these few are remembered, per table of descriptors (threads share one). A number that isn't listed leads elsewhere. A
 * descriptor that came through a socket (SCM_RIGHTS) is not followed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/close_range.h>
#include <asm/unistd.h>

#include "replay/state.h"
#include "util/err.h"

#define MAX_LISTED 64

/** A table of descriptors: those of them that lead to a stream. */
struct descriptors {
	uint32_t users; /* threads that share it */
	uint32_t n;
	struct {
		int fd;
		int stream; /* 1 or 2 */
		bool cloexec;
	} v[MAX_LISTED];
};

struct descriptors *descriptors__new(void)
{
	struct descriptors *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->users = 1;
	d->n = 2;
	d->v[0].fd = d->v[0].stream = 1;
	d->v[1].fd = d->v[1].stream = 2;
	return d;
}

struct descriptors *descriptors__share(struct descriptors *d)
{
	d->users++;
	return d;
}

struct descriptors *descriptors__copy(const struct descriptors *d)
{
	struct descriptors *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	*c = *d;
	c->users = 1;
	return c;
}

void descriptors__put(struct descriptors *d)
{
	if (d && !--d->users)
		free(d);
}

int descriptors__stream(const struct descriptors *d, int fd)
{
	for (uint32_t i = 0; i < d->n; i++)
		if (d->v[i].fd == fd)
			return d->v[i].stream;
	return -1;
}

static void drop(struct descriptors *d, unsigned int first, unsigned int last)
{
	for (uint32_t i = 0; i < d->n;) {
		if ((unsigned int)d->v[i].fd >= first && (unsigned int)d->v[i].fd <= last)
			d->v[i] = d->v[--d->n];
		else
			i++;
	}
}

static void set(struct descriptors *d, int fd, int stream, bool cloexec)
{
	drop(d, fd, fd);
	if (stream < 0 || d->n == MAX_LISTED)
		return;
	d->v[d->n].fd = fd;
	d->v[d->n].stream = stream;
	d->v[d->n++].cloexec = cloexec;
}

static void set_cloexec(struct descriptors *d, unsigned int first, unsigned int last, bool on)
{
	for (uint32_t i = 0; i < d->n; i++)
		if ((unsigned int)d->v[i].fd >= first && (unsigned int)d->v[i].fd <= last)
			d->v[i].cloexec = on;
}

int descriptors__alone(struct rtask *t)
{
	struct descriptors *d;

	if (t->fds->users == 1)
		return 0;
	d = descriptors__copy(t->fds);
	if (!d)
		return err__set(-ENOMEM, "no memory");
	descriptors__put(t->fds);
	t->fds = d;
	return 0;
}

int descriptors__exec(struct rtask *t)
{
	int err = descriptors__alone(t);

	for (uint32_t i = 0; !err && i < t->fds->n;) {
		if (t->fds->v[i].cloexec)
			t->fds->v[i] = t->fds->v[--t->fds->n];
		else
			i++;
	}
	return err;
}

/** Descriptor that a name like /dev/stdout or /proc/self/fd/1 stands for, -1: none. */
static int named(const char *path)
{
	int fd;
	char end;

	if (!strcmp(path, "/dev/stdout"))
		return 1;
	if (!strcmp(path, "/dev/stderr"))
		return 2;
	if (sscanf(path, "/dev/fd/%d%c", &fd, &end) == 1 ||
	    sscanf(path, "/proc/self/fd/%d%c", &fd, &end) == 1)
		return fd;
	return -1;
}

static void opened(struct rtask *t, const struct ev_syscall *c, uint64_t name, uint64_t flags)
{
	char path[32] = "";

	mem__read(t, name, path, sizeof(path) - 1);
	set(t->fds, (int)c->ret, descriptors__stream(t->fds, named(path)), flags & O_CLOEXEC);
}

static int range_closed(struct rtask *t, const struct ev_syscall *c)
{
	int err = c->args[2] & CLOSE_RANGE_UNSHARE ? descriptors__alone(t) : 0;

	if (!err && (c->args[2] & CLOSE_RANGE_CLOEXEC))
		set_cloexec(t->fds, c->args[0], c->args[1], true);
	else if (!err)
		drop(t->fds, c->args[0], c->args[1]);
	return err;
}

static void controlled(struct rtask *t, const struct ev_syscall *c)
{
	const int stream = descriptors__stream(t->fds, (int)c->args[0]);

	if (c->args[1] == F_DUPFD || c->args[1] == F_DUPFD_CLOEXEC)
		set(t->fds, (int)c->ret, stream, c->args[1] == F_DUPFD_CLOEXEC);
	else if (c->args[1] == F_SETFD)
		set_cloexec(t->fds, c->args[0], c->args[0], c->args[2] & FD_CLOEXEC);
}

int descriptors__call(struct rtask *t, const struct ev_syscall *c)
{
	if (c->nr == __NR_close) /* also when it failed, as with EIO: the number is free */
		drop(t->fds, c->args[0], c->args[0]);
	if (c->ret < 0)
		return 0;
	switch (c->nr) {
	case __NR_dup:
		set(t->fds, (int)c->ret, descriptors__stream(t->fds, (int)c->args[0]), false);
		break;
	case __NR_dup2:
	case __NR_dup3:
		if (c->args[0] != c->args[1])
			set(t->fds, (int)c->ret, descriptors__stream(t->fds, (int)c->args[0]),
			    c->nr == __NR_dup3 && (c->args[2] & O_CLOEXEC));
		break;
	case __NR_fcntl:
		controlled(t, c);
		break;
	case __NR_close_range:
		return range_closed(t, c);
	case __NR_unshare:
		return c->args[0] & CLONE_FILES ? descriptors__alone(t) : 0;
	case __NR_open:
		opened(t, c, c->args[0], c->args[1]);
		break;
	case __NR_openat:
		opened(t, c, c->args[1], c->args[2]);
		break;
	default:
		break;
	}
	return 0;
}
