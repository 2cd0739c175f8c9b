/* SPDX-License-Identifier: MIT */
/*
 * gopclntab.c: functions of a Go program, which has neither an unwind table nor, stripped, symbols.
 *
 * The format is that of Go's src/cmd/link/internal/ld/pcln.go, as read by src/debug/gosym/pclntab.go:
 *
 *	header        u32 magic, two zeros, u8 quantum (1 on x86), u8 size of a pointer, then words of that size
 *	0xfffffffa    Go 1.16: words 0 functions, 6 offset of the function table; its entries: u64 address, u64 offset
 *	0xfffffff0    Go 1.18: words 0 functions, 2 address of the code, 7 offset of the function table; its entries:
 *	              u32 address behind that of the code, u32 offset
 *	0xfffffff1    Go 1.20: as 1.18
 *
 * Behind the last entry stands the address where the last function ends. In a position-independent program the address of
 * the code is filled in when it is loaded, and 0 in the file; since Go 1.26 it is always 0.
 */
#include "tracee/gopclntab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC_16 0xfffffffau
#define MAGIC_18 0xfffffff0u
#define MAGIC_20 0xfffffff1u
#define HEADER	 8 /* bytes before the words */
#define WORDS	 8 /* that are read */

/** What the header says. */
struct header {
	uint64_t functions, table; /* how many; offset of their table */
	uint64_t text;		   /* added to each address */
	size_t entry;		   /* bytes of an address; an offset has as many */
};

static uint64_t get(const uint8_t *p, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, p, size); /* x86-64 and the table are little-endian */
	return v;
}

static int read_header(const uint8_t *t, size_t len, uint64_t text, struct header *h)
{
	uint64_t word[WORDS];
	uint32_t magic;

	if (len < HEADER + sizeof(word))
		return -EBADMSG;
	magic = get(t, 4);
	if (t[4] || t[5] || t[6] != 1 || t[7] != 8)
		return -EBADMSG;
	memcpy(word, t + HEADER, sizeof(word));
	if (magic == MAGIC_16)
		*h = (struct header){ word[0], word[6], 0, 8 };
	else if (magic == MAGIC_18 || magic == MAGIC_20)
		*h = (struct header){ word[0], word[7], word[2] ? word[2] : text, 4 };
	else
		return -EBADMSG;
	if (magic != MAGIC_16 && !h->text)
		return -EBADMSG;
	/* all entries and the end's address are in the table: no sum can overflow */
	if (!h->functions || h->table > len || h->functions > (len - h->table) / (2 * h->entry) ||
	    len - h->table - h->functions * 2 * h->entry < h->entry)
		return -EBADMSG;
	return 0;
}

int gopclntab__functions(const uint8_t *table, size_t len, uint64_t text, uint64_t **ret_starts,
			 size_t *ret_n)
{
	struct header h;
	uint64_t *v, last = 0;
	int err = read_header(table, len, text, &h);

	if (err)
		return err;
	v = malloc((h.functions + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (uint64_t i = 0; i <= h.functions; i++) {
		v[i] = h.text + get(table + h.table + i * 2 * h.entry, h.entry);
		if (v[i] <= last) { /* not in order, or none: 0 before it is loaded */
			free(v);
			return -EBADMSG;
		}
		last = v[i];
	}
	*ret_starts = v;
	*ret_n = h.functions;
	return 0;
}
