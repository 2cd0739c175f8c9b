/* SPDX-License-Identifier: MIT */
/* dispatch.h: acts on one event. Never waits. */
#ifndef BPREC_RECORD_DISPATCH_H
#define BPREC_RECORD_DISPATCH_H

#include "record/events.h"

/** 0, or the first fatal error. */
int dispatch_event(struct recorder *r, const struct rec_event *ev);

#endif
