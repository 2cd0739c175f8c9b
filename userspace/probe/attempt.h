/* SPDX-License-Identifier: MIT */
/* attempt.h: makes one change for each channel on one filesystem, and looks which events came. */
#ifndef BPREC_PROBE_ATTEMPT_H
#define BPREC_PROBE_ATTEMPT_H

#include <stdbool.h>

#include "bprec/probe.h"
#include "kern/kern.h"
#include "probe/places.h"

/** One change that was tried. */
struct attempt {
	bool tried;	      /* else all that follows is 0 */
	int refused;	      /* positive errno by which it was refused; 0: the change was made */
	bool idle;	      /* nothing was refused, but no byte changed */
	bool hidden;	      /* the kernel counts a writer that no list names */
	enum probe_seen seen; /* SEEN_EXACT, SEEN_PAGE, or SEEN_NO: no event */
	char event[48];	      /* the best event that came, for the reason; "" if none */
	char where[64];	      /* directory, or block device */
};

/** One filesystem on which changes were tried. */
struct observed_scratch {
	const char *filesystem; /* static: the trial's process is a fork of ours */
	bool held_fd;		/* the list of holders named our writable descriptor */
	bool held_map;		/* ... our shared writable mapping, and the helper's */
	bool named_special; /* the insider's mapping of memory that the kernel writes was told */
	bool used;	    /* files could be made there */
	bool absent;	    /* the kernel knows no such filesystem */
	char why[96];	    /* why nothing could be tried; "" if it could */
	struct attempt attempts[CH_MAX];
};

/** Tries every channel that was not tried on this filesystem before (or for which something was missing). The calling
 *  process is the outsider; s is added to. 0, or -errno: no files can be made there, nothing was tried. */
int attempt__all(struct kern *k, const struct place *p, struct observed_scratch *s);

#endif
