/* SPDX-License-Identifier: MIT */
/*
 * ahead.c: threads that run before it is their event's turn, so that share groups run at the same time.
 *
 * Share groups have nothing in common (DESIGN 8): what one does can't be felt by another. So a thread may run as soon as
 * nothing else comes first in its own group: the next event that concerns the group must be the end of a piece of that
 * thread's user code (runner()). The engine waits for it, and judges where it arrived, when that event's turn comes:
 * differences are told in the order of the trace, and a thread that runs ahead is never seen by anybody else.
 *
 * What concerns a group, beside the events of its threads:
 *   process     the parent is at its call then, its memory is copied: an event of the parent's group, and ends a piece
 *               of the parent's code. The child doesn't exist before it.
 *   exec        of the thread that called it (former_tid).
 *   group       both of its groups; from there on they are one, and what was known of both is looked at again.
 *   pages, object-write, change
 *               of an object that one of the group's address spaces maps: they change what it reads. A mapping that is
 *               made later is an event of the group, and comes first.
 *   mem, map, unmap, protect, remap, data, memhash, signal, exit, regs, words, limit
 *               of its threads: done while all threads of the group stand.
 * A preemption point is looked for when its turn comes: only point.c knows how. Nothing runs towards an event beyond the
 * one that the replay is to stop at, so that everybody stands at that event's state then.
 *
 * Invariant: if a thread is RTASK_RUNNING outside of its event, the next event of its group is the one that it runs to.
 */
#include "replay/state.h"

#define LOOK_AHEAD \
	2048 /* events; enough for two groups that call often beside a third that computes */

static struct rgroup *group_of(struct replay *rp, uint32_t id)
{
	for (size_t i = 0; i < rp->ngroups; i++)
		if (rp->groups[i].id == id)
			return &rp->groups[i];
	return NULL;
}

/** Which groups there are; all are looked at again. Of very many the oldest ones are taken. */
static void regroup(struct replay *rp)
{
	rp->regroup = false;
	rp->ngroups = 0;
	for (struct rtask *t = rp->tasks; t; t = t->hh.next) {
		const struct model_task *m = model__task(rp->m, t->tid);

		t->group = m ? m->group : 0;
		if (rp->ngroups < REPLAY_GROUPS && !group_of(rp, t->group))
			rp->groups[rp->ngroups++] = (struct rgroup){ .id = t->group };
	}
}

static bool maps(struct replay *rp, const struct rgroup *g, uint32_t object)
{
	for (struct rtask *t = rp->tasks; t; t = t->hh.next) {
		const struct model_space *s = NULL;

		if (t->group == g->id && t->space)
			s = model__space(rp->m, t->space->id);
		for (size_t i = 0; s && i < s->nvmas; i++)
			if (s->vmas[i].object == object)
				return true;
	}
	return false;
}

static bool has(struct replay *rp, const struct rgroup *g, uint32_t tid)
{
	const struct rtask *t = tid ? rtask__get(rp, tid) : NULL;

	return t && t->group == g->id;
}

/** Must it happen before or after what the group does, and not meanwhile? */
static bool concerns(struct replay *rp, const struct rgroup *g, const struct event_header *ev)
{
	const void *body = ev + 1;

	if (has(rp, g, ev->tid))
		return true;
	switch (ev->type) {
	case EV_PROCESS:
		return has(rp, g, ((const struct ev_process *)body)->parent_tid);
	case EV_EXEC:
		return has(rp, g, ((const struct ev_exec *)body)->former_tid);
	case EV_GROUP:
		return model__group(rp->m, ((const struct ev_group *)body)->from) == g->id ||
		       model__group(rp->m, ((const struct ev_group *)body)->into) == g->id;
	case EV_PAGES:
		return maps(rp, g, ((const struct ev_pages *)body)->object);
	case EV_OBJECT_WRITE:
		return maps(rp, g, ((const struct ev_object_write *)body)->object);
	case EV_CHANGE:
		return maps(rp, g, ((const struct ev_change *)body)->object);
	default:
		return false;
	}
}

/** Thread whose user code an event ends; NULL: none, or one that has to wait for its turn. */
static struct rtask *runner(struct replay *rp, const struct event_header *ev)
{
	const void *body = ev + 1;

	switch (ev->type) {
	case EV_SYSCALL:
	case EV_SYSCALL_ENTER:
		return rtask__get(rp, ev->tid);
	case EV_INSN: /* rdtsc may need a breakpoint first (signals.c) */
		return rp->tsc_fault || ((const struct ev_insn *)body)->kind == INSN_CPUID
			       ? rtask__get(rp, ev->tid)
			       : NULL;
	case EV_DATA:
		return ((const struct ev_data *)body)->why == DATA_SYSCALL ? rtask__get(rp, ev->tid)
									   : NULL;
	case EV_SIGNAL:
		return ((const struct ev_signal *)body)->place == SIGNAL_SYNC
			       ? rtask__get(rp, ev->tid)
			       : NULL;
	case EV_PROCESS:
		return rtask__get(rp, ((const struct ev_process *)body)->parent_tid);
	default:
		return NULL;
	}
}

/** Looks for the group's next event, and lets the thread run that it is about. */
static int look(struct replay *rp, struct rgroup *g)
{
	const struct window *w = &rp->window;
	uint64_t no = g->seen > w->first ? g->seen : w->first;

	for (; no < w->first + w->n && (!rp->until || no <= rp->until); no++) {
		const struct event_header *ev = window__at(rp, no);
		struct rtask *t;

		if (!concerns(rp, g, ev))
			continue;
		g->settled = true;
		g->next = no;
		t = scope__plays(rp, ev, no) ? runner(rp, ev) : NULL;
		if (!t || t->state != RTASK_READY || no == w->first)
			return 0;
		rp->st.ahead++;
		return run__resume(rp, t);
	}
	g->seen = no;
	return 0;
}

void ahead__played(struct replay *rp, const struct event_header *ev, uint64_t no)
{
	switch (ev->type) {
	case EV_PROCESS:
	case EV_EXEC:
	case EV_EXIT:
	case EV_GROUP:
		rp->regroup = true;
		return;
	default:
		break;
	}
	for (size_t i = 0; i < rp->ngroups; i++)
		if (rp->groups[i].settled && rp->groups[i].next == no)
			rp->groups[i].settled = false;
}

int ahead__run(struct replay *rp)
{
	int err;

	if (rp->regroup)
		regroup(rp);
	if (rp->ngroups < 2 || rp->in_turn)
		return 0;
	err = window__fill(rp, LOOK_AHEAD);
	for (size_t i = 0; i < rp->ngroups && !err; i++)
		if (!rp->groups[i].settled)
			err = look(rp, &rp->groups[i]);
	return err;
}
