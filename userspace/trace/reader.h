/* SPDX-License-Identifier: MIT */
/* reader.h: reads a trace and believes nothing in it. Opens files read-only, relative to the trace directory, without
 * following symbolic links. No root, no original files. */
#ifndef BPREC_TRACE_READER_H
#define BPREC_TRACE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bprec/format.h"
#include "trace/error.h"

/** A trace being read. Opaque. */
struct reader;

/** Opens a trace; reads headers, manifest and the index of frames. 0, -errno or -trace_error. */
int reader__open(struct reader **ret_reader, const char *dir);
/** Ends it; NULL is allowed. */
void reader__free(struct reader *r);
/** One line about the error last returned by a function on this reader (or by reader__open when r is NULL: the calling
 *  thread's last failed open): file, offset, what was expected and found. Never NULL. */
const char *reader__error(const struct reader *r);

/** True if there is a manifest. Without one, events end at the last whole frame. */
bool reader__complete(const struct reader *r);
/** The manifest, NULL if there is none. */
const struct manifest *reader__manifest(const struct reader *r);
/** Directory as given. */
const char *reader__dir(const struct reader *r);
/** Bytes of an incomplete last frame that were not read (0 in a complete trace). */
uint64_t reader__torn_bytes(const struct reader *r);
/** Number of events that can be read. */
uint64_t reader__events(const struct reader *r);
/** Number of pages that can be read: the highest page id. */
uint64_t reader__pages(const struct reader *r);

/** Next event in order; *ret_ev is valid until the next call, *ret_no its number. Checks the header, the sizes of the
 *  fixed and the variable part against the type, counts, and that strings end with NUL (every consumer may rely on it).
 *  1: an event, 0: the end, or negative. */
int reader__next(struct reader *r, const struct event_header **ret_ev, uint64_t *ret_no);
/** Starts again from the first event. */
int reader__rewind(struct reader *r);
/** Goes back: the next event is number `no`, at most the number of events handed out so far. 0, -EINVAL or negative. */
int reader__seek(struct reader *r, uint64_t no);
/** Contents of a page (BPREC_PAGE_SIZE bytes to buf); verifies its hash. 0, -ENODATA for ABSENT and LOST, or negative. */
int reader__page(struct reader *r, uint64_t id, void *buf);
/** The 16-byte hash of a page as stored. 0 or negative. */
int reader__page_hash(struct reader *r, uint64_t id, uint8_t hash[16]);
/** Verifies every frame and every page of the pages file and all clones. 0 or negative. */
int reader__verify_pages(struct reader *r);

/** The variable part that follows the fixed body of an event (`body_size` bytes). Pointer into the event. */
static inline const void *event_tail(const struct event_header *ev, size_t body_size)
{
	return (const char *)(ev + 1) + body_size;
}
/** Bytes in the variable part, padding included. */
static inline size_t event_tail_len(const struct event_header *ev, size_t body_size)
{
	return ev->size - sizeof(*ev) - body_size;
}

#endif
