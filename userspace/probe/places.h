/* SPDX-License-Identifier: MIT */
/* places.h: a directory on a filesystem of each kind: found on this machine, or made for the trial. */
#ifndef BPREC_PROBE_PLACES_H
#define BPREC_PROBE_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "probe/loop.h"

/** Most places, found and made together. */
#define PLACES_MAX 16
/** Filesystems that are made. */
#define PLACES_MADE 5

/** A directory in which files may be made. */
struct place {
	const char *filesystem;	    /* static; NULL: there is none */
	char dir[64];		    /* its name for people */
	char path[96];		    /* by which it is reached; valid while the preparation lives */
	char device[LOOP_PATH_MAX]; /* block device below it, made for it; "" if there is none */
	bool absent;		    /* the kernel knows no such filesystem */
	char why[96];		    /* why it could not be made; "" if it was */
};

/** Filesystems being made by a process of their own, in a mount namespace of their own, with which they go. */
struct preparation {
	struct place *made; /* PLACES_MADE of them; shared with that process */
	pid_t pid;
	int done; /* read end of the pipe that says that all are made */
};

/** Name of a filesystem by its magic number; "?" for one we don't know. */
const char *places__fs_name(unsigned long magic);
/** Directories of this machine, at most one for each filesystem that has a name here, and none twice. dir: not checked
 *  for being writable. Returns how many were put into ret (at most PLACES_MAX). */
size_t places__find(struct place *ret);
/** Starts making filesystems. 0 or -errno; it goes with the calling process. */
int places__prepare(struct preparation *ret);
/** Waits until they are made: from then on the paths in made lead to them. 0 or -errno. */
int places__wait(const struct preparation *p);

#endif
