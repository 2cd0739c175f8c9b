/* SPDX-License-Identifier: MIT */
/*
 * pages.c: hash to id and back, in less than 64 bytes a page.
 *
 * Hashes lie in blocks that never move (16 bytes a page, no doubling that would need twice the memory for a moment). A
 * Judy array leads from the low half of a hash to the first id that has it; a second one from an id to the next id with
 * the same low half, which practically never exists.
 */
#include "trace/pages.h"

#include <Judy.h>
#include <errno.h>
#include <stdlib.h>

#define BLOCK_PAGES 4096u

struct page_store {
	struct page_hash *
		*blocks; /* hash of id i: blocks[(i - 1) / BLOCK_PAGES][(i - 1) % BLOCK_PAGES] */
	size_t nblocks, cap;
	uint64_t count;
	Pvoid_t by_low; /* low half -> first id */
	Pvoid_t chain;	/* id -> next id with an equal low half */
};

struct page_store *page_store__new(void)
{
	return calloc(1, sizeof(struct page_store));
}

void page_store__free(struct page_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nblocks; i++)
		free(s->blocks[i]);
	free(s->blocks);
	JudyLFreeArray(&s->by_low, PJE0);
	JudyLFreeArray(&s->chain, PJE0);
	free(s);
}

struct page_hash page_store__hash(const struct page_store *s, uint64_t id)
{
	return s->blocks[(id - 1) / BLOCK_PAGES][(id - 1) % BLOCK_PAGES];
}

/* The id at the end of the search: the one with this hash, or the last of the chain. 0: no id has the low half. */
static uint64_t walk(const struct page_store *s, struct page_hash hash)
{
	Word_t *p = (Word_t *)JudyLGet(s->by_low, hash.low, PJE0);
	uint64_t id = 0;

	while (p) {
		id = *p;
		if (hash_equal(page_store__hash(s, id), hash))
			break;
		p = (Word_t *)JudyLGet(s->chain, id, PJE0);
	}
	return id;
}

uint64_t page_store__find(const struct page_store *s, struct page_hash hash)
{
	const uint64_t id = walk(s, hash);

	return id && hash_equal(page_store__hash(s, id), hash) ? id : 0;
}

static int reserve(struct page_store *s)
{
	if (s->count < s->nblocks * BLOCK_PAGES)
		return 0;
	if (s->nblocks == s->cap) {
		const size_t cap = s->cap ? s->cap * 2 : 16;
		struct page_hash **blocks = realloc(s->blocks, cap * sizeof(*blocks));

		if (!blocks)
			return -ENOMEM;
		s->blocks = blocks;
		s->cap = cap;
	}
	s->blocks[s->nblocks] = malloc(BLOCK_PAGES * sizeof(struct page_hash));
	if (!s->blocks[s->nblocks])
		return -ENOMEM;
	s->nblocks++;
	return 0;
}

int page_store__add(struct page_store *s, struct page_hash hash, uint64_t *ret_id)
{
	const uint64_t id = s->count + 1, prev = walk(s, hash);
	PPvoid_t p;
	int err;

	err = reserve(s);
	if (err < 0)
		return err;
	p = prev ? JudyLIns(&s->chain, prev, PJE0) : JudyLIns(&s->by_low, hash.low, PJE0);
	if (!p || p == PPJERR)
		return -ENOMEM;
	*(Word_t *)p = id;
	s->blocks[(id - 1) / BLOCK_PAGES][(id - 1) % BLOCK_PAGES] = hash;
	s->count = id;
	*ret_id = id;
	return 0;
}

uint64_t page_store__count(const struct page_store *s)
{
	return s->count;
}

uint64_t page_store__memory(const struct page_store *s)
{
	return sizeof(*s) + s->cap * sizeof(*s->blocks) +
	       s->nblocks * BLOCK_PAGES * sizeof(struct page_hash) + JudyLMemUsed(s->by_low) +
	       JudyLMemUsed(s->chain);
}
