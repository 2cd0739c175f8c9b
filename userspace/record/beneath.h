/* SPDX-License-Identifier: MIT */
/* beneath.h: changes that no mapped file's own page cache shows: below the file system, and breakpoints in memory (uprobes). */
#ifndef BPREC_RECORD_BENEATH_H
#define BPREC_RECORD_BENEATH_H

#include "record/recorder.h"

/** Acts on an event about a block device that isn't itself mapped, or about uprobes. *ret_taken: it was such a one. 0 or
 *  -errno. */
int beneath__event(struct recorder *r, const struct kevent *ke, bool *ret_taken);
/** Under watch: insiders map the object by a call that began then. What was done by then below the device on which it lies is no
 *  change, what was under way or came later is. 0 or -errno. */
int beneath__mapped(struct recorder *r, const struct object *o, uint64_t since_ns);
/** Frees what is known of them. */
void beneath__free(struct recorder *r);

#endif
