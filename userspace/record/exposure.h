/* SPDX-License-Identifier: MIT */
/* exposure.h: outsiders that could write what insiders map (DESIGN 2, "exposure"). */
#ifndef BPREC_RECORD_EXPOSURE_H
#define BPREC_RECORD_EXPOSURE_H

#include "record/recorder.h"

/** Looks who can write the object, if the kernel's counters say that somebody can. 0 or -errno. */
int exposure__look(struct recorder *r, struct object *o);
/** An event about a descriptor, a mapping, a fork or an exit of a holder. 0 or -errno. */
int exposure__event(struct recorder *r, const struct kevent *ke);
/** True if an outsider has, or had since the last look, a shared mapping of the object that may be written. */
bool exposure__by_mapping(const struct recorder *r, const struct object *o);
/** Id of the outsider that alone maps the object so; 0 if there is none or more than one. */
uint32_t exposure__sole_mapper(const struct recorder *r, const struct object *o);
/** Ends every exposure that holds (end of the recording). 0 or -errno. */
int exposure__end_all(struct recorder *r);

#endif
