// SPDX-License-Identifier: MIT
/*
 * facts.c: what check remembers of each event beside the model.
 *
 * An object is *suspect* from the moment an outsider has a mapping through which it can store, until somebody has compared
 * its contents after all such mappings were gone. A suspect object has to be compared between the last moment at which
 * insiders ran and the moment they unmap it, or later; else stores could have gone unnoticed and the trace is uncertain,
 * whether or not the recorder says so (it should: GAP_HIDDEN_STORES).
 */
#include "check/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <Judy.h>

#include "util/err.h"
#include "util/names.h"

/** Value of type `size` in a JudyL array, made and zeroed on first use; NULL: no memory. */
static void *slot(void **array, uint64_t key, size_t size)
{
	void **v = JudyLIns(array, key, NULL);

	if (v == PJERR)
		return NULL;
	if (!*v)
		*v = calloc(1, size);
	return *v;
}

struct object_facts *check__object(struct check_state *s, uint32_t object)
{
	bool known = JudyLGet(s->objects, object, NULL);
	struct object_facts *o = slot(&s->objects, object, sizeof(*o));

	if (o && !known)
		o->compare_no = UINT64_MAX;
	return o;
}

/** Facts of a space, made on first use; NULL: no memory. */
static struct space_times *runs_of(struct check_state *s, uint32_t space)
{
	bool known = JudyLGet(s->spaces, space, NULL);
	struct space_times *r = slot(&s->spaces, space, sizeof(*r));

	if (r && !known)
		r->last = r->before = UINT64_MAX;
	return r;
}

/** True if an object was compared after all but the last of a space's runs. */
static bool looked(const struct object_facts *o, const struct space_times *r)
{
	return o->compare_no != UINT64_MAX &&
	       (r->before == UINT64_MAX || o->compare_no > r->before);
}

/** A thread of the space gives up (some of) a mapping. */
static int dropped(struct check_state *s, const struct model_space *sp, const struct model_vma *v,
		   uint64_t ns)
{
	if (!v->object)
		return 0;
	struct object_facts *o = check__object(s, v->object);
	const struct space_times *r = runs_of(s, sp->id);

	if (!o || !r)
		return -ENOMEM;
	o->dropped_ns = ns;
	if (o->suspect && !looked(o, r))
		o->unlooked = true;
	return 0;
}

static int drop_range(struct check_state *s, const struct model_space *sp, uint64_t addr,
		      uint64_t len, uint64_t ns)
{
	int err = 0;

	for (size_t i = 0; !err && i < sp->nvmas && sp->vmas[i].addr < addr + len; i++)
		if (sp->vmas[i].end > addr)
			err = dropped(s, sp, &sp->vmas[i], ns);
	return err;
}

int check__before(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct model_task *t = ev->tid ? model__task(s->model, ev->tid) : NULL;
	const struct model_space *sp = t && t->alive ? model__space(s->model, t->space) : NULL;
	const void *body = ev + 1;
	const struct ev_map *map = body;
	const struct ev_unmap *unmap = body;
	const struct ev_remap *remap = body;
	struct space_times *r;
	int err;

	if (ev->type == EV_EXEC && !sp) { /* the leader was dead, another thread execs */
		t = model__task(s->model, ((const struct ev_exec *)body)->former_tid);
		sp = t && t->alive ? model__space(s->model, t->space) : NULL;
	}
	if (!sp)
		return 0;
	switch (ev->type) {
	case EV_SYSCALL:
	case EV_SYSCALL_ENTER:
	case EV_SIGNAL:
	case EV_REGS:
		r = runs_of(s, sp->id);
		if (!r)
			return -ENOMEM;
		r->before = r->last;
		r->last = no;
		return 0;
	case EV_MAP:
		return drop_range(s, sp, map->addr, map->len, ev->time_ns);
	case EV_UNMAP:
		return drop_range(s, sp, unmap->addr, unmap->len, ev->time_ns);
	case EV_REMAP:
		err = drop_range(s, sp, remap->old_addr, remap->old_len, ev->time_ns);
		if (err)
			return err;
		return drop_range(s, sp, remap->new_addr, remap->new_len, ev->time_ns);
	case EV_EXIT:
	case EV_EXEC:
		return drop_range(s, sp, 0, UINT64_MAX, ev->time_ns);
	default:
		return 0;
	}
}

/** Next of some strings that end with NUL, a copy; "" when there is none. NULL: no memory. */
static char *next_string(const char **at, const char *end)
{
	size_t len = *at < end ? strnlen(*at, end - *at) : 0;
	char *s = strndup(*at, len);

	*at += *at < end ? len + 1 : 0;
	return s;
}

static int take_start(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_start *e = (const void *)(ev + 1);
	const char *at = (const char *)(e + 1), *end = at + e->strings_len;
	struct check_report *rep = s->rep;

	if (no)
		return check__bad_event(s, no, "a second start");
	rep->started = true;
	rep->observed = e->observed != OBSERVED_NOT;
	rep->watched = e->observed == OBSERVED_ONLY;
	memcpy(rep->release, e->release, sizeof(e->release));
	rep->argv = calloc(e->argc + 1ull, sizeof(*rep->argv));
	if (!rep->argv)
		return -ENOMEM;
	for (uint32_t i = 0; i < e->argc; i++, rep->argc++) {
		rep->argv[i] = next_string(&at, end);
		if (!rep->argv[i])
			return -ENOMEM;
	}
	return 0;
}

static int take_hook(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_hook *e = (const void *)(ev + 1);
	struct check_report *rep = s->rep;

	(void)no;
	if (e->state == HOOK_ATTACHED)
		s->attached++;
	if (rep->nhooks >= CHECK_KEEP_MAX)
		return check__bad_event(s, no, "too many hooks");
	struct check_hook *h = check__grow(&rep->hooks, &rep->nhooks, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->fact = *e;
	memcpy(h->name, e->name, sizeof(e->name));
	memcpy(h->serves, e->serves, sizeof(e->serves));
	return 0;
}

/** The strings behind an EV_WRITER; what is already there is replaced. 0 or -ENOMEM. */
static int name_writer(struct check_writer *w, const struct ev_writer *e)
{
	const char *at = (const char *)(e + 1), *end = at + e->strings_len;
	char **const texts[] = { &w->exe, &w->cgroup, &w->args, &w->build_id };
	bool all = true;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		free(*texts[i]);
		*texts[i] = next_string(&at, end);
		all = all && *texts[i];
	}
	w->ns_pid = e->ns_pid;
	return all ? 0 : -ENOMEM;
}

static int new_writer(struct check_state *s, const struct ev_writer *e)
{
	struct check_writer *w = calloc(1, sizeof(*w)), **entry;

	entry = w ? check__grow(&s->rep->writers, &s->rep->nwriters, sizeof(w)) : NULL;
	if (!entry) {
		free(w);
		return -ENOMEM;
	}
	*entry = w;
	void **v = JudyLIns(&s->writers, e->writer, NULL);
	if (v == PJERR)
		return -ENOMEM;
	*v = w;
	w->id = e->writer;
	w->pid = e->pid;
	w->tid = e->tid;
	w->uid = e->uid;
	w->start_ns = e->start_ns;
	memcpy(w->comm, e->comm, sizeof(e->comm));
	return name_writer(w, e);
}

/** A new one, or the same with more names. */
static int take_writer(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_writer *e = (const void *)(ev + 1);
	void **v = JudyLGet(s->writers, e->writer, NULL);
	struct check_writer *w = v ? *v : NULL;

	if (!e->writer)
		return check__bad_event(s, no, "its number is 0");
	if (!w)
		return new_writer(s, e);
	if (w->pid != e->pid || w->start_ns != e->start_ns)
		return check__bad_event(s, no, "its number is another process's");
	return name_writer(w, e);
}

/** Points the frames at their strings, of which there are 3 for each (the reader has checked). */
static void name_frames(struct check_stack *st, const struct stack_frame *frames)
{
	const char *at = st->strings;

	for (uint32_t i = 0; i < st->fact.nframes; i++) {
		struct check_frame *f = &st->frames[i];

		f->fact = frames[i];
		f->function = at;
		f->file = f->function + strlen(f->function) + 1;
		f->build_id = f->file + strlen(f->file) + 1;
		at = f->build_id + strlen(f->build_id) + 1;
	}
}

static int take_stack(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_stack *e = (const void *)(ev + 1);
	const struct stack_frame *frames = (const void *)(e + 1);
	struct check_report *rep = s->rep;

	(void)no;
	if (rep->nstacks >= CHECK_KEEP_STACKS)
		return 0;
	struct check_stack *st = check__grow(&rep->stacks, &rep->nstacks, sizeof(*st));
	if (!st)
		return -ENOMEM;
	st->frames = calloc(e->nframes, sizeof(*st->frames));
	st->strings = malloc(e->strings_len);
	if (!st->frames || !st->strings)
		return -ENOMEM;
	st->fact = *e;
	memcpy(st->strings, frames + e->nframes, e->strings_len);
	name_frames(st, frames);
	return 0;
}

static int take_exposure(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_exposure *e = (const void *)(ev + 1);
	const struct model_object *object = model__object(s->model, e->object);
	struct check_report *rep = s->rep;
	void **w = JudyLGet(s->writers, e->writer, NULL);

	if (!object || (e->writer && !w) || !e->kind || e->kind >= EXPOSURE_MAX)
		return check__bad_event(s, no, "it refers to what is not known");
	Word_t *index = (Word_t *)JudyLIns(&s->exposures, e->exposure, NULL);
	if ((void *)index == PJERR)
		return -ENOMEM;
	if (*index)
		return check__bad_event(s, no, "its number is not new");
	struct object_facts *o = check__object(s, e->object);
	if (!o)
		return -ENOMEM;
	if (e->kind != EXPOSURE_WRITABLE_DESCRIPTOR) {
		o->mapping_open++;
		o->suspect = true;
	}
	/* an exposure that isn't kept still has to be found by its end: kind in the low bits */
	*index = ~(Word_t)0 - e->kind;
	rep->exposures_all++;
	if (rep->nexposures >= CHECK_KEEP_MAX)
		return 0;
	struct check_exposure *x = check__grow(&rep->exposures, &rep->nexposures, sizeof(*x));
	if (!x)
		return -ENOMEM;
	*x = (struct check_exposure){ *e, w ? *w : NULL, object, no, UINT64_MAX };
	*index = rep->nexposures;
	return 0;
}

static int take_exposure_end(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_exposure_end *e = (const void *)(ev + 1);
	const Word_t *index = (const Word_t *)JudyLGet(s->exposures, e->exposure, NULL);

	if (!index)
		return check__bad_event(s, no, "its exposure is not known");
	if (*index > s->rep->nexposures)
		return 0; /* not kept: counts as open to the end */
	struct check_exposure *x = &s->rep->exposures[*index - 1];
	if (x->to_event != UINT64_MAX)
		return check__bad_event(s, no, "its exposure has ended before");
	x->to_event = no;
	struct object_facts *o = check__object(s, x->fact.object);
	if (!o)
		return -ENOMEM;
	if (x->fact.kind != EXPOSURE_WRITABLE_DESCRIPTOR)
		o->mapping_open--;
	return 0;
}

static int take_compare(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_compare *e = (const void *)(ev + 1);

	if (!model__object(s->model, e->object))
		return check__bad_event(s, no, "its object is not known");
	struct object_facts *o = check__object(s, e->object);
	if (!o)
		return -ENOMEM;
	if (e->flags)
		return 0; /* not all was read */
	o->compare_no = no;
	o->unlooked = false;
	if (!o->mapping_open)
		o->suspect = false;
	return 0;
}

static int take_gap(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_gap *e = (const void *)(ev + 1);

	if (!e->kind || e->kind >= GAP_MAX || e->channel >= CH_MAX ||
	    (e->object && !model__object(s->model, e->object)))
		return check__bad_event(s, no, "it refers to what is not known");
	if (e->object) {
		struct object_facts *o = check__object(s, e->object);

		if (!o)
			return -ENOMEM;
		o->device |= e->kind == GAP_DEVICE_MAPPING;
		o->unreadable |= e->kind == GAP_UNREADABLE;
		o->hidden |= e->kind == GAP_HIDDEN_STORES;
	}
	return check__gap(s, e->kind, e->channel, e->object,
			  e->reason_len ? (const char *)(e + 1) : "");
}

static int take_loss(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_loss *e = (const void *)(ev + 1);
	struct check_report *rep = s->rep;

	if (!e->kind || e->kind >= LOSS_MAX || e->channel >= CH_MAX)
		return check__bad_event(s, no, "it refers to what is not known");
	rep->lost = rep->lost > UINT64_MAX - e->count ? UINT64_MAX : rep->lost + e->count;
	if (rep->nlosses >= CHECK_KEEP_MAX)
		return 0;
	struct check_loss *l = check__grow(&rep->losses, &rep->nlosses, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->fact = *e;
	memcpy(l->hook, e->hook, sizeof(e->hook));
	return 0;
}

static int take_note(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_note *e = (const void *)(ev + 1);
	const char *text = e->text_len ? (const char *)(e + 1) : "";
	struct check_report *rep = s->rep;
	struct check_note *n;

	(void)no;
	for (size_t i = 0; i < rep->nnotes; i++) {
		if (!strcmp(rep->notes[i].text, text)) {
			rep->notes[i].count++;
			return 0;
		}
	}
	if (rep->nnotes >= CHECK_KEEP_NOTES)
		return 0;
	n = check__grow(&rep->notes, &rep->nnotes, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->count = 1;
	n->text = strdup(text);
	return n->text ? 0 : (rep->nnotes--, -ENOMEM);
}

static int take_map(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_map *e = (const void *)(ev + 1);
	const struct model_object *object = model__object(s->model, e->object);

	(void)no;
	if (!object || !(object->flags & OBJECT_DEVICE))
		return 0;
	struct object_facts *o = check__object(s, e->object);
	if (!o)
		return -ENOMEM;
	if (o->device)
		return 0;
	o->device = true;
	return check__gap(s, GAP_DEVICE_MAPPING, CH_KERNEL_SHARED, e->object,
			  "device memory is mapped; its contents are not in the trace");
}

/** Looks through runs of pages. 0; 1: some could not be saved; or negative with err__text. */
static int look_at_runs(struct check_state *s, const struct page_run *r, uint32_t nruns,
			uint64_t no)
{
	uint64_t have = s->reader ? reader__pages(s->reader) : UINT64_MAX;
	int lost = 0;

	for (uint32_t i = 0; i < nruns; i++) {
		if (r[i].first == BPREC_PAGE_LOST)
			lost = 1;
		if (r[i].first >= BPREC_PAGE_LOST || !r[i].count)
			continue;
		uint64_t last = r[i].first + (r[i].step ? r[i].count - 1ull : 0);
		if (last <= have)
			continue;
		if (s->rep->complete)
			return err__set(-TRACE_E_REFERENCE,
					"%s: event %llu refers to page %llu of %llu", s->rep->dir,
					(unsigned long long)no, (unsigned long long)last,
					(unsigned long long)have);
		lost = 1;
	}
	return lost;
}

static int take_pages(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_pages *e = (const void *)(ev + 1);
	int lost = look_at_runs(s, (const void *)(e + 1), e->nruns, no);

	if (lost < 0)
		return lost;
	Word_t *v = (Word_t *)JudyLIns(&s->pages, no, NULL);
	if ((void *)v == PJERR)
		return -ENOMEM;
	*v = (Word_t)e->object << 1 | (Word_t)lost;
	struct object_facts *o = check__object(s, e->object);
	if (!o)
		return -ENOMEM;
	if (e->read_ns > o->saved_ns)
		o->saved_ns = e->read_ns;
	if (!lost || o->unreadable)
		return 0;
	o->unreadable = true;
	return check__gap(s, GAP_UNREADABLE, CH_UNKNOWN, e->object,
			  "pages are not in the trace: they could not be read");
}

static int take_mem(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_mem *e = (const void *)(ev + 1);
	int lost = look_at_runs(s, (const void *)(e + 1), e->nruns, no);

	if (lost <= 0)
		return lost;
	return check__gap(
		s, GAP_UNREADABLE, CH_UNKNOWN, 0,
		"private pages of the program are not in the trace: they could not be read");
}

static int take_end(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_end *e = (const void *)(ev + 1);

	(void)no;
	s->ended = true;
	s->rep->end_kind = e->kind;
	s->rep->end_code = e->code;
	return 0;
}

/** Takes one type of event. */
typedef int (*take_fn)(struct check_state *s, const struct event_header *ev, uint64_t no);

/** Which function takes which type; others tell check nothing beside what the model takes. */
static const take_fn table[EV_MAX] = {
	[EV_START] = take_start,       [EV_HOOK] = take_hook,
	[EV_WRITER] = take_writer,     [EV_STACK] = take_stack,
	[EV_EXPOSURE] = take_exposure, [EV_EXPOSURE_END] = take_exposure_end,
	[EV_COMPARE] = take_compare,   [EV_GAP] = take_gap,
	[EV_LOSS] = take_loss,	       [EV_NOTE] = take_note,
	[EV_MAP] = take_map,	       [EV_PAGES] = take_pages,
	[EV_MEM] = take_mem,	       [EV_CHANGE] = check__change,
	[EV_END] = take_end,
};

int check__take(struct check_state *s, const struct event_header *ev, uint64_t no)
{
	if (ev->type >= EV_MAX || !table[ev->type])
		return 0;
	return table[ev->type](s, ev, no);
}
