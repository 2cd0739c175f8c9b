/* SPDX-License-Identifier: MIT */
/* check.h: prints what check found. */
#ifndef BPREC_SHOW_CHECK_H
#define BPREC_SHOW_CHECK_H

#include "check/check.h"
#include "show/term.h"

/** Rows of a list that are shown without -v. */
#define SHOW_ROWS 20

/** For a person: the verdict and what it means, then changes (the worst first), exposures, gaps, losses. 0 or -ENOMEM. */
int show__check_text(const struct show_opts *o, const struct check_report *rep);
/** The JSON of CLI.md, "JSON of `check`". 0 or -ENOMEM. */
int show__check_json(const struct show_opts *o, const struct check_report *rep);
/** One line about one change, without a newline: object, range, who, how, outcome. New string; NULL: no memory. */
char *show__change_line(const struct check_change *c);
/** The first line of the text alone, without colour or newline, into buf: for the last line of `bprec record`. */
void show__verdict_line(const struct check_report *rep, char *buf, size_t size);

/** Part of it: who made changes, and from where. */
void show__check_who(const struct show_opts *o, const struct check_report *rep);

#endif
