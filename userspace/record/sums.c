/* SPDX-License-Identifier: MIT */
/*
 * sums.c: from sums of the kernel side to changes.
 *
 * A sum is known here from its announcement on. Until it is closed, the outsider may add to it, pages of the same block too: so
 * who is held because of it, and what it explains, is asked of the live slot. Its pages are read only after it was closed and
 * nothing of it was under way; a change after that has an announcement of its own.
 */
#include "record/sums.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

/** Part of a sum: pages that are neighbours. */
struct sum_run {
	uint32_t first, n; /* pages within the block */
	uint64_t
		count; /* changes that began there; 0: of one that is counted where it was announced */
};

/** The run at or after page `from` of the block. False: there is none. */
static bool find_run(const struct ksum *s, uint32_t from, struct sum_run *ret)
{
	while (from < KSUM_PAGES && !(s->touched >> from & 1))
		from++;
	*ret = (struct sum_run){ .first = from };
	for (; from < KSUM_PAGES && s->touched >> from & 1; from++) {
		ret->n++;
		ret->count += s->count[from];
	}
	return ret->n > 0;
}

static void set_pages(struct change *c, const struct ksum *s, const struct sum_run *run)
{
	c->offset = (s->block * KSUM_PAGES + run->first) * BPREC_PAGE_SIZE;
	c->length = (uint64_t)run->n * BPREC_PAGE_SIZE;
	c->count = run->count;
	c->flags |= CHANGE_PAGE_RANGE;
}

/** The pages from the first to the last that is touched. */
static bool hull(const struct ksum *s, uint64_t *first, uint64_t *n)
{
	if (!s->touched)
		return false;
	*first = __builtin_ctz(s->touched);
	*n = 32 - __builtin_clz(s->touched) - *first;
	*first += s->block * KSUM_PAGES;
	return true;
}

void sums__look(const struct recorder *r, struct change *c)
{
	struct ksum s;
	uint64_t first, n;

	if (!kern__sum_look(r->k, c->ke.aux, &s) || !hull(&s, &first, &n))
		return;
	c->offset = first * BPREC_PAGE_SIZE;
	c->length = n * BPREC_PAGE_SIZE;
}

int sums__add_pages(const struct recorder *r, const struct kevent *ke, struct ranges *ret)
{
	struct sum_run run;
	struct ksum s;
	int err = 0;

	if (!kern__sum_look(r->k, ke->aux, &s))
		return ranges__add(ret, 0, ~0ull);
	for (uint32_t at = 0; !err && find_run(&s, at, &run); at = run.first + run.n) {
		const uint64_t first = s.block * KSUM_PAGES + run.first;

		err = ranges__add(ret, first, first + run.n);
	}
	return err;
}

bool sums__under_way(const struct recorder *r, const struct change *c)
{
	struct ksum s;

	return kern__sum_look(r->k, c->ke.aux, &s) && s.state & ~KSUM_CLOSED;
}

static uint64_t count_all(const struct ksum *s)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < KSUM_PAGES; i++)
		n += s->count[i];
	return n;
}

/** The other runs, behind the change, in order. */
static int add_runs(struct recorder *r, struct change *c, const struct ksum *s, uint32_t from)
{
	struct change *at = c;
	struct sum_run run;

	for (; find_run(s, from, &run); from = run.first + run.n) {
		struct change *more = malloc(sizeof(*more));

		if (!more)
			return -ENOMEM;
		*more = *c;
		set_pages(more, s, &run);
		DL_APPEND_ELEM(r->changes, at, more);
		at = more;
	}
	return 0;
}

/** Makes ordinary changes of what was taken. */
static int spread(struct recorder *r, struct change *c, const struct ksum *s)
{
	struct sum_run run, next;

	c->summed = false;
	c->ended = true;
	c->begin_ns = s->first_ns;
	c->end_ns = s->last_ns && !(s->flags & KSUM_ASYNC) ? s->last_ns : now_ns();
	if (s->flags & KSUM_UNKNOWN) {
		c->count = count_all(s);
		c->offset = 0;
		c->length = ~0ull;
		c->flags |= CHANGE_RANGE_UNKNOWN;
		return 0;
	}
	if (!find_run(s, 0, &run))
		return 0;
	set_pages(c, s, &run);
	if (find_run(s, run.first + run.n, &next))
		return add_runs(r, c, s, next.first);
	if (s->hi && !(s->flags & KSUM_HOLES)) {
		c->flags &= ~(uint32_t)CHANGE_PAGE_RANGE;
		c->offset = s->lo;
		c->length = s->hi - s->lo;
	}
	return 0;
}

int sums__close(struct recorder *r, struct change *c, bool gone)
{
	struct ksum s;
	int err, n = kern__sum_take(r->k, c->ke.aux, &s);

	if (n < 0 || (!n && !gone))
		return n;
	err = spread(r, c, &s);
	c->count -= c->told < c->count ? c->told : c->count;
	return err ? err : 1;
}

int sums__each_run(struct recorder *r, struct change *c,
		   int (*fn)(struct recorder *r, struct change *part, void *ctx), void *ctx)
{
	struct change part = *c;
	struct sum_run run;
	struct ksum s;
	int err = 0;

	if (!kern__sum_look(r->k, c->ke.aux, &s))
		return 0;
	for (uint32_t at = 0; !err && find_run(&s, at, &run); at = run.first + run.n) {
		set_pages(&part, &s, &run);
		err = fn(r, &part, ctx);
		c->told += run.count - part.count;
	}
	return err;
}
