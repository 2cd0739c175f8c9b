/* SPDX-License-Identifier: MIT */
/* term.h: text for a person at a terminal. Strings from a trace may hold anything, so they pass through here. */
#ifndef BPREC_SHOW_TERM_H
#define BPREC_SHOW_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/** How results are printed. */
struct show_opts {
	FILE *out;    /* where to */
	bool colour;  /* use colours */
	bool verbose; /* whole lists */
};

/** Colours by meaning. */
enum term_colour { TERM_PLAIN, TERM_GOOD, TERM_WARN, TERM_BAD, TERM_HEAD, TERM_DIM };

/** True if colours suit this stream: a terminal, TERM isn't dumb, NO_COLOR isn't set (https://no-color.org). */
bool term__wants_colour(FILE *out);
/** Sequence that begins a colour (TERM_PLAIN: ends it); "" without colours. Static strings. */
const char *term__colour(bool on, enum term_colour c);

/** Copies a string so that a terminal shows it as it is: control characters, bytes that are no UTF-8 and characters that
 *  change the direction of writing become \n, \t, \xNN or \u{N}. New string, owned by the caller; NULL: no memory. */
char *term__escape(const char *s);
/** The same for len bytes, NUL bytes too; what exceeds `most` bytes is left out and shown as "...". */
char *term__escape_bytes(const void *bytes, size_t len, size_t most);
/** Columns that an escaped string takes on the screen (characters; wide ones count as one). */
size_t term__width(const char *s);
/** Length in bytes of the UTF-8 character at s (1 to 4), 0 if there is none; *ret_c gets it. At most n bytes are read. */
size_t term__utf8(const char *s, size_t n, unsigned int *ret_c);

#endif
