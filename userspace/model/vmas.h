/* SPDX-License-Identifier: MIT */
/* vmas.h: the mappings of one address space, as a sorted array without overlaps. Neighbours that continue each other are
 * one entry. Addresses are bytes and multiples of the page size, ends exclusive: callers check that. */
#ifndef BPREC_MODEL_VMAS_H
#define BPREC_MODEL_VMAS_H

#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

/** Array of mappings. Zero-initialise; vmas__free ends it. */
struct vmas {
	struct model_vma *v; /* owned */
	size_t n, cap;	     /* entries in use and allocated */
};

/** Frees the array and zeroes the struct. */
void vmas__free(struct vmas *s);
/** Copies src into the empty dst. 0 or -ENOMEM (dst stays empty). */
int vmas__copy(struct vmas *dst, const struct vmas *src);
/** Index of the first entry that ends beyond addr; n if there is none. */
size_t vmas__at(const struct vmas *s, uint64_t addr);
/** Puts in a mapping in place of what was there. 0 or -ENOMEM (nothing changed). */
int vmas__map(struct vmas *s, const struct model_vma *vma);
/** Removes what is mapped in [lo, hi). 0 or -ENOMEM (nothing changed). */
int vmas__unmap(struct vmas *s, uint64_t lo, uint64_t hi);
/** Sets the protection of what is mapped in [lo, hi). 0 or -ENOMEM (nothing changed). */
int vmas__protect(struct vmas *s, uint64_t lo, uint64_t hi, uint32_t prot);
/** Does what mremap(2) did: [old, old + old_len) is now at [new_addr, new_addr + new_len). keep: the old range stays
 *  mapped (MREMAP_DONTUNMAP, or old_len 0). 0, -ENOMEM, or -EINVAL if that can't have happened; in both nothing changed. */
int vmas__remap(struct vmas *s, uint64_t old, uint64_t old_len, uint64_t new_addr, uint64_t new_len,
		bool keep);

#endif
