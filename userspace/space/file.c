/* SPDX-License-Identifier: MIT */
#include "space/space.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "space/read.h"

#define CLONE_MIN_PAGES 256u	   /* smaller files are copied */
#define CLONE_MAX_PAGES (1u << 22) /* 16 GiB: bounds the array of ids */
#define REFUSERS	8u

/* File systems that refused to clone. */
static struct {
	dev_t dev[REFUSERS];
	unsigned int n; /* refusals so far; the oldest are forgotten */
} refused;

static bool has_refused(dev_t dev)
{
	for (unsigned int i = 0; i < refused.n && i < REFUSERS; i++) {
		if (refused.dev[i] == dev)
			return true;
	}
	return false;
}

/* Is a clone of this file worth trying for pages [0, npages)? Not for a sparse one: its clone is read as a whole. */
static bool may_clone(const struct stat *st, uint64_t npages)
{
	const uint64_t size = (uint64_t)st->st_size;

	return S_ISREG(st->st_mode) && npages >= CLONE_MIN_PAGES && npages <= CLONE_MAX_PAGES &&
	       npages == (size + BPREC_PAGE_SIZE - 1) / BPREC_PAGE_SIZE &&
	       (uint64_t)st->st_blocks * 512 >= size && !has_refused(st->st_dev);
}

/* 0: all pages are in ret; -EOPNOTSUPP: nothing was done; else the writer's -errno. */
static int save_clone(struct writer *w, int fd, const struct stat *st, uint64_t npages,
		      struct space_runs *ret, uint64_t *ret_size)
{
	uint64_t *ids = malloc(npages * sizeof(*ids));

	if (!ids)
		return -EOPNOTSUPP;
	int err = writer__clone(w, fd, npages, ids, ret_size);
	if (err == -EOPNOTSUPP || err == -EXDEV) {
		refused.dev[refused.n++ % REFUSERS] = st->st_dev;
		err = -EOPNOTSUPP;
	} else if (err == -EINVAL) {
		err = -EOPNOTSUPP;
	}
	for (uint64_t i = 0; i < npages && !err; i++)
		err = space_runs__add(ret, ids[i]);
	free(ids);
	return err;
}

/* A sink that stores. */
struct saving {
	struct page_sink sink;
	struct writer *w;
	struct space_runs *runs;
	uint64_t lost; /* pages */
};

static int save_page(struct page_sink *s, uint64_t index, const void *data)
{
	struct saving *v = (struct saving *)s;
	uint64_t id;
	int err = writer__page(v->w, data, &id);

	(void)index;
	return err ? err : space_runs__add(v->runs, id);
}

static int save_same(struct page_sink *s, uint64_t index, uint64_t n, uint64_t id)
{
	struct saving *v = (struct saving *)s;

	(void)index;
	if (id == BPREC_PAGE_LOST)
		v->lost += n;
	return space_runs__add_many(v->runs, id, n);
}

int space__save_file(struct writer *w, int fd, uint64_t first, uint64_t npages,
		     struct space_runs *ret, uint64_t *ret_size, uint64_t *ret_lost)
{
	struct saving s = { .sink = { save_page, save_same }, .w = w, .runs = ret };
	int err = -EOPNOTSUPP;
	struct stat st;

	if (!first && fstat(fd, &st) == 0 && may_clone(&st, npages))
		err = save_clone(w, fd, &st, npages, ret, ret_size);
	if (err == -EOPNOTSUPP)
		err = space_read__file(&s.sink, fd, first, npages, ret_size);
	if (!err && ret_lost)
		*ret_lost = s.lost;
	return err;
}
