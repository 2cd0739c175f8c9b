/* SPDX-License-Identifier: MIT */
/* settle.h: decides one cell of the table of channels and filesystems. */
#ifndef BPREC_PROBE_SETTLE_H
#define BPREC_PROBE_SETTLE_H

#include "probe/observe.h"

/** By what an outsider holds the object while it changes it through a channel. */
enum hold {
	HOLD_NONE,
	HOLD_FD,
	HOLD_MAP,
	HOLD_HIDDEN, /* by the kernel: counted as a writer whom no list names */
};

/** What is known of a channel without trying it. */
struct channel_info {
	enum channel channel;
	enum hold hold; /* makes an exposure of it, so that contents are compared */
	bool blind; /* no hook is meant to show it: that it isn't seen makes no observation unusable */
	const char *note; /* appended to the reason, or "" */
};

/** What the cells are made from. */
struct maker {
	const struct observed *obs;
	char **names; /* of hooks, one for each of obs->hooks */
};

/** Decides the cell c, of which channel and filesystem are set and all else is 0. */
void settle_cell(const struct maker *m, const struct channel_info *info, struct probe_cell *c);

#endif
