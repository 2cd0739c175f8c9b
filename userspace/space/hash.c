/* SPDX-License-Identifier: MIT */
/*
 * hash.c: hashes of pages of a live address space.
 *
 * Which pages there are is asked from /proc/PID/pagemap, so that a reservation of a terabyte costs little and stays
 * untouched; they are read by process_vm_readv, which works without /proc, as a replay needs it.
 */
#include "space/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <xxhash.h>
#include <unistd.h>

#include "tracee/tracee.h"

#define PAGE	    ((uint64_t)BPREC_PAGE_SIZE)
#define CHUNK_PAGES 64u /* 256 KiB stay in the second-level cache between the copy and the hash */

static uint8_t chunk[CHUNK_PAGES * BPREC_PAGE_SIZE] __attribute__((aligned(64)));
static const uint8_t zeros[BPREC_PAGE_SIZE];

int hash_runs__add(struct hash_runs *r, uint64_t addr, uint64_t npages)
{
	struct memhash_run *last = r->n ? &r->v[r->n - 1] : NULL;

	r->npages += npages;
	if (last && last->addr + last->npages * PAGE == addr) {
		last->npages += npages;
		return 0;
	}
	if (r->n == r->cap) {
		uint32_t cap = r->cap ? r->cap * 2 : 64;
		void *v = realloc(r->v, cap * sizeof(*r->v));

		if (!v)
			return -ENOMEM;
		r->v = v;
		r->cap = cap;
	}
	r->v[r->n++] = (struct memhash_run){ addr, npages };
	return 0;
}

void hash_runs__free(struct hash_runs *r)
{
	free(r->v);
	memset(r, 0, sizeof(*r));
}

static int add_found(void *ctx, uint64_t addr, uint64_t n)
{
	return hash_runs__add(ctx, addr, n);
}

/** Stacks are left out: what the dynamic linker saves there of the extended state (xsavec, when a function is called for the
 *  first time) tells which components are in use, and that changes with the context switches of the machine
 *  (tests/progs/xinuse counts it). Two replays of one trace differ there, in bytes that nobody reads. */
static bool is_stack(const struct model_vma *v)
{
	return v->kind == MAP_KIND_STACK || (v->flags & MAP_STACK);
}

static bool is_left_out(const struct model_vma *v)
{
	return v->kind == MAP_KIND_BPREC || v->kind == MAP_KIND_SPECIAL || is_stack(v) ||
	       !(v->prot & PROT_READ);
}

static int find_in(int pagemap, const struct model_vma *v, uint64_t addr, uint64_t end,
		   space_hash_shared_fn shared, void *ctx, struct hash_runs *ret)
{
	if ((v->flags & MAP_TYPE) == MAP_PRIVATE)
		return tracee__pages_in(pagemap, TRACEE_PAGES_PRIVATE, addr, end, add_found, ret);
	if ((v->prot & PROT_WRITE) && shared(ctx, v->object))
		return tracee__pages_in(pagemap, TRACEE_PAGES_PRESENT, addr, end, add_found, ret);
	return 0;
}

int space_hash__find(pid_t pid, const struct model_space *s, space_hash_shared_fn shared, void *ctx,
		     struct hash_runs *ret)
{
	const int pagemap = tracee__pagemap(pid);
	int err = pagemap < 0 ? pagemap : 0;

	for (size_t i = 0; i < s->nvmas && !err; i++) {
		const struct model_vma *v = &s->vmas[i];

		if (!is_left_out(v))
			err = find_in(pagemap, v, v->addr, v->end, shared, ctx, ret);
	}
	if (pagemap >= 0)
		close(pagemap);
	return err;
}

int space_hash__sample(pid_t pid, const struct model_space *s, space_hash_shared_fn shared,
		       void *ctx, uint64_t turn, uint64_t budget, struct hash_runs *ret)
{
	const int pagemap = tracee__pagemap(pid);
	int err = pagemap < 0 ? pagemap : 0;

	for (size_t i = 0; i < s->nvmas && ret->npages < budget && !err; i++) {
		const struct model_vma *v = &s->vmas[(turn + i) % s->nvmas];
		const uint64_t want = (budget - ret->npages) * PAGE;
		const uint64_t from = v->addr + turn * want % (v->end - v->addr);

		if (!is_left_out(v) && v->prot & PROT_WRITE)
			err = find_in(pagemap, v, from, v->end - from < want ? v->end : from + want,
				      shared, ctx, ret);
	}
	if (pagemap >= 0)
		close(pagemap);
	return err;
}

/** Takes pages of [from, end) until *budget is used up; *cursor follows. */
static int take(const struct hash_runs *all, uint64_t from, uint64_t end, uint64_t *budget,
		uint64_t *cursor, struct hash_runs *ret)
{
	int err = 0;

	for (uint32_t i = 0; i < all->n && *budget && !err; i++) {
		uint64_t lo = all->v[i].addr, hi = lo + all->v[i].npages * PAGE;

		lo = lo < from ? from : lo;
		hi = hi > end ? end : hi;
		if (lo >= hi)
			continue;
		if ((hi - lo) / PAGE > *budget)
			hi = lo + *budget * PAGE;
		err = hash_runs__add(ret, lo, (hi - lo) / PAGE);
		*budget -= (hi - lo) / PAGE;
		*cursor = hi;
	}
	return err;
}

int space_hash__choose(const struct hash_runs *all, uint64_t budget, uint64_t *cursor,
		       struct hash_runs *ret)
{
	const uint64_t from = *cursor;
	int err = take(all, from, ~0ull, &budget, cursor, ret);

	return err ? err : take(all, 0, from, &budget, cursor, ret);
}

uint32_t space_hash__page(const void *page)
{
	uint32_t h;

	if (!memcmp(page, zeros, PAGE))
		return 0;
	h = (uint32_t)XXH3_64bits(page, PAGE);
	return h ? h : 1;
}

/** Pages that are read into the chunk, from the first on. */
static uint64_t read_pages(pid_t tid, uint64_t addr, uint64_t n)
{
	const struct iovec to = { chunk, n * PAGE }, from = { (void *)(uintptr_t)addr, n * PAGE };
	const ssize_t got = process_vm_readv(tid, &to, 1, &from, 1, 0);

	return got > 0 ? (uint64_t)got / PAGE : 0;
}

static void hash_run(pid_t tid, const struct memhash_run *run, uint32_t *out)
{
	for (uint64_t at = 0; at < run->npages;) {
		uint64_t n = run->npages - at < CHUNK_PAGES ? run->npages - at : CHUNK_PAGES;

		n = read_pages(tid, run->addr + at * PAGE, n);
		for (uint64_t i = 0; i < n; i++)
			out[at + i] = space_hash__page(chunk + i * PAGE);
		at += n;
		if (!n)
			out[at++] = 0;
	}
}

void space_hash__runs(pid_t tid, const struct memhash_run *runs, uint32_t nruns, uint32_t *out)
{
	for (uint32_t i = 0; i < nruns; i++) {
		hash_run(tid, &runs[i], out);
		out += runs[i].npages;
	}
}
