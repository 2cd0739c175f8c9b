/* SPDX-License-Identifier: MIT */
/* places.h: the places of the kernel that programs are attached to by its BTF, looked up once for all of them. */
#ifndef BPREC_KERN_PLACES_H
#define BPREC_KERN_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bprec/khook.h"
#include "kern/btf.h"

/** What loading needs of the kernel's BTF. */
struct places {
	struct kbtf_want types[KHOOK_MAX + 1]; /* types that programs are attached by */
	size_t n;			       /* of types */
	int cut; /* descriptor of the part of the BTF for relocations; -1: libbpf reads all of it */
	char path[32];	/* its name */
	int uring_args; /* arguments of io_uring_complete, 0: there is no such tracepoint */
};

/** Lists the types of these n hooks' names; nothing is looked up yet. whole_btf: without a part for relocations. */
void places_open(struct places *p, const char *const *hooks, size_t n, bool whole_btf);
/** Closes what is open, as long as places_open was called. */
void places_close(struct places *p);
/** Looks the types up in the kernel's BTF, and cuts out the part that `local` (that of our object) is relocated by. 0 or -errno. */
int places_find(struct places *p, const struct btf *local);
/** Id of the type by which a hook of this name is attached; 0: the kernel has no such place. */
uint32_t places_id(const struct places *p, const char *hook);
/** Makes libbpf load programs of our sections by these places, in the calling thread, until the next call; NULL: by none. 0 or -errno. */
int places_use(const struct places *p);

#endif
