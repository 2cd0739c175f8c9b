/* SPDX-License-Identifier: MIT */
/* Sets of ranges against sets of bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/ranges.h"

#define SPACE 64

/** A random set in both forms. */
static void fill(struct ranges *s, uint8_t *bits, unsigned int n)
{
	memset(bits, 0, SPACE);
	for (unsigned int i = 0; i < n; i++) {
		const uint64_t first = rand() % SPACE, len = rand() % 9;
		const uint64_t end = first + len < SPACE ? first + len : SPACE;

		assert_int_equal(ranges__add(s, first, end), 0);
		for (uint64_t k = first; k < end; k++)
			bits[k] = 1;
	}
	ranges__settle(s);
}

/** In order, apart, and the same as the bits. */
static void expect_bits(const struct ranges *s, const uint8_t *bits)
{
	uint64_t count = 0;

	for (size_t i = 0; i < s->n; i++) {
		assert_true(s->v[i].first < s->v[i].end);
		if (i)
			assert_true(s->v[i].first > s->v[i - 1].end);
	}
	for (uint64_t k = 0; k < SPACE; k++) {
		assert_int_equal(ranges__has(s, k), bits[k]);
		count += bits[k];
	}
	assert_false(ranges__has(s, SPACE));
	assert_int_equal(ranges__count(s), count);
}

static void sets_of_ranges_are_sets(void **state)
{
	(void)state;
	srand(1);
	for (int round = 0; round < 3000; round++) {
		struct ranges a = { 0 }, b = { 0 }, both = { 0 }, without = { 0 };
		uint8_t x[SPACE], y[SPACE], want[SPACE];

		fill(&a, x, rand() % 12);
		fill(&b, y, rand() % 12);
		expect_bits(&a, x);
		assert_int_equal(ranges__both(&a, &b, &both), 0);
		for (int k = 0; k < SPACE; k++)
			want[k] = x[k] && y[k];
		expect_bits(&both, want);
		assert_int_equal(ranges__without(&a, &b, &without), 0);
		for (int k = 0; k < SPACE; k++)
			want[k] = x[k] && !y[k];
		expect_bits(&without, want);
		assert_int_equal(ranges__add_all(&a, &b), 0);
		ranges__settle(&a);
		for (int k = 0; k < SPACE; k++)
			want[k] = x[k] || y[k];
		expect_bits(&a, want);
		ranges__free(&a);
		ranges__free(&b);
		ranges__free(&both);
		ranges__free(&without);
	}
}

static void ends_of_the_numbers(void **state)
{
	struct ranges s = { 0 };

	(void)state;
	assert_int_equal(ranges__add(&s, UINT64_MAX - 1, UINT64_MAX), 0);
	assert_int_equal(ranges__add(&s, 7, 7), 0);
	assert_int_equal(ranges__add(&s, 8, 7), 0);
	assert_int_equal(ranges__add(&s, 0, 1), 0);
	ranges__settle(&s);
	assert_int_equal(s.n, 2);
	assert_true(ranges__has(&s, 0) && ranges__has(&s, UINT64_MAX - 1));
	assert_false(ranges__has(&s, 1) || ranges__has(&s, UINT64_MAX));
	ranges__free(&s);
	assert_false(ranges__has(&s, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_of_ranges_are_sets),
		cmocka_unit_test(ends_of_the_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
