/* SPDX-License-Identifier: MIT */
/* exposure.h: outsiders that could write what insiders map (DESIGN 2, "exposure"): the list, and its events. */
#ifndef BPREC_RECORD_EXPOSURE_H
#define BPREC_RECORD_EXPOSURE_H

#include "record/recorder.h"

/** Notes that a process (0: unknown) can write the object from where it stands; nothing new if that is known (it is marked as
 *  seen). length ~0: all of the object. 0 or -errno. */
int exposure__add(struct recorder *r, struct object *o, uint32_t kind, pid_t pid, uint32_t writer,
		  uint64_t since, uint64_t offset, uint64_t length);
/** The same from a record of the BPF programs: an outsider has opened the object for writing (KEV_OPENED), or mapped it so that it
 *  may store there (KEV_MAPPED). */
int exposure__add_noted(struct recorder *r, struct object *o, const struct kevent *ke);
/** Notes that a process (0: unknown) has pages of the object pinned (a registered buffer): a mapping that no unmapping ends.
 *  0 or -errno. */
int exposure__add_pinned(struct recorder *r, struct object *o, pid_t pid, uint32_t writer);
/** Ends one; e is freed. 0 or -errno. */
int exposure__end(struct recorder *r, struct exposure *e);
/** True if an outsider has a shared mapping of the object that may be written, or may have. */
bool exposure__by_mapping(const struct recorder *r, const struct object *o);
/** True if somebody can write the object whom no list names, or through no mapping that he has. */
bool exposure__unattributed(const struct recorder *r, const struct object *o);
/** The exposure by the outsider that alone maps the object so; NULL if there is none or more than one. */
const struct exposure *exposure__sole_mapper(const struct recorder *r, const struct object *o);
/** Can another than this process write the object now, by whatever means? What is unattributed counts as another's. */
bool exposure__by_others(const struct recorder *r, const struct object *o, pid_t pid);
/** Ends every exposure that holds (end of the recording). 0 or -errno. */
int exposure__end_all(struct recorder *r);

#endif
