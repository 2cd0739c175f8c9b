/* SPDX-License-Identifier: MIT */
/* space.h: from live memory and files into the page store. Each page is read once into a buffer, and that copy is what is
 * hashed, compared and stored: live memory is never read twice for one decision. */
#ifndef BPREC_SPACE_H
#define BPREC_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bprec/format.h"
#include "model/model.h"
#include "trace/writer.h"

/** CLOCK_MONOTONIC nanoseconds. */
uint64_t space__now_ns(void);

/** Runs of pages, grown as needed. Zero-initialise; space_runs__free ends it. */
struct space_runs {
	struct page_run *v;
	uint32_t n, cap;
	uint64_t npages;
};
/** Appends one page, joining it to the last run where it fits. 0 or -ENOMEM. */
int space_runs__add(struct space_runs *r, uint64_t page_id);
/** Appends n pages that all have this id. 0 or -ENOMEM. */
int space_runs__add_many(struct space_runs *r, uint64_t page_id, uint64_t n);
/** Frees the array and zeroes the struct. */
void space_runs__free(struct space_runs *r);

/** Saves pages [first, first + npages) of the file behind fd (pread; holes are skipped, the file position is not moved). Pages beyond the end
 *  are ABSENT, pages that can't be read are LOST (counted in *ret_lost, may be NULL). *ret_size gets the file's size as it was
 *  when reading began. May clone the file into the trace where the file system can. 0 or -errno of the writer. */
int space__save_file(struct writer *w, int fd, uint64_t first, uint64_t npages,
		     struct space_runs *ret, uint64_t *ret_size, uint64_t *ret_lost);
/** Saves npages of a tracee's memory at addr. Pages that can't be read are LOST. 0 or -errno of the writer. */
int space__save_memory(struct writer *w, pid_t pid, uint64_t addr, uint64_t npages,
		       struct space_runs *ret, uint64_t *ret_lost);

/** A page that differs from the last snapshot: its index, the id it had and the id of what it holds now (stored). */
struct space_diff {
	uint64_t index, old_id, new_id;
};
/** Differences. Zero-initialise. */
struct space_diffs {
	struct space_diff *v;
	size_t n, cap;
};
/** Frees the array and zeroes the struct. */
void space_diffs__free(struct space_diffs *d);
/** Compares pages [first, first + npages) of the file behind fd with what the model says the object holds; stores those that
 *  differ. Each page read once. *ret_size: size of the file now. 0 or -errno. */
int space__compare_file(struct writer *w, const struct model *m, uint32_t object, int fd,
			uint64_t first, uint64_t npages, struct space_diffs *ret,
			uint64_t *ret_size);

/** Writes one EV_PAGES of the runs (which cover pages from `first` on; cut into several events where too long for one).
 *  *ret_event: number of the first one. feed: called for each event written, to feed the model (its value is returned). */
int space__emit_pages(struct writer *w, uint32_t object, enum pages_why why, uint64_t first,
		      const struct space_runs *r, uint64_t size, uint64_t *ret_event,
		      int (*feed)(void *ctx), void *ctx);

#endif
