/* SPDX-License-Identifier: MIT */
/* probe.h: finds out, by trying, what this machine lets bprec do. Nothing here prints. The result type is in
 * bprec/probe.h. */
#ifndef BPREC_PROBE_PROBE_H
#define BPREC_PROBE_PROBE_H

#include "bprec/probe.h"

/** Options of probe__run. Zero is the default of each. */
struct probe_opts {
	const char
		*disable; /* name of one hook that the observation leaves out (tests), NULL: none */
};

/** Carries out every trial. Each runs in a process of its own with a bounded wait, and leaves nothing behind. Needs
 *  root for most answers; without, they are PROBE_UNKNOWN. *ret is the caller's, to be ended by probe__free.
 *  0, or -ENOMEM with err__set. */
int probe__run(const struct probe_opts *opts, struct probe_report **ret);
/** Frees a report; NULL and half-built ones are allowed. */
void probe__free(struct probe_report *r);

#endif
