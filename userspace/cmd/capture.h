/* SPDX-License-Identifier: MIT */
/* capture.h: what record and watch have in common. */
#ifndef BPREC_CMD_CAPTURE_H
#define BPREC_CMD_CAPTURE_H

#include "cmd/cmd.h"
#include "record/record.h"

/** Prints one line of the recorder's (record_opts.warn). */
void capture__warn(void *ctx, const char *line);
/** --user: the options say to become this user; NULL: nobody. 0, or the exit code of a usage error of command c. */
int capture__user(const struct cmd *c, struct record_opts *o, const char *name);
/** Options of both: --compare-budget, --rearm. */
#define CAPTURE_OPTIONS                                                                                  \
	{ "compare-budget", 0, "PERCENT",                                                                \
	  "of the time, for comparing what outsiders can store into (default 2)" },                      \
	{                                                                                                \
		"rearm", 0, "HOW",                                                                       \
			"none (default) or soft-dirty: make outsiders' next stores fault, at their cost" \
	}
/** Values of these options as they are without them. */
#define CAPTURE_DEFAULTS .compare_budget = 2
/** Takes one of these options. 1: it is none of them; 0, or the exit code of a usage error of command c. */
int capture__option(const struct cmd *c, struct record_opts *o, const char *name,
		    const char *value);
/** Under sudo the trace is the calling user's from the start. */
void capture__owner(struct record_opts *o);
/** The last line: the trace and what it is worth. */
void capture__say_verdict(const char *dir);
/** Says why it failed and returns the exit code. command: as given by the user; dir: of the trace. */
int capture__failed(const char *command, const char *dir, int err,
		    const struct record_result *result);
/** Exit code that passes on how the command ended. */
int capture__status(const struct record_result *result);

#endif
