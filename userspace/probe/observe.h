/* SPDX-License-Identifier: MIT */
/* observe.h: opens a real observation, and has changes made on every filesystem that is there or can be made. */
#ifndef BPREC_PROBE_OBSERVE_H
#define BPREC_PROBE_OBSERVE_H

#include "bprec/probe.h"
#include "kern/kern.h"
#include "probe/attempt.h"
#include "probe/trial.h"

/** Limits of struct observed: more hooks or filesystems than these are left out. */
#define OBSERVED_HOOKS_MAX   160
#define OBSERVED_SCRATCH_MAX 12

/** One hook, copied out of the trial (see struct kern_hook). */
struct observed_hook {
	char name[64];
	char serves[64];
	enum hook_state state;
	int error; /* positive errno, 0 if none */
};

/** All that was seen. Plain data: it is shared with the trial's process. */
struct observed {
	int error;		 /* 0, or -errno of kern__open; hooks is empty then */
	char why[PROBE_WHY_MAX]; /* of error */
	enum kern_tiers tiers;	 /* that the observation uses */
	struct observed_hook hooks[OBSERVED_HOOKS_MAX];
	size_t nhooks;
	struct observed_scratch scratch[OBSERVED_SCRATCH_MAX];
	size_t nscratch;
};

/** A trial of the channels under way. */
struct observation {
	struct observed *obs; /* owned; shared with the trial's process */
	struct trial_child child;
	const char *disable;
	int error; /* of the start */
};

/** Starts the trial, which runs while the caller does other things. disable: as in probe_opts. 0 or -ENOMEM. */
int observe__start(struct observation *o, const char *disable);
/** Waits for its end. What was seen is in o->obs; o->obs->error tells how it went. */
void observe__finish(struct observation *o);
/** Frees what was seen; an observation that was only zeroed is allowed. */
void observe__free(struct observation *o);
/** What was seen on a filesystem, NULL if nothing was looked for there. */
const struct observed_scratch *observe__scratch(const struct observed *obs, const char *filesystem);

#endif
