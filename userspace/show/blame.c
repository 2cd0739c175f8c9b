/* SPDX-License-Identifier: MIT */
/*
 * blame.c: from a difference in a replay to the change that may have made it.
 *
 * A change can have made it if the process that differs had a changed page mapped, if its new bytes could be seen before the
 * event that differs was written, and if the trace doesn't place it exactly. Which loads the program made isn't known; so
 * these are candidates, unless the page that differs is one of the changed ones.
 */
#include "show/blame.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "show/check.h"
#include "util/names.h"

#define ROWS 3 /* candidates that are shown */

/** A change that may have made the difference. */
struct candidate {
	const struct check_change *change;
	uint64_t addr; /* where the process has the first changed page, 0: not known */
	bool hit;      /* the page that differs is one of its pages */
};

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static bool is_exact(const struct check_change *c)
{
	return c->outcome == OUTCOME_EXACT || c->outcome == OUTCOME_SAME_BYTES;
}

/** Prints a string that may hold anything. */
static void put(const struct show_opts *o, const char *s)
{
	char *text = term__escape(s);

	fputs(text ? text : "?", o->out);
	free(text);
}

/** The address space of the thread that differs. */
static const struct model_space *space_of(const struct blame_place *at)
{
	const struct model_task *t = model__task(at->model, at->tid);

	return t ? model__space(at->model, t->space) : NULL;
}

/** The mapping that the page that differs is in; NULL: none, or another thing differs. */
static const struct model_vma *mapping_of(const struct blame_place *at)
{
	const struct model_space *s = at->page ? space_of(at) : NULL;

	return s ? model__find_vma(s, at->page) : NULL;
}

static uint64_t end_of(const struct ev_change *f)
{
	return f->length > UINT64_MAX - f->offset ? UINT64_MAX : f->offset + f->length;
}

/** Does the change cover the page that differs? */
static bool hits(const struct check_change *c, const struct blame_place *at)
{
	const struct model_vma *v = mapping_of(at);
	uint64_t offset;

	if (c->fact.flags & CHANGE_REMOTE)
		return at->page && at->page + BPREC_PAGE_SIZE > c->fact.offset &&
		       at->page < end_of(&c->fact);
	if (!v || !c->object || v->object != c->object->id)
		return false;
	offset = v->offset + (at->page - v->addr);
	return (c->fact.flags & CHANGE_RANGE_UNKNOWN) ||
	       (offset + BPREC_PAGE_SIZE > c->fact.offset && offset < end_of(&c->fact));
}

/** Has the process a page of it? *ret gets the address. */
static bool is_seen_by(const struct check_change *c, uint32_t pid, uint64_t *ret)
{
	for (uint32_t i = 0; i < c->ninsiders; i++)
		if (c->insiders[i].pid == pid) {
			*ret = c->insiders[i].addr;
			return true;
		}
	return false;
}

/** Candidates with the likelier one first: on the page that differs, then the latest. */
static int compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->hit != y->hit)
		return x->hit ? -1 : 1;
	return x->change->event > y->change->event ? -1 : x->change->event < y->change->event;
}

/** Fills `out` (room for all changes); *exact: those that are known to be placed right. */
static size_t find(const struct check_report *rep, const struct blame_place *at,
		   struct candidate *out, uint64_t *exact)
{
	const struct model_task *t = model__task(at->model, at->tid);
	size_t n = 0;

	*exact = 0;
	for (size_t i = 0; t && i < rep->nchanges; i++) {
		const struct check_change *c = &rep->changes[i];
		uint64_t addr = 0;

		if (!is_seen_by(c, t->pid, &addr) || c->fact.begin_ns > at->time_ns)
			continue;
		if (is_exact(c))
			++*exact;
		else
			out[n++] = (struct candidate){ c, addr, hits(c, at) };
	}
	qsort(out, n, sizeof(*out), compare);
	return n;
}

static void print_pages(const struct show_opts *o, const struct check_change *c)
{
	const uint64_t first = c->fact.offset / BPREC_PAGE_SIZE, end = end_of(&c->fact);
	const uint64_t last = end > c->fact.offset ? (end - 1) / BPREC_PAGE_SIZE : first;

	if (c->fact.flags & CHANGE_REMOTE)
		fprintf(o->out, "%" PRIu64 " bytes at %#" PRIx64 " of its memory", c->fact.length,
			c->fact.offset);
	else if (c->fact.flags & CHANGE_RANGE_UNKNOWN)
		fprintf(o->out, "pages that aren't known");
	else if (end == UINT64_MAX)
		fprintf(o->out, "page %" PRIu64 " and those behind it", first);
	else if (first == last)
		fprintf(o->out, "page %" PRIu64, first);
	else
		fprintf(o->out, "pages %" PRIu64 " to %" PRIu64, first, last);
	if (c->object) {
		fprintf(o->out, " of ");
		put(o, *c->object->path ? c->object->path : "(no name)");
	}
}

static void print_writer(const struct show_opts *o, const struct check_writer *w)
{
	if (!w) {
		fprintf(o->out, "somebody who isn't known");
		return;
	}
	fprintf(o->out, "pid %" PRIu32 " (", w->pid);
	put(o, w->comm);
	fprintf(o->out, ")");
}

static double since_start(const struct check_report *rep, uint64_t ns)
{
	return ((double)ns - (double)rep->start_ns) / 1e9;
}

static void print_candidate(const struct show_opts *o, const struct check_report *rep,
			    const struct candidate *k)
{
	const struct check_change *c = k->change;

	fprintf(o->out, "bprec: %s: ",
		k->hit ? "the page was changed from outside"
		       : "may come from a change from outside");
	print_pages(o, c);
	if (k->addr && !(c->fact.flags & CHANGE_REMOTE))
		fprintf(o->out, " (mapped at %#" PRIx64 ")", k->addr);
	fprintf(o->out, ", by ");
	print_writer(o, c->by);
	fprintf(o->out, " by %s, event %" PRIu64 ", window ", channel_name(c->fact.channel),
		c->event);
	if (c->fact.begin_ns)
		fprintf(o->out, "%+.6f s to ", since_start(rep, c->fact.begin_ns));
	else
		fprintf(o->out, "not known to ");
	if (c->fact.saved_ns)
		fprintf(o->out, "%+.6f s", since_start(rep, c->fact.saved_ns));
	else
		fprintf(o->out, "not saved");
	fprintf(o->out, ", outcome %s\n", outcome_name(c->outcome));
}

/** Takes a mapping of the object; stops at one of the space. */
static int is_of_space(void *ctx, const struct model_space *s, const struct model_vma *v)
{
	const struct model_space *wanted = ctx;

	(void)v;
	return s->id == wanted->id;
}

/** Who could store unseen into what the process maps. Returns how many. */
static size_t print_exposures(const struct show_opts *o, const struct check_report *rep,
			      const struct blame_place *at)
{
	const struct model_space *s = space_of(at);
	size_t n = 0;

	for (size_t i = 0; s && i < rep->nexposures; i++) {
		const struct check_exposure *x = &rep->exposures[i];

		if (x->from_event > at->event || x->to_event < at->event ||
		    !model__each_mapper(at->model, x->object->id, 0, ~0ull, is_of_space, (void *)s))
			continue;
		if (n++ >= ROWS)
			continue;
		fprintf(o->out, "bprec: may come from a store that nobody saw: ");
		put(o, *x->object->path ? x->object->path : "(no name)");
		fprintf(o->out, " could be changed by ");
		print_writer(o, x->by);
		fprintf(o->out, " (%s) from event %" PRIu64 " on\n", exposure_name(x->fact.kind),
			x->from_event);
	}
	return n;
}

/** What could not be observed of objects that the process maps, or of anything. Returns how many. */
static size_t print_gaps(const struct show_opts *o, const struct check_report *rep,
			 const struct blame_place *at)
{
	const struct model_space *s = space_of(at);
	size_t n = 0;

	for (size_t i = 0; s && i < rep->ngaps; i++) {
		const struct check_gap *g = &rep->gaps[i];

		if (g->kind == GAP_HIDDEN_STORES) /* an exposure tells more */
			continue;
		if (g->object &&
		    !model__each_mapper(at->model, g->object->id, 0, ~0ull, is_of_space, (void *)s))
			continue;
		if (n++ >= ROWS)
			continue;
		fprintf(o->out, "bprec: may come from what was not observed");
		if (g->object) {
			fprintf(o->out, " of ");
			put(o, *g->object->path ? g->object->path : "(no name)");
		}
		fprintf(o->out, ": ");
		put(o, g->reason);
		fprintf(o->out, "\n");
	}
	return n;
}

/** What the page that differs is. */
static void print_page(const struct show_opts *o, const struct blame_place *at)
{
	const struct model_vma *v = mapping_of(at);
	const struct model_object *object =
		v && v->object ? model__object(at->model, v->object) : NULL;

	if (!object)
		return;
	fprintf(o->out, "bprec: page %#" PRIx64 " is page %" PRIu64 " of ", at->page,
		(v->offset + (at->page - v->addr)) / BPREC_PAGE_SIZE);
	put(o, *object->path ? object->path : "(no name)");
	fprintf(o->out, ", mapped %s\n", v->flags & 1 ? "shared" : "private");
}

static void print_none(const struct show_opts *o, const struct check_report *rep, uint64_t exact)
{
	char line[256];

	if (rep->verdict == VERDICT_CLEAN || rep->verdict == VERDICT_RESNAPSHOTTED) {
		show__verdict_line(rep, line, sizeof(line));
		fprintf(o->out,
			"bprec: no change from outside explains it; the verdict on the trace is %s\n",
			line);
	} else {
		fprintf(o->out,
			"bprec: no change from outside that is known explains it: of those before this event, "
			"%" PRIu64 " touch%s memory of the process, and the trace has %s place\n",
			exact, exact == 1 ? "es" : "", exact == 1 ? "its" : "their");
	}
}

void show__blame(const struct show_opts *o, const struct check_report *rep,
		 const struct blame_place *at)
{
	struct candidate *v = calloc(rep->nchanges + 1, sizeof(*v));
	uint64_t exact;
	size_t n;

	if (!v)
		return;
	print_page(o, at);
	n = find(rep, at, v, &exact);
	for (size_t i = 0; i < n && i < ROWS; i++)
		print_candidate(o, rep, &v[i]);
	if (n > ROWS)
		fprintf(o->out, "bprec: ... or from one of %zu other changes\n", n - ROWS);
	n += print_exposures(o, rep, at);
	n += print_gaps(o, rep, at);
	if (!n)
		print_none(o, rep, exact);
	free(v);
}

void show__no_blame(const struct show_opts *o, const struct check_report *rep)
{
	const uint64_t bad = check__bad(rep);

	if (rep->verdict == VERDICT_DIVERGENT && bad)
		fprintf(o->out,
			"bprec: %" PRIu64
			" change%s from outside whose moment or bytes the trace can't tell made no "
			"difference\n",
			bad, plural(bad));
	else if (rep->verdict == VERDICT_UNCERTAIN || rep->verdict == VERDICT_DIVERGENT)
		fprintf(o->out,
			"bprec: what could have changed unseen (verdict uncertain) made no difference\n");
}
