/* SPDX-License-Identifier: MIT */
/* hash.h: hashes of pages of a live address space, as EV_MEMHASH has them. */
#ifndef BPREC_SPACE_HASH_H
#define BPREC_SPACE_HASH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bprec/format.h"
#include "model/model.h"

/** Runs of pages. Zero-initialise; hash_runs__free ends it. */
struct hash_runs {
	struct memhash_run *v;
	uint32_t n, cap;
	uint64_t npages;
};
/** Appends n pages at addr, joining them to the last run where they fit. 0 or -ENOMEM. */
int hash_runs__add(struct hash_runs *r, uint64_t addr, uint64_t npages);
/** Frees the array and zeroes the struct. */
void hash_runs__free(struct hash_runs *r);

/** Says whether the pages of a mapping of an object, seen by all who map it, are to be looked at. */
typedef bool (*space_hash_shared_fn)(void *ctx, uint32_t object);

/** Pages that the program can have changed: private copies in readable mappings, and of writable shared ones (`shared`
 *  says which) those that are present; in order of address. stacks, bprec's own pages, special mappings and devices are left out.
 *  What was never touched costs nothing and stays untouched. 0, -ENOMEM or -errno of /proc/PID/pagemap. */
int space_hash__find(pid_t pid, const struct model_space *s, space_hash_shared_fn shared, void *ctx,
		     struct hash_runs *ret);
/** A few of those in writable mappings, at most `budget`, without a look at all: in each mapping there are looked for as many as are
 *  still wanted. turn says with which mapping, and where in each, this begins. Errors as space_hash__find. */
int space_hash__sample(pid_t pid, const struct model_space *s, space_hash_shared_fn shared,
		       void *ctx, uint64_t turn, uint64_t budget, struct hash_runs *ret);
/** Takes at most `budget` pages out of all, beginning at address *cursor and going round; *cursor gets the address where the
 *  next choice goes on. 0 or -ENOMEM. */
int space_hash__choose(const struct hash_runs *all, uint64_t budget, uint64_t *cursor,
		       struct hash_runs *ret);
/** Hashes exactly these pages, one u32 for each in order: 0 for a page of zeros and for one that can't be read. Needs no /proc.
 *  A process that is gone has no readable page. */
void space_hash__runs(pid_t tid, const struct memhash_run *runs, uint32_t nruns, uint32_t *out);
/** The same for one page in a buffer. */
uint32_t space_hash__page(const void *page);

#endif
