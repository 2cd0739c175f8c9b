/* SPDX-License-Identifier: MIT */
/* sink.h: a file of the trace that frames are appended to. Used by one thread at a time. */
#ifndef BPREC_TRACE_SINK_H
#define BPREC_TRACE_SINK_H

#include <stdint.h>
#include <xxhash.h>

#include "bprec/format.h"

/** An output file. Zeroed with fd -1 it is closed. */
struct sink {
	int fd;		      /* -1: closed */
	enum trace_file file; /* which */
	uint64_t
		off; /* bytes written: end of the last whole frame; read by other threads atomically */
	uint64_t seq;	     /* frames written */
	uint64_t items;	     /* events or pages in them */
	XXH3_state_t *chain; /* over the header hashes of the frames */
};

/** Takes fd, an empty file, and writes its head. 0 or -errno with err__set; the sink is to be closed in any case. */
int sink__open(struct sink *s, int fd, enum trace_file file, const uint8_t trace_id[16]);
/** Appends a frame with one writev: sets seq, seals the head. payload: h->stored_len bytes. 0 or -errno with err__set;
 *  after an error the file ends with its last whole frame again. */
int sink__frame(struct sink *s, struct frame_header *h, const void *payload);
/** Hash of the chain so far. */
uint64_t sink__chain(const struct sink *s);
/** Closes the file. */
void sink__close(struct sink *s);

#endif
