/* SPDX-License-Identifier: MIT */
/* resident.h: pages of objects that outsiders may have stored to through their mappings, as far as page tables tell. */
#ifndef BPREC_RECORD_RESIDENT_H
#define BPREC_RECORD_RESIDENT_H

#include "record/recorder.h"

/** Adds to *ret, in any order, those of the pages `wanted` that an outsider's page tables show (or that can't be told of one),
 *  those that were looked at lately, and those with faults. With r->rearm: those that were stored to since they were looked
 *  at last, as resident__rearm has found. 0 or -errno: nothing can be told. */
int resident__pages(struct recorder *r, struct object *o, const struct ranges *wanted,
		    struct ranges *ret);
/** With r->rearm: notes which pages of all objects were stored to (object.stored), and turns on write faults again. 0 or
 *  -errno. */
int resident__rearm(struct recorder *r);

#endif
