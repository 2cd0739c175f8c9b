/* SPDX-License-Identifier: MIT */
/* nearest.h: how alike two words are, for suggestions. */
#ifndef BPREC_UTIL_NEAREST_H
#define BPREC_UTIL_NEAREST_H

/** Letters to insert, delete, replace or swap with their neighbour until a is b. Only the first 63 of each count. */
unsigned int nearest__distance(const char *a, const char *b);
/** Up to this distance a word may be a slip of the pen for `word`: a third of its length, at least 1. */
unsigned int nearest__limit(const char *word);

#endif
