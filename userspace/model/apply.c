// SPDX-License-Identifier: MIT
/* apply.c: the model as a whole: made, fed, freed. */
#include "model/state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <Judy.h>

void *model__get(const void *array, uint64_t key)
{
	void **v = JudyLGet(array, key, NULL);

	return v ? *v : NULL;
}

int model__put(void **array, uint64_t key, void *value)
{
	void **v = JudyLIns(array, key, NULL);

	if (v == PJERR)
		return -ENOMEM;
	*v = value;
	return 0;
}

int model__refuse(struct model *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m->error, sizeof(m->error), fmt, ap);
	va_end(ap);
	return -EBADMSG;
}

struct model *model__new(void)
{
	return calloc(1, sizeof(struct model));
}

void model__free(struct model *m)
{
	Word_t key = 0;
	void **v;

	if (!m)
		return;
	for (v = JudyLFirst(m->tasks, &key, NULL); v; v = JudyLNext(m->tasks, &key, NULL))
		task__free(*v);
	key = 0;
	for (v = JudyLFirst(m->spaces, &key, NULL); v; v = JudyLNext(m->spaces, &key, NULL))
		space__free(m, *v);
	key = 0;
	for (v = JudyLFirst(m->objects, &key, NULL); v; v = JudyLNext(m->objects, &key, NULL)) {
		struct object *o = *v;

		pagemap__free(&o->pages);
		free((char *)o->pub.path);
		free(o);
	}
	JudyLFreeArray(&m->tasks, NULL);
	JudyLFreeArray(&m->spaces, NULL);
	JudyLFreeArray(&m->objects, NULL);
	JudyLFreeArray(&m->groups, NULL);
	free(m);
}

const char *model__error(const struct model *m)
{
	return m->error;
}

/** Takes an event of a type that concerns the model. */
typedef int (*apply_fn)(struct model *m, const struct event_header *ev);

/** Which function takes which type; types without one don't concern the model. */
static const apply_fn table[EV_MAX] = {
	[EV_PROCESS] = apply__process, [EV_EXEC] = apply__exec,	      [EV_EXIT] = apply__exit,
	[EV_OBJECT] = apply__object,   [EV_PAGES] = apply__pages,     [EV_MAP] = apply__map,
	[EV_UNMAP] = apply__unmap,     [EV_PROTECT] = apply__protect, [EV_REMAP] = apply__remap,
	[EV_GROUP] = apply__group,
};

int model__apply(struct model *m, const struct event_header *ev, uint64_t event_no)
{
	if (ev->type >= EV_MAX || !table[ev->type])
		return 0;
	int err = table[ev->type](m, ev);
	if (err == -EBADMSG) {
		char why[sizeof(m->error)];

		snprintf(why, sizeof(why), "%s", m->error);
		snprintf(m->error, sizeof(m->error), "event %llu (%u): %.150s",
			 (unsigned long long)event_no, ev->type, why);
	} else if (err) {
		snprintf(m->error, sizeof(m->error), "event %llu: out of memory",
			 (unsigned long long)event_no);
	}
	return err;
}
