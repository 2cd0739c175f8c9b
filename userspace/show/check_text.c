// SPDX-License-Identifier: MIT
/*
 * check_text.c: the report of check for a person.
 *
 * The first line is the verdict and what it means. Then come tables: object, range and culprit first; rows that matter
 * most first; long lists are cut with a count unless -v. All strings go through table__cell, which escapes them.
 */
#include "show/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "show/table.h"
#include "util/names.h"

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/** What makes the trace uncertain, for the first line. */
static const char *first_reason(const struct check_report *rep)
{
	if (!rep->complete)
		return "the recording was cut short";
	if (!rep->started)
		return "nothing was recorded";
	if (!rep->observed)
		return "nothing was observed";
	if (rep->lost)
		return "events were lost";
	if (check__doubtful(rep))
		return "a call may have cut a mapped file, or another one";
	for (size_t i = 0; i < rep->ngaps; i++)
		if (rep->gaps[i].kind == GAP_HIDDEN_STORES)
			return "somebody could store into a mapped file without being seen";
	return "not everything could be observed";
}

/** The line for a watch: nothing was saved for anybody, it is about what somebody else recorded meanwhile. */
static void watch_line(const struct check_report *rep, uint64_t bad, char *buf, size_t size)
{
	const bool known = rep->bad_begin_ns >= rep->start_ns && rep->bad_begin_ns != UINT64_MAX;

	if (rep->verdict == VERDICT_CLEAN)
		snprintf(buf, size, "clean: nothing outside changed what the program could see");
	else if (rep->verdict == VERDICT_RESNAPSHOTTED)
		snprintf(buf, size,
			 "resnapshotted: %" PRIu64 " outside change%s, which made no difference",
			 rep->changes_all, plural(rep->changes_all));
	else
		snprintf(buf, size,
			 "divergent: the program could see %" PRIu64 " of %" PRIu64
			 " outside change%s; a recording of it is not to be trusted from %.6f s on",
			 bad, rep->changes_all, plural(rep->changes_all),
			 known ? (double)(rep->bad_begin_ns - rep->start_ns) / 1e9 : 0.0);
}

void show__verdict_line(const struct check_report *rep, char *buf, size_t size)
{
	uint64_t bad = check__bad(rep);

	if (rep->watched && rep->verdict != VERDICT_UNCERTAIN) {
		watch_line(rep, bad, buf, size);
		return;
	}
	switch (rep->verdict) {
	case VERDICT_CLEAN:
		snprintf(buf, size, "clean: nothing outside changed what the program could see");
		break;
	case VERDICT_RESNAPSHOTTED:
		snprintf(buf, size,
			 "resnapshotted: %" PRIu64 " outside change%s, saved before the program "
			 "could see %s",
			 rep->changes_all, plural(rep->changes_all),
			 rep->changes_all == 1 ? "it" : "them");
		break;
	case VERDICT_UNCERTAIN:
		snprintf(buf, size, "uncertain: %s, so a change could have gone unseen",
			 first_reason(rep));
		break;
	case VERDICT_DIVERGENT:
		if (rep->first_divergent_event == UINT64_MAX)
			snprintf(buf, size,
				 "divergent: the trace can't hold %" PRIu64 " of %" PRIu64
				 " outside change%s",
				 bad, rep->changes_all, plural(rep->changes_all));
		else
			snprintf(
				buf, size,
				"divergent: %" PRIu64 " of %" PRIu64 " outside change%s may have "
				"been seen at another moment; not to be trusted from event %" PRIu64,
				bad, rep->changes_all, plural(rep->changes_all),
				rep->first_divergent_event);
		break;
	}
}

static enum term_colour verdict_colour(enum verdict v)
{
	return v == VERDICT_DIVERGENT ? TERM_BAD : v == VERDICT_UNCERTAIN ? TERM_WARN : TERM_GOOD;
}

static void print_first_line(const struct show_opts *o, const struct check_report *rep)
{
	char line[256];

	show__verdict_line(rep, line, sizeof(line));
	size_t word = strcspn(line, ":");
	fprintf(o->out, "%s%.*s%s%s\n", term__colour(o->colour, verdict_colour(rep->verdict)),
		(int)word, line, term__colour(o->colour, TERM_PLAIN), line + word);
}

/** How the command ended, into buf. */
static void end_text(const struct check_report *rep, char *buf, size_t size)
{
	if (rep->end_kind == END_EXITED)
		snprintf(buf, size, "exited with %d", rep->end_code);
	else if (rep->end_kind == END_SIGNALED)
		snprintf(buf, size, "ended by signal %d", rep->end_code);
	else if (rep->end_kind == END_LEFT)
		snprintf(buf, size, "still running when the watch ended");
	else if (rep->end_kind == END_FAILED)
		snprintf(buf, size, "bprec failed: %s", strerror(abs(rep->end_code)));
	else
		snprintf(buf, size, "its end is not in the trace");
}

/** The command's words with blanks between; new string or NULL. */
static char *command_text(const struct check_report *rep)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < rep->argc && ftell(f) < 1000; i++)
		fprintf(f, "%s%.1000s", i ? " " : "", rep->argv[i]);
	fclose(f);
	return text;
}

static void print_trace(const struct show_opts *o, const struct check_report *rep)
{
	struct table t = { .ncolumns = 2 };
	char end[100], *command = command_text(rep);

	end_text(rep, end, sizeof(end));
	table__cell(&t, TERM_HEAD, "trace");
	if (rep->complete)
		table__cell(&t, TERM_PLAIN, "%s: %" PRIu64 " events in %.3f s", rep->dir,
			    rep->events, (double)(rep->end_ns - rep->start_ns) / 1e9);
	else
		table__cell(&t, TERM_WARN,
			    "%s: cut short after %" PRIu64 " events, %" PRIu64
			    " bytes not readable",
			    rep->dir, rep->events, rep->torn);
	table__cell(&t, TERM_HEAD, "command");
	table__cell(&t, TERM_PLAIN, "%s: %s", command ? command : "?", end);
	table__cell(&t, TERM_HEAD, "watched");
	table__cell(&t, TERM_PLAIN, "%" PRIu64 " mapped object%s; %" PRIu64 " page%s saved again",
		    rep->objects, plural(rep->objects), rep->pages_resnapshotted,
		    plural(rep->pages_resnapshotted));
	table__print(&t, o, 2);
	table__free(&t);
	free(command);
}

static void section(const struct show_opts *o, const char *title, uint64_t n)
{
	fprintf(o->out, "\n%s%s%s (%" PRIu64 ")\n", term__colour(o->colour, TERM_HEAD), title,
		term__colour(o->colour, TERM_PLAIN), n);
}

/** Prints how many rows were left out. */
static void print_cut(const struct show_opts *o, size_t shown, uint64_t all)
{
	if (shown < all)
		fprintf(o->out, "  ... and %" PRIu64 " more%s\n", all - shown,
			o->verbose ? ", which were not kept" : " (-v shows them)");
}

static size_t rows(const struct show_opts *o, size_t n)
{
	return o->verbose || n <= SHOW_ROWS ? n : SHOW_ROWS;
}

static const char *object_text(const struct model_object *object)
{
	return !object ? "memory of the program" : *object->path ? object->path : "(no name)";
}

/** Cells for the range of a change: bytes and pages. */
static void range_cells(struct table *t, const struct check_change *c)
{
	const struct ev_change *f = &c->fact;
	uint64_t last = f->length > UINT64_MAX - f->offset ? UINT64_MAX : f->offset + f->length - 1;
	bool to_end = f->length == UINT64_MAX || last == UINT64_MAX;

	if (f->flags & CHANGE_RANGE_UNKNOWN) {
		table__cell(t, TERM_PLAIN, "not known");
		table__cell(t, TERM_PLAIN, "all");
	} else if (f->flags & CHANGE_REMOTE) {
		table__cell(t, TERM_PLAIN, "0x%" PRIx64 "+%" PRIu64, f->offset, f->length);
		table__cell(t, TERM_PLAIN, "%s", "");
	} else if (to_end) {
		table__cell(t, TERM_PLAIN, "%" PRIu64 "-end", f->offset);
		table__cell(t, TERM_PLAIN, "%" PRIu64 "-end", f->offset / BPREC_PAGE_SIZE);
	} else {
		uint64_t p = f->offset / BPREC_PAGE_SIZE;
		uint64_t q = f->length ? last / BPREC_PAGE_SIZE : p;

		table__cell(t, TERM_PLAIN, "%" PRIu64 "-%" PRIu64, f->offset,
			    f->length ? last : f->offset);
		if (p == q)
			table__cell(t, TERM_PLAIN, "%" PRIu64, p);
		else
			table__cell(t, TERM_PLAIN, "%" PRIu64 "-%" PRIu64, p, q);
	}
}

static void writer_cell(struct table *t, const struct check_writer *w)
{
	if (!w)
		table__cell(t, TERM_DIM, "not known");
	else if (w->tid != w->pid)
		table__cell(t, TERM_PLAIN, "%u/%u %s %s", w->pid, w->tid, w->comm, w->exe);
	else
		table__cell(t, TERM_PLAIN, "%u %s %s", w->pid, w->comm, w->exe);
}

/** Cell with a time relative to the start. */
static void time_cell(struct table *t, const struct check_report *rep, uint64_t ns)
{
	if (!ns)
		table__cell(t, TERM_DIM, "not known");
	else
		table__cell(t, TERM_PLAIN, "%+.6f s", ((double)ns - (double)rep->start_ns) / 1e9);
}

static enum term_colour outcome_colour(enum outcome outcome)
{
	return outcome == OUTCOME_EXACT || outcome == OUTCOME_SAME_BYTES ? TERM_GOOD : TERM_BAD;
}

/** Order of changes: the worst outcome first, then as in the trace. */
static int compare_changes(const void *a, const void *b)
{
	const struct check_change *c = *(const struct check_change *const *)a;
	const struct check_change *d = *(const struct check_change *const *)b;

	if (c->outcome != d->outcome)
		return c->outcome < d->outcome ? 1 : -1;
	return c->event < d->event ? -1 : c->event > d->event;
}

static int print_changes(const struct show_opts *o, const struct check_report *rep)
{
	struct table t = { .ncolumns = 8 };
	const struct check_change **order = calloc(rep->nchanges + 1, sizeof(*order));
	size_t n = rows(o, rep->nchanges);

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < rep->nchanges; i++)
		order[i] = &rep->changes[i];
	qsort(order, rep->nchanges, sizeof(*order), compare_changes);
	section(o, "outside changes", rep->changes_all);
	table__head(&t, "outcome", "object", "bytes", "pages", "channel", "by (pid, name, file)",
		    "when", "why", NULL);
	for (size_t i = 0; i < n; i++) {
		const struct check_change *c = order[i];

		table__cell(&t, outcome_colour(c->outcome), "%s", outcome_name(c->outcome));
		table__cell(&t, TERM_PLAIN, "%s", object_text(c->object));
		range_cells(&t, c);
		table__cell(&t, TERM_PLAIN, "%s", channel_name(c->fact.channel));
		writer_cell(&t, c->by);
		time_cell(&t, rep, c->fact.begin_ns);
		if (c->fact.count > 1)
			table__cell(&t, TERM_DIM, "%s (%" PRIu64 " times)", c->why, c->fact.count);
		else
			table__cell(&t, TERM_DIM, "%s", c->why);
	}
	table__print(&t, o, 2);
	print_cut(o, n, rep->changes_all);
	free(order);
	int err = t.failed ? -ENOMEM : 0;
	table__free(&t);
	return err;
}

static int print_exposures(const struct show_opts *o, const struct check_report *rep)
{
	struct table t = { .ncolumns = 4 };
	size_t n = rows(o, rep->nexposures);

	section(o, "who could have changed a mapped object", rep->exposures_all);
	table__head(&t, "object", "by (pid, name, file)", "how", "events", NULL);
	for (size_t i = 0; i < n; i++) {
		const struct check_exposure *x = &rep->exposures[i];

		table__cell(&t, TERM_PLAIN, "%s", object_text(x->object));
		writer_cell(&t, x->by);
		table__cell(&t, TERM_PLAIN, "%s", exposure_name(x->fact.kind));
		if (x->to_event == UINT64_MAX)
			table__cell(&t, TERM_PLAIN, "%" PRIu64 " to the end", x->from_event);
		else
			table__cell(&t, TERM_PLAIN, "%" PRIu64 " to %" PRIu64, x->from_event,
				    x->to_event);
	}
	table__print(&t, o, 2);
	print_cut(o, n, rep->exposures_all);
	int err = t.failed ? -ENOMEM : 0;
	table__free(&t);
	return err;
}

static int print_gaps(const struct show_opts *o, const struct check_report *rep)
{
	struct table t = { .ncolumns = 4 };
	size_t n = rows(o, rep->ngaps);

	section(o, "not observed", rep->ngaps);
	table__head(&t, "gap", "channel", "object", "reason", NULL);
	for (size_t i = 0; i < n; i++) {
		const struct check_gap *g = &rep->gaps[i];

		table__cell(&t, TERM_WARN, "%s", gap_name(g->kind));
		table__cell(&t, TERM_PLAIN, "%s",
			    g->channel == CH_UNKNOWN ? "any" : channel_name(g->channel));
		table__cell(&t, TERM_PLAIN, "%s", g->object ? object_text(g->object) : "any");
		table__cell(&t, TERM_PLAIN, "%s", g->reason);
	}
	table__print(&t, o, 2);
	print_cut(o, n, rep->ngaps);
	int err = t.failed ? -ENOMEM : 0;
	table__free(&t);
	return err;
}

static int print_losses(const struct show_opts *o, const struct check_report *rep)
{
	struct table t = { .ncolumns = 4, .right = 1 };
	size_t n = rows(o, rep->nlosses);

	section(o, "events lost", rep->lost);
	table__head(&t, "count", "how", "channel", "hook", NULL);
	for (size_t i = 0; i < n; i++) {
		const struct check_loss *l = &rep->losses[i];

		table__cell(&t, TERM_WARN, "%" PRIu64, l->fact.count);
		table__cell(&t, TERM_PLAIN, "%s", loss_name(l->fact.kind));
		table__cell(&t, TERM_PLAIN, "%s",
			    l->fact.channel == CH_UNKNOWN ? "any" : channel_name(l->fact.channel));
		table__cell(&t, TERM_PLAIN, "%s", l->hook);
	}
	table__print(&t, o, 2);
	print_cut(o, n, rep->nlosses);
	int err = t.failed ? -ENOMEM : 0;
	table__free(&t);
	return err;
}

static int print_hooks(const struct show_opts *o, const struct check_report *rep)
{
	struct table t = { .ncolumns = 3 };

	section(o, "hooks", rep->nhooks);
	table__head(&t, "state", "hook", "serves", NULL);
	for (size_t i = 0; i < rep->nhooks; i++) {
		const struct check_hook *h = &rep->hooks[i];

		table__cell(&t, h->fact.state == HOOK_ATTACHED ? TERM_PLAIN : TERM_WARN, "%s",
			    hook_state_name(h->fact.state));
		table__cell(&t, TERM_PLAIN, "%s", h->name);
		table__cell(&t, TERM_PLAIN, "%s", h->serves);
	}
	table__print(&t, o, 2);
	int err = t.failed ? -ENOMEM : 0;
	table__free(&t);
	return err;
}

static int print_notes(const struct show_opts *o, const struct check_report *rep)
{
	struct table t = { .ncolumns = 2, .right = 1 };

	section(o, "notes", rep->nnotes);
	table__head(&t, "times", "what", NULL);
	for (size_t i = 0; i < rep->nnotes; i++) {
		table__cell(&t, TERM_PLAIN, "%" PRIu64, rep->notes[i].count);
		table__cell(&t, TERM_PLAIN, "%s", rep->notes[i].text);
	}
	table__print(&t, o, 2);
	int err = t.failed ? -ENOMEM : 0;
	table__free(&t);
	return err;
}

char *show__change_line(const struct check_change *c)
{
	struct table t = { .ncolumns = 8 };
	char *line = NULL;

	table__cell(&t, TERM_PLAIN, "%s", object_text(c->object));
	range_cells(&t, c);
	writer_cell(&t, c->by);
	if (!t.failed && t.n == 4 &&
	    asprintf(&line, "%s: bytes %s%s%s changed by %s, %s: %s (%s)", t.cells[0], t.cells[1],
		     *t.cells[2] ? ", pages " : "", t.cells[2], t.cells[3],
		     channel_name(c->fact.channel), outcome_name(c->outcome), c->why) < 0)
		line = NULL;
	table__free(&t);
	return line;
}

int show__check_text(const struct show_opts *o, const struct check_report *rep)
{
	int err = 0;

	print_first_line(o, rep);
	print_trace(o, rep);
	if (rep->changes_all)
		err = print_changes(o, rep);
	if (!err && o->verbose)
		show__check_who(o, rep);
	if (!err && rep->exposures_all)
		err = print_exposures(o, rep);
	if (!err && rep->ngaps)
		err = print_gaps(o, rep);
	if (!err && rep->nlosses)
		err = print_losses(o, rep);
	if (!err && o->verbose && rep->nhooks)
		err = print_hooks(o, rep);
	if (!err && o->verbose && rep->nnotes)
		err = print_notes(o, rep);
	return err;
}
