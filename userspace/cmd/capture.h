/* SPDX-License-Identifier: MIT */
/* capture.h: what record and watch have in common. */
#ifndef BPREC_CMD_CAPTURE_H
#define BPREC_CMD_CAPTURE_H

#include <limits.h>
#include <stdbool.h>

#include "cmd/cmd.h"
#include "record/record.h"

/** What the words of both say. It is the first member of what record_opts.ctx points to. */
struct capture {
	const struct cmd *cmd;
	const char *output, *user; /* NULL: not given */
	bool quiet;
	char **command;	    /* ends with NULL */
	char dir[PATH_MAX]; /* of the trace; "" until it is made */
};

/** Options of both that nothing else is said about: --compare-budget, --rearm. */
#define CAPTURE_OPTIONS                                                                                  \
	{ "compare-budget", 0, "PERCENT",                                                                \
	  "of the time, for comparing what outsiders can store into (default 2)" },                      \
	{                                                                                                \
		"rearm", 0, "HOW",                                                                       \
			"none (default) or soft-dirty: make outsiders' next stores fault, at their cost" \
	}
/** record_opts of a capture c, with the values of options that aren't given. */
#define CAPTURE_DEFAULTS(c)                                                              \
	.dir = (c)->dir, .warn = capture__warn, .prepare = capture__prepare, .ctx = (c), \
	.compare_budget = 2
/** Takes one of the options of both: these two, --output, --quiet, --user, --disable-hook. 1: it is none of them; 0, or the
 *  exit code of a usage error. */
int capture__option(struct capture *c, struct record_opts *o, const char *name, const char *value);
/** Makes the trace's directory (record_opts.prepare). */
int capture__prepare(void *ctx);
/** Prints one line of the recorder's (record_opts.warn). */
void capture__warn(void *ctx, const char *line);
/** Runs record__run or watch__run as the words say, and says what came of it. Returns the exit code: how the command ended, or
 *  bprec's own. */
int capture__run(struct capture *c, struct record_opts *o,
		 int (*run)(const struct record_opts *o, struct record_result *ret));

#endif
