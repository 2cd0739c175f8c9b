/* SPDX-License-Identifier: MIT */
/* trace_write.h: for tests that write traces: small events and pages. */
#ifndef TRACE_WRITE_H
#define TRACE_WRITE_H

#include <stdint.h>
#include <string.h>

#include "trace/writer.h"

/** A start event. 0 or the writer's error. */
static inline int put_start(struct writer *w)
{
	const char strings[] = "cmd\0arg\0A=b\0/cwd";
	const struct ev_start start = {
		.argc = 2,
		.envc = 1,
		.observed = 1,
		.strings_len = sizeof(strings),
		.release = "6.1",
		.version = "0.1",
	};
	const struct iovec body[] = {
		{ (void *)&start, sizeof(start) },
		{ (void *)strings, sizeof(strings) },
	};

	return writer__event(w, EV_START, 0, 0, body, 2, NULL);
}

/** A note of process 7, thread 8. 0 or the writer's error. */
static inline int put_note(struct writer *w, const char *text, uint64_t *ret_no)
{
	const struct ev_note note = { .kind = NOTE_TEXT, .text_len = (uint32_t)strlen(text) + 1 };
	const struct iovec body[] = {
		{ (void *)&note, sizeof(note) },
		{ (void *)text, strlen(text) + 1 },
	};

	return writer__event(w, EV_NOTE, 7, 8, body, 2, ret_no);
}

/** Contents that depend on n and don't compress; zeros for 0. */
static inline void fill_page(uint8_t page[BPREC_PAGE_SIZE], uint64_t n)
{
	uint64_t v = n * 0x9e3779b97f4a7c15ull;

	for (size_t i = 0; i < BPREC_PAGE_SIZE; i += sizeof(v)) {
		memcpy(page + i, &v, sizeof(v));
		v ^= v << 13;
		v ^= v >> 7;
		v ^= v << 17;
	}
}

#endif
