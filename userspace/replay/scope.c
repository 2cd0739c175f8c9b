/* SPDX-License-Identifier: MIT */
/*
 * scope.c: what has to be run again so that one process is.
 *
 * That is the share group which the process is in (after its last exec that left the group of its parent) with all that ever
 * become one with it, to the end; and whatever its first memory comes from: the group of its parent up to the fork, that
 * group's parents up to theirs, and so on. The trace is read once for that before the replay: each fork, and each exec that leaves
 * a group, is an edge from one group to the one it needs, with the event up to which it needs it. Merged groups count as
 * one from the beginning, which runs more than is needed, never less.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "replay/state.h"
#include "util/err.h"

#define ALWAYS (~0ull)

/** A share group of the trace. */
struct sgroup {
	uint32_t id, into; /* into: what it became part of; itself: of none */
	bool wanted;	   /* the process's own */
	uint64_t until;	   /* it is run up to this event; 0: not at all */
	UT_hash_handle hh;
};

/** A group begins with memory or threads of another one. */
struct edge {
	uint32_t group, from;
	uint64_t no; /* the event that says so */
};

struct scope {
	uint32_t pid;
	struct sgroup *groups; /* by id */
	struct edge *edges;    /* in the order of events */
	size_t nedges, room;
	uint32_t *own; /* group of each process that had the pid, one after the other */
	size_t nown;
	uint64_t last; /* last event of a wanted group */
};

static struct sgroup *get(struct scope *s, uint32_t id)
{
	struct sgroup *g;

	HASH_FIND_INT(s->groups, &id, g);
	if (g)
		return g;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->id = g->into = id;
	HASH_ADD_INT(s->groups, id, g);
	return g;
}

/** What the group is part of in the end; NULL: no such group. */
static struct sgroup *find(const struct scope *s, uint32_t id)
{
	struct sgroup *g;

	for (;;) {
		HASH_FIND_INT(s->groups, &id, g);
		if (!g || g->into == id)
			return g;
		id = g->into;
	}
}

static int merge(struct scope *s, uint32_t from, uint32_t into)
{
	struct sgroup *f, *i;

	if (!get(s, from) || !get(s, into))
		return -ENOMEM;
	f = find(s, from);
	i = find(s, into);
	if (f != i)
		f->into = i->id;
	return 0;
}

static int add_edge(struct scope *s, uint32_t group, uint32_t from, uint64_t no)
{
	if (s->nedges == s->room) {
		const size_t room = s->room ? 2 * s->room : 64;
		struct edge *more = realloc(s->edges, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->edges = more;
		s->room = room;
	}
	s->edges[s->nedges++] = (struct edge){ group, from, no };
	return get(s, group) && get(s, from) ? 0 : -ENOMEM;
}

static int add_own(struct scope *s, uint32_t group)
{
	uint32_t *more = realloc(s->own, (s->nown + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	s->own = more;
	s->own[s->nown++] = group;
	return 0;
}

static int on_process(struct scope *s, const struct model *m, const struct event_header *ev,
		      uint64_t no)
{
	const struct ev_process *b = (const void *)(ev + 1);
	const struct model_task *parent = model__task(m, b->parent_tid);
	int err = get(s, b->group) ? 0 : -ENOMEM;

	if (!err && parent && parent->group != b->group)
		err = add_edge(s, b->group, parent->group, no);
	if (!err && ev->pid == s->pid && ev->tid == ev->pid)
		err = add_own(s, b->group);
	return err;
}

static int on_group(struct scope *s, const struct event_header *ev, uint64_t no)
{
	const struct ev_group *b = (const void *)(ev + 1);
	int err;

	if (!ev->tid)
		return merge(s, b->from, b->into);
	err = add_edge(s, b->into, b->from, no);
	if (ev->pid == s->pid && s->nown)
		s->own[s->nown - 1] = b->into;
	return err;
}

/** Takes the whole trace in. */
static int survey(struct scope *s, struct reader *rd, struct model *m)
{
	const struct event_header *ev;
	uint64_t no;
	int got, err = 0;

	while (!err && (got = reader__next(rd, &ev, &no)) == 1) {
		if (model__apply(m, ev, no))
			return err__set(-EBADMSG, "%s", model__error(m));
		if (ev->type == EV_PROCESS)
			err = on_process(s, m, ev, no);
		else if (ev->type == EV_GROUP)
			err = on_group(s, ev, no);
	}
	if (err)
		return err__set(err, "no memory");
	return got < 0 ? err__set(got, "%s", reader__error(rd)) : 0;
}

/** Which groups are run, and up to where: an edge of a group needs the other one; later edges first. */
static void decide(struct scope *s)
{
	for (size_t i = 0; i < s->nown; i++) {
		struct sgroup *g = find(s, s->own[i]);

		g->wanted = true;
		g->until = ALWAYS;
	}
	for (size_t i = s->nedges; i--;) {
		const struct edge *e = &s->edges[i];
		struct sgroup *from = find(s, e->from);

		if (find(s, e->group)->until >= e->no && from->until < e->no)
			from->until = e->no;
	}
}

/** The last event of a thread in a wanted group. */
static int find_last(struct scope *s, struct reader *rd, struct model *m)
{
	const struct event_header *ev;
	uint64_t no;
	int got;

	s->last = 0;
	while ((got = reader__next(rd, &ev, &no)) == 1) {
		const struct model_task *t;

		if (model__apply(m, ev, no))
			return err__set(-EBADMSG, "%s", model__error(m));
		t = ev->tid ? model__task(m, ev->tid) : NULL;
		if (t && find(s, t->group) && find(s, t->group)->wanted)
			s->last = no;
	}
	return got < 0 ? err__set(got, "%s", reader__error(rd)) : 0;
}

/** Reads the trace with a model of its own, and goes back to its beginning. */
static int read_through(struct scope *s, struct reader *rd,
			int (*fn)(struct scope *, struct reader *, struct model *))
{
	struct model *m = model__new();
	int err = m ? fn(s, rd, m) : err__set(-ENOMEM, "no memory"), back;

	model__free(m);
	if (err)
		return err;
	back = reader__rewind(rd);
	return back ? err__set(back, "%s", reader__error(rd)) : 0;
}

int scope__open(struct scope **ret, struct reader *rd, uint32_t pid)
{
	struct scope *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return err__set(-ENOMEM, "no memory");
	s->pid = pid;
	err = read_through(s, rd, survey);
	if (!err && !s->nown)
		err = err__set(-ESRCH, "no process %u in this trace: bprec ps lists them", pid);
	if (!err) {
		decide(s);
		err = read_through(s, rd, find_last);
	}
	if (err) {
		scope__free(s);
		return err;
	}
	*ret = s;
	return 0;
}

void scope__free(struct scope *s)
{
	struct sgroup *g, *tmp;

	if (!s)
		return;
	HASH_ITER (hh, s->groups, g, tmp) {
		HASH_DEL(s->groups, g);
		free(g);
	}
	free(s->edges);
	free(s->own);
	free(s);
}

bool scope__plays(const struct replay *rp, const struct event_header *ev, uint64_t no)
{
	const void *body = ev + 1;
	const struct model_task *t;
	const struct sgroup *g;

	if (!rp->scope || !ev->tid)
		return true;
	if (ev->type == EV_PROCESS) {
		g = find(rp->scope, ((const struct ev_process *)body)->group);
		return g && g->until >= no;
	}
	t = model__task(rp->m, ev->tid);
	if (ev->type == EV_EXEC &&
	    (!t || !t->alive)) /* the leader is gone, another thread takes its number */
		t = model__task(rp->m, ((const struct ev_exec *)body)->former_tid);
	g = t ? find(rp->scope, t->group) : NULL;
	return !g || g->until >= no;
}

bool scope__shows(const struct replay *rp, const struct rtask *t)
{
	const struct model_task *m = rp->scope ? model__task(rp->m, t->tid) : NULL;
	const struct sgroup *g = m ? find(rp->scope, m->group) : NULL;

	return !rp->scope || t->pid == rp->scope->pid || (g && g->wanted);
}

bool scope__over(const struct scope *s, uint64_t no)
{
	return s && no >= s->last;
}
