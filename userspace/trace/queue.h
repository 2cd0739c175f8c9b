/* SPDX-License-Identifier: MIT */
/* queue.h: frames on their way to disk: one helper thread compresses and writes them in the order of submission, so that
 * the recording loop waits only when the disk falls far behind. */
#ifndef BPREC_TRACE_QUEUE_H
#define BPREC_TRACE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "trace/sink.h"

/** Bytes of each buffer: the largest frame that is written, 256 pages with their hashes. */
#define QUEUE_BUFFER (BPREC_FRAME_PAGES_MAX * (BPREC_PAGE_SIZE + 16u))
/** Buffers in all: what the queue may cost in memory. Up to three are held by the writer while it fills them. */
#define QUEUE_BUFFERS 6u

/** One frame to be written. */
struct frame_job {
	struct sink *sink;
	uint8_t *raw; /* a buffer of queue__buffer's; goes back to the queue */
	size_t len;   /* bytes in it */
	uint64_t first;
	uint32_t count;
	enum frame_kind kind;
};

/** The queue. Opaque. */
struct queue;

/** New queue, no thread yet; NULL if there is no memory. */
struct queue *queue__new(void);
/** Writes out what was submitted, ends the thread, frees all buffers. NULL is allowed. */
void queue__free(struct queue *q);
/** A buffer of QUEUE_BUFFER bytes; waits for one if all are in use. NULL if there is no memory. */
uint8_t *queue__buffer(struct queue *q);
/** Gives back a buffer that was not submitted; NULL is allowed. */
void queue__discard(struct queue *q, uint8_t *buf);
/** Hands over a frame; starts the thread at the first one. 0 or the error of an earlier frame (the buffer is taken in
 *  any case). */
int queue__submit(struct queue *q, const struct frame_job *job);
/** Waits until all that was submitted is written. 0 or the first error, with its text in err__set. */
int queue__drain(struct queue *q);
/** The first error so far, 0 if none. Cheap. */
int queue__error(const struct queue *q);
/** Text of that error. */
const char *queue__error_text(const struct queue *q);

#endif
