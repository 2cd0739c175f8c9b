/* SPDX-License-Identifier: MIT */
/* hash.h: the two hashes of the trace format, and small helpers for its sizes. */
#ifndef BPREC_TRACE_HASH_H
#define BPREC_TRACE_HASH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <xxhash.h>

#include "bprec/format.h"

/** Hash of the contents of a page, as it lies in the pages file: low half first. */
struct page_hash {
	uint64_t low, high;
};
static_assert(sizeof(struct page_hash) == 16, "page_hash");

/** XXH3, 64 bits, seed 0. */
static inline uint64_t hash64(const void *data, size_t len)
{
	return XXH3_64bits(data, len);
}

/** XXH3, 128 bits, seed 0, of BPREC_PAGE_SIZE bytes. */
static inline struct page_hash hash_page(const void *page)
{
	const XXH128_hash_t h = XXH3_128bits(page, BPREC_PAGE_SIZE);

	return (struct page_hash){ .low = h.low64, .high = h.high64 };
}

/** True if two page hashes are equal. */
static inline bool hash_equal(struct page_hash a, struct page_hash b)
{
	return a.low == b.low && a.high == b.high;
}

/** True if BPREC_PAGE_SIZE bytes are all zero. */
static inline bool page_is_zero(const void *page)
{
	const char *p = page;

	return p[0] == 0 && memcmp(p, p + 1, BPREC_PAGE_SIZE - 1) == 0;
}

/** Rounds up to a multiple of 8; 64 bits wide, so that 32-bit lengths can't overflow. */
static inline uint64_t align8(uint64_t n)
{
	return (n + 7) & ~7ull;
}

#endif
