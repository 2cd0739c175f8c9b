/* SPDX-License-Identifier: MIT */
/* writer.h: makes a trace. One writer per recording, used by one thread. */
#ifndef BPREC_TRACE_WRITER_H
#define BPREC_TRACE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "bprec/format.h"

/** A trace being written. Opaque. */
struct writer;

/** Makes the directory `dir` (mode 0700; it may exist if it is empty and ours, or we are root) and its files (0600).
 *  Returns 0 or -errno (-EEXIST, -ENOTEMPTY, -EACCES, -ENOSPC ...). */
int writer__new(struct writer **ret_writer, const char *dir);
/** The same for a trace that shall belong to another user from the start (under sudo: the one who called it). */
int writer__new_for(struct writer **ret_writer, const char *dir, uid_t uid, gid_t gid);
/** Closes without a manifest if writer__finish was not called; NULL is allowed. */
void writer__free(struct writer *w);

/** Appends an event. body: parts that follow the event_header (the writer pads the whole to 8 and sets size and
 *  time). *ret_event (may be NULL) gets the event's number. Returns 0 or -errno; -EINVAL with err__set: the event
 *  breaks a rule of docs/FORMAT.md and was not taken; after -ENOSPC, -EDQUOT, -EFBIG or
 *  -EIO the writer is dead: files end with their last whole frame and every further call returns the same error. */
int writer__event(struct writer *w, enum event_type type, uint32_t pid, uint32_t tid,
		  const struct iovec *body, int nbody, uint64_t *ret_event);
/** Gives the next event this reg_hash (format.h, event_header); without it an event has 0. */
void writer__reg_hash(struct writer *w, uint64_t hash);
/** The last event's whole bytes (header and body), valid until the next writer__event; for feeding the model. NULL
 *  before the first. */
const struct event_header *writer__last(const struct writer *w);
/** Number of events so far. */
uint64_t writer__events(const struct writer *w);

/** Stores one page (BPREC_PAGE_SIZE bytes) if its contents are new, and tells its id. A page of zeros costs nothing.
 *  Memory: at most 64 bytes per stored page. 0 or -errno as writer__event. */
int writer__page(struct writer *w, const void *page, uint64_t *ret_id);
/** True if the page with this id has these contents (compared by 128-bit hash). False for ABSENT and LOST. */
bool writer__page_is(const struct writer *w, uint64_t id, const void *page);
/** Takes a copy of the open file fd by FICLONE and stores its pages [0, npages) by reference to it; ids are stored in
 *  ids[] (npages of them; contents already known keep their old ids). -EOPNOTSUPP, -EXDEV, -EINVAL: the file system
 *  can't, nothing was done. *ret_size gets the size of the cloned file. */
int writer__clone(struct writer *w, int fd, uint64_t npages, uint64_t *ids, uint64_t *ret_size);

/** Writes out what is buffered if the oldest of it is older than max_age_ns. 0: in any case, and waits until it is
 *  written. 0 or -errno. */
int writer__flush(struct writer *w, uint64_t max_age_ns);
/** Ends the trace: appends EV_END if it isn't the last event already, flushes, syncs, writes the manifest. 0 or
 *  -errno. */
int writer__finish(struct writer *w, enum end_kind kind, int code);
/** Bytes written to disk so far, for statistics. */
uint64_t writer__bytes(const struct writer *w);

#endif
