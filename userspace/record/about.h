/* SPDX-License-Identifier: MIT */
/* about.h: what the kernel tells of outsiders beside their events (kwho.h), and what /proc has of those that still are. */
#ifndef BPREC_RECORD_ABOUT_H
#define BPREC_RECORD_ABOUT_H

#include "bprec/kwho.h"
#include "record/codefile.h"

/** Code that a process has mapped. */
struct about_code {
	uint64_t start, end, offset;
	struct codefile *file; /* never NULL */
};

/** One image of a process. */
struct about {
	pid_t pid;
	uint64_t start_ns, image; /* as in struct kwho */
	struct kproc *proc;	  /* malloced; NULL: not told */
	struct about_code *code;
	size_t ncode;
	bool looked;  /* /proc was looked at */
	pid_t parent; /* that it was forked from with this image; 0: not known */
	struct about *next;
};

/** Takes a record of kwho.h. Nothing is written to the trace by it. 0 or -ENOMEM. */
int about__record(struct recorder *r, const struct kwho *who);
/** A process forked: the child has the same image. */
void about__forked(struct recorder *r, pid_t parent, pid_t child);
/** The newest image of a process that is known; NULL if none is. */
struct about *about__find(struct recorder *r, pid_t pid, uint64_t start_ns);
/** All code of this image, as its parents with the same image had it too; *ret is malloced. 0 or -ENOMEM. */
int about__all_code(struct recorder *r, const struct about *a, struct about_code **ret,
		    size_t *ret_n);
/** The executable that the kernel told of (a->proc is there); NULL: no memory. */
const struct codefile *about__exe(struct recorder *r, const struct about *a);
/** Is this process, which began then, still there? */
bool about__alive(pid_t pid, uint64_t start_ns);
/** Forgets all. */
void about__free(struct recorder *r);

#endif
