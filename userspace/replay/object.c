/* SPDX-License-Identifier: MIT */
/* object.c: each page-cache object of the trace is one memfd, whose pages and size are those that the trace tells. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "replay/state.h"
#include "util/err.h"

#define PAGE 4096ull

static struct robject *find(struct replay *rp, uint32_t id)
{
	struct robject *o;

	HASH_FIND_INT(rp->objects, &id, o);
	return o;
}

int robject__fd(struct replay *rp, uint32_t id)
{
	const struct robject *o = find(rp, id);

	return o ? o->fd : -1;
}

static int on_object(struct replay *rp, const struct ev_object *ev)
{
	struct robject *o = find(rp, ev->object);

	if (o)
		return 0;
	o = calloc(1, sizeof(*o));
	if (!o)
		return err__set(-ENOMEM, "no memory");
	o->id = ev->object;
	o->users = 1;
	o->fd = memfd_create("bprec", MFD_CLOEXEC);
	if (o->fd < 0 || ftruncate(o->fd, (off_t)ev->size)) {
		const int err = -errno;

		free(o);
		return replay__fail(rp, err, "a memory file of %llu bytes: %s",
				    (unsigned long long)ev->size, strerror(-err));
	}
	o->size = ev->size;
	HASH_ADD_INT(rp->objects, id, o);
	return 0;
}

static int put_zeros(struct robject *o, uint64_t at, uint64_t len)
{
	return fallocate(o->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)len)
		       ? -errno
		       : 0;
}

/** One page of contents, cut at the end of the object. */
static int put_page(struct replay *rp, struct robject *o, uint64_t id, uint64_t at)
{
	uint8_t page[PAGE];
	uint64_t n = o->size - at < PAGE ? o->size - at : PAGE;
	int err = reader__page(rp->rd, id, page);

	if (err == -ENODATA)
		return 0;
	if (err)
		return err__set(err, "%s", reader__error(rp->rd));
	if (pwrite(o->fd, page, n, (off_t)at) != (ssize_t)n)
		return err__set(-errno, "filling a memory file: %s", strerror(errno));
	return 0;
}

static int put_run(struct replay *rp, struct robject *o, uint64_t at, const struct page_run *r)
{
	int err = 0;

	if (r->first == BPREC_PAGE_ABSENT || r->first == BPREC_PAGE_LOST || at >= o->size)
		return 0;
	if (r->first == BPREC_PAGE_ZERO && !r->step)
		return put_zeros(o, at, r->count * PAGE);
	for (uint32_t i = 0; i < r->count && !err && at < o->size; i++, at += PAGE)
		err = put_page(rp, o, r->first + (uint64_t)r->step * i, at);
	return err;
}

static int on_pages(struct replay *rp, const struct ev_pages *ev)
{
	const struct page_run *r = (const void *)(ev + 1);
	struct robject *o = find(rp, ev->object);
	uint64_t at = ev->first * PAGE;
	int err = 0;

	if (!o)
		return replay__fail(rp, -REPLAY_E_CANT, "object %u is not known", ev->object);
	err = checkpoint__save(rp, o);
	if (err)
		return err;
	checkpoint__cut(rp, o, ev->size);
	if (o->size != ev->size && ftruncate(o->fd, (off_t)ev->size))
		return replay__fail(rp, -errno, "a memory file of %llu bytes: %s",
				    (unsigned long long)ev->size, strerror(errno));
	o->size = ev->size;
	for (uint32_t i = 0; i < ev->nruns && !err; i++) {
		err = put_run(rp, o, at, &r[i]);
		at += r[i].count * PAGE;
	}
	return err;
}

int robject__event(struct replay *rp, const struct event_header *ev)
{
	const struct ev_pages *pages = (const void *)(ev + 1);

	if (ev->type == EV_OBJECT)
		return on_object(rp, (const void *)(ev + 1));
	if (pages->why == PAGES_COMPARED)
		return 0; /* what insiders have stored: their code does it here, too */
	return on_pages(rp, pages);
}

int robject__share(struct replay *rp, uint32_t id)
{
	struct robject *o = find(rp, id);
	int err;

	if (!o || o->shared)
		return 0;
	err = checkpoint__save(rp, o);
	o->shared = true;
	return err;
}

void robject__put(struct robject *o)
{
	if (--o->users)
		return;
	close(o->fd);
	free(o);
}

void robject__drop(struct replay *rp, struct robject *o)
{
	HASH_DEL(rp->objects, o);
	robject__put(o);
}

void robject__free_all(struct replay *rp)
{
	struct robject *o, *tmp;

	HASH_ITER (hh, rp->objects, o, tmp) {
		robject__drop(rp, o);
	}
}
