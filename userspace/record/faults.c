/* SPDX-License-Identifier: MIT */
#include "record/faults.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "record/exposure.h"
#include "record/object.h"
#include "record/who.h"

#define LOOK_AFTER_NS 1000000ull /* the store comes after the event: look a moment later */

/** Can a difference that is found now be this outsider's? Not if the object was looked at since it ended. */
static bool can_be(const struct object *o, const struct fault *f)
{
	return !f->gone_ns || o->look_ns < f->gone_ns;
}

const struct fault *faults__on(const struct object *o, uint64_t page)
{
	const struct fault *f;

	LL_FOREACH (o->faults, f)
		if (page >= f->first && page - f->first < f->n && can_be(o, f))
			return f;
	return NULL;
}

const struct fault *faults__near(const struct object *o)
{
	const struct fault *f, *found = NULL;

	LL_FOREACH (o->faults, f) {
		if (!can_be(o, f))
			continue;
		if (found && (f->writer != found->writer || f->channel != found->channel))
			return NULL;
		found = f;
	}
	return found;
}

void faults__outsider_gone(struct recorder *r, const struct kevent *ke)
{
	struct fault *f;

	for (struct object *o = r->objects; o; o = o->hh.next)
		LL_FOREACH (o->faults, f)
			if (!f->gone_ns && who__pid(r, f->writer) == (pid_t)ke->tgid)
				f->gone_ns = ke->ns;
}

static int note(struct object *o, const struct kevent *ke, uint32_t writer, uint32_t channel)
{
	const uint64_t first = ke->offset / BPREC_PAGE_SIZE;
	const uint64_t n = (ke->length + BPREC_PAGE_SIZE - 1) / BPREC_PAGE_SIZE;
	const struct fault *known = faults__on(o, first);
	struct fault *f;

	o->exposed = true;
	if (o->next_look_ns > ke->ns + LOOK_AFTER_NS)
		o->next_look_ns = ke->ns + LOOK_AFTER_NS;
	if (known && known->writer == writer && known->n >= n)
		return 0;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->first = first;
	f->n = n ? n : 1;
	f->writer = writer;
	f->channel = channel;
	f->ns = ke->ns;
	LL_PREPEND(o->faults, f);
	return 0;
}

int faults__event(struct recorder *r, const struct kevent *ke)
{
	struct object *o = object__by_kevent(r, ke);
	uint32_t channel = CH_MMAP_STORE;

	if (!o || ke->flags & KEVF_INSIDER)
		return 0;
	if (ke->type == KEV_DIRTY && !exposure__by_mapping(r, o))
		channel = ke->flags & KEVF_KTHREAD ? CH_KERNEL : CH_UNKNOWN;
	return note(o, ke, ke->flags & KEVF_KTHREAD ? 0 : who__from_event(r, ke), channel);
}
