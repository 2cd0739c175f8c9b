// SPDX-License-Identifier: MIT
/*
 * tasks.c: threads and the address spaces they live in.
 *
 * Invariants: a living task is in the list of exactly one space, whose id it holds; a space exists as long as its list is
 * not empty. Dead tasks stay in the table until their tid is used again; the space they name is gone or another's.
 */
#include "model/state.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <Judy.h>
#include <utlist.h>

static struct text *text_new(const char *s, size_t len)
{
	struct text *t = malloc(sizeof(*t) + len + 1);

	if (!t)
		return NULL;
	t->users = 1;
	memcpy(t->s, s, len);
	t->s[len] = '\0';
	return t;
}

static void text_put(struct text *t)
{
	if (t && !--t->users)
		free(t);
}

/** Gives a task (a share in) a text. */
static void set_exe(struct task *t, struct text *exe)
{
	if (exe)
		exe->users++;
	text_put(t->exe);
	t->exe = exe;
	t->pub.exe = exe ? exe->s : "";
}

void task__free(struct task *t)
{
	if (!t)
		return;
	text_put(t->exe);
	free(t);
}

void space__free(struct model *m, struct space *s)
{
	if (!s)
		return;
	m->nvmas -= s->maps.n;
	vmas__free(&s->maps);
	free(s);
}

struct task *task__living(struct model *m, const struct event_header *ev)
{
	struct task *t = model__get(m->tasks, ev->tid);

	if (!t || !t->pub.alive) {
		model__refuse(m, "thread %u is not alive", ev->tid);
		return NULL;
	}
	return t;
}

static void join_space(struct space *s, struct task *t)
{
	t->pub.space = s->pub.id;
	t->pub.alive = true;
	s->pub.users++;
	DL_APPEND(s->tasks, t);
}

/** Takes a living task out of its space, which dies with its last one. */
static void leave_space(struct model *m, struct task *t)
{
	struct space *s = model__get(m->spaces, t->pub.space);

	t->pub.alive = false;
	DL_DELETE(s->tasks, t);
	if (--s->pub.users)
		return;
	JudyLDel(&m->spaces, s->pub.id, NULL);
	space__free(m, s);
}

/** New space with a copy of the mappings of `from` (may be NULL), entered in the table. NULL: no memory. */
static struct space *new_space(struct model *m, uint32_t id, const struct space *from)
{
	struct space *s = calloc(1, sizeof(*s));

	if (!s || (from && vmas__copy(&s->maps, &from->maps)) || model__put(&m->spaces, id, s)) {
		if (s)
			vmas__free(&s->maps);
		free(s);
		return NULL;
	}
	s->pub.id = id;
	s->pub.vmas = s->maps.v;
	s->pub.nvmas = s->maps.n;
	m->nvmas += s->maps.n;
	return s;
}

/** The dead or new task for a tid, not in any space. NULL: no memory. */
static struct task *blank_task(struct model *m, uint32_t tid)
{
	struct task *t = model__get(m->tasks, tid);

	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t || model__put(&m->tasks, tid, t)) {
			free(t);
			return NULL;
		}
	}
	text_put(t->exe);
	*t = (struct task){ .pub = { .tid = tid, .exe = "" } };
	return t;
}

/** Checks EV_PROCESS; *ret_parent is NULL for the root, *ret_space the space it joins, NULL for a new one. */
static int check_process(struct model *m, const struct event_header *ev, const struct ev_process *p,
			 struct task **ret_parent, struct space **ret_space)
{
	const struct task *old = model__get(m->tasks, ev->tid);
	struct task *parent = model__get(m->tasks, p->parent_tid);

	if (!ev->tid || ev->tid > MODEL_TID_MAX || !ev->pid || ev->pid > MODEL_TID_MAX)
		return model__refuse(m, "thread number %u or %u out of range", ev->tid, ev->pid);
	if (old && old->pub.alive)
		return model__refuse(m, "thread %u is alive already", ev->tid);
	if (!p->space || p->how < PROC_ROOT || p->how > PROC_THREAD)
		return model__refuse(m, "process %u: space %u, kind %u", ev->tid, p->space, p->how);
	*ret_space = model__get(m->spaces, p->space);
	if (p->how == PROC_ROOT) {
		if (m->root || *ret_space)
			return model__refuse(m, "process %u is a second root", ev->tid);
		*ret_parent = NULL;
		return 0;
	}
	if (!parent || !parent->pub.alive)
		return model__refuse(m, "parent %u of %u is not alive", p->parent_tid, ev->tid);
	if (*ret_space && parent->pub.space != p->space)
		return model__refuse(m, "space %u of %u is not its parent's", p->space, ev->tid);
	if ((p->how == PROC_THREAD) != (ev->pid == parent->pub.pid))
		return model__refuse(m, "thread group %u of %u does not fit", ev->pid, ev->tid);
	if (p->how == PROC_THREAD && !*ret_space)
		return model__refuse(m, "thread %u without its parent's space", ev->tid);
	*ret_parent = parent;
	return 0;
}

int apply__process(struct model *m, const struct event_header *ev)
{
	const struct ev_process *p = (const void *)(ev + 1);
	struct task *parent = NULL;
	struct space *s = NULL;
	int err = check_process(m, ev, p, &parent, &s);

	if (err)
		return err;
	if (!s) {
		const struct space *from = parent ? model__get(m->spaces, parent->pub.space) : NULL;

		if (from && m->nvmas + from->maps.n > MODEL_VMAS_MAX)
			return model__refuse(m, "too many mappings");
		s = new_space(m, p->space, from);
		if (!s)
			return -ENOMEM;
	}
	struct task *t = blank_task(m, ev->tid);
	if (!t) {
		if (!s->tasks) {
			JudyLDel(&m->spaces, p->space, NULL);
			space__free(m, s);
		}
		return -ENOMEM;
	}
	t->pub.pid = ev->pid;
	t->pub.parent = p->parent_tid;
	t->pub.group = p->group;
	t->pub.start_ns = ev->time_ns;
	set_exe(t, parent ? parent->exe : NULL);
	join_space(s, t);
	if (!parent)
		m->root = ev->tid;
	return 0;
}

static void end_task(struct model *m, struct task *t, uint64_t ns, uint32_t kind, int32_t code)
{
	leave_space(m, t);
	t->pub.end_ns = ns;
	t->pub.end_kind = kind;
	t->pub.end_code = code;
}

int apply__exit(struct model *m, const struct event_header *ev)
{
	const struct ev_exit *x = (const void *)(ev + 1);
	struct task *t = model__get(m->tasks, ev->tid);

	if (t && !t->pub.alive && t->ended_by_exec) {
		t->ended_by_exec = false;
		return 0;
	}
	if (!task__living(m, ev))
		return -EBADMSG;
	if (x->kind < END_EXITED || x->kind > END_FAILED)
		return model__refuse(m, "thread %u ended in an unknown way, %u", ev->tid, x->kind);
	end_task(m, t, ev->time_ns, x->kind, x->code);
	return 0;
}

/** Checks EV_EXEC; *ret_caller is the thread that called execve. */
static int check_exec(struct model *m, const struct event_header *ev, const struct ev_exec *x,
		      struct task **ret_caller)
{
	const struct task *leader = model__get(m->tasks, ev->tid);
	struct task *caller = model__get(m->tasks, x->former_tid ? x->former_tid : ev->tid);

	if (!leader || !caller || !caller->pub.alive)
		return model__refuse(m, "thread %u or %u, which execs, is not alive", ev->tid,
				     x->former_tid);
	if (caller->pub.pid != leader->pub.pid || leader->pub.pid != ev->tid)
		return model__refuse(m, "threads %u and %u, which exec, don't belong together",
				     ev->tid, x->former_tid);
	const struct space *s = model__get(m->spaces, x->space);
	if (!x->space || s)
		return model__refuse(m, "address space %u after exec is not new", x->space);
	if (!x->path_len || x->path_len > MODEL_PATH_MAX)
		return model__refuse(m, "path of %u bytes", x->path_len);
	*ret_caller = caller;
	return 0;
}

/** Every thread of the process but `leader` is gone (execve(2), "Effect on process attributes"). Frees the space when
 *  the leader was dead before and these were its last users. */
static void end_siblings(struct model *m, struct space *s, struct task *leader, uint64_t ns)
{
	struct task *t, *next;

	DL_FOREACH_SAFE(s->tasks, t, next)
	{
		if (t == leader || t->pub.pid != leader->pub.pid)
			continue;
		t->ended_by_exec = true;
		end_task(m, t, ns, END_EXITED, 0);
	}
}

int apply__exec(struct model *m, const struct event_header *ev)
{
	const struct ev_exec *x = (const void *)(ev + 1);
	struct task *t = model__get(m->tasks, ev->tid), *caller = NULL;
	int err = check_exec(m, ev, x, &caller);

	if (err)
		return err;
	const char *path = (const char *)(x + 1) + x->auxv_len + x->xsave_len;
	struct text *exe = text_new(path, strnlen(path, x->path_len));
	struct space *old = model__get(m->spaces, caller->pub.space);
	struct space *s = exe ? new_space(m, x->space, NULL) : NULL;
	if (!s) {
		text_put(exe);
		return -ENOMEM;
	}
	end_siblings(m, old, t, ev->time_ns);
	if (t->pub.alive)
		leave_space(m, t);
	t->pub.group = caller->pub.group;
	t->pub.end_kind = 0;
	t->pub.end_code = 0;
	t->pub.end_ns = 0;
	t->ended_by_exec = false;
	join_space(s, t);
	set_exe(t, exe);
	text_put(exe);
	return 0;
}

/** Root of a group; shortens the way for the next one that asks. */
static uint32_t find_group(const struct model *m, uint32_t group)
{
	Word_t *up;

	while ((up = (Word_t *)JudyLGet(m->groups, group, NULL))) {
		const Word_t *upper = (const Word_t *)JudyLGet(m->groups, *up, NULL);

		if (upper)
			*up = *upper;
		group = (uint32_t)*up;
	}
	return group;
}

int apply__group(struct model *m, const struct event_header *ev)
{
	const struct ev_group *g = (const void *)(ev + 1);
	uint32_t from = find_group(m, g->from), into = find_group(m, g->into);

	if (ev->tid) { /* one thread moves */
		struct task *t = model__get(m->tasks, ev->tid);

		if (!t)
			return model__refuse(
				m, "thread %u, which is unknown, changes its share group", ev->tid);
		t->pub.group = g->into;
		return 0;
	}
	if (from == into)
		return 0;
	return model__put(&m->groups, from, (void *)(uintptr_t)into);
}

uint32_t model__group(const struct model *m, uint32_t group)
{
	return find_group(m, group);
}

/** What callers see of a task, brought up to date. */
static const struct model_task *show_task(const struct model *m, struct task *t)
{
	t->pub.group = find_group(m, t->pub.group);
	return &t->pub;
}

const struct model_task *model__task(const struct model *m, uint32_t tid)
{
	struct task *t = model__get(m->tasks, tid);

	return t ? show_task(m, t) : NULL;
}

const struct model_task *model__root(const struct model *m)
{
	return m->root ? model__task(m, m->root) : NULL;
}

int model__each_task(const struct model *m, model_task_fn fn, void *ctx)
{
	Word_t tid = 0;

	for (void **v = JudyLFirst(m->tasks, &tid, NULL); v; v = JudyLNext(m->tasks, &tid, NULL)) {
		int ret = fn(ctx, show_task(m, *v));

		if (ret)
			return ret;
	}
	return 0;
}

int model__each_task_of(const struct model *m, uint32_t space, model_task_fn fn, void *ctx)
{
	struct space *s = model__get(m->spaces, space);
	struct task *t;

	if (!s)
		return 0;
	DL_FOREACH (s->tasks, t) {
		int ret = fn(ctx, show_task(m, t));

		if (ret)
			return ret;
	}
	return 0;
}
