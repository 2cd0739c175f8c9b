/* SPDX-License-Identifier: MIT */
/* index.h: a file of a trace as a checked chain of frames, for the reader. */
#ifndef BPREC_TRACE_INDEX_H
#define BPREC_TRACE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

#include "bprec/format.h"
#include "trace/hash.h"

/** An input file. Zeroed with fd -1 it is closed. */
struct source {
	int fd;		      /* -1: closed */
	enum trace_file file; /* which */
	uint64_t size;	      /* bytes, when it was opened */
	uint64_t end;	      /* where its last whole frame ends */
	uint64_t frames;      /* whole frames */
	uint64_t clones;      /* of these, FRAME_CLONE ones */
	uint64_t items;	      /* events or pages in them */
	uint64_t chain;	      /* hash over the header hashes */
};

/** Where a frame begins in a file and how it was found to be. */
struct frame_pos {
	uint64_t off;	/* of its head */
	uint64_t seq;	/* of this frame */
	uint64_t first; /* number of its first event, id of its first page */
};

/** Takes note of one frame while a file is scanned. 0 or negative. */
typedef int (*source_frame_fn)(void *ctx, const struct frame_pos *pos,
			       const struct frame_header *h);

/** Opens a file of a trace and judges its head. ret_id: gets the trace id if want_id is NULL, which it is compared with
 *  otherwise. 0, -errno or -trace_error, with err__set (file name not included). */
int source__open(struct source *s, int dirfd, enum trace_file file, const uint8_t *want_id,
		 uint8_t ret_id[16]);
/** Position of the first frame. */
struct frame_pos source__start(const struct source *s);
/** Reads and judges the head of the frame at pos, which lies before s->end (while scanning: before the end of the file).
 *  Moves nothing. 0; -ENODATA if the file ends within the frame; or negative, with err__set. */
int source__head(const struct source *s, const struct frame_pos *pos, struct frame_header *ret);
/** Position behind a frame. */
struct frame_pos source__after(const struct frame_pos *pos, const struct frame_header *h);
/** Walks through all heads, fills in end, frames, items and chain. torn_ok: a frame that is short or fails its hash at
 *  the very end is left out; otherwise it is an error. fn may be NULL. *ret_at: where an error is. */
int source__scan(struct source *s, bool torn_ok, source_frame_fn fn, void *ctx, uint64_t *ret_at);
/** Closes the file. */
void source__close(struct source *s);

/** The bytes of one frame. Zero-initialise; frame_buf__free ends it. */
struct frame_buf {
	uint8_t *raw;	 /* decompressed, aligned for any struct */
	uint8_t *stored; /* as read */
	size_t raw_cap, stored_cap;
	uint32_t raw_len; /* valid bytes of raw */
};

/** Reads the frame that h at pos is the head of, checks its hash and decompresses it. 0, -errno or -TRACE_E_DAMAGED with
 *  err__set. */
int frame_buf__load(struct frame_buf *b, const struct source *s, const struct frame_pos *pos,
		    const struct frame_header *h);
/** Frees the memory. */
void frame_buf__free(struct frame_buf *b);

#endif
