// SPDX-License-Identifier: MIT
#include "show/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Takes a cell's text, which belongs to the table from now on; NULL: there was no memory for it. */
static void put(struct table *t, enum term_colour colour, char *text)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		char **cells = realloc(t->cells, cap * sizeof(*cells));
		enum term_colour *tint = cells ? realloc(t->tint, cap * sizeof(*tint)) : NULL;

		t->cells = cells ? cells : t->cells;
		t->tint = tint ? tint : t->tint;
		t->cap = tint ? cap : t->cap;
	}
	if (!text || t->n == t->cap || t->failed) {
		t->failed = true;
		free(text);
		return;
	}
	t->cells[t->n] = text;
	t->tint[t->n++] = colour;
}

void table__cell(struct table *t, enum term_colour colour, const char *fmt, ...)
{
	char *raw = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&raw, fmt, ap) < 0)
		raw = NULL;
	va_end(ap);
	put(t, colour, raw ? term__escape(raw) : NULL);
	free(raw);
}

void table__head(struct table *t, ...)
{
	const char *title;
	va_list ap;

	va_start(ap, t);
	while ((title = va_arg(ap, const char *)))
		put(t, TERM_HEAD, strdup(title));
	va_end(ap);
}

static void pad(FILE *out, size_t n)
{
	fprintf(out, "%*s", (int)(n < 4096 ? n : 4096), "");
}

/** Prints one row whose columns have these widths. */
static void print_row(const struct table *t, const struct show_opts *o, size_t row,
		      const size_t *width)
{
	size_t last = t->ncolumns - 1;

	while (last && !*t->cells[row + last])
		last--;
	for (size_t c = 0; c <= last; c++) {
		const char *text = t->cells[row + c];
		bool tinted = o->colour && t->tint[row + c] != TERM_PLAIN;
		size_t gap = width[c] - term__width(text);

		if (t->right & 1u << c)
			pad(o->out, gap);
		fprintf(o->out, "%s%s%s", tinted ? term__colour(true, t->tint[row + c]) : "", text,
			tinted ? term__colour(true, TERM_PLAIN) : "");
		if (!(t->right & 1u << c) && c < last)
			pad(o->out, gap);
		fputs(c < last ? "  " : "\n", o->out);
	}
}

void table__print(const struct table *t, const struct show_opts *o, int indent)
{
	size_t width[TABLE_COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < t->n; i++) {
		size_t w = term__width(t->cells[i]);

		if (w > width[i % t->ncolumns])
			width[i % t->ncolumns] = w;
	}
	for (size_t row = 0; row + t->ncolumns <= t->n; row += t->ncolumns) {
		pad(o->out, indent);
		print_row(t, o, row, width);
	}
}

void table__free(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t->tint);
	*t = (struct table){ 0 };
}
