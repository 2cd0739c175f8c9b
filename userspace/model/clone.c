/* SPDX-License-Identifier: MIT */
/*
 * clone.c: a copy of a model, for a replay that wants to come back to this point.
 *
 * Everything is copied but paths of executables, which are counted; tasks keep their order in each space.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <Judy.h>
#include <utlist.h>

#include "model/state.h"

/** Calls fn with each value of a JudyL array, in order of keys; stops at an error. */
static int each(void *array, int (*fn)(struct model *to, Word_t key, void *value), struct model *to)
{
	Word_t key = 0;
	int err = 0;

	for (void **v = JudyLFirst(array, &key, NULL); v && !err; v = JudyLNext(array, &key, NULL))
		err = fn(to, key, *v);
	return err;
}

/** Takes a run of an object's pages into the copy. */
static int add_run(void *ctx, uint64_t first, uint64_t n, uint64_t id, uint32_t step)
{
	return pagemap__set(ctx, first, n, id, step);
}

static int clone_object(struct model *to, Word_t key, void *value)
{
	const struct object *from = value;
	struct object *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->pub = from->pub;
	o->pub.path = strdup(from->pub.path);
	if (!o->pub.path || pagemap__each(&from->pages, add_run, &o->pages) ||
	    model__put(&to->objects, key, o)) {
		pagemap__free(&o->pages);
		free((char *)o->pub.path);
		free(o);
		return -ENOMEM;
	}
	return 0;
}

static int clone_task(struct model *to, Word_t key, void *value)
{
	const struct task *from = value;
	struct task *t = malloc(sizeof(*t));

	if (!t)
		return -ENOMEM;
	*t = *from;
	t->prev = t->next = NULL;
	if (model__put(&to->tasks, key, t)) {
		free(t);
		return -ENOMEM;
	}
	if (t->exe)
		t->exe->users++;
	return 0;
}

static int clone_space(struct model *to, Word_t key, void *value)
{
	const struct space *from = value;
	struct space *s = calloc(1, sizeof(*s));
	struct task *t;

	if (!s)
		return -ENOMEM;
	s->pub = from->pub;
	if (vmas__copy(&s->maps, &from->maps) || model__put(&to->spaces, key, s)) {
		vmas__free(&s->maps);
		free(s);
		return -ENOMEM;
	}
	s->pub.vmas = s->maps.v;
	DL_FOREACH (from->tasks, t) {
		struct task *mine = model__get(to->tasks, t->pub.tid);

		DL_APPEND(s->tasks, mine);
	}
	return 0;
}

static int clone_group(struct model *to, Word_t key, void *value)
{
	return model__put(&to->groups, key, value);
}

struct model *model__clone(const struct model *m)
{
	struct model *to = model__new();
	int err = to ? 0 : -ENOMEM;

	if (!err)
		err = each(m->tasks, clone_task, to);
	if (!err)
		err = each(m->spaces, clone_space, to);
	if (!err)
		err = each(m->objects, clone_object, to);
	if (!err)
		err = each(m->groups, clone_group, to);
	if (err) {
		model__free(to);
		return NULL;
	}
	to->nobjects = m->nobjects;
	to->nvmas = m->nvmas;
	to->nruns = m->nruns;
	to->root = m->root;
	memcpy(to->error, m->error, sizeof(to->error));
	return to;
}
