/* SPDX-License-Identifier: MIT */
/*
 * index.c: opens a file of a trace and follows its chain of frames.
 *
 * Invariants: files are read by pread and never mapped, so one that is cut short while it is read gives an error and no
 * SIGBUS. A head is believed only after its own hash, its limits, its number and its place in the chain have been checked,
 * every time it is read. Each step moves on by at least the size of a head, so a walk ends.
 */
#include "trace/index.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "trace/error.h"
#include "trace/dir.h"
#include "trace/frame.h"
#include "util/err.h"

int source__open(struct source *s, int dirfd, enum trace_file file, const uint8_t *want_id,
		 uint8_t ret_id[16])
{
	struct file_header h;
	int err;

	memset(s, 0, sizeof(*s));
	s->file = file;
	s->fd = trace_dir__open_file(dirfd, trace_file_name(file), &s->size);
	if (s->fd == -ELOOP || s->fd == -EINVAL)
		return -TRACE_E_NOT_A_TRACE;
	if (s->fd < 0)
		return s->fd;
	err = file_read(s->fd, &h, sizeof(h), 0);
	if (err == -ENODATA)
		return err__set(-TRACE_E_NOT_A_TRACE,
				"it has %" PRIu64 " bytes, expected at least %zu", s->size,
				sizeof(h));
	if (err < 0)
		return err__set(err, "%s", strerror(-err));
	err = file_header__check(&h, file, want_id);
	if (err == 0 && !want_id)
		memcpy(ret_id, h.trace_id, sizeof(h.trace_id));
	return err;
}

void source__close(struct source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

struct frame_pos source__start(const struct source *s)
{
	return (struct frame_pos){
		.off = sizeof(struct file_header),
		.first = s->file == TRACE_PAGES ? 1 : 0,
	};
}

struct frame_pos source__after(const struct frame_pos *pos, const struct frame_header *h)
{
	return (struct frame_pos){
		.off = pos->off + sizeof(*h) + h->stored_len,
		.seq = pos->seq + 1,
		.first = pos->first + h->count,
	};
}

static int short_frame(const char *what, uint64_t left, uint64_t wanted)
{
	return err__set(-ENODATA,
			"the file ends within the %s (%" PRIu64 " bytes left, expected %" PRIu64
			")",
			what, left, wanted);
}

int source__head(const struct source *s, const struct frame_pos *pos, struct frame_header *ret)
{
	const uint64_t left = s->size - pos->off;
	int err;

	if (left < sizeof(*ret))
		return short_frame("head of a frame", left, sizeof(*ret));
	err = file_read(s->fd, ret, sizeof(*ret), pos->off);
	if (err == -ENODATA)
		return err__set(-TRACE_E_DAMAGED, "the file has become shorter");
	if (err < 0)
		return err__set(err, "%s", strerror(-err));
	err = frame_header__check(ret, s->file);
	if (err < 0)
		return err;
	if (ret->seq != pos->seq)
		return err__set(-TRACE_E_DAMAGED, "frame number is %" PRIu64 ", expected %" PRIu64,
				ret->seq, pos->seq);
	if (ret->first != pos->first)
		return err__set(-TRACE_E_DAMAGED,
				"frame begins with number %" PRIu64 ", expected %" PRIu64,
				ret->first, pos->first);
	if (left - sizeof(*ret) < ret->stored_len)
		return short_frame("bytes of a frame", left - sizeof(*ret), ret->stored_len);
	return 0;
}

/* In a trace that was cut short, the last frame counts only if all its bytes are right. */
static int check_last(const struct source *s, const struct frame_pos *pos,
		      const struct frame_header *h)
{
	struct frame_buf b = { 0 };
	const int err = frame_buf__load(&b, s, pos, h);

	frame_buf__free(&b);
	return err;
}

/* One step of the scan: 1 a frame was taken, 0 the end, or negative. */
static int scan_one(struct source *s, bool torn_ok, struct frame_pos *pos, struct frame_header *h)
{
	int err;

	if (pos->off == s->size)
		return 0;
	err = source__head(s, pos, h);
	if (err == -ENODATA)
		return torn_ok ? 0 : -TRACE_E_DAMAGED;
	if (err < 0)
		return err;
	if (torn_ok && source__after(pos, h).off == s->size) {
		err = check_last(s, pos, h);
		if (err < 0)
			return err == -TRACE_E_DAMAGED ? 0 : err;
	}
	return 1;
}

int source__scan(struct source *s, bool torn_ok, source_frame_fn fn, void *ctx, uint64_t *ret_at)
{
	struct frame_pos pos = source__start(s);
	XXH3_state_t *chain = XXH3_createState();
	struct frame_header h;
	int err;

	if (!chain)
		return err__set(-ENOMEM, "no memory");
	XXH3_64bits_reset(chain);
	while ((err = scan_one(s, torn_ok, &pos, &h)) > 0) {
		XXH3_64bits_update(chain, &h.header_hash, sizeof(h.header_hash));
		err = fn ? fn(ctx, &pos, &h) : 0;
		if (err < 0)
			break;
		s->clones += h.kind == FRAME_CLONE;
		pos = source__after(&pos, &h);
		s->items += h.count;
	}
	s->frames = pos.seq;
	s->end = pos.off;
	s->chain = XXH3_64bits_digest(chain);
	XXH3_freeState(chain);
	*ret_at = pos.off;
	return err;
}

/* Room for at least len bytes; old contents are lost. */
static int grow(uint8_t **buf, size_t *cap, size_t len)
{
	if (*cap >= len)
		return 0;
	free(*buf);
	*buf = malloc(len);
	*cap = *buf ? len : 0;
	return *buf ? 0 : err__set(-ENOMEM, "no memory for a frame of %zu bytes", len);
}

/* The library would also take several frames, frames to be skipped, and formats older than RFC 8878. */
static bool is_one_zstd_frame(const uint8_t *data, size_t len)
{
	uint32_t magic;

	if (len < sizeof(magic))
		return false;
	memcpy(&magic, data, sizeof(magic));
	return magic == ZSTD_MAGICNUMBER && ZSTD_findFrameCompressedSize(data, len) == len;
}

static int decompress(struct frame_buf *b, const struct frame_header *h)
{
	size_t n;

	if (h->codec == FRAME_PLAIN) {
		memcpy(b->raw, b->stored, h->raw_len);
		return 0;
	}
	if (!is_one_zstd_frame(b->stored, h->stored_len))
		return err__set(-TRACE_E_DAMAGED, "the frame's bytes are not one zstd frame");
	n = ZSTD_decompress(b->raw, h->raw_len, b->stored, h->stored_len);
	if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
		return err__set(-ENOMEM, "no memory to decompress a frame");
	if (ZSTD_isError(n))
		return err__set(-TRACE_E_DAMAGED, "the frame can't be decompressed: %s",
				ZSTD_getErrorName(n));
	if (n != h->raw_len)
		return err__set(-TRACE_E_DAMAGED,
				"the frame decompresses to %zu bytes, expected %u", n, h->raw_len);
	return 0;
}

int frame_buf__load(struct frame_buf *b, const struct source *s, const struct frame_pos *pos,
		    const struct frame_header *h)
{
	uint64_t hash;
	int err;

	b->raw_len = 0;
	err = grow(&b->stored, &b->stored_cap, h->stored_len);
	if (err == 0)
		err = grow(&b->raw, &b->raw_cap, h->raw_len);
	if (err < 0)
		return err;
	err = file_read(s->fd, b->stored, h->stored_len, pos->off + sizeof(*h));
	if (err == -ENODATA)
		return err__set(-TRACE_E_DAMAGED, "the file has become shorter");
	if (err < 0)
		return err__set(err, "%s", strerror(-err));
	hash = hash64(b->stored, h->stored_len);
	if (hash != h->payload_hash)
		return err__set(-TRACE_E_DAMAGED,
				"hash of the frame's bytes is %016" PRIx64 ", expected %016" PRIx64,
				hash, h->payload_hash);
	err = decompress(b, h);
	if (err == 0)
		b->raw_len = h->raw_len;
	return err;
}

void frame_buf__free(struct frame_buf *b)
{
	free(b->raw);
	free(b->stored);
	*b = (struct frame_buf){ 0 };
}
