/* SPDX-License-Identifier: MIT */
/*
 * compare.c: what differs from the last snapshot.
 *
 * Looking at the contents (look.c) proves that something changed, never that nothing did in between: so a difference that a
 * look finds has a window that begins when its page was looked at before, or at the fault that announced it.
 *
 * Where an insider can store into the object too, a difference alone doesn't tell whose it is: without an outsider's fault
 * on that page it is taken for the insider's, and the gap that the exposure left in the trace keeps the verdict uncertain.
 */
#include "record/compare.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "record/emit.h"
#include "record/events.h"
#include "record/exposure.h"
#include "record/faults.h"
#include "record/insiders.h"
#include "record/object.h"
#include "record/stacks.h"
#include "record/sums.h"
#include "record/who.h"
#include "space/space.h"

#define LOOK_MIN_NS 10000000ull /* not more often than this */
#define LOOK_SHARE  20		/* and not more than one part in so many of the time */

/** Differences of an object while they are written. */
struct looked {
	struct space_diffs diffs;
	uint64_t pages, size;
	uint64_t first_event; /* of the EV_PAGES, ~0: none */
};

/** Who can have made differences that a look finds. */
struct suspects {
	bool insiders; /* insiders can store into the object, or could since the last whole look */
	bool mapping;  /* an outsider can, or could since the last whole look */
	uint32_t mapper; /* ... that one; 0: it can't be told */
};

static int compare_part(struct recorder *r, struct object *o, uint64_t first, uint64_t n, void *ctx)
{
	struct looked *l = ctx;

	l->pages += n;
	return space__compare_file(r->w, r->m, o->id, o->fd, first, n, &l->diffs, &l->size);
}

/** EV_PAGES for diffs [from, to), which are neighbours. */
static int write_pages(struct recorder *r, struct object *o, enum pages_why why, struct looked *l,
		       size_t from, size_t to)
{
	struct space_runs runs = { 0 };
	uint64_t event = ~0ull;
	int err = 0;

	for (size_t i = from; i < to && !err; i++)
		err = space_runs__add(&runs, l->diffs.v[i].new_id);
	if (!err)
		err = space__emit_pages(r->w, o->id, why, l->diffs.v[from].index, &runs, l->size,
					&event, emit__feed, r);
	if (l->first_event == ~0ull)
		l->first_event = event;
	space_runs__free(&runs);
	return err;
}

static size_t neighbours(const struct space_diffs *d, size_t from)
{
	size_t to = from + 1;

	while (to < d->n && d->v[to].index == d->v[to - 1].index + 1)
		to++;
	return to;
}

static int write_all_pages(struct recorder *r, struct object *o, enum pages_why why,
			   struct looked *l)
{
	int err = 0;

	for (size_t i = 0; i < l->diffs.n && !err;) {
		size_t to = neighbours(&l->diffs, i);

		err = write_pages(r, o, why, l, i, to);
		i = to;
	}
	return err;
}

static int write_change(struct recorder *r, struct object *o, uint64_t first, uint64_t n,
			struct ev_change *ev)
{
	static struct change_insider who[INSIDERS_MAX];

	ev->object = o->id;
	ev->ninsiders = insiders__facts(r, o, first, n, who);
	ev->after_event = writer__events(r->w) - 1;
	int err = who__write(r, ev->writer);
	if (!err)
		err = emit(r, EV_CHANGE, NULL, ev, sizeof(*ev), who, ev->ninsiders * sizeof(*who));
	if (!err)
		stacks__insiders(r, writer__events(r->w) - 1, who, ev->ninsiders);
	return err;
}

void compare__widen(struct recorder *r, const struct object *o, uint64_t *first, uint64_t *n)
{
	const struct model_object *m = model__object(r->m, o->id);
	const uint64_t now = object__size(o), before = m ? m->size : now;
	const uint64_t lo = (now < before ? now : before) / BPREC_PAGE_SIZE;
	const uint64_t hi = (now < before ? before : now) / BPREC_PAGE_SIZE + 1;
	uint64_t end = *n > ~0ull - *first ? ~0ull : *first + *n;

	if (now == before)
		return;
	*first = lo < *first ? lo : *first;
	end = hi > end ? hi : end;
	*n = end - *first;
}

/** Has another change of the object begun by now? Then what was just read tells nothing about the contents in between. The
 *  change that is being written down is one of the list. */
static int crowded(struct recorder *r, const struct object *o, bool *ret)
{
	const struct change *c;
	const int err = events__drain(r);
	size_t n = 0;

	DL_FOREACH (r->changes, c)
		n += object__is_of(o, &c->ke);
	LL_FOREACH (r->own_calls, c)
		n += object__is_of(o, &c->ke);
	for (size_t i = r->kq_at; i < r->kq_n && n < 2; i++)
		n += r->kq[i].type == KEV_BEGIN && object__is_of(o, &r->kq[i]);
	*ret = n > 1 || err == 1;
	return err == 1 ? 0 : err;
}

static uint64_t count_within(const struct space_diffs *d, const struct ranges *pages)
{
	uint64_t count = 0;

	for (size_t i = 0; i < d->n; i++)
		count += ranges__has(pages, d->v[i].index);
	return count;
}

int compare__change(struct recorder *r, struct object *o, uint64_t first, uint64_t n,
		    struct ev_change *ev)
{
	struct looked l = { .first_event = ~0ull, .size = object__size(o) };
	bool readable = o->fd >= 0 && !(ev->flags & CHANGE_IN_FLIGHT);
	struct ranges mapped = { 0 };
	bool more = false;
	int err;

	compare__widen(r, o, &first, &n);
	err = insiders__mapped(r, o, first, n, &mapped);
	if (!err && readable)
		err = object__each_saved(o, first, n, compare_part, r, &l);
	if (!err && readable)
		err = object__shown(r, o, &readable);
	if (!readable)
		space_diffs__free(&l.diffs);
	if (l.diffs.n)
		insiders__note_entries(r, o, first, n);
	ev->saved_ns = readable ? now_ns() : 0;
	ev->flags |= readable ? CHANGE_SAVED : 0;
	if (!err && r->watch)
		err = crowded(r, o, &more);
	ev->flags |= more || ev->count > 1 ? CHANGE_CROWDED : 0;
	ev->new_size = l.size;
	ev->pages = ranges__count(&mapped);
	ev->pages_changed = count_within(&l.diffs, &mapped);
	if (!err)
		err = write_all_pages(r, o, PAGES_CHANGED, &l);
	ev->pages_event = l.first_event;
	if (!err)
		err = write_change(r, o, first, n, ev);
	space_diffs__free(&l.diffs);
	ranges__free(&mapped);
	return err;
}

int compare__insider(struct recorder *r, struct object *o, const struct kevent *ke)
{
	struct looked l = { .first_event = ~0ull };
	struct ev_object_write ev = {
		.object = o->id, .channel = ke->channel, .offset = ke->offset, .length = ke->length
	};
	const bool all = ke->flags & (KEVF_RANGE_UNKNOWN | KEVF_SHRINK);
	uint64_t first = all ? 0 : ke->offset / BPREC_PAGE_SIZE;
	uint64_t n =
		all || ke->length == ~0ull
			? ~0ull - first
			: (ke->offset + ke->length + BPREC_PAGE_SIZE - 1) / BPREC_PAGE_SIZE - first;
	bool shown = true;
	int err;

	compare__widen(r, o, &first, &n);
	if (o->fd < 0 || !object__mapped_at(r, o, first, n))
		return object__forget(o, first, n); /* saved again when somebody maps them */
	err = object__each_saved(o, first, n, compare_part, r, &l);
	insiders__note_entries(r, o, first, n);
	if (!err)
		err = object__shown(r, o, &shown);
	if (!err && shown)
		err = write_all_pages(r, o, PAGES_INSIDER, &l);
	ev.pages_event = l.first_event;
	if (!err)
		err = emit(r, EV_OBJECT_WRITE, rtask__find(r, ke->tid), &ev, sizeof(ev), NULL, 0);
	space_diffs__free(&l.diffs);
	return err;
}

/** The one outsider who can store into it now or could since the last whole look; 0: there are several, or another had a
 *  descriptor, which it may have given to a loop device or another part of the kernel that writes unseen. */
static uint32_t only_mapper(const struct recorder *r, const struct object *o, bool now)
{
	const struct exposure *e = exposure__sole_mapper(r, o);
	const uint32_t writer = !now ? o->owed_writer : e ? e->writer : 0;
	const pid_t pid = now && e ? e->pid : o->owed_pid;

	if (now && o->owed_stores && o->owed_writer != writer)
		return 0;
	if (exposure__by_others(r, o, pid) || (o->owed_opener && o->owed_opener != pid))
		return 0;
	return writer;
}

static struct suspects suspects(struct recorder *r, struct object *o)
{
	const bool now = exposure__by_mapping(r, o);
	const struct fault *near = faults__near(o);

	return (struct suspects){
		.insiders = o->stores_inside,
		.mapping = now || o->owed_stores,
		.mapper = near ? near->writer : only_mapper(r, o, now),
	};
}

/** Who made this difference? False: an insider may have. */
static bool attribute(struct object *o, uint64_t page, const struct suspects *s,
		      struct ev_change *ev)
{
	const struct fault *f = faults__on(o, page);
	uint64_t since_ns;

	memset(ev, 0, sizeof(*ev));
	ev->count = 1;
	ev->flags = CHANGE_SAVED | CHANGE_BY_COMPARE | CHANGE_PAGE_RANGE;
	ev->begin_ns = object__looked_ns(o, page);
	if (f) {
		ev->writer = f->writer;
		ev->channel = f->channel;
		if (!f->writer && f->channel == CH_MMAP_STORE && s->mapping)
			ev->writer = s->mapper;
		ev->stack = f->stack;
		since_ns = faults__since(o, page);
		if (since_ns > ev->begin_ns)
			ev->begin_ns = since_ns;
	} else if (s->insiders) {
		return false;
	} else if (s->mapping) {
		ev->writer = s->mapper;
		ev->channel = CH_MMAP_STORE;
	} else {
		ev->channel = CH_UNKNOWN;
	}
	if (ev->channel == CH_MMAP_STORE)
		ev->flags |= CHANGE_EXPOSED;
	return true;
}

/** Adds the pages of a call. */
static int add_call(struct ranges *s, uint64_t offset, uint64_t length, bool all)
{
	const uint64_t first = all ? 0 : offset / BPREC_PAGE_SIZE;
	const uint64_t end = offset + length;

	if (all || length == ~0ull || end < offset)
		return ranges__add(s, first, ~0ull);
	return ranges__add(s, first, (end + BPREC_PAGE_SIZE - 1) / BPREC_PAGE_SIZE);
}

static int add_event(struct ranges *s, const struct kevent *ke, const struct object *o)
{
	if ((ke->type != KEV_BEGIN && ke->type != KEV_END) || !object__is_of(o, ke))
		return 0;
	return add_call(s, ke->offset, ke->length, ke->flags & KEVF_RANGE_UNKNOWN);
}

static int add_changes(struct recorder *r, struct ranges *s, const struct change *c,
		       const struct object *o)
{
	int err = 0;

	for (; c && !err; c = c->next)
		if (object__is_of(o, &c->ke) && c->summed)
			err = sums__add_pages(r, &c->ke, s);
		else if (object__is_of(o, &c->ke))
			err = add_call(s, c->offset, c->length, c->flags & CHANGE_RANGE_UNKNOWN);
	return err;
}

/** Calls of insiders that are under way, or will be written down at their exit stop. */
static int add_insiders(struct ranges *s, const struct recorder *r, const struct object *o)
{
	int err = 0;

	for (const struct task *t = r->tasks; t; t = t->hh.next)
		for (size_t i = 0; i < t->nstored && !err; i++)
			err = add_event(s, &t->stored[i], o);
	return err;
}

static int add_queued(struct recorder *r, struct ranges *s, const struct kevent *ke,
		      const struct object *o)
{
	const int err = add_event(s, ke, o);

	if (err || ke->type != KEV_BEGIN || !(ke->flags & KEVF_SUMMED) || !object__is_of(o, ke))
		return err;
	return sums__add_pages(r, ke, s);
}

/** A call that writes behind the end makes zeros of what lies between; with a cut before it, what was there is gone. The call is
 *  written down with these pages (compare__widen). */
static int add_grown(struct recorder *r, struct ranges *s, const struct object *o)
{
	uint64_t first = ~0ull, n = 0;

	compare__widen(r, o, &first, &n);
	return n ? ranges__add(s, first, first + n) : 0;
}

/** Pages that calls explain which are under way, or not yet written down, or still in the queue. */
static int explained_pages(struct recorder *r, const struct object *o, struct ranges *s)
{
	int err = add_changes(r, s, r->changes, o);

	if (!err)
		err = add_changes(r, s, r->own_calls, o);
	if (!err)
		err = add_insiders(s, r, o);
	for (size_t i = r->kq_at; i < r->kq_n && !err; i++)
		err = add_queued(r, s, &r->kq[i], o);
	if (!err && s->n)
		err = add_grown(r, s, o);
	ranges__settle(s);
	return err;
}

/** More waits in the ring than the queue takes: it isn't looked at now, and whoever it is about isn't known. */
static int tell_behind(struct recorder *r)
{
	if (r->behind_told)
		return 0;
	r->behind_told = true;
	return emit__gap(r, GAP_RECORDER_ERROR, CH_UNKNOWN, 0,
			 "records of the kernel came faster than they could be looked at");
}

/** The contents were read after the events that the queue still holds: faults among them, and mappings of outsiders, are noted
 *  now. (An exposure that is known already isn't begun again when the event's turn comes.) */
static int note_queued(struct recorder *r, struct object *o)
{
	int err = events__drain(r);

	if (err == 1)
		err = tell_behind(r);
	for (size_t i = r->kq_at; i < r->kq_n && !err; i++) {
		const struct kevent ke = r->kq[i];

		if (!object__is_of(o, &ke) || ke.flags & KEVF_INSIDER)
			continue;
		if (ke.type == KEV_FAULT || ke.type == KEV_DIRTY)
			err = faults__event(r, &ke);
		else if (ke.type == KEV_MAPPED)
			err = exposure__add_noted(r, o, &ke);
	}
	return err;
}

/** Leaves out the differences that a known call explains: they are written with that change. */
static int drop_explained(struct recorder *r, const struct object *o, struct space_diffs *d)
{
	struct ranges by_calls = { 0 };
	const int err = explained_pages(r, o, &by_calls);
	size_t n = 0;

	for (size_t i = 0; i < d->n && !err; i++)
		if (!ranges__has(&by_calls, d->v[i].index))
			d->v[n++] = d->v[i];
	d->n = n;
	ranges__free(&by_calls);
	return err;
}

static bool same_origin(const struct ev_change *a, const struct ev_change *b)
{
	return a->writer == b->writer && a->channel == b->channel && a->stack == b->stack;
}

/** Writes the differences from `i` on that are neighbours and of one origin; returns the index after them. */
static size_t write_cluster(struct recorder *r, struct object *o, struct looked *l, size_t i,
			    const struct suspects *s, uint64_t now, int *err)
{
	struct ev_change ev, next;
	const bool outside = attribute(o, l->diffs.v[i].index, s, &ev);
	const size_t end = neighbours(&l->diffs, i);
	size_t to = i + 1;

	for (; to < end; to++) {
		if (attribute(o, l->diffs.v[to].index, s, &next) != outside ||
		    (outside && !same_origin(&ev, &next)))
			break;
		if (next.begin_ns < ev.begin_ns)
			ev.begin_ns = next.begin_ns;
	}
	if (outside)
		insiders__note_entries(r, o, l->diffs.v[i].index, to - i);
	l->first_event = ~0ull;
	*err = write_pages(r, o, outside ? PAGES_CHANGED : PAGES_COMPARED, l, i, to);
	if (*err || !outside)
		return to;
	ev.offset = l->diffs.v[i].index * BPREC_PAGE_SIZE;
	ev.length = (to - i) * BPREC_PAGE_SIZE;
	ev.saved_ns = now;
	ev.new_size = l->size;
	ev.pages = ev.pages_changed = to - i;
	ev.pages_event = l->first_event;
	*err = write_change(r, o, l->diffs.v[i].index, to - i, &ev);
	return to;
}

int compare__found(struct recorder *r, struct object *o, struct space_diffs *d, uint64_t size,
		   uint64_t read_ns)
{
	int err = d->n ? note_queued(r, o) : 0;
	struct looked l = { .size = size };
	struct suspects s;

	if (!err && d->n)
		err = drop_explained(r, o, d);
	if (err || !d->n)
		return err;
	l.diffs = *d;
	s = suspects(r, o);
	for (size_t i = 0; i < d->n && !err;)
		i = write_cluster(r, o, &l, i, &s, read_ns, &err);
	return err;
}

bool compare__waits(const struct recorder *r, const struct object *o)
{
	const struct change *c;

	DL_FOREACH (r->changes, c)
		if (!c->ended && object__is_of(o, &c->ke) && (!c->summed || sums__under_way(r, c)))
			return true;
	return false;
}
