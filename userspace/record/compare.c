/* SPDX-License-Identifier: MIT */
/*
 * compare.c: what differs from the last snapshot.
 *
 * Looking at the contents proves that something changed, never that nothing did in between: so a difference that is found
 * here has a window that begins at the last look (or at the fault that announced it), and a look that finds nothing is an
 * EV_COMPARE, not an all-clear.
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
#include "space/space.h"

#define LOOK_MIN_NS 10000000ull /* not more often than this */
#define LOOK_SHARE  20		/* and not more than one part in so many of the time */

/** Differences of an object while they are written. */
struct looked {
	struct space_diffs diffs;
	uint64_t pages, size;
	uint64_t first_event; /* of the EV_PAGES, ~0: none */
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
	if (!ev->count)
		ev->count = 1;
	return emit(r, EV_CHANGE, NULL, ev, sizeof(*ev), who, ev->ninsiders * sizeof(*who));
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

static bool is_of(const struct kevent *ke, const struct object *o)
{
	return ke->inode == o->inode && ke->dev == o->dev;
}

/** Has another change of the object begun by now? Then what was just read tells nothing about the contents in between. The
 *  change that is being written down is one of the list. */
static int crowded(struct recorder *r, const struct object *o, bool *ret)
{
	const struct change *c;
	const int err = events__drain(r);
	size_t n = 0;

	LL_FOREACH (r->changes, c)
		n += is_of(&c->ke, o);
	LL_FOREACH (r->own_calls, c)
		n += is_of(&c->ke, o);
	for (size_t i = r->kq_at; i < r->kq_n && n < 2; i++)
		n += r->kq[i].type == KEV_BEGIN && is_of(&r->kq[i], o);
	*ret = n > 1;
	return err;
}

int compare__change(struct recorder *r, struct object *o, uint64_t first, uint64_t n,
		    struct ev_change *ev)
{
	struct looked l = { .first_event = ~0ull, .size = object__size(o) };
	const bool readable = o->fd >= 0 && !(ev->flags & CHANGE_IN_FLIGHT);
	bool more = false;
	int err = 0;

	compare__widen(r, o, &first, &n);
	if (readable)
		err = object__each_saved(o, first, n, compare_part, r, &l);
	if (l.diffs.n)
		insiders__note_entries(r, o, first, n);
	ev->saved_ns = readable ? now_ns() : 0;
	ev->flags |= readable ? CHANGE_SAVED : 0;
	if (!err && r->watch)
		err = crowded(r, o, &more);
	ev->flags |= more ? CHANGE_CROWDED : 0;
	ev->new_size = l.size;
	ev->pages = insiders__mapped_pages(r, o, first, n, &first);
	ev->pages_changed = l.diffs.n;
	if (!err)
		err = write_all_pages(r, o, PAGES_CHANGED, &l);
	ev->pages_event = l.first_event;
	if (!err)
		err = write_change(r, o, first, n, ev);
	space_diffs__free(&l.diffs);
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
	int err;

	compare__widen(r, o, &first, &n);
	if (o->fd < 0 || !insiders__mapped_pages(r, o, first, n, &first)) {
		o->stale = true; /* nobody maps it now: saved again when somebody does */
		return 0;
	}
	err = object__each_saved(o, first, n, compare_part, r, &l);
	insiders__note_entries(r, o, first, n);
	if (!err)
		err = write_all_pages(r, o, PAGES_INSIDER, &l);
	ev.pages_event = l.first_event;
	if (!err)
		err = emit(r, EV_OBJECT_WRITE, rtask__find(r, ke->tid), &ev, sizeof(ev), NULL, 0);
	space_diffs__free(&l.diffs);
	return err;
}

/** Who made this difference? False: an insider may have. */
static bool attribute(struct recorder *r, struct object *o, uint64_t page, bool insider_stores,
		      struct ev_change *ev)
{
	const struct fault *f = faults__on(o, page);

	memset(ev, 0, sizeof(*ev));
	ev->flags = CHANGE_SAVED | CHANGE_BY_COMPARE | CHANGE_PAGE_RANGE;
	ev->begin_ns = o->look_ns;
	if (f) {
		ev->writer = f->writer;
		ev->channel = f->channel;
		if (f->ns > o->look_ns)
			ev->begin_ns = f->ns;
	} else if (insider_stores) {
		return false;
	} else if (exposure__by_mapping(r, o)) {
		const struct fault *near = faults__near(o);

		ev->writer = near ? near->writer : exposure__sole_mapper(r, o);
		ev->channel = CH_MMAP_STORE;
	} else {
		ev->channel = CH_UNKNOWN;
	}
	if (ev->channel == CH_MMAP_STORE)
		ev->flags |= CHANGE_EXPOSED;
	return true;
}

static bool covers(uint64_t offset, uint64_t length, bool all, uint64_t page)
{
	const uint64_t at = page * BPREC_PAGE_SIZE;

	return all || length == ~0ull || (at + BPREC_PAGE_SIZE > offset && at < offset + length);
}

/** Is a call under way, or not yet written down, or still in the queue, that explains this page? */
static bool explained(struct recorder *r, const struct object *o, uint64_t page)
{
	const struct change *c;

	LL_FOREACH (r->changes, c)
		if (is_of(&c->ke, o) &&
		    covers(c->offset, c->length, c->flags & CHANGE_RANGE_UNKNOWN, page))
			return true;
	LL_FOREACH (r->own_calls, c)
		if (is_of(&c->ke, o) &&
		    covers(c->offset, c->length, c->flags & CHANGE_RANGE_UNKNOWN, page))
			return true;
	for (size_t i = r->kq_at; i < r->kq_n; i++) {
		const struct kevent *ke = &r->kq[i];

		if ((ke->type == KEV_BEGIN || ke->type == KEV_END) && is_of(ke, o) &&
		    covers(ke->offset, ke->length, ke->flags & KEVF_RANGE_UNKNOWN, page))
			return true;
	}
	return false;
}

/** The contents were read after the events that the queue still holds: faults among them are noted now. */
static int note_queued_faults(struct recorder *r, struct object *o)
{
	int err = events__drain(r);

	for (size_t i = r->kq_at; i < r->kq_n && !err; i++) {
		const struct kevent ke = r->kq[i];

		if ((ke.type == KEV_FAULT || ke.type == KEV_DIRTY) && is_of(&ke, o))
			err = faults__event(r, &ke);
	}
	return err;
}

/** Leaves out the differences that a known call explains: they are written with that change. */
static void drop_explained(struct recorder *r, const struct object *o, struct space_diffs *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		if (!explained(r, o, d->v[i].index))
			d->v[n++] = d->v[i];
	d->n = n;
}

static bool same_origin(const struct ev_change *a, const struct ev_change *b)
{
	return a->writer == b->writer && a->channel == b->channel;
}

/** Writes the differences from `i` on that are neighbours and of one origin; returns the index after them. */
static size_t write_cluster(struct recorder *r, struct object *o, struct looked *l, size_t i,
			    bool insider_stores, uint64_t now, int *err)
{
	struct ev_change ev, next;
	const bool outside = attribute(r, o, l->diffs.v[i].index, insider_stores, &ev);
	const size_t end = neighbours(&l->diffs, i);
	size_t to = i + 1;

	for (; to < end; to++)
		if (attribute(r, o, l->diffs.v[to].index, insider_stores, &next) != outside ||
		    (outside && !same_origin(&ev, &next)))
			break;
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

static int write_looked(struct recorder *r, struct object *o, struct looked *l, uint64_t now)
{
	const struct ev_compare ev = { .object = o->id,
				       .from_ns = o->look_ns,
				       .to_ns = now,
				       .pages = l->pages,
				       .pages_changed = l->diffs.n };
	const bool insider_stores = insiders__can_store(r, o);
	int err = 0;

	for (size_t i = 0; i < l->diffs.n && !err;)
		i = write_cluster(r, o, l, i, insider_stores, now, &err);
	return err ? err : emit(r, EV_COMPARE, NULL, &ev, sizeof(ev), NULL, 0);
}

/** Reading an object that is being written may wait for the writer's locks: the change is marked in place of that. */
static bool in_flight(struct recorder *r, const struct object *o)
{
	const struct change *c;

	LL_FOREACH (r->changes, c)
		if (!c->ended && is_of(&c->ke, o))
			return true;
	return false;
}

int compare__object(struct recorder *r, struct object *o, bool final)
{
	struct looked l = { .first_event = ~0ull };
	const uint64_t begin = now_ns();
	uint64_t first, n, now;
	int err;

	if (o->fd < 0 || !o->nsaved || (!final && begin < o->next_look_ns) || in_flight(r, o))
		return 0;
	n = insiders__mapped_pages(r, o, 0, ~0ull, &first);
	if (!n)
		return 0;
	err = object__each_saved(o, first, n, compare_part, r, &l);
	now = now_ns();
	if (!err && l.diffs.n)
		err = note_queued_faults(r, o);
	drop_explained(r, o, &l.diffs);
	if (!err)
		err = write_looked(r, o, &l, now);
	o->look_ns = now;
	o->next_look_ns = now + LOOK_MIN_NS;
	if (LOOK_SHARE * (now - begin) > LOOK_MIN_NS)
		o->next_look_ns = now + LOOK_SHARE * (now - begin);
	space_diffs__free(&l.diffs);
	return err;
}

bool compare__wanted(const struct recorder *r, const struct object *o)
{
	return o->exposed && (o->faults || exposure__by_mapping(r, o));
}
