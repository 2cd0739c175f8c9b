// SPDX-License-Identifier: MIT
/*
 * run.c: one pass over a trace, and the report.
 *
 * Everything in the trace is believed only as far as it agrees with the rest of it: the reader checks bytes and sizes, the
 * model refuses what can't have happened, and the functions of facts.c refuse references to what is not there. Any of these
 * ends the check as trouble. Memory is bounded by CHECK_KEEP_MAX and the bounds of the model.
 */
#include "check/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <Judy.h>

#include "check/state.h"
#include "util/err.h"
#include "util/names.h"

void *check__grow(void *array_ptr, size_t *n, size_t size)
{
	void **array = array_ptr;

	if (!(*n & (*n - 1))) { /* 0 or a power of two: it is full */
		void *more = realloc(*array, (*n ? *n * 2 : 1) * size);

		if (!more)
			return NULL;
		*array = more;
	}
	return memset((char *)*array + (*n)++ * size, 0, size);
}

int check__bad_event(const struct check_state *s, uint64_t no, const char *what)
{
	return err__set(-TRACE_E_EVENT, "%s: event %llu contradicts the trace: %s", s->rep->dir,
			(unsigned long long)no, what);
}

int check__gap(struct check_state *s, enum gap_kind kind, uint32_t channel, uint32_t object,
	       const char *reason)
{
	struct check_report *rep = s->rep;
	const struct model_object *o = object ? model__object(s->model, object) : NULL;
	size_t from = rep->ngaps > 256 ? rep->ngaps - 256 : 0;

	rep->gaps_all++;
	for (size_t i = from; i < rep->ngaps; i++) {
		struct check_gap *g = &rep->gaps[i];

		if (g->kind == kind && g->channel == channel && g->object == o &&
		    !strcmp(g->reason, reason)) {
			g->count++;
			return 0;
		}
	}
	if (rep->ngaps >= CHECK_KEEP_MAX)
		return 0;
	char *text = strndup(reason, 4096);
	struct check_gap *g = text ? check__grow(&rep->gaps, &rep->ngaps, sizeof(*g)) : NULL;
	if (!g) {
		free(text);
		return -ENOMEM;
	}
	*g = (struct check_gap){ kind, channel, o, text, 1 };
	return 0;
}

const struct check_stack *check_report__stack(const struct check_report *rep, uint32_t id)
{
	for (size_t i = 0; id && i < rep->nstacks; i++)
		if (rep->stacks[i].fact.stack == id)
			return &rep->stacks[i];
	return NULL;
}

const struct check_stack *check_report__insider(const struct check_report *rep, uint64_t change,
						uint32_t tid)
{
	for (size_t i = 0; i < rep->nstacks; i++) {
		const struct ev_stack *f = &rep->stacks[i].fact;
		if (!f->writer && f->change == change && f->tid == tid)
			return &rep->stacks[i];
	}
	return NULL;
}

void check_report__free(struct check_report *rep)
{
	if (!rep)
		return;
	/* writers are shared by changes and exposures; `writers` lists each once */
	for (size_t i = 0; i < rep->nwriters; i++) {
		free(rep->writers[i]->exe);
		free(rep->writers[i]->cgroup);
		free(rep->writers[i]->args);
		free(rep->writers[i]->build_id);
		free(rep->writers[i]);
	}
	for (size_t i = 0; i < rep->nchanges; i++)
		free(rep->changes[i].insiders);
	for (size_t i = 0; i < rep->ngaps; i++)
		free(rep->gaps[i].reason);
	for (size_t i = 0; i < rep->nnotes; i++)
		free(rep->notes[i].text);
	for (size_t i = 0; i < rep->argc; i++)
		free(rep->argv[i]);
	for (size_t i = 0; i < rep->nstacks; i++) {
		free(rep->stacks[i].frames);
		free(rep->stacks[i].strings);
	}
	free(rep->stacks);
	free(rep->writers);
	free(rep->changes);
	free(rep->exposures);
	free(rep->gaps);
	free(rep->losses);
	free(rep->hooks);
	free(rep->notes);
	free(rep->argv);
	free(rep->dir);
	model__free(rep->model);
	free(rep);
}

/** Frees a JudyL array and the values in it. */
static void free_values(void **array)
{
	Word_t key = 0;

	for (void **v = JudyLFirst(*array, &key, NULL); v; v = JudyLNext(*array, &key, NULL))
		free(*v);
	JudyLFreeArray(array, NULL);
}

void check__state_free(struct check_state *s)
{
	free_values(&s->objects);
	free_values(&s->spaces);
	JudyLFreeArray(&s->writers, NULL);
	JudyLFreeArray(&s->exposures, NULL);
	JudyLFreeArray(&s->pages, NULL);
	Judy1FreeArray(&s->bad_pids, NULL);
}

int check__event(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	struct check_report *rep = s->rep;
	int err;

	if (!no)
		rep->start_ns = ev->time_ns;
	if (!no && ev->type != EV_START && ev->type != EV_END)
		return check__bad_event(s, no, "the first event is not the start");
	if (s->ended)
		return check__bad_event(s, no, "it comes after the end");
	rep->end_ns = ev->time_ns;
	rep->events = no + 1;
	err = check__before(s, ev, no);
	if (err)
		return err__set(err, "out of memory");
	err = model__apply(s->model, ev, no);
	if (err)
		return err__set(err == -EBADMSG ? -TRACE_E_EVENT : err, "%s: %s", rep->dir,
				model__error(s->model));
	err = check__take(s, ev, no);
	return err == -ENOMEM ? err__set(err, "out of memory") : err;
}

static int pass(struct check_state *s)
{
	const struct event_header *ev;
	uint64_t no;
	int err;

	while ((err = reader__next(s->reader, &ev, &no)) > 0) {
		err = check__event(s, ev, no);
		if (err)
			return err;
	}
	return err ? err__set(err, "%s", reader__error(s->reader)) : 0;
}

/** Finds the first event that a change may have made different: the first one of a process that maps what changed, not
 *  before the change may have begun. */
static int find_divergence(struct check_state *s)
{
	const struct event_header *ev;
	uint64_t no, from = s->bad_begin_ns, found = UINT64_MAX;
	int err = reader__rewind(s->reader);

	from = from > CHECK_MARGIN_NS ? from - CHECK_MARGIN_NS : 0;
	while (!err && found == UINT64_MAX && (err = reader__next(s->reader, &ev, &no)) > 0) {
		err = 0;
		if (!ev->tid || ev->time_ns < from)
			continue;
		if (s->bad_anyone || Judy1Test(s->bad_pids, ev->pid, NULL))
			found = no;
	}
	if (err < 0)
		return err__set(err, "%s", reader__error(s->reader));
	s->rep->first_divergent_event = found;
	return 0;
}

/** New report for a trace; NULL: no memory. */
static struct check_report *new_report(struct reader *r)
{
	const struct manifest *man = reader__manifest(r);
	struct check_report *rep = calloc(1, sizeof(*rep));

	if (!rep)
		return NULL;
	rep->dir = strdup(reader__dir(r));
	rep->model = model__new();
	if (!rep->dir || !rep->model) {
		check_report__free(rep);
		return NULL;
	}
	rep->complete = reader__complete(r);
	rep->torn = reader__torn_bytes(r);
	rep->end_kind = man ? man->end_kind : 0;
	rep->end_code = man ? man->end_code : 0;
	rep->first_divergent_event = UINT64_MAX;
	return rep;
}

/** Counts an object. */
static int count_object(void *ctx, const struct model_object *o)
{
	(void)o;
	++*(uint64_t *)ctx;
	return 0;
}

/** Everything after the report is there. 0 or negative with err__text. */
static int run(struct check_state *s, const struct check_opts *opts)
{
	struct check_report *rep = s->rep;
	int err = reader__rewind(s->reader);

	if (!err && !(opts && opts->trust_pages))
		err = reader__verify_pages(s->reader);
	if (err)
		return err__set(err, "%s", reader__error(s->reader));
	err = pass(s);
	if (err)
		return err;
	err = check__finish(s);
	if (err)
		return err__set(err, "out of memory");
	model__each_object(rep->model, count_object, &rep->objects);
	rep->verdict = check__verdict(rep);
	rep->bad_begin_ns = s->bad_begin_ns;
	return rep->verdict == VERDICT_DIVERGENT ? find_divergence(s) : 0;
}

int check__run(struct reader *r, const struct check_opts *opts, struct check_report **ret)
{
	struct check_state s = { .reader = r, .bad_begin_ns = UINT64_MAX };
	int err;

	s.rep = new_report(r);
	if (!s.rep)
		return err__set(-ENOMEM, "out of memory");
	s.model = s.rep->model;
	err = run(&s, opts);
	check__state_free(&s);
	if (err)
		check_report__free(s.rep);
	else
		*ret = s.rep;
	return err;
}
