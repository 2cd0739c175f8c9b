/* SPDX-License-Identifier: MIT */
/* compare.h: contents of objects against the last snapshot; what differs becomes pages and changes of the trace. */
#ifndef BPREC_RECORD_COMPARE_H
#define BPREC_RECORD_COMPARE_H

#include "record/recorder.h"

/** Compares an exposed object that insiders map (final: now, else not more often than its cost allows), writes EV_COMPARE,
 *  and EV_PAGES and EV_CHANGE for what differs. 0 or -errno. */
int compare__object(struct recorder *r, struct object *o, bool final);
/** Saves what a known change has done to saved pages in [first, first + n) and writes the EV_CHANGE. ev has all fields but
 *  pages_changed, pages_event, saved_ns, new_size and the insiders. With CHANGE_IN_FLIGHT nothing is read: that could wait for
 *  the writer. 0 or -errno. */
int compare__change(struct recorder *r, struct object *o, uint64_t first, uint64_t n,
		    struct ev_change *ev);
/** An insider's call changed the object: saves its pages (EV_PAGES, EV_OBJECT_WRITE). 0 or -errno. */
int compare__insider(struct recorder *r, struct object *o, const struct kevent *ke);
/** A change of size concerns all pages between the end that the model knows and the end now, wherever the call wrote: widens
 *  the range [*first, *first + *n) by them. */
void compare__widen(struct recorder *r, const struct object *o, uint64_t *first, uint64_t *n);
/** True if the object has to be looked at from time to time. */
bool compare__wanted(const struct recorder *r, const struct object *o);

#endif
