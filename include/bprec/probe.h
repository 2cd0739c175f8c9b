/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * probe.h: what `bprec probe` found out about this machine: the result type that probe/ fills and show/ prints.
 */
#ifndef BPREC_PROBE_H
#define BPREC_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "bprec/names.h"

/* Answers, with the text of CLI.md. */
#define BPREC_PROBE_ANSWERS(X)                                                 \
	X(UNKNOWN, 0, "unknown") /* could not be tried: the reason says why */ \
	X(NO, 1, "no")                                                         \
	X(YES, 2, "yes")

/* How well a channel is seen, from worst to best, with the text of CLI.md. */
#define BPREC_PROBE_SEEN(X)                                                     \
	X(NO, 0, "no")                                                          \
	X(COMPARE, 1, "compare") /* contents of exposed objects are compared */ \
	X(PAGE, 2, "page")                                                      \
	X(EXACT, 3, "exact")

#define BPREC_ENUM_ANSWER(id, n, text) PROBE_##id = (n),
#define BPREC_ENUM_SEEN(id, n, text)   SEEN_##id = (n),

/** Answer to the question whether a feature works. */
enum probe_answer { BPREC_PROBE_ANSWERS(BPREC_ENUM_ANSWER) };
/** How a change through a channel is noticed. A greater value is better. */
enum probe_seen { BPREC_PROBE_SEEN(BPREC_ENUM_SEEN) };

/** Longest reason, NUL included. */
#define PROBE_WHY_MAX 240
/** Most hooks named for one cell. */
#define PROBE_HOOKS_MAX 16

/** One fact about the machine. */
struct probe_feature {
	const char *name;	  /* static */
	const char *purpose;	  /* what bprec uses it for (key "for"); static */
	enum probe_answer answer; /* found by doing it */
	bool hinders;		  /* "yes" is the bad answer (lockdown) */
	char why[PROBE_WHY_MAX];  /* what was done and seen, errno included */
};

/** One cell of the table of channels and filesystems. */
struct probe_cell {
	enum channel channel;
	const char *filesystem; /* static, e.g. "tmpfs" */
	enum probe_seen seen;	/* SEEN_NO if !possible or !known */
	bool possible;		/* false: no change can come this way, so none is missed */
	bool tried;		/* the change was made, or refused, on this filesystem */
	bool known; /* false: it could not be tried, or came to nothing; then possible, and SEEN_NO */
	const char *hooks[PROBE_HOOKS_MAX]; /* hooks it rests on; owned by the report */
	size_t nhooks;
	char why[PROBE_WHY_MAX];
};

/** All that was found. Made by probe__run, ended by probe__free. */
struct probe_report {
	char kernel[65]; /* release */
	char arch[65];
	bool usable; /* record works, and its observation leaves no channel out that has hooks */
	unsigned int tiers; /* of hooks that an observation uses: 1, 2, 3 for both, 0: none */
	bool observes;	    /* an observation can be opened: else no cell says more than why not */
	char why[PROBE_WHY_MAX]; /* one sentence for `usable` */
	struct probe_feature *features;
	size_t nfeatures;
	struct probe_cell *cells; /* one channel's cells are neighbours */
	size_t ncells;
	char **hook_names; /* NULL-terminated; what the cells' hooks point to */
};

#endif
