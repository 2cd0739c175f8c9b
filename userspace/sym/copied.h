/* SPDX-License-Identifier: MIT */
/* copied.h: a process of which only the top of a stack and the files that it runs were kept, as a sym_source. */
#ifndef BPREC_SYM_COPIED_H
#define BPREC_SYM_COPIED_H

#include <stdbool.h>

#include "sym/source.h"

/** A mapping of code. */
struct sym_code {
	uint64_t start, end, offset; /* addresses, and bytes in the file */
	int fd;			     /* of the file, readable; -1: none */
	const char *path;	     /* of it, "" if unknown */
};

/** What was kept. The caller's, and unchanged while a sym_source of it is in use. */
struct sym_copied {
	const struct sym_code *code; /* in any order */
	size_t ncode;
	uint64_t sp;	   /* address of the first byte of the stack */
	const void *stack; /* the bytes */
	size_t stack_len;
};

/** The source's own state; opaque. */
struct sym_copy;

/** Makes a source of it: memory is the stack, and the parts of files that can't be written. NULL: no memory. */
struct sym_copy *sym_copy__new(const struct sym_copied *kept);
/** The source; valid until sym_copy__free. */
const struct sym_source *sym_copy__source(const struct sym_copy *c);
/** Frees; NULL is allowed. */
void sym_copy__free(struct sym_copy *c);

/** Build id of an ELF file: in hexadecimal digits, "" if it has none or is no ELF file. */
void sym_build_id__of_file(int fd, char *ret, size_t room);
/** The same of the beginning of one, as it lies in memory. */
void sym_build_id__of_head(const void *head, size_t len, char *ret, size_t room);

#endif
