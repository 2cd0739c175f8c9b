/* SPDX-License-Identifier: MIT */
/*
 * look.c: looks at the contents of objects that outsiders can write.
 *
 * A look reads pages and compares them with what was saved (compare.c writes down what differs). A *whole* look reads all that
 * is mapped and saved; a *likely* one what outsiders' page tables show (resident.c), which for a big mapping is much less. A
 * look that finds nothing is an EV_COMPARE, not an all-clear; only a whole one that came to its end counts in check.
 *
 *   while insiders run       likely looks; whole ones of small objects, and after an outsider that could write is gone
 *   before insiders unmap    a whole look, what is likely first (DESIGN 12, rule 9)
 *
 * What looks cost is bounded: --compare-budget percent of the time that passes are earned, one half for looks while insiders
 * run, one half kept for last looks; as though the recording had begun EARN_MAX_NS earlier. Processor time is counted, since
 * that is what a busy machine doesn't change. Looks while insiders run are made in slices, which take turns; a page that
 * no look has come to keeps its time (object__looked_ns), so that a difference found later has the window that is true. A
 * last look that has to leave pages out says so in a gap. Objects into which nobody outside can store unseen (not `hidden`)
 * are exempt from that: a last look is what a good verdict on them rests on, and it costs only where there is one.
 */
#include "record/look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "record/compare.h"
#include "record/emit.h"
#include "record/exposure.h"
#include "record/faults.h"
#include "record/insiders.h"
#include "record/object.h"
#include "record/resident.h"
#include "record/stamp.h"

#define LOOK_MIN_NS 10000000ull	   /* not more often than this */
#define SLICE_NS    5000000.0	   /* insiders' stops wait for no more than this */
#define EARN_MAX_NS 10000000000ull /* time in between is saved up for no longer than this */
#define SMALL_PAGES 1024u	   /* read sooner than page tables are searched */
#define CHUNK_PAGES 1024u	   /* between two looks at the clock */
#define AGAIN_NS    1000000ull	   /* a look that is put off */
#define ODD_MAX_NS  100000000ull   /* not put off for longer */

static double share(const struct recorder *r)
{
	return r->opts->compare_budget / 200; /* half a percent of so many */
}

void look__start(struct recorder *r)
{
	struct look_budget *b = &r->budget;

	b->start_ns = b->earned_ns = now_ns();
	b->usual = b->last = (double)EARN_MAX_NS * share(r);
}

static void earn(struct recorder *r)
{
	struct look_budget *b = &r->budget;
	const uint64_t now = now_ns();
	const double max = (double)EARN_MAX_NS * share(r);
	const double more = (double)(now - b->earned_ns) * share(r);

	b->earned_ns = now;
	b->usual = b->usual + more < max ? b->usual + more : max;
	b->last += more;
}

static uint64_t processor_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/** Counts what was done since `since` (processor time). */
static void pay(struct recorder *r, struct look_pass *l, uint64_t since, double *from)
{
	const uint64_t cost = processor_ns() - since;

	if (l)
		l->cost_ns += cost;
	r->budget.spent_ns += cost;
	if (from)
		*from -= (double)cost;
}

static bool is_owed(const struct object *o)
{
	return o->owed_ns != 0;
}

bool look__wanted(const struct recorder *r, const struct object *o)
{
	if (!o->exposed)
		return false;
	return is_owed(o) || (o->hidden && exposure__by_mapping(r, o)) || faults__any(o);
}

/** Can the object be read now, and is there something to compare with? */
static bool is_readable(const struct recorder *r, const struct object *o)
{
	return o->fd >= 0 && o->saved.n && !compare__waits(r, o);
}

/** Pages that are mapped and saved. */
static int mapped_pages(struct recorder *r, const struct object *o, struct ranges *ret)
{
	return insiders__mapped_saved(r, o, 0, ~0ull, ret);
}

/** Forgets saved pages that nobody maps: of an object that is exposed, or has changed, they are saved again at the next mapping
 *  anyway, and a whole look doesn't read them. */
static int forget_unmapped(const struct recorder *r, struct object *o, const struct ranges *mapped)
{
	return o->exposed || stamp__moved(r, o) ? object__keep(o, mapped) : 0;
}

/** Pages among those mapped that are likely to differ, and those that a look under way has still to read. */
static int likely_pages(struct recorder *r, struct object *o, const struct ranges *mapped,
			struct ranges *ret)
{
	struct ranges found = { 0 };
	int err = resident__pages(r, o, mapped, &found);

	if (!err && o->look)
		err = ranges__add_all(&found, &o->look->todo);
	ranges__settle(&found);
	if (!err)
		err = ranges__both(mapped, &found, ret);
	ranges__free(&found);
	return err;
}

/** Must all be read, or is that cheaper? */
static bool is_whole(const struct recorder *r, const struct object *o, const struct ranges *mapped)
{
	return is_owed(o) || !r->k || !o->key || exposure__unattributed(r, o) ||
	       ranges__count(mapped) <= SMALL_PAGES;
}

/** Begins a look; one that is under way ends, and its pages go over. likely: not whole unless it must be. 0 or -errno; with
 *  o->look NULL there is nothing to look at. */
static int begin(struct recorder *r, struct object *o, bool likely)
{
	struct look_pass *l = calloc(1, sizeof(*l));
	struct ranges mapped = { 0 };
	int err = l ? mapped_pages(r, o, &mapped) : -ENOMEM;

	if (err || !mapped.n)
		goto out;
	l->begin_ns = now_ns();
	l->stamp = stamp__of(o);
	l->stores = insiders__can_store(r, o);
	l->whole = !likely || is_whole(r, o, &mapped);
	if (!l->whole)
		err = likely_pages(r, o, &mapped, &l->todo);
	else
		err = forget_unmapped(r, o, &mapped);
	if (!err && l->whole)
		err = ranges__add_all(&l->todo, &mapped);
	l->covers = l->whole && ranges__count(&o->saved) == ranges__count(&l->todo);
	ranges__free(&o->stored);
out:
	object__drop_look(o);
	ranges__free(&mapped);
	o->look = l;
	if (err || (l && !l->begin_ns))
		object__drop_look(o);
	return err;
}

/** Reads the next pages of a look; returns their number, or -errno. */
static int64_t read_some(struct recorder *r, struct object *o, struct look_pass *l,
			 struct space_diffs *d, uint64_t *size)
{
	const struct range *v = &l->todo.v[l->at];
	const uint64_t left = v->end - v->first - l->done;
	const uint64_t n = left < CHUNK_PAGES ? left : CHUNK_PAGES;
	const int err =
		space__compare_file(r->w, r->m, o->id, o->fd, v->first + l->done, n, d, size);

	if (err)
		return err;
	l->done += n;
	if (l->done == v->end - v->first) {
		l->at++;
		l->done = 0;
	}
	return (int64_t)n;
}

static bool is_done(const struct look_pass *l)
{
	return l->at == l->todo.n;
}

/** Does it have another size than is known? No store does that. A cut by a path is told when it is done (truncate, O_TRUNC), and
 *  would be taken for a store by whoever maps the object: a look is put off until its event is there. */
static bool is_odd(struct recorder *r, struct object *o, uint64_t size)
{
	const struct model_object *m = model__object(r->m, o->id);

	if (!m || m->size == size) {
		o->odd_ns = 0;
		return false;
	}
	if (!o->odd_ns)
		o->odd_ns = now_ns();
	if (now_ns() - o->odd_ns >= ODD_MAX_NS)
		return false;
	o->next_look_ns = now_ns() + AGAIN_NS;
	return true;
}

/** Is an insider in a call that cuts the object? */
static bool is_being_cut(const struct recorder *r, const struct object *o)
{
	for (const struct task *t = r->tasks; t; t = t->hh.next)
		if (t->cut == o->inode && t->state == TASK_IN_CALL)
			return true;
	return false;
}

/** Goes on with a look for so long at most, or for one chunk; and writes down what differs. Where it isn't the last one it may be
 *  given up: o->look is NULL then. 0 or -errno. */
static int go_on(struct recorder *r, struct object *o, double limit_ns, bool last)
{
	const uint64_t start = processor_ns();
	struct look_pass *l = o->look;
	struct space_diffs d = { 0 };
	uint64_t size = object__size(o);
	int64_t n = 0, unclocked = 0;
	bool shown = true;
	int err = 0;

	while (n >= 0 && !is_done(l)) {
		n = read_some(r, o, l, &d, &size);
		l->pages += n > 0 ? n : 0;
		unclocked += n + 16; /* a read of one page costs more than a page */
		if (unclocked < CHUNK_PAGES)
			continue;
		unclocked = 0;
		if ((double)(processor_ns() - start) >= limit_ns)
			break;
	}
	if (n >= 0)
		err = object__shown(r, o, &shown);
	if (err || !shown || (!last && d.n && is_odd(r, o, size))) {
		space_diffs__free(&d);
		object__drop_look(o);
		return err;
	}
	l->differing += d.n;
	err = n < 0 ? (int)n : compare__found(r, o, &d, size, now_ns());
	space_diffs__free(&d);
	return err;
}

static int write_compare(struct recorder *r, const struct object *o, uint32_t flags)
{
	const struct ev_compare ev = {
		.object = o->id,
		.flags = flags,
		.from_ns = o->look_ns,
		.to_ns = now_ns(),
		.pages = o->look->pages,
		.pages_changed = o->look->differing,
	};
	struct look_budget *b = &r->budget;

	b->looks++;
	b->pages += o->look->pages;
	if (o->look->cost_ns > b->longest_ns)
		b->longest_ns = o->look->cost_ns;
	return emit(r, EV_COMPARE, NULL, &ev, sizeof(ev), NULL, 0);
}

/** A look has come to its end. */
static int end(struct recorder *r, struct object *o)
{
	struct look_pass *l = o->look;
	const int err = write_compare(r, o, l->whole ? 0 : COMPARE_LIKELY);

	if (l->covers) {
		o->look_ns = l->begin_ns;
		o->stamp = l->stamp;
		o->stores_inside = l->stores || insiders__can_store(r, o);
	}
	if (l->whole && l->begin_ns >= o->owed_ns) {
		o->owed_ns = 0;
		o->owed_stores = false;
		o->owed_writer = 0;
		o->owed_opener = 0;
	}
	ranges__free(&o->lately);
	if (!l->whole) {
		o->lately = l->todo;
		l->todo = (struct ranges){ 0 };
	}
	o->lately_ns = l->begin_ns;
	o->next_look_ns = now_ns() + LOOK_MIN_NS;
	object__drop_look(o);
	return err;
}

/** A slice of a look, begun if none is under way. 0 or -errno. */
static int slice(struct recorder *r, struct object *o, bool likely)
{
	struct look_budget *b = &r->budget;
	const uint64_t start = processor_ns();
	int err = o->look ? 0 : begin(r, o, likely);

	if (!err && !o->look)
		o->next_look_ns = now_ns() + LOOK_MIN_NS; /* nobody maps it */
	if (err || !o->look)
		goto out;
	err = go_on(r, o, b->usual < SLICE_NS ? b->usual : SLICE_NS, false);
out:
	pay(r, o->look, start, &b->usual);
	return err || !o->look || !is_done(o->look) ? err : end(r, o);
}

/** Is it time to look, and can it be paid? */
static bool is_due(struct recorder *r, struct object *o, uint64_t now)
{
	return r->budget.usual > 0 && look__wanted(r, o) && (o->look || now >= o->next_look_ns) &&
	       is_readable(r, o) && !is_being_cut(r, o) && !is_odd(r, o, object__size(o));
}

/** Arms again, once for each look that has ended: else it could use up what looks are to be paid from. */
static int rearm(struct recorder *r, uint64_t now)
{
	const uint64_t start = processor_ns();
	int err = 0;

	if (!r->rearm || now < r->rearm_ns + LOOK_MIN_NS || r->budget.usual <= 0)
		return 0;
	if (r->rearm_ns && r->rearm_looks == r->budget.looks)
		return 0;
	r->rearm_ns = now;
	r->rearm_looks = r->budget.looks;
	err = resident__rearm(r);
	pay(r, NULL, start, &r->budget.usual);
	return err;
}

int look__tick(struct recorder *r)
{
	const uint64_t now = now_ns();
	const uint32_t after = r->budget.served;
	int err;

	earn(r);
	err = rearm(r, now);
	for (int round = 0; round < 2;
	     round++) /* those after the last one served, then those before */
		for (struct object *o = r->objects; o && !err; o = o->hh.next) {
			if ((o->id > after) != !round || !is_due(r, o, now))
				continue;
			r->budget.served = o->id;
			err = slice(r, o, true);
		}
	return err;
}

/** Says once of an object that last looks at it are not whole. */
static int tell_left_out(struct recorder *r, struct object *o, uint64_t left)
{
	if (o->untold)
		return 0;
	o->untold = true;
	return emit__gap(
		r, GAP_HIDDEN_STORES, CH_MMAP_STORE, o->id,
		"%llu pages were not compared before insiders gave them up: --compare-budget=%g was used up",
		(unsigned long long)left, r->opts->compare_budget);
}

/** What was likely to differ is read: reads the rest. 0 or -errno. */
static int read_rest(struct recorder *r, struct object *o, double limit_ns)
{
	struct look_pass *l = o->look;
	struct ranges mapped = { 0 }, rest = { 0 };
	int err = mapped_pages(r, o, &mapped);

	if (!err)
		err = ranges__without(&mapped, &l->todo, &rest);
	if (!err) {
		l->whole = true;
		l->covers = ranges__count(&o->saved) == ranges__count(&mapped);
		ranges__free(&l->todo);
		l->todo = rest;
		l->at = 0;
		err = go_on(r, o, limit_ns, true);
	}
	ranges__free(&mapped);
	return err;
}

/** The look is whole, or it is told that it isn't. 0 or -errno. */
static int end_last(struct recorder *r, struct object *o)
{
	struct ranges mapped = { 0 };
	uint64_t left;
	int err;

	if (o->look->whole && is_done(o->look))
		return end(r, o);
	err = mapped_pages(r, o, &mapped);
	left = ranges__count(&mapped) - o->look->pages;
	ranges__free(&mapped);
	if (!err)
		err = write_compare(r, o, COMPARE_PARTIAL);
	object__drop_look(o);
	return err ? err : tell_left_out(r, o, left);
}

int look__last(struct recorder *r, struct object *o)
{
	struct look_budget *b = &r->budget;
	const uint64_t start = processor_ns();
	double limit;
	int err;

	if (!is_readable(r, o))
		return 0;
	earn(r);
	limit = o->hidden ? b->last + (b->usual > 0 ? b->usual : 0) : 1e18;
	err = begin(r, o, o->hidden);
	if (!err && o->look && limit > 0)
		err = go_on(r, o, limit, true);
	if (!err && o->look && !o->look->whole && is_done(o->look))
		err = read_rest(r, o, limit - (double)(processor_ns() - start));
	pay(r, o->look, start, o->hidden ? &b->last : NULL);
	return err || !o->look ? err : end_last(r, o);
}

int look__holder_gone(struct recorder *r, const struct exposure *e)
{
	struct object *o = e->obj;

	if (e->kind != EXPOSURE_WRITABLE_DESCRIPTOR) {
		o->owed_writer = !o->owed_stores || o->owed_writer == e->writer ? e->writer : 0;
		o->owed_stores = true;
		o->owed_pid = e->pid;
	} else {
		o->owed_opener = !o->owed_opener || o->owed_opener == e->pid ? e->pid : -1;
	}
	o->owed_ns = now_ns();
	earn(r);
	if (r->budget.usual <= 0 || !is_readable(r, o))
		return 0;
	if (o->look && !o->look->whole)
		object__drop_look(o);
	return slice(r, o, false);
}

int look__finish(struct recorder *r)
{
	const struct look_budget *b = &r->budget;
	char text[200];

	if (!b->looks)
		return 0;
	snprintf(text, sizeof(text),
		 "%llu looks at exposed objects read %llu pages in %.1f ms, the longest in %.1f ms "
		 "(--compare-budget=%g)",
		 (unsigned long long)b->looks, (unsigned long long)b->pages,
		 (double)b->spent_ns / 1e6, (double)b->longest_ns / 1e6, r->opts->compare_budget);
	return emit__note(r, NULL, NOTE_TEXT, 0, text);
}
