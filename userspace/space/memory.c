/* SPDX-License-Identifier: MIT */
#include "space/space.h"
#include "tracee/tracee.h"

#define CHUNK_PAGES 64u /* 256 KiB */

static uint8_t chunk[CHUNK_PAGES * BPREC_PAGE_SIZE];

/* Stores n pages of the chunk. */
static int save_pages(struct writer *w, uint64_t n, struct space_runs *ret)
{
	uint64_t id;
	int err = 0;

	for (uint64_t i = 0; i < n && !err; i++) {
		err = writer__page(w, chunk + i * BPREC_PAGE_SIZE, &id);
		if (!err)
			err = space_runs__add(ret, id);
	}
	return err;
}

int space__save_memory(struct writer *w, pid_t pid, uint64_t addr, uint64_t npages,
		       struct space_runs *ret, uint64_t *ret_lost)
{
	uint64_t lost = 0;
	int err = 0;

	while (npages && !err) {
		uint64_t n = npages < CHUNK_PAGES ? npages : CHUNK_PAGES;
		ssize_t got = tracee__read(pid, addr, chunk, n * BPREC_PAGE_SIZE);
		n = got > 0 ? (uint64_t)got / BPREC_PAGE_SIZE : 0;
		err = n ? save_pages(w, n, ret) : space_runs__add(ret, BPREC_PAGE_LOST);
		lost += !n;
		n += !n;
		addr += n * BPREC_PAGE_SIZE;
		npages -= n;
	}
	if (!err && ret_lost)
		*ret_lost = lost;
	return err;
}
