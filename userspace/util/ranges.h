/* SPDX-License-Identifier: MIT */
/* ranges.h: sets of numbers (pages of an object), kept as ranges. */
#ifndef BPREC_UTIL_RANGES_H
#define BPREC_UTIL_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Numbers [first, end). */
struct range {
	uint64_t first, end;
};
/** A set. Zero-initialise; ranges__free ends it. */
struct ranges {
	struct range
		*v; /* owned; in order and apart from each other once ranges__settle was called */
	size_t n, cap;	/* ranges in use, room for */
	bool unsettled; /* something was added out of order since */
};

/** Adds [first, end); nothing if it is empty. 0 or -ENOMEM. */
int ranges__add(struct ranges *s, uint64_t first, uint64_t end);
/** Adds all of another set. 0 or -ENOMEM. */
int ranges__add_all(struct ranges *s, const struct ranges *more);
/** Puts it in order and joins what touches. To be called after adding, before anything below. */
void ranges__settle(struct ranges *s);
/** Is the number in it? */
bool ranges__has(const struct ranges *s, uint64_t number);
/** How many numbers are in it. */
uint64_t ranges__count(const struct ranges *s);
/** What both hold, added to *ret, which was empty. 0 or -ENOMEM. */
int ranges__both(const struct ranges *a, const struct ranges *b, struct ranges *ret);
/** What a holds and b doesn't, added to *ret, which was empty. 0 or -ENOMEM. */
int ranges__without(const struct ranges *a, const struct ranges *b, struct ranges *ret);
/** Empties it and frees its memory. */
void ranges__free(struct ranges *s);

#endif
