/* SPDX-License-Identifier: MIT */
/* trial.h: runs something that may hang or crash in a forked child, for a bounded time, and gets its answer. */
#ifndef BPREC_PROBE_TRIAL_H
#define BPREC_PROBE_TRIAL_H

#include <stddef.h>
#include <sys/types.h>

#include "bprec/probe.h"

/** What a trial found. Shared with the child that fills it. */
struct trial {
	enum probe_answer answer; /* PROBE_UNKNOWN until the trial says otherwise */
	char why[PROBE_WHY_MAX];
};

/** A trial: runs in the child, and gives its answer by one of the functions below. It may leave files, memory,
 *  programs and children behind: they go with the child. arg is the caller's, of before the fork. */
typedef void (*trial_fn)(struct trial *t, void *arg);

/** A trial under way. */
struct trial_child {
	struct trial *shared; /* where it puts its answer */
	pid_t pid;
	int done; /* read end of the pipe that says it is over */
};

/** Starts fn in a child. 0, or -errno: there is none, and nothing to be finished. */
int trial__start(trial_fn fn, void *arg, struct trial_child *ret);
/** Waits for its end, timeout_ms at most, ends it then, and fills *ret. One that hangs or crashes makes the answer
 *  PROBE_UNKNOWN and says so. */
void trial__finish(struct trial_child *c, unsigned int timeout_ms, struct trial *ret);
/** Both. If there can be no child, *ret is PROBE_UNKNOWN and says so. */
void trial__run(trial_fn fn, void *arg, unsigned int timeout_ms, struct trial *ret);

/** Answers "yes" with a reason (printf format). */
void trial__yes(struct trial *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Answers "no" with a reason. */
void trial__no(struct trial *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Answers "unknown" with a reason. */
void trial__unknown(struct trial *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Answers for a step that the kernel refused with errno err (positive): "unknown, needs root" where the error is one of
 *  privileges and the process lacks the capability `cap` (CAP_*, -1: none helps), else "no". */
void trial__refused(struct trial *t, int cap, const char *what, int err);
/** Name of an errno ("EPERM"), a static string. */
const char *trial__errno(int err);

/** fork(2) for a trial: the child is killed when its parent dies. Pid, 0 in the child, or -errno. */
pid_t trial__fork(void);
/** Memory of n bytes, zeroed, that the trial shares with its children; NULL: none. It goes with the process. */
void *trial__shared(size_t n);

#endif
