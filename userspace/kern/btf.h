/* SPDX-License-Identifier: MIT */
/* btf.h: the kernel's own description of its types, as far as loading needs it. */
#ifndef BPREC_KERN_BTF_H
#define BPREC_KERN_BTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct btf;

/** The kernel's BTF, checked, and where each type is in it. */
struct kbtf {
	const unsigned char *data;  /* the whole file */
	size_t size;		    /* bytes of data */
	const unsigned char *types; /* section of types */
	const char *strings;	    /* section of strings, the last byte is 0 */
	uint32_t types_len;	    /* bytes of types */
	uint32_t strings_len;	    /* bytes of strings */
	uint32_t *at;		    /* offset in `types` of each type, by id; at[0] is nothing */
	uint32_t n;		    /* ids are 1 to n */
	bool mapped;		    /* data is a mapping of the file, not a copy */
};

/** A type that is looked for by its name. */
struct kbtf_want {
	char name[60]; /* whole name */
	uint32_t kind; /* BTF_KIND_* */
	uint32_t id;   /* out: the first such type, 0 if there is none */
};

/** Reads the BTF in a file, checks its lengths and offsets, numbers its types. 0 or -errno; -EPROTO: it isn't BTF. */
int kbtf_open(struct kbtf *b, const char *path);
/** Frees; a struct of zeros is allowed. */
void kbtf_close(struct kbtf *b);
/** Number of arguments of the function behind the pointer behind a typedef, -1 if it is no such thing. */
int kbtf_args(const struct kbtf *b, uint32_t id);
/**
 * Looks for types by name, n of them, and writes to descriptor fd the part of the BTF that relocating `local` (the BTF of
 * a BPF object) needs; fd -1: writes nothing. 0 or -errno.
 */
int kbtf_extract(const struct kbtf *b, struct kbtf_want *wants, size_t n, const struct btf *local,
		 int fd);

#endif
