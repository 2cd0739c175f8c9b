/* SPDX-License-Identifier: MIT */
/* read.h: the one way in which this layer reads a file: page by page, in order, each page once. */
#ifndef BPREC_SPACE_READ_H
#define BPREC_SPACE_READ_H

#include <stdint.h>

#include "bprec/format.h"

/** Takes the pages of a file in order. Callbacks return 0 or -errno, which ends the reading. */
struct page_sink {
	/** One page that was read; `data` is valid during the call only. */
	int (*page)(struct page_sink *s, uint64_t index, const void *data);
	/** n pages from `index` on that are all `id`: BPREC_PAGE_ZERO, _ABSENT or _LOST. */
	int (*same)(struct page_sink *s, uint64_t index, uint64_t n, uint64_t id);
};

/** Passes pages [first, first + npages) of the file behind fd to the sink. The file position is not moved. *ret_size: the
 *  file's size when reading began. 0, -errno of fstat, or the sink's value. Not reentrant: one static buffer. */
int space_read__file(struct page_sink *s, int fd, uint64_t first, uint64_t npages,
		     uint64_t *ret_size);

#endif
