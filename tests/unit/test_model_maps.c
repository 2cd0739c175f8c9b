// SPDX-License-Identifier: MIT
/*
 * test_model_maps.c: random changes of an address space and of an object's pages, held against a model that keeps each
 * page by itself.
 */
#include "test_model_feed.h"

#include <sys/mman.h>

enum { NPAGES = 96, BASE = 16 };

/** One page of the naive address space; all zero: not mapped. */
struct naive {
	uint64_t offset;
	uint32_t object, prot, flags, kind;
};

static uint32_t seed;
static uint32_t rnd(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

static uint64_t at(uint32_t page)
{
	return (uint64_t)(BASE + page) * 4096;
}

static void expect_same(const struct model *m, const struct naive *n)
{
	const struct model_space *s = model__space(m, 1);

	for (size_t i = 0; i < s->nvmas; i++) {
		const struct model_vma *v = &s->vmas[i], *w = v + 1;

		assert_true(v->addr < v->end);
		if (i + 1 == s->nvmas)
			break;
		assert_true(v->end <= w->addr);
		bool could_join = v->end == w->addr && v->object == w->object &&
				  v->prot == w->prot && v->flags == w->flags &&
				  v->kind == w->kind &&
				  (!v->object || v->offset + (v->end - v->addr) == w->offset);
		assert_false(could_join);
	}
	for (uint32_t p = 0; p < NPAGES; p++) {
		const struct model_vma *v = model__find_vma(s, at(p) + rnd(4096));

		assert_int_equal(v ? v->kind : 0, n[p].kind);
		if (!v)
			continue;
		assert_int_equal(v->object, n[p].object);
		assert_int_equal(v->prot, n[p].prot);
		assert_int_equal(v->flags, n[p].flags);
		if (v->object)
			assert_int_equal(v->offset + (at(p) - v->addr), n[p].offset);
	}
}

static void do_map(struct model *m, struct naive *n)
{
	uint32_t p = rnd(NPAGES - 8), len = 1 + rnd(8), object = rnd(3), prot = rnd(3);
	uint32_t first = rnd(4);

	assert_int_equal(feed_map(m, 1, at(p), len * 4096ull, prot, object, first * 4096ull), 0);
	for (uint32_t i = 0; i < len; i++)
		n[p + i] = (struct naive){ (first + i) * 4096ull, object, prot, object ? 1 : 0x22,
					   object ? MAP_KIND_OBJECT : MAP_KIND_ANON };
}

static void do_unmap(struct model *m, struct naive *n)
{
	uint32_t p = rnd(NPAGES - 8), len = 1 + rnd(8);
	struct ev_unmap e = { at(p), len * 4096ull };

	assert_int_equal(FEED(m, EV_UNMAP, 1, 1, e), 0);
	memset(n + p, 0, len * sizeof(*n));
}

static void do_protect(struct model *m, struct naive *n)
{
	uint32_t p = rnd(NPAGES - 8), len = 1 + rnd(8);
	struct ev_protect e = { at(p), len * 4096ull, rnd(3), 0 };

	assert_int_equal(FEED(m, EV_PROTECT, 1, 1, e), 0);
	for (uint32_t i = p; i < p + len; i++)
		if (n[i].kind)
			n[i].prot = e.prot;
}

/** Whether the naive model allows a remap, and what comes of it. */
static bool naive_remap(struct naive *n, uint32_t old, uint32_t old_len, uint32_t to,
			uint32_t new_len, bool keep)
{
	struct naive copy[16] = { 0 };
	uint32_t some = 0;

	for (uint32_t i = 0; i < old_len; i++)
		some += n[old + i].kind != 0;
	if (old == to && new_len <= old_len && !keep) {
		memset(n + old + new_len, 0, (old_len - new_len) * sizeof(*n));
		return true;
	}
	if (!some || (new_len > old_len && !n[old + old_len - 1].kind))
		return false;
	memcpy(copy, n + old, old_len * sizeof(*n));
	for (uint32_t i = old_len; i < new_len; i++) {
		copy[i] = copy[old_len - 1];
		copy[i].offset += (i - old_len + 1) * 4096ull;
	}
	if (old == to) {
		for (uint32_t i = old_len; i < new_len; i++)
			if (n[old + i].kind)
				return false;
		if (keep)
			return false;
		memcpy(n + old, copy, new_len * sizeof(*n));
		return true;
	}
	if (old < to + new_len && to < old + old_len)
		return false;
	if (!keep)
		memset(n + old, 0, old_len * sizeof(*n));
	memcpy(n + to, copy, new_len * sizeof(*n));
	return true;
}

/** True if every page of a range is mapped; only such ranges are moved in the test. */
static bool all_mapped(const struct naive *n, uint32_t p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (!n[p + i].kind)
			return false;
	return true;
}

static void do_remap(struct model *m, struct naive *n)
{
	uint32_t old = rnd(NPAGES - 16), old_len = 1 + rnd(8), new_len = 1 + rnd(8);
	uint32_t to = rnd(3) ? rnd(NPAGES - 16) : old;
	bool keep = !rnd(4);
	struct ev_remap e = { at(old),		 old_len * 4096ull,	      at(to),
			      new_len * 4096ull, keep ? MREMAP_DONTUNMAP : 0, 0 };

	if (!all_mapped(n, old, old_len))
		return;
	bool good = naive_remap(n, old, old_len, to, new_len, keep);
	assert_int_equal(FEED(m, EV_REMAP, 1, 1, e), good ? 0 : -EBADMSG);
}

static void random_spaces(void **state)
{
	static void (*const ops[])(struct model *, struct naive *) = { do_map, do_map, do_unmap,
								       do_protect, do_remap };
	(void)state;
	for (uint32_t round = 0; round < 60; round++) {
		struct naive n[NPAGES] = { 0 };
		struct model *m = model__new();

		seed = round;
		assert_int_equal(feed_process(m, 1, 1, PROC_ROOT, 0, 1), 0);
		assert_int_equal(feed_object(m, 1, 4096), 0);
		assert_int_equal(feed_object(m, 2, 4096), 0);
		for (int i = 0; i < 300; i++) {
			ops[rnd(5)](m, n);
			expect_same(m, n);
		}
		model__free(m);
	}
}

static void old_length_zero(void **state)
{
	struct model *m = model__new();
	struct ev_remap e = { 0x12000, 0, 0x40000, 0x2000, 0, 0 };

	(void)state;
	feed_process(m, 1, 1, PROC_ROOT, 0, 1);
	feed_object(m, 1, 1 << 20);
	feed_map(m, 1, 0x10000, 0x8000, 1, 1, 0x1000);
	assert_int_equal(FEED(m, EV_REMAP, 1, 1, e), 0);
	const struct model_space *s = model__space(m, 1);
	assert_int_equal(s->nvmas, 2);
	assert_int_equal(s->vmas[1].offset, 0x3000);
	assert_int_equal(s->vmas[1].end, 0x42000);
	model__free(m);
}

static void heap_grows(void **state)
{
	struct model *m = model__new();

	(void)state;
	feed_process(m, 1, 1, PROC_ROOT, 0, 1);
	for (uint64_t a = 0x10000; a < 0x20000; a += 0x1000) {
		struct ev_map e = { a, 0x1000, 3, 0x22, 0, 0, MAP_KIND_HEAP };
		assert_int_equal(FEED(m, EV_MAP, 1, 1, e), 0);
	}
	assert_int_equal(model__space(m, 1)->nvmas, 1);
	struct ev_unmap u = { 0x18000, 0x8000 };
	assert_int_equal(FEED(m, EV_UNMAP, 1, 1, u), 0);
	assert_int_equal(model__space(m, 1)->vmas[0].end, 0x18000);
	model__free(m);
}

/** In a naive array of pages: nothing was told of this one. */
#define UNTOLD 99999ull

static uint64_t naive_page(const uint64_t *naive, uint32_t p, uint64_t size)
{
	if (naive[p] != UNTOLD)
		return naive[p];
	return p < (size + 4095) / 4096 ? BPREC_PAGE_ZERO : BPREC_PAGE_ABSENT;
}

/** Makes a run and tells the naive array, whose object ends before page `end`. */
static struct page_run random_run(uint64_t *naive, uint32_t p, uint32_t end)
{
	static const uint64_t special[] = { BPREC_PAGE_ABSENT, BPREC_PAGE_LOST, BPREC_PAGE_ZERO };
	struct page_run r = { 1 + rnd(20), 1 + rnd(10), rnd(2) };
	uint32_t kind = rnd(8);

	if (p >= end || kind < 3)
		r = (struct page_run){ special[p >= end ? 0 : kind], r.count, 0 };
	for (uint32_t i = 0; i < r.count; i++, p++) {
		naive[p] = r.first + i * r.step;
		if (naive[p] == BPREC_PAGE_ABSENT && p >= end)
			naive[p] = UNTOLD;
	}
	return r;
}

/** One random EV_PAGES, fed to both. Returns the object's new size. */
static uint64_t pages_step(struct model *m, uint64_t *naive, uint64_t size)
{
	uint32_t first = rnd(NPAGES - 40), nruns = rnd(5);
	uint64_t old = size;
	struct page_run r[4];

	if (!rnd(4))
		size = rnd(NPAGES) * 4096ull + rnd(4096);
	uint32_t end = (size + 4095) / 4096, p = first;
	for (uint32_t k = end; size < old && k < NPAGES; k++)
		naive[k] = UNTOLD;
	for (uint32_t k = 0; k < nruns; p += r[k++].count)
		r[k] = random_run(naive, p, end);
	assert_int_equal(feed_pages(m, 1, first, size, r, nruns), 0);
	return size;
}

static void random_pages(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 60; round++) {
		uint64_t naive[NPAGES], size = rnd(NPAGES) * 4096ull + rnd(4096);
		struct model *m = model__new();

		seed = round + 1000;
		for (uint32_t p = 0; p < NPAGES; p++)
			naive[p] = UNTOLD;
		assert_int_equal(feed_object(m, 1, size), 0);
		for (int i = 0; i < 200; i++) {
			size = pages_step(m, naive, size);
			for (uint32_t p = 0; p < NPAGES; p++)
				assert_int_equal(model__object_page(m, 1, p),
						 naive_page(naive, p, size));
		}
		model__free(m);
	}
}

static void huge_runs(void **state)
{
	struct model *m = model__new();
	struct page_run absent[256], more[2] = { { 1, UINT32_MAX, 1 }, { 7, 1, 0 } };

	(void)state;
	for (int i = 0; i < 256; i++)
		absent[i] = (struct page_run){ BPREC_PAGE_ABSENT, UINT32_MAX, 0 };
	assert_int_equal(feed_object(m, 1, 1ull << 60), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(feed_pages(m, 1, 5, 1ull << 60, absent, 256), 0);
		assert_int_equal(feed_pages(m, 1, 100 + i, 1ull << 60, more, 2), 0);
	}
	assert_int_equal(model__object_page(m, 1, 199 + 12345), 12346);
	assert_int_equal(model__object_page(m, 1, 1ull << 39), BPREC_PAGE_ABSENT);
	assert_int_equal(feed_pages(m, 1, 0, 4096, NULL, 0), 0);
	assert_int_equal(model__object_page(m, 1, 0), BPREC_PAGE_ZERO);
	assert_int_equal(model__object_page(m, 1, 200), BPREC_PAGE_ABSENT);
	model__free(m);
}

static int count_vma(void *ctx, const struct model_space *s, const struct model_vma *v)
{
	(void)s;
	(void)v;
	return ++*(int *)ctx > 100;
}

static int mappers(const struct model *m, uint32_t object, uint64_t first, uint64_t n)
{
	int count = 0;

	model__each_mapper(m, object, first, n, count_vma, &count);
	return count;
}

static void finds_mappers(void **state)
{
	struct model *m = model__new();

	(void)state;
	feed_process(m, 1, 1, PROC_ROOT, 0, 1);
	feed_object(m, 1, 1 << 20);
	feed_map(m, 1, 0x10000, 0x2000, 1, 1, 0x3000); /* pages 3, 4 */
	feed_process(m, 2, 2, PROC_FORK, 1, 2);
	assert_int_equal(mappers(m, 1, 0, 3), 0);
	assert_int_equal(mappers(m, 1, 0, 4), 2);
	assert_int_equal(mappers(m, 1, 4, 1), 2);
	assert_int_equal(mappers(m, 1, 5, 1), 0);
	assert_int_equal(mappers(m, 1, 0, UINT64_MAX), 2);
	assert_int_equal(mappers(m, 1, 4, UINT64_MAX - 1), 2);
	assert_int_equal(mappers(m, 0, 0, UINT64_MAX), 0);
	feed_exit(m, 2, 2);
	assert_int_equal(mappers(m, 1, 0, UINT64_MAX), 1);
	model__free(m);
}

static void refuses(void **state)
{
	struct model *m = model__new();
	struct page_run wraps = { ~0ull - 5, 100, 1 }, special = { BPREC_PAGE_LOST, 2, 1 };
	struct page_run empty = { 1, 0, 0 }, step = { 1, 1, 2 };

	(void)state;
	feed_process(m, 1, 1, PROC_ROOT, 0, 1);
	assert_int_equal(feed_object(m, 1, 4096), 0);
	assert_int_equal(feed_object(m, 1, 4096), -EBADMSG);
	assert_int_equal(feed_object(m, 2, ~0ull), -EBADMSG);
	assert_int_equal(feed_map(m, 1, 0x1000, 0, 1, 0, 0), -EBADMSG);
	assert_int_equal(feed_map(m, 1, 0x1001, 0x1000, 1, 0, 0), -EBADMSG);
	assert_int_equal(feed_map(m, 1, ~0xfffull, 0x2000, 1, 0, 0), -EBADMSG);
	assert_int_equal(feed_map(m, 1, 0x1000, 0x1000, 1, 9, 0), -EBADMSG);
	assert_int_equal(feed_map(m, 1, 0x1000, 0x1000, 1, 1, ~0xfffull), -EBADMSG);
	assert_int_equal(feed_map(m, 7, 0x1000, 0x1000, 1, 0, 0), -EBADMSG);
	assert_int_equal(feed_pages(m, 9, 0, 4096, &empty, 0), -EBADMSG);
	assert_int_equal(feed_pages(m, 1, 0, 4096, &empty, 1), -EBADMSG);
	assert_int_equal(feed_pages(m, 1, 0, 4096, &wraps, 1), -EBADMSG);
	assert_int_equal(feed_pages(m, 1, 0, 4096, &special, 1), -EBADMSG);
	assert_int_equal(feed_pages(m, 1, 0, 4096, &step, 1), -EBADMSG);
	assert_int_equal(feed_pages(m, 1, ~0ull, 4096, &step, 0), -EBADMSG);
	assert_int_equal(model__space(m, 1)->nvmas, 0);
	model__free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_spaces), cmocka_unit_test(old_length_zero),
		cmocka_unit_test(heap_grows),	 cmocka_unit_test(random_pages),
		cmocka_unit_test(huge_runs),	 cmocka_unit_test(finds_mappers),
		cmocka_unit_test(refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
