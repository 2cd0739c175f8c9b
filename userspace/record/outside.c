/* SPDX-License-Identifier: MIT */
/*
 * outside.c: changes from their first event to the trace.
 *
 * An outsider's call is noted at its begin and closed at its end (DESIGN 12, rule 1). From the begin on, threads that map
 * the pages and are stopped stay stopped (for at most OUTSIDE_HOLD_NS); at the end those that run are interrupted; when
 * none runs, the pages are saved and the change is written with what each thread was doing. Nothing here waits: the steps
 * are taken as events come.
 *
 * Changes that the kernel side sums up (sums.c) are one change here. If the last one of the object is less than
 * OUTSIDE_GATHER_NS old, it is only written down when a thread that is held because of it wants to run, or when that time
 * is over: while those who map the pages are idle in calls that costs nothing, and where one of them runs, its outcome is
 * decided already.
 */
#include "record/outside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "record/about.h"
#include "record/beneath.h"
#include "record/compare.h"
#include "record/emit.h"
#include "record/events.h"
#include "record/exposure.h"
#include "record/faults.h"
#include "record/holders.h"
#include "record/insiders.h"
#include "record/look.h"
#include "record/lower.h"
#include "record/object.h"
#include "record/remote.h"
#include "record/sched.h"
#include "record/stacks.h"
#include "record/stamp.h"
#include "record/stores.h"
#include "record/sums.h"
#include "record/who.h"

/** Pages of a change. */
static void pages_of(const struct change *c, uint64_t *first, uint64_t *n)
{
	if (c->flags & CHANGE_RANGE_UNKNOWN) {
		*first = 0;
		*n = ~0ull;
		return;
	}
	*first = c->offset / BPREC_PAGE_SIZE;
	if (c->length == ~0ull || c->offset + c->length < c->offset)
		*n = ~0ull - *first;
	else
		*n = (c->offset + c->length + BPREC_PAGE_SIZE - 1) / BPREC_PAGE_SIZE - *first;
}

static struct change *find_change(struct recorder *r, const struct kevent *ke)
{
	struct change *c;

	DL_FOREACH (r->changes, c)
		if (!c->summed && c->ke.aux == ke->aux && !c->ended && c->ke.object == ke->object)
			return c;
	return NULL;
}

static void set_range(struct change *c, const struct kevent *ke)
{
	c->offset = ke->offset;
	c->length = ke->length;
	if (ke->flags & KEVF_SHRINK)
		c->flags |= CHANGE_SHRUNK;
	if (ke->flags & KEVF_DOUBTFUL)
		c->flags |= CHANGE_DOUBTFUL;
	if (ke->flags & KEVF_RANGE_UNKNOWN)
		c->flags |= CHANGE_RANGE_UNKNOWN;
	else
		c->flags &= ~(uint32_t)CHANGE_RANGE_UNKNOWN;
}

static struct change *new_change(struct recorder *r, const struct kevent *ke)
{
	struct change *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->ke = *ke;
	c->channel = ke->channel;
	c->count = 1;
	c->summed = ke->type == KEV_BEGIN && ke->flags & KEVF_SUMMED;
	c->begin_ns = ke->ns;
	c->give_up_ns = now_ns() + OUTSIDE_HOLD_NS;
	c->writer = ke->flags & KEVF_KTHREAD ? 0 : who__from_event(r, ke);
	c->stack = stacks__of_event(r, ke, c->writer);
	set_range(c, ke);
	DL_APPEND(r->changes, c);
	return c;
}

/*
 * Has the call changed nothing, for certain? It was refused before it began (cp tries FICLONE first, and is told EOPNOTSUPP
 * or EXDEV), or had nothing to move. Errors that may come half-way, EIO or ENOSPC, are none of these. A change that
 * is none would be given the bytes that the next one brought.
 */
static bool changed_nothing(const struct kevent *ke)
{
	static const int refusals[] = { EOPNOTSUPP, EXDEV, ENOTTY, ENOSYS, EBADF,  EPERM,
					EACCES,	    EROFS, EISDIR, ESPIPE, ETXTBSY };

	if (!(ke->flags & KEVF_FAILED))
		return !ke->ret && ke->channel >= CH_WRITE && ke->channel <= CH_COPY_FILE_RANGE;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
		if (ke->ret == -refusals[i])
			return true;
	return false;
}

static int on_end(struct recorder *r, const struct kevent *ke)
{
	struct change *c;

	if (ke->flags & KEVF_SUMMED)
		return 0; /* a closed sum can be taken now: advance() asks */
	c = find_change(r, ke);
	if (!c) { /* its begin was lost */
		c = new_change(r, ke);
		if (!c)
			return -ENOMEM;
		c->begin_ns = 0;
	}
	c->ended = true;
	c->idle = changed_nothing(ke);
	c->end_ns = ke->ns;
	if (!(ke->flags & KEVF_FAILED))
		set_range(c, ke);
	return 0;
}

static int on_watch(struct recorder *r, const struct kevent *ke)
{
	struct task *t = rtask__find(r, ke->tid);

	if (t)
		t->watch = *ke;
	return 0;
}

/** A process is gone: what it had begun and never ended is over now (asynchronous writes without a completion). */
static int end_changes_of(struct recorder *r, const struct kevent *ke)
{
	struct change *c;
	int n;

	DL_FOREACH (r->changes, c) {
		if (c->ended || c->ke.tgid != ke->tgid)
			continue;
		n = c->summed ? sums__close(r, c, true) : 0;
		if (n < 0)
			return n;
		c->ended = true;
		c->end_ns = ke->ns;
	}
	return 0;
}

static int on_gone(struct recorder *r, const struct kevent *ke)
{
	int err = end_changes_of(r, ke);

	faults__outsider_gone(r, ke);
	return err ? err : holders__event(r, ke);
}

int outside__event(struct recorder *r, const struct kevent *ke)
{
	bool taken;
	const int err = beneath__event(r, ke, &taken);

	if (err || taken)
		return err;
	switch (ke->type) {
	case KEV_WATCH:
		return on_watch(r, ke);
	case KEV_WATCH_FAILED:
		return emit__gap(r, GAP_NOT_OBSERVED, CH_UNKNOWN, 0,
				 "a file that pid %u maps could not be watched", ke->tgid);
	case KEV_BEGIN:
	case KEV_END:
		if (ke->flags & KEVF_INSIDER)
			return stores__event(r, ke);
		if (ke->type == KEV_END)
			return on_end(r, ke);
		return new_change(r, ke) ? 0 : -ENOMEM;
	case KEV_FAULT:
	case KEV_DIRTY:
		return faults__event(r, ke);
	case KEV_REMOTE:
		return remote__event(r, ke);
	case KEV_FORKED:
		about__forked(r, (pid_t)ke->tgid, (pid_t)ke->aux);
		return holders__event(r, ke);
	case KEV_EXITED:
		return on_gone(r, ke);
	default:
		return holders__event(r, ke);
	}
}

/** Writes the change down; its mappers are quiet, or it is `in_flight`. */
static int write_down(struct recorder *r, struct change *c, struct object *o)
{
	struct ev_change ev = {
		.channel = c->channel,
		.flags = c->flags | (c->ended ? 0 : CHANGE_IN_FLIGHT),
		.writer = c->writer,
		.stack = c->stack,
		.offset = c->offset,
		.length = c->length,
		.count = c->count,
		.begin_ns = c->begin_ns,
		.end_ns = c->ended ? c->end_ns : 0,
	};
	uint64_t first, n;

	pages_of(c, &first, &n);
	if (c->flags & CHANGE_RANGE_UNKNOWN)
		ev.offset = 0;
	return compare__change(r, o, first, n, &ev);
}

/** Not yet: some were written down a moment ago (those that came up with them still are). */
static bool gathers(const struct recorder *r, const struct object *o, uint64_t now)
{
	return !r->watch && !r->sums_wanted && now - o->sums_ns < OUTSIDE_GATHER_NS &&
	       now - o->sums_ns > OUTSIDE_GATHER_NS / 10;
}

/** Closes the sum when those who map its pages are quiet: all that comes until then is one change. 1: it has ended, 0: not
 *  yet, or -errno. */
static int advance_sum(struct recorder *r, struct change *c)
{
	struct object *o = object__by_kevent(r, &c->ke);
	const uint64_t now = now_ns();
	uint64_t first, n;
	int done;

	if (o && gathers(r, o, now))
		return 0;
	sums__look(r, c);
	pages_of(c, &first, &n);
	if (o && !insiders__quiet(r, o, first, n) && now < c->give_up_ns)
		return 0;
	done = sums__close(r, c, false);
	if (o && done == 1 && now - o->sums_ns >= OUTSIDE_GATHER_NS)
		o->sums_ns = now;
	return done;
}

/** 1: done with it, 0: not yet, or -errno. */
static int advance(struct recorder *r, struct change *c)
{
	struct object *o = object__by_kevent(r, &c->ke);
	uint64_t first, n;
	int err;

	if (c->summed) {
		err = advance_sum(r, c);
		if (err <= 0)
			return err;
	}
	if (!c->ended)
		return 0;
	if (!o) /* not mapped yet: the snapshot will be taken after this change */
		return 1;
	if (c->idle || c->written)
		return 1;
	pages_of(c, &first, &n);
	compare__widen(r, o, &first, &n);
	if (!object__mapped_at(r, o, first, n)) {
		err = object__forget(o, first, n);
		return err ? err : 1;
	}
	if (!insiders__quiet(r, o, first, n) && now_ns() < c->give_up_ns)
		return 0;
	err = write_down(r, c, o);
	return err ? err : 1;
}

int outside__progress(struct recorder *r)
{
	struct change *c, *next;
	bool released = false;
	int n;

	for (c = r->changes; c; c = next) {
		n = advance(r, c); /* which may put others behind it */
		next = c->next;
		if (n < 0)
			return n;
		if (!n)
			continue;
		DL_DELETE(r->changes, c);
		free(c);
		released = true;
	}
	r->sums_wanted = false;
	if (released)
		sched__run(r);
	return 0;
}

bool outside__holds(struct recorder *r, const struct task *t)
{
	const uint64_t now = now_ns();
	struct change *c;
	uint64_t first, n;

	DL_FOREACH (r->changes, c) {
		const struct object *o = object__by_kevent(r, &c->ke);

		if (!o || now > c->give_up_ns)
			continue;
		if (c->summed)
			sums__look(r, c);
		pages_of(c, &first, &n);
		if (insiders__maps(r, t, o->id, first, n)) {
			r->sums_wanted |= c->summed;
			return true;
		}
	}
	return false;
}

int outside__tick(struct recorder *r, uint64_t now)
{
	int err;

	if (r->changes)
		sched__run(r); /* some hold may be over */
	err = r->k ? look__tick(r) : 0;
	if (!err)
		err = stacks__tick(r, now);
	return err ? err : holders__tick(r, now);
}

bool outside__busy(const struct recorder *r)
{
	if (r->changes || r->nheld || sched__waiting(r))
		return true;
	if (!r->exposures)
		return false;
	for (const struct object *o = r->objects; o; o = o->hh.next)
		if (look__wanted(r, o))
			return true;
	return false;
}

/** Of whom pages go, and of what. */
struct leaving {
	struct task *task;
	struct object *object;
};

static int mark_one(struct recorder *r, struct change *c, void *ctx)
{
	const struct leaving *l = ctx;
	uint64_t first, n;
	int err;

	pages_of(c, &first, &n);
	if (c->written || c->idle || !insiders__maps(r, l->task, l->object->id, first, n))
		return 0;
	err = write_down(r, c, l->object);
	c->written = c->ended;
	c->count = 0; /* counted, should it be written down again */
	return err;
}

/** Changes of an object that are under way while its last pages go: marked as such. */
static int mark_in_flight(struct recorder *r, struct task *t, struct object *o)
{
	struct leaving l = { t, o };
	struct change *c;
	int n, err = 0;

	DL_FOREACH (r->changes, c) {
		if (err || !object__is_of(o, &c->ke))
			continue;
		n = c->summed ? sums__close(r, c, false) : 1;
		err = n < 0 ? n : n == 0 ? sums__each_run(r, c, mark_one, &l) : mark_one(r, c, &l);
	}
	return err;
}

/** Does mapping `i` go, and is it the first of its object that does? */
static bool goes_first(const struct model_space *s, size_t i, uint64_t addr, uint64_t len,
		       bool whole)
{
	for (size_t j = 0; j <= i; j++) {
		if (s->vmas[j].object != s->vmas[i].object || s->vmas[j].end <= addr ||
		    (!whole && s->vmas[j].addr >= addr + len))
			continue;
		return j == i;
	}
	return false;
}

int outside__before_unmap(struct recorder *r, struct task *t, uint64_t addr, uint64_t len,
			  bool whole)
{
	const struct model_space *s = model__space(r->m, t->space);
	int err = 0;

	if (!s || !r->k)
		return 0;
	if (whole && s->users > 1)
		return 0; /* a thread ends, the address space stays */
	for (size_t i = 0; s && i < s->nvmas && !err; i++) {
		struct object *o = s->vmas[i].object ? object__find(r, s->vmas[i].object) : NULL;

		if (!o || !goes_first(s, i, addr, len, whole))
			continue;
		err = holders__count(r, o);
		if (!err && (o->exposed || o->memory || stamp__moved(r, o)))
			err = look__last(r, o);
		if (!err && r->changes)
			err = mark_in_flight(r, t, o);
		s = model__space(r->m, t->space);
	}
	return err;
}

static int write_losses(struct recorder *r)
{
	struct kern_loss loss[KERN_LOSSES_MAX];
	const size_t n = kern__losses(r->k, loss, KERN_LOSSES_MAX);
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		struct ev_loss ev = { .kind = loss[i].kind,
				      .channel = loss[i].channel,
				      .count = loss[i].count };

		strncpy(ev.hook, loss[i].hook, sizeof(ev.hook) - 1);
		err = emit(r, EV_LOSS, NULL, &ev, sizeof(ev), NULL, 0);
	}
	return err;
}

int outside__finish(struct recorder *r)
{
	struct change *c, *tmp;
	int err = 0;

	DL_FOREACH_SAFE(r->changes, c, tmp)
	{
		DL_DELETE(r->changes, c);
		free(c);
	}
	beneath__free(r);
	lower__free(r);
	if (!r->k)
		return 0;
	err = exposure__end_all(r);
	if (!err)
		err = look__finish(r);
	if (!err)
		err = who__complete(r);
	if (!err)
		err = stacks__finish(r);
	return err ? err : write_losses(r);
}
