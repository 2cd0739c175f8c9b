/* SPDX-License-Identifier: MIT */
/* channels.h: the table of channels and filesystems. */
#ifndef BPREC_PROBE_CHANNELS_H
#define BPREC_PROBE_CHANNELS_H

#include "bprec/probe.h"
#include "probe/observe.h"

/** Fills r->cells, r->hook_names, r->observes, and r->usable with its reason, given that the features are there already.
 *  obs is not needed afterwards. 0 or -ENOMEM. */
int channels__make(const struct observed *obs, struct probe_report *r);

#endif
