/* SPDX-License-Identifier: MIT */
/* events.h: what happens next. next_event() only gathers and orders; nothing else in the recorder waits. */
#ifndef BPREC_RECORD_EVENTS_H
#define BPREC_RECORD_EVENTS_H

#include "record/recorder.h"

/** What came, and what the dispatcher owes it. */
enum rec_event_type {
	REV_NONE,   /* nothing to do; ask again */
	REV_STOP,   /* a tracee stopped: it must be continued, queued or left stopped on purpose */
	REV_GONE,   /* a tracee exited or was killed: forget it */
	REV_KERNEL, /* a record of the BPF programs: act on it, don't keep the pointer */
	REV_TICK,   /* time has passed: slices, comparisons, flush */
	REV_END,    /* no tracee is left */
};

/** One event. */
struct rec_event {
	enum rec_event_type type;
	pid_t tid;		 /* STOP, GONE */
	int status;		 /* STOP, GONE: as from waitpid */
	uint64_t ns;		 /* STOP: seen then */
	const struct kevent *ke; /* KERNEL */
};

/** Starts the helper thread that wakes the waiting recorder. 0 or -errno. */
int events__start(struct recorder *r);
/** Ends it and frees the queues. */
void events__stop(struct recorder *r);
/** Waits for the next event. Kernel records that were complete when a stop was seen come before that stop (DESIGN 12,
 *  rule 2). 0 or -errno. */
int next_event(struct recorder *r, struct rec_event *ret);
/** Most records that wait in the queue before no more are taken out of the ring; one drain more may be in it. */
#define EVENTS_QUEUE_MAX 32768
/** Takes everything out of the ring buffer into the queue. 0; 1: not now, the queue is full: what the ring can't take either
 *  is counted there, by hook. Or -errno. */
int events__drain(struct recorder *r);
/** Handles the signals that are passed on, and ignores those that would stop bprec at a terminal. */
void events__take_signals(void);
/** Passes signals on that were sent to the recorder alone (CLI.md). */
void events__forward_signals(struct recorder *r);

#endif
