/* SPDX-License-Identifier: MIT */
/* words.h: which words of memory tell one round of a loop from another (EV_WORDS). Pure. */
#ifndef BPREC_RECORD_WORDS_H
#define BPREC_RECORD_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bprec/format.h"

/** Words of one EV_WORDS at most. */
#define WORDS_MAX 64
/** Bytes of stack in a picture, and pages beside it. */
#define PICTURE_STACK 16384u
#define PICTURE_PAGES 16u

/** Words chosen, the most telling first. Zero-initialise. */
struct words {
	uint32_t n;
	struct mem_word v[WORDS_MAX];
};

/** Words that a thread touched on the way to a point, each once. Zero-initialise. */
struct words_trail {
	uint32_t n;
	struct {
		uint64_t addr; /* multiple of 8 */
		bool store;    /* else it was only read */
	} v[256];
};

/** Copies of pieces of a thread's memory: its stack from the stack pointer up first, then pages. */
struct picture {
	uint32_t n, used; /* pieces, and their bytes */
	struct {
		uint64_t addr; /* multiple of 8 */
		uint32_t len;  /* bytes, multiple of 8 */
		uint32_t at;   /* index of its first byte */
	} piece[PICTURE_PAGES + 1];
	uint8_t bytes[PICTURE_STACK + PICTURE_PAGES * BPREC_PAGE_SIZE] __attribute__((aligned(8)));
};

/** Adds a piece, and returns the room for its bytes; NULL: it is full, or addr is in it already. */
uint8_t *picture__room(struct picture *p, uint64_t addr, uint32_t len);
/** The word at addr (multiple of 8); false: it isn't in the picture. */
bool picture__word(const struct picture *p, uint64_t addr, uint64_t *ret);
/** Notes what was touched: each word of [addr, addr + len), up to 64 bytes. */
void words_trail__add(struct words_trail *t, uint64_t addr, uint32_t len, bool store);
/** Adds a word, unless it is there or no room is left: false. */
bool words__add(struct words *w, uint64_t addr, uint64_t value);
/** Adds words of `now` that `before` has too, with another value: in the order of the pieces, and upwards in each. */
void words__add_changed(struct words *w, const struct picture *before, const struct picture *now);

#endif
