/* SPDX-License-Identifier: MIT */
/* blame.h: why a replay may have left its trace: the outside changes that the trace can't place. */
#ifndef BPREC_SHOW_BLAME_H
#define BPREC_SHOW_BLAME_H

#include "check/check.h"
#include "model/model.h"
#include "show/term.h"

/** Where a replay left its trace. */
struct blame_place {
	const struct model *model; /* the state there */
	uint64_t event, time_ns;   /* number and time of the event that differs */
	uint32_t tid;		   /* thread that it is about, 0: none */
	uint64_t page; /* address of the page of memory that differs; 0: something else does */
};

/** Prints, each line with `bprec: `, which changes may have made the difference: by page, writer and channel, those on the
 *  page that differs first, then the latest ones. Without any: that none did. */
void show__blame(const struct show_opts *o, const struct check_report *rep,
		 const struct blame_place *at);
/** The replay came to its end without a difference: prints what might have made one; nothing where the trace is clean or
 *  resnapshotted. */
void show__no_blame(const struct show_opts *o, const struct check_report *rep);

#endif
