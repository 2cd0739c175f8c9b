/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.c: the whole replay, copied, to come back to.
 *
 * Stubs are forked where they stand (1 to 2 ms for 10 MB of memory) and stay stopped; model, descriptors and the events that were
 * read ahead are copied. To come back, the stubs of the moment are ended and the checkpoint's are forked once more, so it can
 * be used any number of times.
 *
 * Memfds are shared between a checkpoint's stubs and those that run, since there is only one replay that goes on. What they held
 * is saved the first time that the replay changes them afterwards (checkpoint__save), at once if a stub can (a shared mapping),
 * and put back when the replay returns. Invariant: an object whose `version` is that of a checkpoint's entry holds what it held
 * then, or the entry has a copy.
 *
 * What can't be done, and is said: memory that the program keeps from its children by madvise would be missing in the
 * copy; private pages behind a new end of a file are dropped by the kernel in every mapping (mmap(2), truncate), so a checkpoint
 * that had some there is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "replay/state.h"
#include "tracee/tracee.h"
#include "util/err.h"

#define CHUNK (256u << 10)

/** An object as a checkpoint knows it. The number may mean another memfd meanwhile, made after the replay went back. */
struct saved {
	struct robject *o; /* one of its users */
	uint64_t version, size;
	bool shared;
	int fd; /* what it held; -1: it still does */
};

struct checkpoint {
	struct checkpoint *next; /* of the same replay */
	struct replay *rp;
	struct replay *copy; /* tasks, model, files, window and numbers; nothing else is its own */
	struct saved *objects;
	size_t n;
	bool cut; /* pages of its stubs are lost */
};

static int copy_range(int from, int to, off_t at, off_t end)
{
	char *buf = malloc(CHUNK);
	int err = buf ? 0 : -ENOMEM;

	while (!err && at < end) {
		const size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
		const ssize_t n = pread(from, buf, want, at);

		if (n <= 0 || pwrite(to, buf, n, at) != n)
			err = n < 0 ? -errno : -EIO;
		at += n;
	}
	free(buf);
	return err;
}

/** Makes `to` hold what `from` does; holes stay holes. */
static int copy_contents(int from, int to, uint64_t size)
{
	off_t at = 0, data, hole;
	int err = 0;

	fallocate(to, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, INT64_MAX & ~4095ll);
	if (ftruncate(to, (off_t)size))
		return -errno;
	while (!err && (data = lseek(from, at, SEEK_DATA)) >= 0) {
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		err = copy_range(from, to, data, hole);
		at = hole;
	}
	return err;
}

static int save(const struct robject *o, struct saved *s)
{
	int err;

	s->fd = memfd_create("bprec", MFD_CLOEXEC);
	if (s->fd < 0)
		return err__set(-errno, "a memory file: %s", strerror(errno));
	err = copy_contents(o->fd, s->fd, o->size);
	return err ? err__set(err, "copying a memory file: %s", strerror(-err)) : 0;
}

static struct saved *entry(struct checkpoint *c, const struct robject *o)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->objects[i].o == o)
			return &c->objects[i];
	return NULL;
}

int checkpoint__save(struct replay *rp, struct robject *o)
{
	int err = 0;

	for (struct checkpoint *c = rp->points; c && !err; c = c->next) {
		struct saved *s = entry(c, o);

		if (s && s->fd < 0 && s->version == o->version)
			err = save(o, s);
	}
	o->version = ++rp->versions;
	return err;
}

/** Does one of the checkpoint's stubs map the object privately behind `size`? */
static bool maps_behind(const struct checkpoint *c, uint32_t object, uint64_t size)
{
	for (const struct rtask *t = c->copy->tasks; t; t = t->hh.next) {
		const struct model_space *s = model__space(c->copy->m, t->space->id);

		for (size_t i = 0; s && i < s->nvmas; i++) {
			const struct model_vma *v = &s->vmas[i];

			if (v->object == object && (v->flags & MAP_TYPE) == MAP_PRIVATE &&
			    v->offset + (v->end - v->addr) > size)
				return true;
		}
	}
	return false;
}

void checkpoint__cut(struct replay *rp, const struct robject *o, uint64_t size)
{
	for (struct checkpoint *c = rp->points; c && size < o->size; c = c->next)
		if (entry(c, o))
			c->cut |= maps_behind(c, o->id, size);
}

static struct event_header *copy_event(const struct event_header *ev)
{
	struct event_header *c = ev ? malloc(ev->size) : NULL;

	return c ? memcpy(c, ev, ev->size) : NULL;
}

static int copy_window(struct window *to, const struct window *from)
{
	*to = *from;
	to->n = 0;
	to->text = from->text ? strdup(from->text) : NULL;
	for (uint32_t i = 0; i < from->n; i++) {
		const size_t at = (from->first + i) % WINDOW_EVENTS;

		to->ev[at] = copy_event(from->ev[at]);
		if (!to->ev[at])
			return err__set(-ENOMEM, "no memory");
		to->n++;
	}
	return 0;
}

/** The copy of a thread that shares memory with t, if there is one already. */
static struct rtask *sharer(struct replay *to, const struct rtask *t)
{
	for (struct rtask *u = to->tasks; u; u = u->hh.next)
		if (u->space && u->space->id == t->space->id)
			return u;
	return NULL;
}

/** Forks the stub: from t, or from the copy of a thread that shares its memory. */
static int copy_stub(struct replay *to, struct rtask *t, struct rtask *c)
{
	struct rtask *u = sharer(to, t);
	int err;

	if (u) {
		err = stub__clone(to, u->real, true, &c->real);
		u->dirty = true;
		c->space = u->space;
		c->space->users++;
		return err ? err : rtask__copy_xstate(t, c);
	}
	c->space = calloc(1, sizeof(*c->space));
	if (!c->space)
		return err__set(-ENOMEM, "no memory");
	*c->space = *t->space;
	c->space->users = 1;
	err = rspace__set_auxv(c->space, t->space->auxv, t->space->auxv_len);
	if (!err)
		err = stub__clone(to, t->real, false, &c->real);
	t->dirty = true;
	return err ? err : rtask__copy_xstate(t, c);
}

static int copy_task(struct replay *to, struct rtask *t)
{
	struct rtask *c = malloc(sizeof(*c));
	int err;

	if (!c)
		return err__set(-ENOMEM, "no memory");
	*c = *t;
	c->real = 0;
	c->space = NULL;
	c->words = copy_event(t->words);
	c->memhash = copy_event(t->memhash);
	err = (t->words && !c->words) || (t->memhash && !c->memhash)
		      ? err__set(-ENOMEM, "no memory")
		      : copy_stub(to, t, c);
	c->dirty = true;
	HASH_ADD_INT(to->tasks, tid, c);
	return err;
}

/** Makes `to` what `from` is, objects aside; `to` has no tasks, model, files and window. */
static int copy_state(struct replay *to, struct replay *from)
{
	int err;

	to->m = model__clone(from->m);
	to->files = files__clone(from->files);
	if (!to->m || !to->files)
		return err__set(-ENOMEM, "no memory");
	err = copy_window(&to->window, &from->window);
	for (struct rtask *t = from->tasks; t && !err; t = t->hh.next)
		err = copy_task(to, t);
	to->no = from->no;
	to->type = from->type;
	to->tid = from->tid;
	to->begun = from->begun;
	to->root = from->root;
	to->st = from->st;
	memcpy(to->last, from->last, sizeof(to->last));
	to->nlast = from->nlast;
	to->regroup = true;
	return err;
}

static void drop_state(struct replay *rp)
{
	rtask__free_all(rp);
	model__free(rp->m);
	files__free(rp->files);
	rp->m = NULL;
	rp->files = NULL;
	window__clear(rp);
}

/** Takes note of the objects; those that stubs can change by themselves are copied now. */
static int note_objects(struct checkpoint *c, struct replay *rp)
{
	int err = 0;

	c->objects = calloc(HASH_COUNT(rp->objects) + 1, sizeof(*c->objects));
	if (!c->objects)
		return err__set(-ENOMEM, "no memory");
	for (struct robject *o = rp->objects; o && !err; o = o->hh.next) {
		struct saved *s = &c->objects[c->n++];

		*s = (struct saved){ o, o->version, o->size, o->shared, -1 };
		o->users++;
		if (o->shared)
			err = save(o, s);
	}
	return err;
}

/** May it be copied? */
static int check(const struct replay *rp)
{
	for (const struct rtask *t = rp->tasks; t; t = t->hh.next) {
		if (t->state == RTASK_RUNNING)
			return err__set(-EBUSY, "thread %u runs", t->tid);
		if (t->space && t->space->kept)
			return err__set(
				-REPLAY_E_CANT,
				"process %u keeps memory from its children by madvise: it can't be "
				"copied",
				t->pid);
	}
	return rp->m ? 0 : err__set(-EINVAL, "this replay has failed");
}

int replay__checkpoint(struct replay *rp, struct checkpoint **ret)
{
	struct checkpoint *c;
	int err = check(rp);

	if (err)
		return err;
	c = calloc(1, sizeof(*c));
	if (!c)
		return err__set(-ENOMEM, "no memory");
	c->rp = rp;
	c->next = rp->points;
	rp->points = c;
	c->copy = calloc(1, sizeof(*c->copy));
	err = c->copy ? 0 : err__set(-ENOMEM, "no memory");
	if (!err) {
		c->copy->empty_regs = rp->empty_regs;
		err = copy_state(c->copy, rp);
	}
	if (!err)
		err = note_objects(c, rp);
	if (err) {
		checkpoint__free(c);
		return err;
	}
	*ret = c;
	return 0;
}

/** Puts back what an object held. */
static int put_back(struct replay *rp, const struct saved *s)
{
	struct robject *o = s->o;
	int err;

	if (s->fd < 0)
		return 0;
	err = checkpoint__save(rp, o);
	if (err)
		return err;
	checkpoint__cut(rp, o, s->size);
	err = copy_contents(s->fd, o->fd, s->size);
	if (err)
		return err__set(err, "filling a memory file: %s", strerror(-err));
	o->size = s->size;
	o->version = s->shared ? ++rp->versions : s->version;
	o->shared = s->shared;
	return 0;
}

/** The table of objects, and what they held, as it was. */
static int restore_objects(struct checkpoint *c, struct replay *rp)
{
	struct robject *o, *tmp;
	int err = 0;

	HASH_ITER (hh, rp->objects, o, tmp) {
		robject__drop(rp, o);
	}
	for (size_t i = 0; i < c->n; i++) {
		o = c->objects[i].o;
		o->users++;
		HASH_ADD_INT(rp->objects, id, o);
		err = err ? err : put_back(rp, &c->objects[i]);
	}
	return err;
}

int replay__restore(struct replay *rp, struct checkpoint *c)
{
	int err;

	if (c->rp != rp)
		return err__set(-EINVAL, "the checkpoint is of another replay");
	if (c->cut)
		return err__set(
			-REPLAY_E_CANT,
			"a mapped file was cut after this checkpoint, which lost pages by that");
	drop_state(rp);
	err = restore_objects(c, rp);
	if (!err)
		err = copy_state(rp, c->copy);
	if (!err && reader__seek(rp->rd, rp->window.first + rp->window.n))
		err = err__set(-EIO, "%s", reader__error(rp->rd));
	place__settle(rp);
	return err;
}

void checkpoint__free(struct checkpoint *c)
{
	struct checkpoint **p;

	if (!c)
		return;
	for (p = &c->rp->points; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	if (c->copy)
		drop_state(c->copy);
	for (size_t i = 0; i < c->n; i++) {
		robject__put(c->objects[i].o);
		if (c->objects[i].fd >= 0)
			close(c->objects[i].fd);
	}
	free(c->objects);
	free(c->copy);
	free(c);
}
