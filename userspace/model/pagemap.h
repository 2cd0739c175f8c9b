/* SPDX-License-Identifier: MIT */
/* pagemap.h: which page id each page of an object holds. Kept as runs in a Judy array, so that time and memory depend on
 * the number of runs that were told, never on the number of pages they span. */
#ifndef BPREC_MODEL_PAGEMAP_H
#define BPREC_MODEL_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The pages of one object. Zero-initialise; pagemap__free ends it. */
struct pagemap {
	void *runs; /* JudyL: index of the first page -> struct run, owned */
	size_t n;   /* runs */
};

/** Frees everything and zeroes the struct. */
void pagemap__free(struct pagemap *p);
/** Pages [first, first + n) hold ids id, id + step, ...; step is 0 or 1, n > 0, nothing wraps. 0 or -ENOMEM. */
int pagemap__set(struct pagemap *p, uint64_t first, uint64_t n, uint64_t id, uint32_t step);
/** Forgets pages [first, first + n). 0 or -ENOMEM. */
int pagemap__clear(struct pagemap *p, uint64_t first, uint64_t n);
/** True if page `index` was told of; *ret_id gets its id. */
bool pagemap__get(const struct pagemap *p, uint64_t index, uint64_t *ret_id);
/** Calls fn with each run in order; returns its nonzero value, else 0. */
int pagemap__each(const struct pagemap *p,
		  int (*fn)(void *ctx, uint64_t first, uint64_t n, uint64_t id, uint32_t step),
		  void *ctx);

#endif
