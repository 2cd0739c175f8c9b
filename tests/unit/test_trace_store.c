/* SPDX-License-Identifier: MIT */
/* test_trace_store.c: the store of page hashes: equal halves of hashes, and its memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "trace/pages.h"

/* Hashes that share their low half, as real ones never do, are told apart. */
static void equal_low_halves(void **state)
{
	struct page_store *s = page_store__new();
	uint64_t id;

	(void)state;
	for (uint64_t i = 0; i < 300; i++) {
		const struct page_hash h = { .low = i % 3, .high = i };

		assert_int_equal(page_store__find(s, h), 0);
		assert_int_equal(page_store__add(s, h, &id), 0);
		assert_int_equal(id, i + 1);
	}
	for (uint64_t i = 0; i < 300; i++) {
		const struct page_hash h = { .low = i % 3, .high = i };
		const struct page_hash other = { .low = (i + 1) % 3, .high = i };

		assert_int_equal(page_store__find(s, h), i + 1);
		assert_int_equal(page_store__find(s, other), 0);
		assert_true(hash_equal(page_store__hash(s, i + 1), h));
	}
	assert_int_equal(page_store__count(s), 300);
	page_store__free(s);
	page_store__free(NULL);
}

/* The bound of the recorder's memory: 64 bytes for each stored page. */
static void memory(void **state)
{
	struct page_store *s = page_store__new();
	uint64_t id, n = 0;

	(void)state;
	for (uint64_t step = 20000; step <= 1280000; step *= 2) {
		for (; n < step; n++) {
			const struct page_hash h = { hash64(&n, sizeof(n)), n };

			assert_int_equal(page_store__add(s, h, &id), 0);
		}
		if (page_store__memory(s) > 64 * n)
			fail_msg("%llu bytes for %llu pages",
				 (unsigned long long)page_store__memory(s), (unsigned long long)n);
	}
	page_store__free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_low_halves),
		cmocka_unit_test(memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
