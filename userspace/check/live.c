// SPDX-License-Identifier: MIT
/* live.c: check fed with events while they are written. Pages are not looked at: they are still on their way. */
#include "check/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check/state.h"
#include "util/err.h"

struct check_live {
	struct check_state state;
};

struct check_live *check_live__new(void)
{
	struct check_live *l = calloc(1, sizeof(*l));
	struct check_report *rep = l ? calloc(1, sizeof(*rep)) : NULL;

	if (!rep) {
		free(l);
		return NULL;
	}
	l->state = (struct check_state){ .rep = rep, .bad_begin_ns = UINT64_MAX };
	rep->dir = strdup("the trace");
	rep->model = model__new();
	l->state.model = rep->model;
	if (rep->dir && rep->model)
		return l;
	check_live__free(l);
	return NULL;
}

int check_live__feed(struct check_live *l, const struct event_header *ev, uint64_t no,
		     const struct check_change **ret)
{
	struct check_report *rep = l->state.rep;
	const size_t before = rep->nchanges;
	const int err = check__event(&l->state, ev, no);

	if (err)
		return err;
	if (rep->nchanges == before)
		return 0;
	if (ret)
		*ret = &rep->changes[rep->nchanges - 1];
	return 1;
}

void check_live__free(struct check_live *l)
{
	if (!l)
		return;
	check__state_free(&l->state);
	check_report__free(l->state.rep);
	free(l);
}
