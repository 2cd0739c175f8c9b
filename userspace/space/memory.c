/* SPDX-License-Identifier: MIT */
#include "space/space.h"
#include "tracee/tracee.h"

#define CHUNK_PAGES 64

int space__save_memory(struct writer *w, pid_t pid, uint64_t addr, uint64_t npages,
		       struct space_runs *ret, uint64_t *ret_lost)
{
	static uint8_t chunk[CHUNK_PAGES * BPREC_PAGE_SIZE];
	uint64_t id, lost = 0;
	int err = 0;

	for (uint64_t at = 0; at < npages && !err;) {
		uint64_t n = npages - at < CHUNK_PAGES ? npages - at : CHUNK_PAGES;
		ssize_t got = tracee__read(pid, addr + at * BPREC_PAGE_SIZE, chunk,
					   n * BPREC_PAGE_SIZE);

		n = got > 0 ? got / BPREC_PAGE_SIZE : 0;
		for (uint64_t i = 0; i < n && !err; i++) {
			err = writer__page(w, chunk + i * BPREC_PAGE_SIZE, &id);
			if (!err)
				err = space_runs__add(ret, id);
		}
		at += n;
		if (n || err)
			continue;
		err = space_runs__add(ret, BPREC_PAGE_LOST);
		lost++;
		at++;
	}
	if (!err && ret_lost)
		*ret_lost = lost;
	return err;
}
