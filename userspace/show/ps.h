/* SPDX-License-Identifier: MIT */
/* ps.h: the processes of a trace. */
#ifndef BPREC_SHOW_PS_H
#define BPREC_SHOW_PS_H

#include <stdbool.h>

#include "show/term.h"
#include "trace/reader.h"

/** Prints them in the order in which they began: a table, or a JSON array. 0, or negative with err__text. */
int show__ps(struct reader *r, const struct show_opts *o, bool json);

#endif
