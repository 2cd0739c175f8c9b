/* SPDX-License-Identifier: MIT */
/* settle.h: decides one cell of the table of channels and filesystems. */
#ifndef BPREC_PROBE_SETTLE_H
#define BPREC_PROBE_SETTLE_H

#include "probe/observe.h"

/** Most columns: the fixed ones and those of scratch directories. */
#define COLUMNS_MAX 16

/** Classes of filesystems that behave alike for all that concerns us. */
enum fs_class { FS_MEMORY = 1, FS_DISK = 2 };

/** By what an outsider holds the object while it changes it through a channel. */
enum hold { HOLD_NONE, HOLD_FD, HOLD_MAP };

/** What is known of a channel without trying it. */
struct channel_info {
	enum channel channel;
	unsigned int classes;	  /* enum fs_class: where a change can come this way */
	enum hold hold;		  /* makes an exposure of it, so that contents are compared */
	enum probe_seen promised; /* when its hooks are attached, and it could not be tried */
	const char *note;	  /* appended to the reason, or "" */
	const char
		*unhooked; /* whole reason of a channel that has no hook and no trial, else NULL */
};

/** One column of the table. */
struct column {
	const char *filesystem;
	enum fs_class class;
};

/** What the cells are made from. */
struct maker {
	const struct observed *obs;
	char **names; /* of hooks, one for each of obs->hooks */
	struct column columns[COLUMNS_MAX];
	size_t ncolumns;
};

/** The column of a filesystem, NULL if there is none. */
const struct column *column_of(const struct maker *m, const char *fs);
/** Decides the cell c, of which channel and filesystem are set and all else is 0. */
void settle_cell(const struct maker *m, const struct channel_info *info, struct probe_cell *c);

#endif
