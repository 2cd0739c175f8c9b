// SPDX-License-Identifier: MIT
#include "show/event.h"

void show__event(struct sink *s, const struct event_header *ev, uint64_t no)
{
	event_decode_fn fn = event__program(ev->type);

	if (!fn)
		fn = event__memory(ev->type);
	if (!fn)
		fn = event__outside(ev->type);
	s->ops->event(s, ev, no);
	if (fn)
		fn(s, ev);
	s->ops->end(s);
}
