/* SPDX-License-Identifier: MIT */
#include "record/watch_calls.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "record/compare.h"
#include "record/object.h"

/** Nobody is held in a call here: what is seen of it before its end is no outsider's doing (explained() in compare.c). */
static int begin(struct recorder *r, const struct kevent *ke)
{
	struct change *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->ke = *ke;
	c->offset = ke->offset;
	c->length = ke->length;
	c->flags = ke->flags & KEVF_RANGE_UNKNOWN ? CHANGE_RANGE_UNKNOWN : 0;
	LL_PREPEND(r->own_calls, c);
	return 0;
}

int watch_calls__event(struct recorder *r, const struct kevent *ke)
{
	struct object *o = object__by_kevent(r, ke);
	struct change *c;

	if (ke->type == KEV_BEGIN)
		return begin(r, ke);
	LL_FOREACH (r->own_calls, c)
		if (c->ke.aux == ke->aux && c->ke.object == ke->object)
			break;
	if (c) {
		LL_DELETE(r->own_calls, c);
		free(c);
	}
	return o ? compare__insider(r, o, ke) : 0;
}

void watch_calls__drop(struct recorder *r, pid_t pid)
{
	struct change *c, *tmp;

	LL_FOREACH_SAFE (r->own_calls, c, tmp) {
		if (pid && (pid_t)c->ke.tgid != pid)
			continue;
		LL_DELETE(r->own_calls, c);
		free(c);
	}
}
