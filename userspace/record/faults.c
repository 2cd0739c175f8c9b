/* SPDX-License-Identifier: MIT */
#include "record/faults.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "record/exposure.h"
#include "record/object.h"
#include "record/who.h"

#define LOOK_AFTER_NS 1000000ull /* the store comes after the event: look a moment later */

const struct fault *faults__on(const struct object *o, uint64_t page)
{
	const struct fault *f;

	LL_FOREACH (o->faults, f)
		if (page >= f->first && page - f->first < f->n)
			return f;
	return NULL;
}

const struct fault *faults__near(const struct object *o)
{
	const struct fault *f;

	LL_FOREACH (o->faults, f)
		if (f->writer != o->faults->writer || f->channel != o->faults->channel)
			return NULL;
	return o->faults;
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
