/* SPDX-License-Identifier: MIT */
/* table.h: rows of cells in aligned columns. */
#ifndef BPREC_SHOW_TABLE_H
#define BPREC_SHOW_TABLE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "show/term.h"

/** Most columns of a table. */
#define TABLE_COLUMNS_MAX 12

/** A table; zero-initialise, set ncolumns; table__free ends it. */
struct table {
	size_t ncolumns;	/* at most TABLE_COLUMNS_MAX */
	unsigned int right;	/* bit n: column n is aligned to the right */
	char **cells;		/* rows of ncolumns, owned */
	enum term_colour *tint; /* colour of each cell */
	size_t n, cap;		/* cells in use and allocated */
	bool failed;		/* memory ran out: what follows is left out */
};

/** Appends a cell (printf format; the text is escaped for a terminal). Rows begin by themselves. */
void table__cell(struct table *t, enum term_colour colour, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** Appends a row of cells: titles, in the colour of heads; ends with NULL. */
void table__head(struct table *t, ...) __attribute__((sentinel));
/** Prints it, each row after `indent` blanks. The last column is not padded. */
void table__print(const struct table *t, const struct show_opts *o, int indent);
/** Frees the cells and zeroes the struct. */
void table__free(struct table *t);

#endif
