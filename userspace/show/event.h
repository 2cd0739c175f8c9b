/* SPDX-License-Identifier: MIT */
/* event.h: decodes events of a trace into a sink. */
#ifndef BPREC_SHOW_EVENT_H
#define BPREC_SHOW_EVENT_H

#include "show/sink.h"

/** Writes one event. It has passed the reader's checks. */
void show__event(struct sink *s, const struct event_header *ev, uint64_t no);

/** Decodes the body of one type of event. */
typedef void (*event_decode_fn)(struct sink *s, const struct event_header *ev);
/** The tables of the files event_*.c; NULL for types they don't know. */
event_decode_fn event__program(uint32_t type); /* calls, signals, processes */
event_decode_fn event__memory(uint32_t type);  /* objects, pages, mappings */
event_decode_fn event__outside(uint32_t type); /* changes, exposures, gaps, hooks */

/** Writes protection bits as r, w, x and -, into a buffer of 4. Returns buf. */
const char *event__prot(uint32_t prot, char buf[4]);
/** Writes runs of pages as a list. */
void event__runs(struct sink *s, const struct page_run *r, uint32_t nruns);

#endif
