/* SPDX-License-Identifier: MIT */
/* observe.h: opens a real observation, makes one change for each channel, and looks which events came. */
#ifndef BPREC_PROBE_OBSERVE_H
#define BPREC_PROBE_OBSERVE_H

#include "bprec/probe.h"
#include "probe/ops.h"
#include "probe/trial.h"

/** Limits of struct observed: more hooks or filesystems than these are left out. */
#define OBSERVED_HOOKS_MAX   160
#define OBSERVED_SCRATCH_MAX 4

/** One hook, copied out of the trial (see struct kern_hook). */
struct observed_hook {
	char name[64];
	char serves[64];
	enum hook_state state;
	int error; /* positive errno, 0 if none */
};

/** One change that was tried. */
struct attempt {
	bool done;	      /* the change was made; else see refused */
	int refused;	      /* positive errno by which it was refused; 0: not tried */
	enum probe_seen seen; /* SEEN_EXACT, SEEN_PAGE, or SEEN_NO: no event */
	char event[48];	      /* the best event that came, for the reason; "" if none */
};

/** One filesystem on which changes were tried. */
struct observed_scratch {
	const char *filesystem; /* static: the trial's process is a fork of ours */
	char dir[64];
	bool held_fd;  /* the list of holders named our writable descriptor */
	bool held_map; /* the list of holders named our shared writable mapping */
	struct attempt attempts[CH_MAX];
};

/** All that was seen. Plain data: it is shared with the trial's process. */
struct observed {
	int error;		 /* 0, or -errno of kern__open; hooks is empty then */
	char why[PROBE_WHY_MAX]; /* of error */
	struct observed_hook hooks[OBSERVED_HOOKS_MAX];
	size_t nhooks;
	struct observed_scratch scratch[OBSERVED_SCRATCH_MAX];
	size_t nscratch;
};

/** The changes to try: ops[channel], NULL where there is none. */
extern const op_fn observe_ops[CH_MAX];

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
/** Name of a filesystem by its magic number; "?" for one we don't know. */
const char *observe__fs_name(unsigned long magic);

#endif
