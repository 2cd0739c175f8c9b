/* SPDX-License-Identifier: MIT */
/* remote.h: outsiders that write the memory of an insider. */
#ifndef BPREC_RECORD_REMOTE_H
#define BPREC_RECORD_REMOTE_H

#include "record/recorder.h"

/** Acts on a KEV_REMOTE: a change of the memory of an insider, or, if whose memory it was can't be told, a gap. 0 or -errno. */
int remote__event(struct recorder *r, const struct kevent *ke);

#endif
