/* SPDX-License-Identifier: MIT */
/*
 * insiders.c: the facts that decide whether a change is exact.
 *
 * A thread is idle with regard to some pages if it can't have touched them: it is in a ptrace stop, or inside a call whose
 * arguments are known and don't reach the pages (sys__may_touch). Its idle time begins when the stop before that call was
 * seen, which is later than the stop itself: a cautious figure.
 */
#include "record/insiders.h"

#include <string.h>
#include <sys/mman.h>

#include "record/outputs.h"
#include "record/sched.h"
#include "tracee/tracee.h"

/** One look over the mappings of a range. */
struct look {
	struct recorder *r;
	uint64_t first, n;
	struct change_insider *out;
	size_t count;
	bool quiet;
	struct ranges *mapped;
};

/** Addresses at which a mapping shows the pages [first, first + n). */
static void addresses(const struct model_vma *v, uint64_t first, uint64_t n, uint64_t *lo,
		      uint64_t *hi)
{
	const uint64_t vfirst = v->offset / BPREC_PAGE_SIZE;
	const uint64_t vend = vfirst + (v->end - v->addr) / BPREC_PAGE_SIZE;
	const uint64_t from = first > vfirst ? first : vfirst;
	const uint64_t end = n > vend - from ? vend : from + n < vend ? from + n : vend;

	*lo = v->addr + (from - vfirst) * BPREC_PAGE_SIZE;
	*hi = v->addr + (end - vfirst) * BPREC_PAGE_SIZE;
}

/** Arguments of the call that the thread is in, or has just left: known from its entry or exit stop, or because it is blocked
 *  in it now. */
static bool knows_call(struct task *t)
{
	if (!t->args_known && t->state == TASK_IN_CALL)
		t->args_known = tracee__blocked_call(t->pid, t->tid, &t->nr, t->args) == 1;
	return t->args_known;
}

/** Can that call reach [lo, hi)? */
static bool call_touches(struct task *t, uint64_t lo, uint64_t hi)
{
	const struct sys_invocation in = outputs__invocation(t, 0);

	return sys__may_touch(&in, lo, hi);
}

enum insider_state insiders__state(struct task *t, uint64_t lo, uint64_t hi, uint64_t *ret_idle)
{
	switch (t->state) {
	case TASK_RUNNING:
		*ret_idle = ~0ull;
		return INSIDER_RUNNING;
	case TASK_IN_CALL:
		*ret_idle = ~0ull;
		if (!knows_call(t))
			return INSIDER_RUNNING;
		if (call_touches(t, lo, hi))
			return INSIDER_CALL_TOUCHES;
		*ret_idle = t->idle_ns;
		return INSIDER_IN_CALL;
	case TASK_STOPPED:
		*ret_idle = t->idle_ns;
		if (t->stop == STOP_EXIT && (!knows_call(t) || call_touches(t, lo, hi)))
			*ret_idle = t->stop_ns;
		return INSIDER_STOPPED;
	case TASK_NEW:
	case TASK_DYING:
		break;
	}
	*ret_idle = t->idle_ns == ~0ull ? t->stop_ns : t->idle_ns;
	return INSIDER_STOPPED;
}

static int note_fact(void *ctx, const struct model_space *s, const struct model_vma *v)
{
	struct look *l = ctx;
	uint64_t lo, hi;

	addresses(v, l->first, l->n, &lo, &hi);
	for (struct task *t = l->r->tasks; t && l->count < INSIDERS_MAX; t = t->hh.next) {
		struct change_insider *ci = &l->out[l->count];

		if (t->space != s->id || !t->known)
			continue;
		*ci = (struct change_insider){ .tid = t->tid, .pid = t->pid, .addr = lo };
		ci->flags = (v->flags & MAP_TYPE) == MAP_PRIVATE;
		ci->state = insiders__state(t, lo, hi, &ci->idle_from_ns);
		l->count++;
	}
	return 0;
}

size_t insiders__facts(struct recorder *r, const struct object *o, uint64_t first, uint64_t n,
		       struct change_insider *out)
{
	struct look l = { .r = r, .first = first, .n = n, .out = out };

	model__each_mapper(r->m, o->id, first, n, note_fact, &l);
	return l.count;
}

static int stop_running(void *ctx, const struct model_space *s, const struct model_vma *v)
{
	struct look *l = ctx;

	(void)v;
	for (struct task *t = l->r->tasks; t; t = t->hh.next)
		if (t->space == s->id && t->state == TASK_RUNNING) {
			sched__interrupt(t, false);
			l->quiet = false;
		} else if (t->space == s->id && t->state == TASK_IN_CALL && !knows_call(t)) {
			l->quiet = false; /* it will block or come to its exit stop in a moment */
		}
	return 0;
}

bool insiders__quiet(struct recorder *r, const struct object *o, uint64_t first, uint64_t n)
{
	struct look l = { .r = r, .first = first, .n = n, .quiet = true };

	if (r->watch)
		return true; /* nobody is stopped */
	model__each_mapper(r->m, o->id, first, n, stop_running, &l);
	return l.quiet;
}

bool insiders__maps(struct recorder *r, const struct task *t, uint32_t object, uint64_t first,
		    uint64_t n)
{
	const struct model_space *s = model__space(r->m, t->space);

	for (size_t i = 0; s && i < s->nvmas; i++) {
		const struct model_vma *v = &s->vmas[i];
		const uint64_t vfirst = v->offset / BPREC_PAGE_SIZE;
		const uint64_t pages = (v->end - v->addr) / BPREC_PAGE_SIZE;

		if (v->object != object || first >= vfirst + pages)
			continue;
		if (n > ~0ull - first || first + n > vfirst)
			return true;
	}
	return false;
}

static int add_mapped(void *ctx, const struct model_space *s, const struct model_vma *v)
{
	struct look *l = ctx;
	uint64_t lo, hi, from;

	(void)s;
	addresses(v, l->first, l->n, &lo, &hi);
	if (hi <= lo)
		return 0;
	from = v->offset / BPREC_PAGE_SIZE + (lo - v->addr) / BPREC_PAGE_SIZE;
	return ranges__add(l->mapped, from, from + (hi - lo) / BPREC_PAGE_SIZE);
}

int insiders__mapped(struct recorder *r, const struct object *o, uint64_t first, uint64_t n,
		     struct ranges *ret)
{
	struct look l = { .r = r, .first = first, .n = n, .mapped = ret };
	const int err = model__each_mapper(r->m, o->id, first, n, add_mapped, &l);

	ranges__settle(ret);
	return err;
}

int insiders__mapped_saved(struct recorder *r, const struct object *o, uint64_t first, uint64_t n,
			   struct ranges *ret)
{
	struct ranges mapped = { 0 };
	int err = insiders__mapped(r, o, first, n, &mapped);

	if (!err)
		err = ranges__both(&o->saved, &mapped, ret);
	ranges__free(&mapped);
	return err;
}

static bool is_in_call(const struct task *t)
{
	if (t->state == TASK_STOPPED)
		return t->stop == STOP_ENTRY || t->exit_waits;
	return t->state == TASK_IN_CALL;
}

void insiders__note_space(struct recorder *r, uint32_t space)
{
	for (struct task *t = r->tasks; t; t = t->hh.next)
		if (t->space == space && t->known && is_in_call(t))
			sched__note_entry(r, t);
}

void insiders__note_entries(struct recorder *r, const struct object *o, uint64_t first, uint64_t n)
{
	for (struct task *t = r->tasks; t; t = t->hh.next)
		if (t->known && is_in_call(t) && insiders__maps(r, t, o->id, first, n))
			sched__note_entry(r, t);
}

static int is_store(void *ctx, const struct model_space *s, const struct model_vma *v)
{
	(void)ctx;
	(void)s;
	return (v->flags & MAP_TYPE) != MAP_PRIVATE && (v->prot & PROT_WRITE);
}

bool insiders__can_store(struct recorder *r, const struct object *o)
{
	return model__each_mapper(r->m, o->id, 0, ~0ull, is_store, NULL) != 0;
}
