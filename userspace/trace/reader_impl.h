/* SPDX-License-Identifier: MIT */
/* reader_impl.h: the inside of struct reader, for the files that make up the reader. */
#ifndef BPREC_TRACE_READER_IMPL_H
#define BPREC_TRACE_READER_IMPL_H

#include "trace/event_check.h"
#include "trace/index.h"
#include "util/err.h"

/** Frames of pages that are kept decompressed. */
#define READER_SLOTS 4u

/** One frame of pages in memory. */
struct page_slot {
	struct frame_buf buf;
	struct frame_pos pos;
	struct frame_header head; /* count 0: the slot is empty */
	uint64_t used;		  /* clock of its last use */
};

/** A trace being read. */
struct reader {
	int dirfd;
	char *dir; /* as given */
	uint8_t trace_id[16];
	bool complete;
	struct manifest manifest; /* valid if complete */
	struct source events, pages;

	/* where reader__next is */
	struct frame_pos next;	  /* next frame of events */
	struct frame_pos current; /* the one in buf */
	struct frame_buf buf;
	uint32_t at, left; /* offset of the next event in buf, events that must still come */
	struct event_check check;
	uint64_t seen; /* events handed out, before going back too */
	int sticky;    /* error that ended the walk through the events */
	struct {       /* last event, if it was EV_END */
		uint32_t kind;
		int32_t code;
	} end;

	/* pages */
	struct frame_pos *index; /* of all frames of pages, in order */
	size_t nindex, index_cap;
	struct page_slot slots[READER_SLOTS];
	uint64_t clock;
	int clone_fd;	       /* -1: none open */
	uint32_t clone_number; /* of clone_fd */

	char error[ERR_TEXT_MAX];
};

/** Puts "FILE, byte OFFSET: " before the text of err__text, keeps it for reader__error, and returns code. */
int reader__fail(struct reader *r, const char *file, uint64_t off, int code);
/** source_frame_fn that fills the index of pages; ctx is the reader. */
int reader__index_frame(void *ctx, const struct frame_pos *pos, const struct frame_header *h);
/** Frees what belongs to pages. */
void reader__free_pages(struct reader *r);

#endif
