/* SPDX-License-Identifier: MIT */
/*
 * sched.c: one thread of a share group runs user code at a time.
 *
 * Invariants: a TASK_RUNNING thread is its group's runner. A TASK_IN_CALL thread may be the runner (it keeps the token
 * until somebody else wants it, if the call may wait) or not. A thread in a ready queue is TASK_STOPPED and user code
 * comes next for it. Groups only merge; a group that was merged points to the one it became part of.
 */
#include "record/sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <utlist.h>

#include "record/emit.h"
#include "record/logged.h"
#include "record/order.h"
#include "tracee/tracee.h"

static struct share_group *group__find(struct share_group *g)
{
	while (g->into)
		g = g->into;
	return g;
}

struct share_group *sched__group(struct task *t)
{
	if (t->group)
		t->group = group__find(t->group);
	return t->group;
}

struct share_group *sched__new_group(struct recorder *r)
{
	struct share_group *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->id = ++r->next_group;
	LL_PREPEND(r->groups, g);
	return g;
}

void sched__join(struct task *t, struct share_group *g)
{
	t->group = g;
	g->ntasks++;
}

static void enqueue(struct share_group *g, struct task *t)
{
	if (t->queued)
		return;
	t->queued = true;
	t->ready_next = NULL;
	if (g->ready_last)
		g->ready_last->ready_next = t;
	else
		g->ready_first = t;
	g->ready_last = t;
}

static void dequeue(struct share_group *g, struct task *t)
{
	struct task **p = &g->ready_first, *prev = NULL;

	if (!t->queued)
		return;
	while (*p != t) {
		prev = *p;
		p = &(*p)->ready_next;
	}
	*p = t->ready_next;
	if (g->ready_last == t)
		g->ready_last = prev;
	t->queued = false;
	t->ready_next = NULL;
}

void sched__leave(struct recorder *r, struct task *t)
{
	struct share_group *g = sched__group(t);

	if (!g)
		return;
	dequeue(g, t);
	if (g->runner == t)
		g->runner = NULL;
	t->group = NULL;
	if (--g->ntasks || g->target)
		return;
	LL_DELETE(r->groups, g);
	free(g);
}

void sched__interrupt(struct task *t, bool preempt)
{
	t->preempt |= preempt;
	if (t->interrupt_sent || t->point || t->state != TASK_RUNNING)
		return;
	if (!ptrace(PTRACE_INTERRUPT, t->tid, 0, 0))
		t->interrupt_sent = true;
}

bool sched__note_entry(struct recorder *r, struct task *t)
{
	struct ev_syscall_enter ev = { 0 };

	if (t->entered)
		return true;
	if (!t->args_known) /* it was alone when it entered */
		t->args_known = tracee__blocked_call(t->pid, t->tid, &t->nr, t->args) == 1;
	if (!t->args_known || logged__take(r, t))
		return false;
	ev.nr = t->nr;
	memcpy(ev.args, t->args, sizeof(ev.args));
	emit(r, EV_SYSCALL_ENTER, t, &ev, sizeof(ev), NULL, 0);
	t->entered = true;
	return true;
}

/** Another goes on while the thread is inside its call. False: not yet. */
static bool take_token(struct recorder *r, struct task *t)
{
	if (!sched__note_entry(r, t))
		return false;
	t->lent = true;
	return true;
}

/** Does the token belong to `other` rather than to `t`? One that runs user code can't lose it, and one inside a call that isn't known
 *  to wait keeps it as in any group: what the call changes, nobody may see land. */
static bool is_ahead(const struct task *other, const struct task *t)
{
	if (!t || t->state == TASK_RUNNING)
		return !t;
	if (other->state == TASK_RUNNING)
		return true;
	return t->state == TASK_STOPPED && other->state == TASK_IN_CALL && !other->blocking;
}

/** One token is left of two. A thread that runs user code and loses it keeps on until it has stopped. */
static void merge_runners(struct recorder *r, struct share_group *a, struct share_group *b)
{
	struct task *keeps = a->runner, *loses = b->runner;

	if (loses && is_ahead(loses, keeps)) {
		keeps = b->runner;
		loses = a->runner;
	}
	if (loses && loses->state == TASK_IN_CALL)
		take_token(r, loses);
	else if (loses)
		sched__interrupt(loses, true);
	if (keeps && loses)
		sched__interrupt(keeps, true); /* others wait */
	a->runner = keeps;
	b->runner = NULL;
}

int sched__merge(struct recorder *r, struct share_group *a, struct share_group *b)
{
	struct task *t;
	struct ev_group ev;

	a = group__find(a);
	b = group__find(b);
	if (a == b)
		return 0;
	while ((t = b->ready_first)) {
		dequeue(b, t);
		enqueue(a, t);
	}
	b->into = a;
	a->target = true;
	a->ntasks += b->ntasks;
	merge_runners(r, a, b);
	ev = (struct ev_group){ .from = b->id, .into = a->id };
	return emit(r, EV_GROUP, NULL, &ev, sizeof(ev), NULL, 0);
}

bool sched__alone(struct task *t)
{
	return sched__group(t)->ntasks == 1;
}

/** Its only company is the parent that waits for it in vfork, and runs nothing until it has executed a program or is gone. */
static bool is_only_vforked(struct recorder *r, struct task *t)
{
	const struct task *p = t->vfork_parent && sched__group(t)->ntasks == 2
				       ? rtask__find(r, t->vfork_parent)
				       : NULL;

	return p && p->state == TASK_IN_CALL && p->vfork_child == t->tid;
}

int sched__split(struct recorder *r, struct task *t)
{
	struct share_group *g = sched__group(t), *n;
	struct ev_group ev;

	if (t->holds_writer || sched__alone(t))
		return 0;
	n = sched__new_group(r);
	if (!n)
		return -ENOMEM;
	ev = (struct ev_group){ .from = g->id, .into = n->id };
	sched__leave(r, t);
	sched__join(t, n);
	return emit(r, EV_GROUP, t, &ev, sizeof(ev), NULL, 0);
}

void sched__continue(struct recorder *r, struct task *t, int request)
{
	const bool to_call = t->state == TASK_STOPPED && t->stop == STOP_ENTRY;
	const int sig = t->cont_sig;

	if (t->by_syscall && request == PTRACE_CONT)
		request = PTRACE_SYSCALL;
	t->cont_sig = 0;
	if (to_call) {
		t->state = TASK_IN_CALL;
		t->entry_ns = now_ns();
		t->lent = false;
		order__begin(r, t);
	} else {
		t->state = TASK_RUNNING;
		t->idle_ns = ~0ull;
		logged__arm(r, t, sched__alone(t) || is_only_vforked(r, t));
	}
	if (ptrace(request, t->tid, 0, sig) && errno == ESRCH)
		t->state = TASK_DYING; /* killed while stopped: its exit is on its way */
}

/** How a stopped thread is continued. */
static int request_of(const struct task *t)
{
	if (t->stop == STOP_ENTRY)
		return PTRACE_SYSCALL;
	return t->step_to_handler ? PTRACE_SINGLESTEP : PTRACE_CONT;
}

/** Gives the token to a stopped thread and continues it. */
static void run(struct recorder *r, struct share_group *g, struct task *t)
{
	int err;

	g->runner = t;
	t->slice_ns = now_ns();
	if (!t->exit_waits) {
		sched__continue(r, t, request_of(t));
		return;
	}
	t->exit_waits = false;
	err = r->asks.finish_call(r, t);
	if (err && err != -ESRCH)
		recorder__fail(r, err, "recording");
}

static void run_group(struct recorder *r, struct share_group *g)
{
	struct task *t;

	if (!g->ready_first)
		return;
	if (g->runner && g->runner->state == TASK_IN_CALL && g->runner->blocking &&
	    take_token(r, g->runner))
		g->runner = NULL;
	if (g->runner)
		return;
	for (t = g->ready_first; t; t = t->ready_next)
		if (!sched__held(r, t))
			break;
	if (!t)
		return;
	dequeue(g, t);
	run(r, g, t);
}

void sched__run(struct recorder *r)
{
	for (struct share_group *g = r->groups; g; g = g->next)
		if (!g->into)
			run_group(r, g);
}

void sched__ready(struct recorder *r, struct task *t)
{
	struct share_group *g = sched__group(t);
	bool others = g->ready_first != NULL;

	if (g->runner == t && !sched__held(r, t)) {
		if (!others || (!t->preempt && t->stop_ns - t->slice_ns < SCHED_SLICE_NS)) {
			sched__continue(r, t, request_of(t));
			return;
		}
	}
	if (g->runner == t)
		g->runner = NULL;
	t->preempt = false;
	enqueue(g, t);
	run_group(r, g);
}

void sched__yield_token(struct recorder *r, struct task *t)
{
	struct share_group *g = sched__group(t);

	if (!g)
		return;
	if (g->runner == t)
		g->runner = NULL;
	run_group(r, g);
}

/** Is another thread of the group in user code? */
static bool runs_another(const struct share_group *g, const struct task *t)
{
	return g->runner && g->runner != t && g->runner->state == TASK_RUNNING;
}

bool sched__wait_to_exit(struct recorder *r, struct task *t)
{
	struct task *other = sched__group(t)->runner;

	if (!other || other == t)
		return false;
	if (other->state != TASK_RUNNING &&
	    (other->state != TASK_IN_CALL || sched__note_entry(r, other)))
		return false;
	t->exit_waits = true;
	sched__ready(r, t);
	return true;
}

void sched__enter_call(struct recorder *r, struct task *t, bool may_wait)
{
	struct share_group *g = sched__group(t);

	t->blocking = may_wait;
	t->entered = false;
	if (sched__held(r, t) || (t->stores && runs_another(g, t))) {
		if (g->runner == t && g->ntasks > 1)
			sched__note_entry(
				r, t); /* its user code ends here, before that of the next one */
		if (g->runner == t)
			g->runner = NULL;
		enqueue(g, t);
		run_group(r, g);
		return;
	}
	sched__continue(r, t, PTRACE_SYSCALL);
	if (may_wait)
		run_group(r, g);
}

void sched__tick(struct recorder *r, uint64_t now)
{
	for (struct share_group *g = r->groups; g; g = g->next) {
		struct task *t = g->runner;

		if (g->into || !t || !g->ready_first)
			continue;
		if (t->state == TASK_RUNNING && now - t->slice_ns > SCHED_SLICE_NS) {
			sched__interrupt(t, true);
		} else if (t->state == TASK_IN_CALL &&
			   now - t->entry_ns > (t->stores ? SCHED_STORE_NS : SCHED_CALL_NS)) {
			t->blocking = true;
			run_group(r, g);
		}
	}
}

bool sched__waiting(const struct recorder *r)
{
	for (const struct share_group *g = r->groups; g; g = g->next)
		if (!g->into && g->runner && g->ready_first)
			return true;
	return false;
}

bool sched__held(struct recorder *r, struct task *t)
{
	if (t->step_to_handler)
		return false; /* a signal's place isn't in the trace until its handler is reached */
	return (t->stream && order__holds(r, t)) || (r->changes && r->asks.holds(r, t));
}
