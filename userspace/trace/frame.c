/* SPDX-License-Identifier: MIT */
#include "trace/frame.h"

#include <inttypes.h>
#include <string.h>

#include "trace/error.h"
#include "trace/hash.h"
#include "util/err.h"

const char *trace_file_name(enum trace_file file)
{
	switch (file) {
	case TRACE_EVENTS:
		return "events";
	case TRACE_PAGES:
		return "pages";
	case TRACE_MANIFEST:
		return "manifest";
	}
	return "?";
}

void file_header__init(struct file_header *h, enum trace_file file, const uint8_t trace_id[16])
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, BPREC_FILE_MAGIC, sizeof(h->magic));
	h->version = BPREC_FORMAT_VERSION;
	h->file = file;
	memcpy(h->trace_id, trace_id, sizeof(h->trace_id));
	h->hash = hash64(h, offsetof(struct file_header, hash));
}

int file_header__check(const struct file_header *h, enum trace_file file, const uint8_t *trace_id)
{
	const uint64_t hash = hash64(h, offsetof(struct file_header, hash));

	if (memcmp(h->magic, BPREC_FILE_MAGIC, sizeof(h->magic)) != 0)
		return err__set(-TRACE_E_NOT_A_TRACE, "it does not begin like a file of a trace");
	if (h->hash != hash)
		return err__set(-TRACE_E_DAMAGED,
				"hash of the file's head is %016" PRIx64
				", its bytes have %016" PRIx64,
				h->hash, hash);
	if (h->version < 1 || h->version > BPREC_FORMAT_VERSION)
		return err__set(-TRACE_E_VERSION,
				"format version %u, this program reads versions 1 to %u",
				h->version, BPREC_FORMAT_VERSION);
	if (h->file != file)
		return err__set(-TRACE_E_FOREIGN, "it is file kind %u, expected %u", h->file, file);
	if (trace_id && memcmp(h->trace_id, trace_id, sizeof(h->trace_id)) != 0)
		return err__set(-TRACE_E_FOREIGN,
				"it belongs to another trace than the file events");
	return 0;
}

void frame_header__seal(struct frame_header *h)
{
	h->magic = BPREC_FRAME_MAGIC;
	h->reserved = 0;
	h->header_hash = hash64(h, offsetof(struct frame_header, header_hash));
}

static int bad(const char *what, uint64_t found, const char *wanted)
{
	return err__set(-TRACE_E_DAMAGED, "%s of the frame is %" PRIu64 ", expected %s", what,
			found, wanted);
}

/* The limits that each kind of frame sets for count and raw_len. */
static int check_kind(const struct frame_header *h)
{
	const uint64_t n = h->count;

	switch (h->kind) {
	case FRAME_EVENTS:
		if (h->raw_len % 8 != 0 || h->raw_len < n * sizeof(struct event_header))
			return bad("raw length", h->raw_len,
				   "a multiple of 8 with room for its events");
		return 0;
	case FRAME_PAGES:
		if (n > BPREC_FRAME_PAGES_MAX)
			return bad("count", n, "at most 256 pages");
		if (h->raw_len != n * (sizeof(struct page_hash) + BPREC_PAGE_SIZE))
			return bad("raw length", h->raw_len, "4112 bytes for each page");
		return 0;
	case FRAME_CLONE:
		if (n > BPREC_CLONE_PAGES_MAX)
			return bad("count", n, "at most 65536 pages");
		if (h->raw_len != sizeof(struct clone_ref) + n * sizeof(struct page_hash))
			return bad("raw length", h->raw_len, "16 bytes and 16 for each page");
		return 0;
	case FRAME_MANIFEST:
		if (n != 1 || h->raw_len != sizeof(struct manifest))
			return bad("raw length", h->raw_len, "one manifest of 96 bytes");
		return 0;
	}
	return bad("kind", h->kind, "one of 1 to 4");
}

static bool kind_fits(unsigned int kind, enum trace_file file)
{
	switch (file) {
	case TRACE_EVENTS:
		return kind == FRAME_EVENTS;
	case TRACE_PAGES:
		return kind == FRAME_PAGES || kind == FRAME_CLONE;
	case TRACE_MANIFEST:
		return kind == FRAME_MANIFEST;
	}
	return false;
}

int frame_header__check(const struct frame_header *h, enum trace_file file)
{
	const uint64_t hash = hash64(h, offsetof(struct frame_header, header_hash));

	if (h->magic != BPREC_FRAME_MAGIC)
		return err__set(-TRACE_E_DAMAGED,
				"no frame begins here (magic %08x, expected %08x)", h->magic,
				BPREC_FRAME_MAGIC);
	if (h->header_hash != hash)
		return err__set(-TRACE_E_DAMAGED,
				"hash of the frame's head is %016" PRIx64
				", its bytes have %016" PRIx64,
				h->header_hash, hash);
	if (!kind_fits(h->kind, file))
		return bad("kind", h->kind, "a kind that this file may hold");
	if (h->codec != FRAME_PLAIN && h->codec != FRAME_ZSTD)
		return bad("codec", h->codec, "0 or 1");
	if (h->reserved != 0)
		return bad("reserved field", h->reserved, "0");
	if (h->count == 0)
		return bad("count", 0, "at least 1");
	if (h->raw_len > BPREC_FRAME_RAW_MAX)
		return bad("raw length", h->raw_len, "at most 2097152");
	if (h->codec == FRAME_PLAIN && h->stored_len != h->raw_len)
		return bad("stored length", h->stored_len, "the raw length");
	if (h->codec == FRAME_ZSTD && (h->stored_len == 0 || h->stored_len >= h->raw_len))
		return bad("stored length", h->stored_len, "less than the raw length, and not 0");
	return check_kind(h);
}
