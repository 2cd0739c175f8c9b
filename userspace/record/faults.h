/* SPDX-License-Identifier: MIT */
/* faults.h: pages of objects into which an outsider may have stored: a write fault, or a page that became dirty in a way
 * that no call explains. A fault is the beginning of an exposure, not a change (DESIGN 3): the pages are compared later. */
#ifndef BPREC_RECORD_FAULTS_H
#define BPREC_RECORD_FAULTS_H

#include "record/recorder.h"

/** Acts on KEV_FAULT and KEV_DIRTY. 0 or -errno. */
int faults__event(struct recorder *r, const struct kevent *ke);
/** The newest fault of those that can have changed a page since it was looked at; NULL: there is none. Owned by the object. */
const struct fault *faults__on(const struct object *o, uint64_t page);
/** When the first of all of them was, in ns; UINT64_MAX: there is none. Each of those outsiders may store from then on. */
uint64_t faults__since(const struct object *o, uint64_t page);
/** One fault of the object if all of them are one outsider's, else NULL: a fault can map the pages around it too (a large
 *  folio on ext4, fault-around on tmpfs), which then change without one of their own. */
const struct fault *faults__near(const struct object *o);
/** Calls fn with each fault, until it returns other than 0; returns that. */
int faults__each(const struct object *o, int (*fn)(void *ctx, const struct fault *f), void *ctx);
/** True if one of them can have changed something since the whole object was looked at. */
bool faults__any(const struct object *o);
/** A process is gone: differences that come after the next look aren't its own. */
void faults__outsider_gone(struct recorder *r, const struct kevent *ke);

#endif
