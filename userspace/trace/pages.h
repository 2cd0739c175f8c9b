/* SPDX-License-Identifier: MIT */
/* pages.h: which page contents the trace holds already: from hash to id and back. No contents are kept in memory. */
#ifndef BPREC_TRACE_PAGES_H
#define BPREC_TRACE_PAGES_H

#include <stdint.h>

#include "trace/hash.h"

/** The hashes of all pages of a trace. Opaque. */
struct page_store;

/** New empty store; NULL if there is no memory. */
struct page_store *page_store__new(void);
/** NULL is allowed. */
void page_store__free(struct page_store *s);
/** Id of the page with this hash, 0 if there is none. */
uint64_t page_store__find(const struct page_store *s, struct page_hash hash);
/** Takes in a hash that is not there yet under the next id. 0 or -ENOMEM. */
int page_store__add(struct page_store *s, struct page_hash hash, uint64_t *ret_id);
/** Hash of page id, which is in 1..count. */
struct page_hash page_store__hash(const struct page_store *s, uint64_t id);
/** Number of pages: the highest id. */
uint64_t page_store__count(const struct page_store *s);
/** Bytes of memory in use, for the bound of 64 per page. */
uint64_t page_store__memory(const struct page_store *s);

#endif
