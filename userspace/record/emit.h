/* SPDX-License-Identifier: MIT */
/* emit.h: events into the trace and into the model, in one step. */
#ifndef BPREC_RECORD_EMIT_H
#define BPREC_RECORD_EMIT_H

#include <stddef.h>

#include "record/recorder.h"

/** Writes an event about a thread (NULL: the recorder) with a fixed body and one tail (may be NULL), and feeds the model.
 *  0 or -errno; a failure is noted by recorder__fail too. */
int emit(struct recorder *r, enum event_type type, const struct task *t, const void *body,
	 size_t size, const void *tail, size_t tail_len);
/** The same with several parts. */
int emit__parts(struct recorder *r, enum event_type type, const struct task *t,
		const struct iovec *part, int n);
/** As emit__parts, and the event's header gets the hash of these registers: those the thread has as the event leaves it. */
int emit__hashed(struct recorder *r, enum event_type type, const struct task *t,
		 const struct regs64 *regs, const struct iovec *part, int n);
/** Feeds the model with the event written last (for space__emit_pages; ctx is the recorder). */
int emit__feed(void *ctx);
/** Writes an EV_NOTE. */
int emit__note(struct recorder *r, const struct task *t, enum note_kind kind, uint32_t nr,
	       const char *text);
/** Writes an EV_GAP. */
int emit__gap(struct recorder *r, enum gap_kind kind, enum channel ch, uint32_t object,
	      const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
