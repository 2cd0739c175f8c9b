/* SPDX-License-Identifier: MIT */
/* gopclntab.h: where functions begin in a Go program, by the table that its runtime keeps (.gopclntab). Pure. */
#ifndef BPREC_INSN_GOPCLNTAB_H
#define BPREC_INSN_GOPCLNTAB_H

#include <stddef.h>
#include <stdint.h>

/** The addresses at which functions begin, ascending, and behind the last the end of all: *ret_n + 1 addresses, malloced.
 *  `text`: where Go's code begins, for a table that doesn't say it; 0: not known. The table may be anything: -EBADMSG if it
 *  isn't a whole one of Go 1.16 or later, little-endian, with pointers of 8 bytes; -ENOMEM. */
int gopclntab__functions(const uint8_t *table, size_t len, uint64_t text, uint64_t **ret_starts,
			 size_t *ret_n);

#endif
