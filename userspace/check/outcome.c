// SPDX-License-Identifier: MIT
/*
 * outcome.c: what one outside change means for a replay (docs/VERDICTS.md, "Outcomes").
 *
 * A change is exact only if every thread that maps a page of it is known to have been idle from CHECK_MARGIN_NS before the
 * change began until its bytes were saved. The list of threads comes from the recorder; the model says who has to be on
 * it. One who is missing, or who has unmapped, exec'd or exited since the change began, may have seen anything. A private
 * mapping counts like a shared one: whether a page was copied before the change began is not known (DESIGN 12, rule 4).
 */
#include "check/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <Judy.h>

#include "util/err.h"

/** What is to be judged. */
struct question {
	struct check_state *state;
	const struct event_header *ev;
	const struct ev_change *fact;
	const struct change_insider *insiders; /* fact->ninsiders of them */
	const struct object_facts *object;     /* NULL with CHANGE_REMOTE */
	bool lost_pages; /* the EV_PAGES it names has pages that could not be saved */
	/* found out */
	void *listed; /* Judy1: tids of insiders */
	bool mapped;  /* a living thread maps a page of it */
	bool missing; /* one of them is not listed */
	bool busy;    /* an insider listed may have run */
	bool touched; /* an insider was in a call that touches the pages */
};

/** Takes a thread that maps a page of the change. */
static int want_listed(void *ctx, const struct model_task *t)
{
	struct question *q = ctx;

	q->mapped = true;
	if (!Judy1Test(q->listed, t->tid, NULL))
		q->missing = true;
	return q->missing;
}

static int want_space_listed(void *ctx, const struct model_space *s, const struct model_vma *v)
{
	const struct question *q = ctx;

	(void)v;
	return model__each_task_of(q->state->model, s->id, want_listed, ctx);
}

/** Who has to be listed when an object has changed. */
static void look_for_mappers(struct question *q, uint32_t object, uint64_t offset, uint64_t length)
{
	uint64_t first = offset / BPREC_PAGE_SIZE, n = UINT64_MAX;
	bool whole = q->fact->flags & CHANGE_RANGE_UNKNOWN;

	if (whole)
		first = 0;
	else if (length < UINT64_MAX - offset - BPREC_PAGE_SIZE)
		n = (offset + length + BPREC_PAGE_SIZE - 1) / BPREC_PAGE_SIZE - first;
	else
		n = UINT64_MAX - 1; /* to the end */
	model__each_mapper(q->state->model, object, first, n, want_space_listed, q);
}

/** Who has to be listed when the memory of a tracee was changed: all who share it. */
static void look_for_sharers(struct question *q)
{
	const struct model *m = q->state->model;
	const struct model_task *t = q->fact->ninsiders ? model__task(m, q->insiders[0].tid) : NULL;
	const struct model_space *s = t ? model__space(m, t->space) : NULL;

	q->mapped = true;
	if (!s) {
		q->missing = true;
		return;
	}
	model__each_task_of(m, s->id, want_listed, q);
	const struct model_vma *v = model__find_vma(s, q->fact->offset);
	if (v && v->object && (v->flags & 1)) /* MAP_SHARED, MAP_SHARED_VALIDATE */
		look_for_mappers(q, v->object, q->fact->offset - v->addr + v->offset,
				 q->fact->length);
}

/** Looks at the insiders listed. 0 or -ENOMEM. */
static int look_at_insiders(struct question *q)
{
	for (uint32_t i = 0; i < q->fact->ninsiders; i++) {
		const struct change_insider *in = &q->insiders[i];

		if (Judy1Set(&q->listed, in->tid, NULL) == JERR)
			return -ENOMEM;
		if (in->state == INSIDER_CALL_TOUCHES)
			q->touched = true;
		if (in->state != INSIDER_STOPPED && in->state != INSIDER_IN_CALL)
			q->busy = true;
		if (in->idle_from_ns > UINT64_MAX - CHECK_MARGIN_NS ||
		    in->idle_from_ns + CHECK_MARGIN_NS > q->fact->begin_ns)
			q->busy = true;
	}
	return 0;
}

/** An insider that mapped the object when the change may have begun is gone. */
static bool someone_left(const struct question *q)
{
	return q->object && q->object->dropped_ns &&
	       q->object->dropped_ns + CHECK_MARGIN_NS >= q->fact->begin_ns;
}

/** One row of the table of outcomes. */
struct rule {
	/** True if the rule fits. */
	bool (*fits)(const struct question *q);
	enum outcome outcome;
	const char *why; /* for a person */
};

static bool not_saved(const struct question *q)
{
	return !(q->fact->flags & CHANGE_SAVED) || !q->fact->saved_ns || q->lost_pages;
}
static bool nowhere(const struct question *q)
{
	return q->fact->pages_changed && q->fact->pages_event == UINT64_MAX &&
	       !(q->fact->flags & CHANGE_REMOTE);
}
static bool touched(const struct question *q)
{
	return q->touched;
}
static bool no_beginning(const struct question *q)
{
	return !q->fact->begin_ns || q->fact->begin_ns > q->fact->saved_ns;
}
static bool in_flight(const struct question *q)
{
	return q->fact->flags & CHANGE_IN_FLIGHT;
}
static bool exposed(const struct question *q)
{
	return q->fact->flags & CHANGE_EXPOSED;
}
static bool end_unknown(const struct question *q)
{
	return !q->fact->end_ns && !(q->fact->flags & CHANGE_BY_COMPARE);
}
static bool saved_too_soon(const struct question *q)
{
	return q->fact->end_ns > q->fact->saved_ns;
}
/** Nobody was stopped, but nothing ever differed: the snapshot is older than the change, and no other change began before the
 *  contents were read again. A call that writes what is there already never shows anything else in between; one that takes
 *  pages away does. */
static bool same_throughout(const struct question *q)
{
	const struct ev_change *f = q->fact;

	return q->state->rep->watched && !f->pages_changed && q->object && q->object->saved_ns &&
	       q->object->saved_ns < f->begin_ns &&
	       !(f->flags & (CHANGE_REMOTE | CHANGE_SHRUNK | CHANGE_CROWDED));
}
static bool watched(const struct question *q)
{
	return q->state->rep->watched;
}
static bool busy(const struct question *q)
{
	return q->busy;
}
static bool missing(const struct question *q)
{
	return q->missing;
}
static bool nothing_differs(const struct question *q)
{
	return !q->fact->pages_changed;
}
/** Nothing differs from contents that were read when the change had begun: what it wrote may have been among them. */
static bool saved_with_another(const struct question *q)
{
	return nothing_differs(q) && q->object && q->object->saved_ns >= q->fact->begin_ns;
}
static bool always(const struct question *q)
{
	(void)q;
	return true;
}

/** The first rule that fits says it. docs/VERDICTS.md explains each row. */
static const struct rule rules[] = {
	{ not_saved, OUTCOME_LOST, "the new bytes could not be saved" },
	{ nowhere, OUTCOME_LOST, "pages differ, and their new bytes are not in the trace" },
	{ touched, OUTCOME_SEEN_EARLY, "a system call of the program had these pages in hand" },
	{ no_beginning, OUTCOME_POSSIBLE, "it is not known when it began" },
	{ in_flight, OUTCOME_POSSIBLE, "the writer had not finished when the pages were saved" },
	{ exposed, OUTCOME_POSSIBLE, "a first store through a mapping: others may follow unseen" },
	{ end_unknown, OUTCOME_POSSIBLE, "it is not known when the writer finished" },
	{ saved_too_soon, OUTCOME_POSSIBLE, "the pages were saved before the writer finished" },
	{ same_throughout, OUTCOME_SAME_BYTES, "nothing differs, before and after" },
	{ watched, OUTCOME_POSSIBLE,
	  "the program was watched only, and could see it at any moment" },
	{ busy, OUTCOME_POSSIBLE, "the program may have run before the pages were saved" },
	{ missing, OUTCOME_POSSIBLE, "a thread that maps the pages is not accounted for" },
	{ someone_left, OUTCOME_POSSIBLE, "a thread that mapped the object left meanwhile" },
	{ saved_with_another, OUTCOME_EXACT,
	  "what it wrote was saved with another change, before the program could see it" },
	{ nothing_differs, OUTCOME_SAME_BYTES, "nothing differs, and nobody ran meanwhile" },
	{ always, OUTCOME_EXACT, "saved before the program could see it" },
};

/** Finds the outcome. 0, 1: nobody maps these pages, or -ENOMEM. */
static int judge(struct question *q, struct check_change *c)
{
	const struct rule *r = rules;
	int err = look_at_insiders(q);

	if (err)
		goto out;
	if (q->fact->flags & CHANGE_REMOTE)
		look_for_sharers(q);
	else
		look_for_mappers(q, q->fact->object, q->fact->offset, q->fact->length);
	if (!q->fact->pages && !q->fact->ninsiders && !q->mapped && !someone_left(q)) {
		err = 1;
		goto out;
	}
	while (!r->fits(q))
		r++;
	c->outcome = r->outcome;
	c->why = r->why;
out:
	Judy1FreeArray(&q->listed, NULL);
	return err;
}

/** Checks what a change refers to. 0 or negative with err__text. */
static int check_references(struct question *q, uint64_t no)
{
	const struct ev_change *f = q->fact;
	uint64_t pages;

	if (f->channel >= CH_MAX)
		return check__bad_event(q->state, no, "unknown channel");
	if (f->after_event != UINT64_MAX && f->after_event >= no)
		return check__bad_event(q->state, no, "it comes after a later event");
	if (!(f->flags & CHANGE_REMOTE) && !model__object(q->state->model, f->object))
		return check__bad_event(q->state, no, "its object is not known");
	if (f->writer && !JudyLGet(q->state->writers, f->writer, NULL))
		return check__bad_event(q->state, no, "its writer is not known");
	if (f->pages_event == UINT64_MAX || (f->flags & CHANGE_REMOTE))
		return 0;
	const Word_t *v = (const Word_t *)JudyLGet(q->state->pages, f->pages_event, NULL);
	if (!v)
		return check__bad_event(q->state, no, "its pages event is not there");
	pages = *v;
	if (pages >> 1 != f->object)
		return check__bad_event(q->state, no, "its pages are those of another object");
	q->lost_pages = pages & 1;
	return 0;
}

static bool doubtful(const struct check_change *c)
{
	return c->fact.flags & CHANGE_DOUBTFUL;
}

/** Counts a change with the outcome that it has, or takes it out again (by: -1). */
static void tally(struct check_report *rep, const struct check_change *c, int by)
{
	rep->outcomes[c->outcome] += by;
	if (doubtful(c))
		rep->doubted[c->outcome] += by;
}

/** Counts a change in the report. */
static void count(struct check_report *rep, const struct check_change *c)
{
	rep->changes_all++;
	tally(rep, c, 1);
	if (c->outcome != OUTCOME_LOST)
		rep->pages_resnapshotted += c->fact.pages_changed;
}

int check__blame(struct check_state *s, const struct check_change *c)
{
	if (c->outcome == OUTCOME_EXACT || c->outcome == OUTCOME_SAME_BYTES || doubtful(c))
		return 0;
	if (c->fact.begin_ns < s->bad_begin_ns)
		s->bad_begin_ns = c->fact.begin_ns;
	if (c->others || c->ninsiders < c->fact.ninsiders || !c->ninsiders)
		s->bad_anyone = true;
	for (uint32_t i = 0; i < c->ninsiders; i++)
		if (Judy1Set(&s->bad_pids, c->insiders[i].pid, NULL) == JERR)
			return -ENOMEM;
	return 0;
}

/** True if the exact outcome `done` of a later look holds for an earlier change that had not ended, too: the same writer
 *  and object, all of its bytes, and everybody idle since before it began. */
static bool covers(const struct check_change *done, const struct check_change *c)
{
	const struct ev_change *d = &done->fact, *f = &c->fact;
	bool whole = d->flags & CHANGE_RANGE_UNKNOWN;

	if (d->object != f->object || d->writer != f->writer || d->begin_ns > f->begin_ns)
		return false;
	if (whole || (!d->offset && d->length == UINT64_MAX))
		return true;
	return d->offset <= f->offset && f->length <= d->length &&
	       f->offset - d->offset <= d->length - f->length;
}

/** A change is over, and exact: so are reports of the same change that were written while it was going on. */
static void settle(struct check_report *rep, const struct check_change *done)
{
	size_t from = rep->nchanges > 64 ? rep->nchanges - 64 : 0;

	for (size_t i = from; i < rep->nchanges; i++) {
		struct check_change *c = &rep->changes[i];

		if (c == done || c->outcome != OUTCOME_POSSIBLE ||
		    !(c->fact.flags & CHANGE_IN_FLIGHT) || (c->fact.flags & CHANGE_EXPOSED) ||
		    (c->fact.flags & CHANGE_REMOTE) || !covers(done, c))
			continue;
		tally(rep, c, -1);
		c->outcome = done->outcome;
		c->why = "saved again when the writer had finished";
		tally(rep, c, 1);
	}
}

/** Keeps a change for the report. 0 or -ENOMEM. */
static int keep(struct question *q, const struct check_change *c)
{
	struct check_report *rep = q->state->rep;
	uint32_t n = c->fact.ninsiders;

	if (rep->nchanges >= CHECK_KEEP_MAX)
		return check__blame(q->state, c);
	struct check_change *slot = check__grow(&rep->changes, &rep->nchanges, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	*slot = *c;
	slot->ninsiders = 0;
	slot->insiders = NULL;
	if (n > CHECK_KEEP_INSIDERS)
		n = CHECK_KEEP_INSIDERS;
	if (n) {
		slot->insiders = malloc(n * sizeof(*slot->insiders));
		if (!slot->insiders)
			return -ENOMEM;
		memcpy(slot->insiders, q->insiders, n * sizeof(*slot->insiders));
		slot->ninsiders = n;
	}
	if (c->outcome == OUTCOME_EXACT || c->outcome == OUTCOME_SAME_BYTES)
		settle(rep, slot);
	return 0;
}

int check__change(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_change *f = (const void *)(ev + 1);
	struct question q = { .state = s, .ev = ev, .fact = f, .insiders = (const void *)(f + 1) };
	struct check_change c = { .event = no, .fact = *f };
	int err = check_references(&q, no);

	if (err)
		return err;
	if (!(f->flags & CHANGE_REMOTE)) {
		q.object = check__object(s, f->object);
		if (!q.object)
			return err__set(-ENOMEM, "out of memory");
		c.object = model__object(s->model, f->object);
	}
	void **w = JudyLGet(s->writers, f->writer, NULL);
	c.by = w ? *w : NULL;
	err = judge(&q, &c);
	if (err > 0) {
		s->rep->changes_ignored++;
		return 0;
	}
	if (doubtful(&c))
		c.why = "it may have been another file: nothing tells what such a call works on";
	c.others = q.missing || someone_left(&q);
	count(s->rep, &c);
	if (!err)
		err = keep(&q, &c);
	return err ? err__set(err, "out of memory") : 0;
}
