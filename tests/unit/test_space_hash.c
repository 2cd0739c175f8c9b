/* SPDX-License-Identifier: MIT */
/* Hashes of pages: which are found, how they are chosen, what they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

#include "space/hash.h"

#define PAGE 4096ul

static void *map(size_t pages, int flags)
{
	void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static bool all_objects(void *ctx, uint32_t object)
{
	*(uint32_t *)ctx = object;
	return true;
}

static struct model_vma vma(void *p, size_t pages, uint32_t flags, uint32_t object)
{
	return (struct model_vma){ .addr = (uintptr_t)p,
				   .end = (uintptr_t)p + pages * PAGE,
				   .object = object,
				   .prot = PROT_READ | PROT_WRITE,
				   .flags = flags,
				   .kind = object ? MAP_KIND_OBJECT : MAP_KIND_ANON };
}

static void find(struct model_vma *v, struct hash_runs *runs)
{
	const struct model_space s = { .id = 1, .users = 1, .vmas = v, .nvmas = 1 };
	uint32_t asked = 0;

	assert_int_equal(space_hash__find(getpid(), &s, all_objects, &asked, runs), 0);
	assert_int_equal(asked, v->object); /* 0: not asked */
}

static void finds_touched_pages(void **state)
{
	const size_t pages = 1ul << 22; /* 16 GiB that nobody touches */
	char *p = map(pages, MAP_PRIVATE | MAP_NORESERVE), *shared = map(8, MAP_SHARED);
	struct model_vma v = vma(p, pages, MAP_PRIVATE, 0);
	struct hash_runs runs = { 0 };

	(void)state;
	p[3 * PAGE] = p[4 * PAGE] = p[4000000 * PAGE] = 1;
	find(&v, &runs);
	assert_int_equal(runs.npages, 3);
	assert_int_equal(runs.n, 2);
	assert_int_equal(runs.v[0].addr, v.addr + 3 * PAGE);
	hash_runs__free(&runs);
	v.kind = MAP_KIND_BPREC;
	find(&v, &runs);
	assert_int_equal(runs.npages, 0);
	shared[2 * PAGE] = 1;
	v = vma(shared, 8, MAP_SHARED, 7);
	find(&v, &runs);
	assert_in_range(runs.npages, 1, 8);
	hash_runs__free(&runs);
	munmap(p, pages * PAGE);
	munmap(shared, 8 * PAGE);
}

static void chooses_in_turn(void **state)
{
	struct hash_runs all = { 0 }, some = { 0 };
	uint64_t cursor = 0, seen = 0;

	(void)state;
	hash_runs__add(&all, 10 * PAGE, 3);
	hash_runs__add(&all, 13 * PAGE, 1);
	hash_runs__add(&all, 20 * PAGE, 4);
	assert_int_equal(all.n, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(space_hash__choose(&all, 5, &cursor, &some), 0);
		assert_int_equal(some.npages, 5);
		for (uint32_t j = 0; j < some.n; j++)
			for (uint64_t n = 0; n < some.v[j].npages; n++)
				seen |= 1ull << (some.v[j].addr / PAGE + n);
		hash_runs__free(&some);
	}
	assert_int_equal(seen, 0xf03c00);
	assert_int_equal(space_hash__choose(&all, 100, &cursor, &some), 0);
	assert_int_equal(some.npages, 8);
	hash_runs__free(&some);
	hash_runs__free(&all);
}

static void hashes_pages(void **state)
{
	char *p = map(200, MAP_PRIVATE);
	const struct memhash_run runs[2] = { { (uintptr_t)p, 200 }, { (uintptr_t)p + PAGE, 1 } };
	uint32_t h[201];

	(void)state;
	memset(p + PAGE, 'x', PAGE);
	memset(p + 150 * PAGE, 'y', PAGE);
	munmap(p + 100 * PAGE, PAGE);
	space_hash__runs(getpid(), runs, 2, h);
	for (int i = 0; i < 200; i++) {
		const bool written = i == 1 || i == 150;

		assert_int_equal(h[i] != 0, written);
		if (written)
			assert_int_equal(h[i], (uint32_t)XXH3_64bits(p + i * PAGE, PAGE));
	}
	assert_int_equal(h[200], h[1]);
	p[PAGE + 17] ^= 1;
	space_hash__runs(getpid(), runs + 1, 1, h);
	assert_int_not_equal(h[0], h[1]);
	munmap(p, 200 * PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_touched_pages),
		cmocka_unit_test(chooses_in_turn),
		cmocka_unit_test(hashes_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
