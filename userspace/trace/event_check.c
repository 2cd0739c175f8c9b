/* SPDX-License-Identifier: MIT */
#include "trace/event_check.h"

#include <Judy.h>
#include <errno.h>
#include <inttypes.h>

#include "trace/error.h"
#include "util/err.h"

bool event_check__knows(const void *set, uint32_t id)
{
	return Judy1Test(set, id, PJE0) == 1;
}

int event_check__learn(void **set, uint32_t id)
{
	return Judy1Set(set, id, PJE0) == JERR ? err__set(-ENOMEM, "no memory") : 0;
}

void event_check__reset(struct event_check *c)
{
	Judy1FreeArray(&c->objects, PJE0);
	Judy1FreeArray(&c->writers, PJE0);
	Judy1FreeArray(&c->stacks, PJE0);
	Judy1FreeArray(&c->exposures, PJE0);
	*c = (struct event_check){ .pages = c->pages };
}

static int check_header(const struct event_header *ev, size_t avail)
{
	if (ev->size < sizeof(*ev) || ev->size % 8 != 0 || ev->size > BPREC_EVENT_MAX)
		return err__set(-TRACE_E_EVENT,
				"size is %u, expected a multiple of 8 from %zu to %u", ev->size,
				sizeof(*ev), BPREC_EVENT_MAX);
	if (ev->size > avail)
		return err__set(-TRACE_E_EVENT, "size is %u, but the frame has %zu bytes left",
				ev->size, avail);
	if (ev->type == 0 || ev->type >= EV_MAX)
		return err__set(-TRACE_E_EVENT, "type is %u, expected 1 to %u", ev->type,
				EV_MAX - 1);
	if (ev->flags != 0)
		return err__set(-TRACE_E_EVENT, "flags are %u, expected 0", ev->flags);
	return 0;
}

/* The rules for the place of an event among the others. */
static int check_place(const struct event_check *c, const struct event_header *ev)
{
	if (c->ended)
		return err__set(-TRACE_E_EVENT, "an event follows the end event");
	if (c->events == 0 && ev->type != EV_START && ev->type != EV_END)
		return err__set(-TRACE_E_EVENT, "the first event is not a start event");
	if (c->events > 0 && ev->type == EV_START)
		return err__set(-TRACE_E_EVENT, "a second start event");
	if (ev->time_ns < c->last_ns)
		return err__set(-TRACE_E_EVENT,
				"time is %" PRIu64 ", before the %" PRIu64 " of the event before",
				ev->time_ns, c->last_ns);
	return 0;
}

int event_check__apply(struct event_check *c, const struct event_header *ev, size_t avail)
{
	int err;

	err = check_header(ev, avail);
	if (err == 0)
		err = check_place(c, ev);
	if (err == 0)
		err = event_body__check(c, ev);
	if (err < 0)
		return err;
	c->events++;
	c->last_ns = ev->time_ns;
	c->ended = ev->type == EV_END;
	return 0;
}
