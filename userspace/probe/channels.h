/* SPDX-License-Identifier: MIT */
/* channels.h: the table of channels and filesystems. */
#ifndef BPREC_PROBE_CHANNELS_H
#define BPREC_PROBE_CHANNELS_H

#include "probe/probe.h"

/** Fills r->cells, r->hook_names, and r->usable with its reason (given that the features are there already).
 *  0 or -ENOMEM. */
int channels__find(const struct probe_opts *opts, struct probe_report *r);

#endif
