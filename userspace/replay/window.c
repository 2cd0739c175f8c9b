/* SPDX-License-Identifier: MIT */
/* window.c: the events that come next, copied, so that what lies ahead can be looked at. Bounded in number and in bytes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replay/state.h"
#include "util/err.h"

#define BYTES_MAX (8u << 20) /* of events that were read ahead; one event may be over it */

static struct event_header **slot(struct window *w, uint64_t no)
{
	return &w->ev[no % WINDOW_EVENTS];
}

const struct event_header *window__at(struct replay *rp, uint64_t no)
{
	struct window *w = &rp->window;

	return no >= w->first && no - w->first < w->n ? *slot(w, no) : NULL;
}

/** The reader has no more: its error is told when its turn comes, other words of the reader may come before that. */
static void end(struct replay *rp, int got)
{
	rp->window.end = true;
	rp->window.error = got;
	if (got)
		rp->window.text = strdup(reader__error(rp->rd));
}

static int add(struct replay *rp)
{
	struct window *w = &rp->window;
	const struct event_header *ev;
	struct event_header *copy;
	uint64_t no;
	const int got = reader__next(rp->rd, &ev, &no);

	if (got != 1) {
		end(rp, got);
		return 0;
	}
	copy = malloc(ev->size);
	if (!copy)
		return err__set(-ENOMEM, "no memory");
	memcpy(copy, ev, ev->size);
	if (!w->n)
		w->first = no;
	*slot(w, no) = copy;
	w->n++;
	w->bytes += ev->size;
	return 0;
}

int window__fill(struct replay *rp, uint32_t want)
{
	struct window *w = &rp->window;
	int err = 0;

	while (!err && !w->end && w->n < want && w->n < WINDOW_EVENTS &&
	       (!w->n || w->bytes < BYTES_MAX))
		err = add(rp);
	return err;
}

void window__pop(struct replay *rp)
{
	struct window *w = &rp->window;
	struct event_header **s = slot(w, w->first);

	w->bytes -= (*s)->size;
	free(*s);
	*s = NULL;
	w->first++;
	w->n--;
}

void window__clear(struct replay *rp)
{
	while (rp->window.n)
		window__pop(rp);
	free(rp->window.text);
	rp->window = (struct window){ 0 };
}
