/* SPDX-License-Identifier: MIT */
/* start.h: the first events of a trace. */
#ifndef BPREC_RECORD_START_H
#define BPREC_RECORD_START_H

#include "record/recorder.h"

/** Writes EV_START, an EV_HOOK for each kernel hook, and an EV_GAP if nothing is observed (why: the reason, else NULL).
 *  0 or -errno. */
int start__write(struct recorder *r, const char *why);

#endif
