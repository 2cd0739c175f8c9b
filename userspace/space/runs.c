/* SPDX-License-Identifier: MIT */
#include "space/space.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/** Most runs in one event: what fits into BPREC_EVENT_MAX with room for the fixed part. */
#define RUNS_PER_EVENT ((BPREC_EVENT_MAX - 256) / sizeof(struct page_run))

static bool is_real(uint64_t id)
{
	return id != BPREC_PAGE_ZERO && id != BPREC_PAGE_ABSENT && id != BPREC_PAGE_LOST;
}

/** Adds one page to the last run, if it continues it. */
static bool extend(struct page_run *run, uint64_t id)
{
	if (run->count == UINT32_MAX)
		return false;
	if (run->step == 0 && run->first == id) {
		run->count++;
		return true;
	}
	if (!is_real(run->first) || !is_real(id))
		return false;
	if (id == run->first + run->count && (run->step == 1 || run->count == 1)) {
		run->step = 1;
		run->count++;
		return true;
	}
	return false;
}

static int append(struct space_runs *r, uint64_t first, uint32_t count)
{
	if (r->n == r->cap) {
		uint32_t cap = r->cap ? 2 * r->cap : 16;
		struct page_run *v = realloc(r->v, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		r->v = v;
		r->cap = cap;
	}
	r->v[r->n++] = (struct page_run){ .first = first, .count = count };
	return 0;
}

int space_runs__add(struct space_runs *r, uint64_t page_id)
{
	int err = 0;

	if (!r->n || !extend(&r->v[r->n - 1], page_id))
		err = append(r, page_id, 1);
	if (!err)
		r->npages++;
	return err;
}

int space_runs__add_many(struct space_runs *r, uint64_t page_id, uint64_t n)
{
	while (n) {
		struct page_run *last = r->n ? &r->v[r->n - 1] : NULL;
		uint32_t room = last && last->first == page_id && !last->step
					? UINT32_MAX - last->count
					: 0;
		uint32_t now = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
		int err = 0;

		if (room) {
			now = now < room ? now : room;
			last->count += now;
		} else {
			err = append(r, page_id, now);
		}
		if (err)
			return err;
		r->npages += now;
		n -= now;
	}
	return 0;
}

void space_runs__free(struct space_runs *r)
{
	free(r->v);
	*r = (struct space_runs){ 0 };
}

uint64_t space__now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

int space__emit_pages(struct writer *w, uint32_t object, enum pages_why why, uint64_t first,
		      const struct space_runs *r, uint64_t size, uint64_t *ret_event,
		      int (*feed)(void *ctx), void *ctx)
{
	struct ev_pages ev = { .object = object, .why = why, .first = first, .size = size };
	uint64_t event;
	int err = 0;

	for (uint32_t at = 0; at < r->n && !err; at += ev.nruns) {
		struct iovec part[2] = { { &ev, sizeof(ev) } };

		ev.nruns = r->n - at < RUNS_PER_EVENT ? r->n - at : RUNS_PER_EVENT;
		ev.npages = 0;
		for (uint32_t i = at; i < at + ev.nruns; i++)
			ev.npages += r->v[i].count;
		part[1] = (struct iovec){ r->v + at, ev.nruns * sizeof(*r->v) };
		ev.read_ns = space__now_ns();
		err = writer__event(w, EV_PAGES, 0, 0, part, 2, &event);
		if (!err && !at && ret_event)
			*ret_event = event;
		if (!err && feed)
			err = feed(ctx);
		ev.first += ev.npages;
	}
	return err;
}
