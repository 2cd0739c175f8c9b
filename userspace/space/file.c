/* SPDX-License-Identifier: MIT */
/*
 * file.c: pages of a file into the page store.
 *
 * The file is read in chunks of at most CHUNK bytes; each chunk is the one copy that is hashed, compared and stored. Holes
 * are skipped by SEEK_DATA and SEEK_HOLE (man 2 lseek): they read as zeros, and zeros cost nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "space/space.h"

#define CHUNK (1u << 20)
#define CHUNK_PAGES (CHUNK / BPREC_PAGE_SIZE)
#define CLONE_MIN_PAGES 256 /* smaller files are copied */

static uint8_t chunk[CHUNK] __attribute__((aligned(4096)));

uint64_t space__now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/** What is done with each page that was read, or with a run of pages that are all alike. */
struct sink {
	int (*page)(struct sink *s, uint64_t index, const void *data);
	int (*same)(struct sink *s, uint64_t index, uint64_t n, uint64_t id);
};

/** Reads [at, at + len) into the chunk; what lies beyond the end becomes zeros. Bytes read, or -errno. */
static ssize_t read_chunk(int fd, uint64_t at, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, chunk + got, len - got, at + got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return got ? (ssize_t)got : -errno;
		if (!n)
			break;
		got += n;
	}
	memset(chunk + got, 0, len - got);
	return got;
}

/** Passes pages [first, end), all within the file's size, chunk by chunk; a page that can't be read is LOST. */
static int pass_data(struct sink *s, int fd, uint64_t first, uint64_t end)
{
	int err = 0;

	while (first < end && !err) {
		uint64_t n = end - first < CHUNK_PAGES ? end - first : CHUNK_PAGES;
		const uint64_t at = first * BPREC_PAGE_SIZE;
		ssize_t got = read_chunk(fd, at, n * BPREC_PAGE_SIZE);
		uint64_t whole;

		if (got < 0) {
			err = s->same(s, first, 1, BPREC_PAGE_LOST);
			first++;
			continue;
		}
		whole = (got + BPREC_PAGE_SIZE - 1) / BPREC_PAGE_SIZE;
		if (!whole) /* it became shorter while we read */
			return s->same(s, first, end - first, BPREC_PAGE_ABSENT);
		for (uint64_t i = 0; i < whole && !err; i++)
			err = s->page(s, first + i, chunk + i * BPREC_PAGE_SIZE);
		first += whole;
	}
	return err;
}

/** Start of the next data at or after page `first`, at most `end`; in pages. */
static uint64_t next_data(int fd, uint64_t first, uint64_t end)
{
	off_t at = lseek(fd, first * BPREC_PAGE_SIZE, SEEK_DATA);

	if (at < 0)
		return errno == ENXIO ? end : first;
	return (uint64_t)at / BPREC_PAGE_SIZE < end ? (uint64_t)at / BPREC_PAGE_SIZE : end;
}

static uint64_t next_hole(int fd, uint64_t first, uint64_t end)
{
	off_t at = lseek(fd, first * BPREC_PAGE_SIZE, SEEK_HOLE);
	uint64_t page;

	if (at < 0)
		return end;
	page = (at + BPREC_PAGE_SIZE - 1) / BPREC_PAGE_SIZE;
	return page < end && page > first ? page : page >= end ? end : first + 1;
}

/** Passes pages [first, first + n) of a file in order. */
static int pass_file(struct sink *s, int fd, uint64_t first, uint64_t n, uint64_t *ret_size)
{
	uint64_t end = n > ~0ull - first ? ~0ull : first + n, in_file, at = first;
	struct stat st;
	int err = 0;

	if (fstat(fd, &st))
		return -errno;
	*ret_size = st.st_size;
	if (S_ISBLK(st.st_mode))
		*ret_size = lseek(fd, 0, SEEK_END);
	in_file = (*ret_size + BPREC_PAGE_SIZE - 1) / BPREC_PAGE_SIZE;
	in_file = in_file < end ? in_file : end;
	while (at < in_file && !err) {
		uint64_t data = next_data(fd, at, in_file), hole;

		if (data > at) {
			err = s->same(s, at, data - at, BPREC_PAGE_ZERO);
			at = data;
			continue;
		}
		hole = next_hole(fd, at, in_file);
		err = pass_data(s, fd, at, hole);
		at = hole;
	}
	if (!err && at < end)
		err = s->same(s, at, end - at, BPREC_PAGE_ABSENT);
	return err;
}

/** A sink that stores. */
struct saving {
	struct sink sink;
	struct writer *w;
	struct space_runs *runs;
	uint64_t lost;
};

static int save_page(struct sink *s, uint64_t index, const void *data)
{
	struct saving *v = (struct saving *)s;
	uint64_t id;
	int err = writer__page(v->w, data, &id);

	(void)index;
	return err ? err : space_runs__add(v->runs, id);
}

static int save_same(struct sink *s, uint64_t index, uint64_t n, uint64_t id)
{
	struct saving *v = (struct saving *)s;

	(void)index;
	if (id == BPREC_PAGE_LOST)
		v->lost += n;
	return space_runs__add_many(v->runs, id, n);
}

/** Whole files go into the trace by reference where the file system can. 1: done, 0: not, or -errno. */
static int try_clone(struct writer *w, int fd, uint64_t npages, struct space_runs *runs,
		     uint64_t *ret_size)
{
	static bool given_up;
	uint64_t *ids;
	int err;

	if (given_up || npages < CLONE_MIN_PAGES || npages > (1u << 24))
		return 0;
	ids = malloc(npages * sizeof(*ids));
	if (!ids)
		return 0;
	err = writer__clone(w, fd, npages, ids, ret_size);
	for (uint64_t i = 0; i < npages && !err; i++)
		err = space_runs__add(runs, ids[i]);
	free(ids);
	if (err == -EOPNOTSUPP || err == -EXDEV || err == -EINVAL) {
		given_up = true;
		return 0;
	}
	return err ? err : 1;
}

int space__save_file(struct writer *w, int fd, uint64_t first, uint64_t npages,
		     struct space_runs *ret, uint64_t *ret_size, uint64_t *ret_lost)
{
	struct saving s = { { save_page, save_same }, w, ret, 0 };
	struct stat st;
	int err = 0;

	if (!first && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	    npages == (st.st_size + BPREC_PAGE_SIZE - 1ull) / BPREC_PAGE_SIZE)
		err = try_clone(w, fd, npages, ret, ret_size);
	if (err)
		return err < 0 ? err : 0;
	err = pass_file(&s.sink, fd, first, npages, ret_size);
	if (!err && ret_lost)
		*ret_lost = s.lost;
	return err;
}

/** A sink that compares. */
struct comparing {
	struct sink sink;
	struct writer *w;
	const struct model *m;
	uint32_t object;
	struct space_diffs *diffs;
};

static int add_diff(struct space_diffs *d, uint64_t index, uint64_t old_id, uint64_t new_id)
{
	if (d->n == d->cap) {
		size_t cap = d->cap ? 2 * d->cap : 16;
		struct space_diff *v = realloc(d->v, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		d->v = v;
		d->cap = cap;
	}
	d->v[d->n++] = (struct space_diff){ index, old_id, new_id };
	return 0;
}

static int compare_page(struct sink *s, uint64_t index, const void *data)
{
	struct comparing *c = (struct comparing *)s;
	const uint64_t old = model__object_page(c->m, c->object, index);
	uint64_t id;
	int err;

	if (writer__page_is(c->w, old, data))
		return 0;
	err = writer__page(c->w, data, &id);
	return err || id == old ? err : add_diff(c->diffs, index, old, id);
}

static int compare_same(struct sink *s, uint64_t index, uint64_t n, uint64_t id)
{
	struct comparing *c = (struct comparing *)s;
	int err = 0;

	for (uint64_t i = 0; i < n && !err; i++) {
		const uint64_t old = model__object_page(c->m, c->object, index + i);

		if (old != id)
			err = add_diff(c->diffs, index + i, old, id);
	}
	return err;
}

int space__compare_file(struct writer *w, const struct model *m, uint32_t object, int fd,
			uint64_t first, uint64_t npages, struct space_diffs *ret,
			uint64_t *ret_size)
{
	struct comparing c = { { compare_page, compare_same }, w, m, object, ret };

	return pass_file(&c.sink, fd, first, npages, ret_size);
}

void space_diffs__free(struct space_diffs *d)
{
	free(d->v);
	memset(d, 0, sizeof(*d));
}
