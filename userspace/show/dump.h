/* SPDX-License-Identifier: MIT */
/* dump.h: prints what is in a trace. */
#ifndef BPREC_SHOW_DUMP_H
#define BPREC_SHOW_DUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "show/sink.h"
#include "trace/reader.h"

/** What a dump prints. */
enum dump_what {
	DUMP_EVENTS = 1, /* every event */
	DUMP_MAPS,	 /* mappings of each process when it ended, or at an event */
	DUMP_PAGES,	 /* objects and the pages they hold */
	DUMP_CHANGES,	 /* events about what is outside */
	DUMP_PAGE,	 /* raw bytes of one page */
	DUMP_OBJECT,	 /* raw contents of one object */
};

/** What to dump. */
struct dump_opts {
	enum dump_what what;
	uint64_t at;	  /* number of the last event that counts; ~0: all */
	uint64_t page;	  /* DUMP_PAGE: its id */
	uint32_t object;  /* DUMP_OBJECT: its id, 0: look for `path` */
	const char *path; /* DUMP_OBJECT: path of the object; the last one that has it */
};

/** Dumps to a sink, or (raw bytes) to its stream. 0, or negative with err__text. */
int show__dump(struct reader *r, const struct dump_opts *d, struct sink *s);

/* The parts. 0, or negative with err__text. */

/** Mappings of each address space as they are after event d->at. */
int dump__maps(struct reader *r, const struct dump_opts *d, struct sink *s);
/** Pages that the objects hold then, and which ones are stored. */
int dump__pages(struct reader *r, const struct dump_opts *d, struct sink *s);
/** Bytes of one object (d->object or d->path) as they are then. */
int dump__object(struct reader *r, const struct dump_opts *d, struct sink *s);

struct model;
/** Feeds the events up to number `at` to a new model. before: called ahead of each one, may be NULL; its negative value
 *  ends it. *ret_model is the caller's (model__free). 0, or negative with err__text. */
int dump__feed(struct reader *r, uint64_t at,
	       int (*before)(void *ctx, const struct model *m, const struct event_header *ev),
	       void *ctx, struct model **ret_model);

#endif
