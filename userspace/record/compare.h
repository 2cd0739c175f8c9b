/* SPDX-License-Identifier: MIT */
/* compare.h: contents of objects against the last snapshot; what differs becomes pages and changes of the trace. */
#ifndef BPREC_RECORD_COMPARE_H
#define BPREC_RECORD_COMPARE_H

#include "record/recorder.h"
#include "space/space.h"

/** Writes down what a look found different: EV_PAGES, and EV_CHANGE for what is an outsider's. What a call explains that is
 *  under way or not yet written down is left to that call, and taken out of *d. size: of the object; read_ns: when the reading
 *  was over. 0 or -errno. */
int compare__found(struct recorder *r, struct object *o, struct space_diffs *d, uint64_t size,
		   uint64_t read_ns);
/** True if reading the object could wait for an outsider's call on it that is under way. */
bool compare__waits(const struct recorder *r, const struct object *o);
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

#endif
