/* SPDX-License-Identifier: MIT */
/* memhash.c: memory and extended state compared with the hashes that the recorder took of them. */
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "model/regs.h"
#include "replay/state.h"
#include "tracee/tracee.h"

#define PAGE 4096u

/** Low half of the hash of a page, as EV_MEMHASH has it: 0 for a page of zeros or none. */
static uint32_t page_hash(struct rtask *t, uint64_t addr)
{
	static const uint8_t zeros[PAGE];
	uint8_t page[PAGE];
	uint32_t h;

	if (mem__read(t, addr, page, PAGE) != (ssize_t)PAGE || !memcmp(page, zeros, PAGE))
		return 0;
	h = (uint32_t)XXH3_64bits(page, PAGE);
	return h ? h : 1;
}

static uint64_t xstate_of(struct rtask *t)
{
	uint8_t x[16384];
	size_t len = sizeof(x);

	return tracee__get_xstate(t->real, x, &len) ? 0 : xstate__hash(x, len);
}

bool memhash__find_difference(struct replay *rp, struct rtask *t, const struct ev_memhash *h,
			      struct memhash_difference *ret)
{
	const struct memhash_run *run = (const void *)(h + 1);
	const uint32_t *want = (const void *)(run + h->nruns);

	*ret = (struct memhash_difference){ .expected = h->xstate_hash };
	if (h->xstate_hash) {
		rp->st.checks++;
		ret->found = xstate_of(t);
		if (ret->found != ret->expected)
			return true;
	}
	for (uint32_t i = 0; i < h->nruns; i++) {
		for (uint64_t n = 0; n < run[i].npages; n++, want++) {
			ret->addr = run[i].addr + n * PAGE;
			ret->expected = *want;
			ret->found = page_hash(t, ret->addr);
			rp->st.checks++;
			if (ret->found != ret->expected)
				return true;
		}
	}
	return false;
}

int memhash__check(struct replay *rp, struct rtask *t, const struct ev_memhash *h)
{
	struct memhash_difference d;

	if (!memhash__find_difference(rp, t, h, &d))
		return 0;
	if (!d.addr)
		return replay__differs(rp,
				       "extended state: expected hash %#" PRIx64
				       ", found %#" PRIx64,
				       d.expected, d.found);
	rp->differing_page = d.addr;
	return replay__differs(rp, "page %#" PRIx64 ": expected hash %#" PRIx64 ", found %#" PRIx64,
			       d.addr, d.expected, d.found);
}
