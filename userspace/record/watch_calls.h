/* SPDX-License-Identifier: MIT */
/* watch_calls.h: calls by which watched processes change what they map themselves. */
#ifndef BPREC_RECORD_WATCH_CALLS_H
#define BPREC_RECORD_WATCH_CALLS_H

#include "record/recorder.h"

/** Acts on a KEV_BEGIN or KEV_END of an insider. 0 or -errno. */
int watch_calls__event(struct recorder *r, const struct kevent *ke);
/** The process is gone (0: all are): none of its calls is under way. */
void watch_calls__drop(struct recorder *r, pid_t pid);

#endif
