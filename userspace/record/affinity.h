/* SPDX-License-Identifier: MIT */
/* affinity.h: which processors insiders run on (tracee/home.h), and which they believe they do. */
#ifndef BPREC_RECORD_AFFINITY_H
#define BPREC_RECORD_AFFINITY_H

#include "record/recorder.h"

/** The calling thread and the root, which is stopped, get a home. Other threads of the recorder that are started from now on
 *  call home__leave. */
void affinity__start(struct recorder *r, struct task *root);
/** A child begins with its parent's processors, as the kernel does it. */
void affinity__inherit(const struct task *parent, struct task *child);
/** The thread has stopped; it was continued at cont_ns (CLOCK_MONOTONIC). */
void affinity__stopped(struct recorder *r, struct task *t, uint64_t cont_ns);
/** At the exit of sched_getaffinity or sched_setaffinity, before its outputs are written down: the program sees the processors
 *  that it would have without bprec. ret: its result. */
void affinity__exit(struct recorder *r, struct task *t, int64_t ret);
/** Threads that have run for long may go elsewhere. now: CLOCK_MONOTONIC nanoseconds. */
void affinity__tick(struct recorder *r, uint64_t now);
/** A thread has stopped: those that have run since long before needn't share their processor with it. now: as above. */
void affinity__share(struct recorder *r, uint64_t now);
/** Are ticks needed soon? */
bool affinity__busy(const struct recorder *r);

#endif
