/* SPDX-License-Identifier: MIT */
/* holders.h: finds who can write an object: descriptors and mappings, now and as they come and go. */
#ifndef BPREC_RECORD_HOLDERS_H
#define BPREC_RECORD_HOLDERS_H

#include "record/recorder.h"

/** Looks who can write the object, if the kernel's counters say that somebody can. 0 or -errno. */
int holders__look(struct recorder *r, struct object *o);
/** Looks whether somebody has pinned pages of [first, first + n), which no counter shows. 0 or -errno. */
int holders__pins(struct recorder *r, struct object *o, uint64_t first, uint64_t n);
/** Looks who can write the object if the kernel's counters have changed since the last look. 0 or -errno. */
int holders__count(struct recorder *r, struct object *o);
/** Looks again at objects whose counters have changed: at exposed ones often, at others now and then. 0 or -errno. */
int holders__tick(struct recorder *r, uint64_t now);
/** An event about a descriptor, a mapping, a fork or an exit of a holder. 0 or -errno. */
int holders__event(struct recorder *r, const struct kevent *ke);

#endif
