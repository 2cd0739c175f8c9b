/* SPDX-License-Identifier: MIT */
/* event_check.h: what every event must fulfil by itself and against those before it (docs/FORMAT.md, "Events"). The
 * writer asks before it takes an event, so that a mistake of the recorder shows at once; the reader before it hands one
 * out. */
#ifndef BPREC_TRACE_EVENT_CHECK_H
#define BPREC_TRACE_EVENT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bprec/format.h"

/** What the events so far have introduced. Zero-initialise; event_check__reset ends it too. */
struct event_check {
	uint64_t events;  /* accepted so far: number of the next one */
	uint64_t pages;	  /* highest page id there is; kept by the owner */
	uint64_t last_ns; /* time of the last one */
	bool ended;	  /* EV_END has been seen */
	void *objects, *writers, *exposures, *stacks; /* Judy1 sets of ids */
};

/** Judges the event at ev of which `avail` bytes (at least a header) can be read, and remembers what it introduces.
 *  ev is aligned to 8. 0, -TRACE_E_EVENT, -TRACE_E_REFERENCE or -ENOMEM, with err__set. */
int event_check__apply(struct event_check *c, const struct event_header *ev, size_t avail);
/** Forgets all events (pages is kept) and frees what they took. */
void event_check__reset(struct event_check *c);

/** For event_body.c: ids that were introduced. */
bool event_check__knows(const void *set, uint32_t id);
/** For event_body.c: introduces an id. 0 or -ENOMEM. */
int event_check__learn(void **set, uint32_t id);

/** Judges fixed and variable part by type (event_body.c); the header is known to be right. */
int event_body__check(struct event_check *c, const struct event_header *ev);

#endif
