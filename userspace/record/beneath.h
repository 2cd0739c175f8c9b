/* SPDX-License-Identifier: MIT */
/* beneath.h: changes that no mapped file's own page cache shows: below the file system, and breakpoints in memory (uprobes). */
#ifndef BPREC_RECORD_BENEATH_H
#define BPREC_RECORD_BENEATH_H

#include "record/recorder.h"

/** Acts on an event about a block device that isn't itself mapped, or about uprobes. *ret_taken: it was such a one. 0 or
 *  -errno. */
int beneath__event(struct recorder *r, const struct kevent *ke, bool *ret_taken);
/** Frees what is known of them. */
void beneath__free(struct recorder *r);

#endif
