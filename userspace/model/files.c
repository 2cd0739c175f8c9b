/* SPDX-License-Identifier: MIT */
/*
 * files.c: descriptors that lead to the command's original stdin, stdout and stderr.
 *
 * Only those are kept: a table is a short list, and a number that is not in it leads elsewhere. Nothing needs to be done for a
 * call that returns a descriptor, then, but for an open of /dev/stdout and its kin: the kernel gives out a number only
 * after it was closed, and each way of closing is followed here. Tables are shared by CLONE_FILES and copied otherwise.
 * Descriptors that come in by SCM_RIGHTS are taken for what was sent by the oldest message not yet received that holds as
 * many: a guess, as the socket is not known.
 */
#include "model/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <Judy.h>

#define MAX_RIGHTS 253 /* SCM_MAX_FD of include/net/scm.h */
#define MAX_SENT   16  /* messages with descriptors that wait for their receiver */

/** A descriptor that leads to a stream. */
struct entry {
	int fd;
	int8_t stream; /* 0, 1, 2 */
	bool cloexec;
};

/** A descriptor table. */
struct table {
	size_t users; /* threads */
	size_t n, cap;
	struct entry *v;
};

/** Descriptors that travel in one message. */
struct sent {
	size_t n;
	int8_t stream[MAX_RIGHTS]; /* -1: another file */
};

/** All state. */
struct files {
	void *tables; /* JudyL: tid -> struct table */
	struct sent sent[MAX_SENT];
	size_t nsent;
};

/** One call being applied. */
struct call {
	struct files *f;
	const struct event_header *ev;
	const struct ev_syscall *sc;
	files_read_fn read;
	void *ctx;
	struct table *t; /* of the thread */
};

static struct table *table_of(const struct files *f, uint32_t tid)
{
	PWord_t v = (PWord_t)JudyLGet(f->tables, tid, NULL);

	return v ? (struct table *)*v : NULL;
}

static struct entry *find(const struct table *t, int fd)
{
	for (size_t i = 0; t && i < t->n; i++)
		if (t->v[i].fd == fd)
			return &t->v[i];
	return NULL;
}

static void drop(struct table *t, int fd)
{
	struct entry *e = find(t, fd);

	if (e)
		*e = t->v[--t->n];
}

/** fd leads to a stream from here on (-1: to none). */
static int set(struct table *t, int fd, int stream, bool cloexec)
{
	drop(t, fd);
	if (stream < 0)
		return 0;
	if (t->n == t->cap) {
		const size_t cap = t->cap ? 2 * t->cap : 4;
		struct entry *v = realloc(t->v, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		t->v = v;
		t->cap = cap;
	}
	t->v[t->n++] = (struct entry){ fd, (int8_t)stream, cloexec };
	return 0;
}

static void put(struct table *t)
{
	if (!t || --t->users)
		return;
	free(t->v);
	free(t);
}

/** A copy of a table (NULL: an empty one) with no user yet. NULL: no memory. */
static struct table *copy(const struct table *from)
{
	struct table *t = calloc(1, sizeof(*t));

	for (size_t i = 0; t && from && i < from->n; i++) {
		if (set(t, from->v[i].fd, from->v[i].stream, from->v[i].cloexec)) {
			free(t->v);
			free(t);
			return NULL;
		}
	}
	return t;
}

/** Gives a thread a table in place of the one it has. */
static int give(struct files *f, uint32_t tid, struct table *t)
{
	PWord_t v = t ? (PWord_t)JudyLIns(&f->tables, tid, NULL) : NULL;

	if (!v || (Pvoid_t)v == PJERR) {
		if (t && !t->users)
			free(t->v), free(t);
		return -ENOMEM;
	}
	t->users++;
	put((struct table *)*v);
	*v = (Word_t)t;
	return 0;
}

static void forget(struct files *f, uint32_t tid)
{
	put(table_of(f, tid));
	JudyLDel(&f->tables, tid, NULL);
}

static int on_process(struct files *f, const struct event_header *ev)
{
	const struct ev_process *p = (const void *)(ev + 1);
	struct table *from = table_of(f, p->parent_tid), *t;
	int err = 0;

	if (from && (p->clone_flags & (CLONE_FILES | CLONE_THREAD)))
		return give(f, ev->tid, from);
	t = copy(from);
	if (!t)
		return -ENOMEM;
	for (int i = 0; i < 3 && p->how == PROC_ROOT && !err; i++)
		err = set(t, i, i, false);
	if (err) {
		free(t->v);
		free(t);
		return err;
	}
	return give(f, ev->tid, t);
}

/** The thread's own table from here on (unshare, exec). */
static int unshare_table(struct files *f, uint32_t tid)
{
	struct table *t = table_of(f, tid);

	return t && t->users == 1 ? 0 : give(f, tid, copy(t));
}

static int on_exec(struct files *f, const struct event_header *ev)
{
	const struct ev_exec *e = (const void *)(ev + 1);
	struct table *t = table_of(f, e->former_tid);
	int err = 0;

	if (t && e->former_tid != ev->tid) {
		err = give(f, ev->tid, t);
		forget(f, e->former_tid);
	}
	if (!err)
		err = unshare_table(f, ev->tid);
	if (err)
		return err;
	t = table_of(f, ev->tid);
	for (size_t i = t->n; i-- > 0;)
		if (t->v[i].cloexec)
			t->v[i] = t->v[--t->n];
	return 0;
}

static int on_dup(struct call *c, int old, int new, bool cloexec)
{
	const struct entry *e = find(c->t, old);

	if (old == new)
		return 0;
	return set(c->t, new, e ? e->stream : -1, cloexec);
}

static int on_fcntl(struct call *c)
{
	const int fd = (int)c->sc->args[0], cmd = (int)c->sc->args[1];
	struct entry *e = find(c->t, fd);

	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		return on_dup(c, fd, (int)c->sc->ret, cmd == F_DUPFD_CLOEXEC);
	if (cmd == F_SETFD && e)
		e->cloexec = c->sc->args[2] & FD_CLOEXEC;
	return 0;
}

static int on_ioctl(struct call *c)
{
	struct entry *e = find(c->t, (int)c->sc->args[0]);

	if (e && ((uint32_t)c->sc->args[1] == FIOCLEX || (uint32_t)c->sc->args[1] == FIONCLEX))
		e->cloexec = (uint32_t)c->sc->args[1] == FIOCLEX;
	return 0;
}

static int on_close_range(struct call *c)
{
	const uint32_t first = (uint32_t)c->sc->args[0], last = (uint32_t)c->sc->args[1];
	const uint32_t flags = (uint32_t)c->sc->args[2];

	if (flags & CLOSE_RANGE_UNSHARE) {
		int err = unshare_table(c->f, c->ev->tid);

		if (err)
			return err;
		c->t = table_of(c->f, c->ev->tid);
	}
	for (size_t i = c->t->n; i-- > 0;) {
		struct entry *e = &c->t->v[i];

		if ((uint32_t)e->fd < first || (uint32_t)e->fd > last)
			continue;
		if (flags & CLOSE_RANGE_CLOEXEC)
			e->cloexec = true;
		else
			*e = c->t->v[--c->t->n];
	}
	return 0;
}

static bool read_all(const struct call *c, uint64_t addr, void *buf, size_t len)
{
	return c->read && c->read(c->ctx, c->ev->tid, addr, buf, len) == (long)len;
}

/** Descriptor that the path of an open names, -1: none. */
static int fd_of_path(const char *path)
{
	static const char *const names[3] = { "/dev/stdin", "/dev/stdout", "/dev/stderr" };
	static const char *const dirs[3] = { "/dev/fd/", "/proc/self/fd/",
					     "/proc/thread-self/fd/" };
	char *end;

	for (int i = 0; i < 3; i++)
		if (!strcmp(path, names[i]))
			return i;
	for (int i = 0; i < 3; i++) {
		const size_t n = strlen(dirs[i]);

		if (strncmp(path, dirs[i], n) || !path[n])
			continue;
		const long fd = strtol(path + n, &end, 10);

		return *end || fd < 0 || fd > 1 << 20 ? -1 : (int)fd;
	}
	return -1;
}

static int on_open(struct call *c, uint64_t path_addr, uint64_t flags)
{
	const struct entry *e;
	char path[48];
	long n;

	drop(c->t, (int)c->sc->ret);
	if (!c->t->n || !c->read)
		return 0;
	if (c->sc->flags & SYSCALL_LOGGED)
		return 0; /* for reading: nothing goes out there; and its path may be gone by now */
	n = c->read(c->ctx, c->ev->tid, path_addr, path, sizeof(path) - 1);
	if (n <= 0 || path[0] != '/')
		return 0;
	path[n] = '\0';
	e = find(c->t, fd_of_path(path));
	return e ? set(c->t, (int)c->sc->ret, e->stream, flags & O_CLOEXEC) : 0;
}

static int on_openat2(struct call *c)
{
	uint64_t flags = 0;

	read_all(c, c->sc->args[2], &flags, sizeof(flags));
	return on_open(c, c->sc->args[1], flags);
}

/** Descriptors in the first SCM_RIGHTS message of a msghdr; returns how many. */
static size_t rights(const struct call *c, uint64_t msg, int fds[MAX_RIGHTS])
{
	struct msghdr m;
	struct cmsghdr h;
	uint64_t at, end;

	if (!read_all(c, msg, &m, sizeof(m)))
		return 0;
	at = (uint64_t)m.msg_control;
	end = at + m.msg_controllen;
	for (; at + sizeof(h) <= end; at += CMSG_ALIGN(h.cmsg_len)) {
		if (!read_all(c, at, &h, sizeof(h)) || h.cmsg_len < sizeof(h))
			return 0;
		if (h.cmsg_level != SOL_SOCKET || h.cmsg_type != SCM_RIGHTS)
			continue;
		const size_t n = (h.cmsg_len - sizeof(h)) / sizeof(int);

		return n <= MAX_RIGHTS && read_all(c, at + sizeof(h), fds, n * sizeof(int)) ? n : 0;
	}
	return 0;
}

static int on_sendmsg(struct call *c)
{
	int fds[MAX_RIGHTS];
	const size_t n = c->t->n ? rights(c, c->sc->args[1], fds) : 0;
	struct sent *s = &c->f->sent[c->f->nsent];
	bool any = false;

	if (!n || c->f->nsent == MAX_SENT)
		return 0;
	for (size_t i = 0; i < n; i++) {
		const struct entry *e = find(c->t, fds[i]);

		s->stream[i] = e ? e->stream : -1;
		any |= e != NULL;
	}
	s->n = n;
	c->f->nsent += any;
	return 0;
}

static int on_recvmsg(struct call *c)
{
	int fds[MAX_RIGHTS], err = 0;
	const size_t n = c->f->nsent ? rights(c, c->sc->args[1], fds) : 0;
	struct files *f = c->f;

	for (size_t k = 0; n && k < f->nsent; k++) {
		if (f->sent[k].n != n)
			continue;
		for (size_t i = 0; i < n && !err; i++)
			err = set(c->t, fds[i], f->sent[k].stream[i],
				  c->sc->args[2] & MSG_CMSG_CLOEXEC);
		memmove(&f->sent[k], &f->sent[k + 1], (--f->nsent - k) * sizeof(f->sent[0]));
		break;
	}
	return err;
}

/** A call that succeeded. */
static int on_success(struct call *c)
{
	const uint64_t *a = c->sc->args;

	switch (c->sc->nr) {
	case SYS_dup:
		return on_dup(c, (int)a[0], (int)c->sc->ret, false);
	case SYS_dup2:
		return on_dup(c, (int)a[0], (int)a[1], false);
	case SYS_dup3:
		return on_dup(c, (int)a[0], (int)a[1], a[2] & O_CLOEXEC);
	case SYS_fcntl:
		return on_fcntl(c);
	case SYS_ioctl:
		return on_ioctl(c);
	case SYS_close_range:
		return on_close_range(c);
	case SYS_unshare:
		return a[0] & CLONE_FILES ? unshare_table(c->f, c->ev->tid) : 0;
	case SYS_open:
		return on_open(c, a[0], a[1]);
	case SYS_creat:
		return on_open(c, a[0], 0);
	case SYS_openat:
		return on_open(c, a[1], a[2]);
	case SYS_openat2:
		return on_openat2(c);
	case SYS_sendmsg:
		return on_sendmsg(c);
	case SYS_recvmsg:
		return on_recvmsg(c);
	default:
		return 0;
	}
}

static int on_syscall(struct files *f, const struct event_header *ev, files_read_fn read, void *ctx)
{
	struct call c = {
		.f = f, .ev = ev, .sc = (const void *)(ev + 1), .read = read, .ctx = ctx
	};

	if (c.sc->nr == SYS_close) { /* closed also where it fails, but for EBADF (man 2 close) */
		if (c.sc->ret != -EBADF && !(c.sc->flags & SYSCALL_SUBSTITUTED))
			drop(table_of(f, ev->tid), (int)c.sc->args[0]);
		return 0;
	}
	if (c.sc->ret < 0 || (c.sc->flags & SYSCALL_SUBSTITUTED))
		return 0;
	c.t = table_of(f, ev->tid);
	return c.t ? on_success(&c) : 0;
}

struct files *files__new(void)
{
	return calloc(1, sizeof(struct files));
}

/** The table of the copy that stands for `from`, which an earlier thread has too; NULL: there is none yet. */
static struct table *twin(const struct files *f, const struct files *of, const struct table *from)
{
	Word_t tid = 0;

	for (PWord_t v = (PWord_t)JudyLFirst(of->tables, &tid, NULL); v;
	     v = (PWord_t)JudyLNext(of->tables, &tid, NULL))
		if ((struct table *)*v == from)
			return table_of(f, (uint32_t)tid);
	return NULL;
}

struct files *files__clone(const struct files *of)
{
	struct files *f = files__new();
	Word_t tid = 0;

	if (!f)
		return NULL;
	memcpy(f->sent, of->sent, sizeof(f->sent));
	f->nsent = of->nsent;
	for (PWord_t v = (PWord_t)JudyLFirst(of->tables, &tid, NULL); v;
	     v = (PWord_t)JudyLNext(of->tables, &tid, NULL)) {
		const struct table *from = (struct table *)*v;
		struct table *t = from->users > 1 ? twin(f, of, from) : NULL;

		if (give(f, (uint32_t)tid, t ? t : copy(from))) {
			files__free(f);
			return NULL;
		}
	}
	return f;
}

void files__free(struct files *f)
{
	Word_t tid = 0;
	PWord_t v;

	if (!f)
		return;
	while ((v = (PWord_t)JudyLFirst(f->tables, &tid, NULL))) {
		put((struct table *)*v);
		JudyLDel(&f->tables, tid, NULL);
	}
	free(f);
}

int files__apply(struct files *f, const struct event_header *ev, files_read_fn read, void *ctx)
{
	switch (ev->type) {
	case EV_SYSCALL:
		return on_syscall(f, ev, read, ctx);
	case EV_PROCESS:
		return on_process(f, ev);
	case EV_EXEC:
		return on_exec(f, ev);
	case EV_EXIT:
		forget(f, ev->tid);
		return 0;
	default:
		return 0;
	}
}

int files__stream(const struct files *f, uint32_t tid, int fd)
{
	const struct entry *e = find(table_of(f, tid), fd);

	return e ? e->stream : -1;
}
