/* SPDX-License-Identifier: MIT */
/* writer_impl.h: the inside of struct writer, for the files that make up the writer. */
#ifndef BPREC_TRACE_WRITER_IMPL_H
#define BPREC_TRACE_WRITER_IMPL_H

#include "trace/dir.h"
#include "trace/event_check.h"
#include "trace/pages.h"
#include "trace/queue.h"
#include "trace/sink.h"

/** A frame that is being filled. */
struct batch {
	uint8_t *buf;	   /* of queue__buffer, NULL: none yet */
	size_t len;	   /* bytes of events in it; unused for pages */
	uint32_t count;	   /* events or pages in it */
	uint64_t first;	   /* number or id of the first one */
	uint64_t since_ns; /* when the first one came */
};

/** A trace being written. */
struct writer {
	int dirfd;
	struct trace_owner owner;
	uint8_t trace_id[16];
	struct sink events_file, pages_file; /* belong to the queue's thread while it works */
	struct queue *queue;
	struct page_store *store;
	struct event_check check; /* check.events: number of events so far */
	struct batch events, pages;
	uint64_t reg_hash;		 /* for the next event */
	const struct event_header *last; /* in events.buf, or copy */
	struct event_header *copy;	 /* of the last event when its batch has gone */
	uint64_t start_ns;		 /* when the trace was made */
	uint64_t clones;		 /* clone-N files made */
	uint64_t manifest_bytes;
	int err; /* nonzero: dead or finished, every call returns it */
};

/** CLOCK_MONOTONIC in nanoseconds. */
uint64_t writer__now(void);
/** 0, or the error the writer has died of. To be asked first by every call. */
int writer__state(struct writer *w);
/** Remembers an error that ends the writer; returns it. */
int writer__die(struct writer *w, int err);
/** Hands the pages collected so far to the queue. 0 or -errno. */
int writer__send_pages(struct writer *w);
/** The same for events, after the pages that they may refer to. */
int writer__send_events(struct writer *w);
/** Writes the manifest: the last act. 0 or -errno. (manifest.c) */
int writer__manifest(struct writer *w, enum end_kind kind, int code);

#endif
