/* SPDX-License-Identifier: MIT */
/*
 * reader_pages.c: contents of pages, by id.
 *
 * A page lies in a frame of the pages file, or in a clone-N file that a frame refers to. A few frames are kept
 * decompressed (least recently used goes first). The contents of every page are compared with its hash each time it is
 * handed out, so a clone that was changed later is noticed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace/dir.h"
#include "trace/reader.h"
#include "trace/reader_impl.h"

int reader__index_frame(void *ctx, const struct frame_pos *pos, const struct frame_header *h)
{
	struct reader *r = ctx;

	(void)h;
	if (r->nindex == r->index_cap) {
		const size_t cap = r->index_cap ? r->index_cap * 2 : 64;
		struct frame_pos *index = realloc(r->index, cap * sizeof(*index));

		if (!index)
			return err__set(-ENOMEM, "no memory for the index of pages");
		r->index = index;
		r->index_cap = cap;
	}
	r->index[r->nindex++] = *pos;
	return 0;
}

void reader__free_pages(struct reader *r)
{
	for (unsigned int i = 0; i < READER_SLOTS; i++)
		frame_buf__free(&r->slots[i].buf);
	free(r->index);
	if (r->clone_fd >= 0)
		close(r->clone_fd);
}

/* The last frame whose first id is not above id, which is in 1..pages. */
static const struct frame_pos *find_frame(const struct reader *r, uint64_t id)
{
	size_t low = 0, high = r->nindex;

	while (high - low > 1) {
		const size_t mid = low + (high - low) / 2;

		if (r->index[mid].first <= id)
			low = mid;
		else
			high = mid;
	}
	return &r->index[low];
}

/* What a FRAME_CLONE says about its clone, beyond lengths. */
static int check_clone_ref(const struct reader *r, const struct page_slot *slot)
{
	const struct clone_ref *ref = (const struct clone_ref *)slot->buf.raw;
	const uint64_t len = (uint64_t)slot->head.count * BPREC_PAGE_SIZE;

	if (slot->head.kind != FRAME_CLONE)
		return 0;
	if (ref->reserved != 0 || ref->offset % BPREC_PAGE_SIZE != 0 ||
	    ref->offset > INT64_MAX - len)
		return err__set(-TRACE_E_DAMAGED, "offset %" PRIu64 " in a clone can't be",
				ref->offset);
	if (r->complete && ref->number >= r->manifest.clones)
		return err__set(-TRACE_E_MANIFEST,
				"it refers to clone-%u, the manifest counts %" PRIu64, ref->number,
				r->manifest.clones);
	return 0;
}

static int load_slot(struct reader *r, struct page_slot *slot, const struct frame_pos *pos)
{
	int err;

	slot->head.count = 0;
	slot->pos = *pos;
	err = source__head(&r->pages, pos, &slot->head);
	if (err == 0)
		err = frame_buf__load(&slot->buf, &r->pages, pos, &slot->head);
	if (err == 0)
		err = check_clone_ref(r, slot);
	if (err < 0) {
		slot->head.count = 0;
		return reader__fail(r, "pages", pos->off, err == -ENODATA ? -TRACE_E_DAMAGED : err);
	}
	return 0;
}

/* The frame at pos in memory. */
static int get_slot(struct reader *r, const struct frame_pos *pos, struct page_slot **ret_slot)
{
	struct page_slot *slot = &r->slots[0];
	int err = 0;

	for (unsigned int i = 0; i < READER_SLOTS; i++) {
		if (r->slots[i].head.count > 0 && r->slots[i].pos.off == pos->off) {
			slot = &r->slots[i];
			goto found;
		}
		if (r->slots[i].used < slot->used)
			slot = &r->slots[i];
	}
	err = load_slot(r, slot, pos);
	if (err < 0)
		return err;
found:
	slot->used = ++r->clock;
	*ret_slot = slot;
	return 0;
}

/* The slot with a page and the page's place in it. */
static int find_page(struct reader *r, uint64_t id, struct page_slot **ret_slot, uint32_t *ret_i)
{
	const struct frame_pos *pos;
	int err;

	if (id == 0 || id > r->pages.items) {
		err__set(0, "there is no page %" PRIu64 ", the trace has %" PRIu64, id,
			 r->pages.items);
		return reader__fail(r, "pages", r->pages.end, -TRACE_E_REFERENCE);
	}
	pos = find_frame(r, id);
	err = get_slot(r, pos, ret_slot);
	if (err == 0)
		*ret_i = (uint32_t)(id - pos->first);
	return err;
}

static const uint8_t *slot_hash(const struct page_slot *slot, uint32_t i)
{
	const size_t start = slot->head.kind == FRAME_CLONE ? sizeof(struct clone_ref) : 0;

	return slot->buf.raw + start + i * sizeof(struct page_hash);
}

static int open_clone(struct reader *r, uint32_t number)
{
	char name[32];
	uint64_t size;
	int fd;

	if (r->clone_fd >= 0 && r->clone_number == number)
		return 0;
	if (r->clone_fd >= 0)
		close(r->clone_fd);
	snprintf(name, sizeof(name), "clone-%u", number);
	fd = trace_dir__open_file(r->dirfd, name, &size);
	r->clone_fd = fd < 0 ? -1 : fd;
	r->clone_number = number;
	if (fd < 0)
		return reader__fail(r, name, 0, -TRACE_E_DAMAGED);
	return 0;
}

/* Reads a page of a clone; what lies behind the end of the file reads as zeros, but the page must begin before it. */
static int read_clone(struct reader *r, const struct page_slot *slot, uint32_t i, void *buf)
{
	const struct clone_ref *ref = (const struct clone_ref *)slot->buf.raw;
	const uint64_t off = ref->offset + (uint64_t)i * BPREC_PAGE_SIZE;
	char name[32];
	ssize_t n;
	int err;

	err = open_clone(r, ref->number);
	if (err < 0)
		return err;
	memset(buf, 0, BPREC_PAGE_SIZE);
	do
		n = pread(r->clone_fd, buf, BPREC_PAGE_SIZE, (off_t)off);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return 0;
	snprintf(name, sizeof(name), "clone-%u", ref->number);
	if (n < 0)
		err = err__set(-errno, "%s", strerror(errno));
	else
		err = err__set(-TRACE_E_DAMAGED, "the file is too short");
	return reader__fail(r, name, off, err);
}

static int copy_page(struct reader *r, const struct page_slot *slot, uint32_t i, void *buf)
{
	struct page_hash wanted, found;
	int err = 0;

	if (slot->head.kind == FRAME_CLONE)
		err = read_clone(r, slot, i, buf);
	else
		memcpy(buf,
		       slot->buf.raw + slot->head.count * sizeof(wanted) +
			       (size_t)i * BPREC_PAGE_SIZE,
		       BPREC_PAGE_SIZE);
	if (err < 0)
		return err;
	memcpy(&wanted, slot_hash(slot, i), sizeof(wanted));
	found = hash_page(buf);
	if (hash_equal(wanted, found))
		return 0;
	err__set(0,
		 "hash of page %" PRIu64 " is %016" PRIx64 "%016" PRIx64 ", expected %016" PRIx64
		 "%016" PRIx64,
		 slot->pos.first + i, found.high, found.low, wanted.high, wanted.low);
	return reader__fail(r, "pages", slot->pos.off, -TRACE_E_DAMAGED);
}

int reader__page(struct reader *r, uint64_t id, void *buf)
{
	struct page_slot *slot;
	uint32_t i;
	int err;

	if (id == BPREC_PAGE_ABSENT || id == BPREC_PAGE_LOST)
		return -ENODATA;
	if (id == BPREC_PAGE_ZERO) {
		memset(buf, 0, BPREC_PAGE_SIZE);
		return 0;
	}
	err = find_page(r, id, &slot, &i);
	return err < 0 ? err : copy_page(r, slot, i, buf);
}

int reader__page_hash(struct reader *r, uint64_t id, uint8_t hash[16])
{
	static const uint8_t zeros[BPREC_PAGE_SIZE];
	struct page_slot *slot;
	struct page_hash h;
	uint32_t i;
	int err;

	if (id == BPREC_PAGE_ABSENT || id == BPREC_PAGE_LOST)
		return -ENODATA;
	if (id == BPREC_PAGE_ZERO) {
		h = hash_page(zeros);
		memcpy(hash, &h, sizeof(h));
		return 0;
	}
	err = find_page(r, id, &slot, &i);
	if (err == 0)
		memcpy(hash, slot_hash(slot, i), sizeof(h));
	return err;
}

int reader__verify_pages(struct reader *r)
{
	uint8_t page[BPREC_PAGE_SIZE];
	struct page_slot *slot;
	int err = 0;

	for (size_t n = 0; err == 0 && n < r->nindex; n++) {
		err = get_slot(r, &r->index[n], &slot);
		for (uint32_t i = 0; err == 0 && i < slot->head.count; i++)
			err = copy_page(r, slot, i, page);
	}
	return err;
}
