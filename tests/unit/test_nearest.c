/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/nearest.h"

static void test_distance(void **state)
{
	(void)state;
	assert_int_equal(nearest__distance("", ""), 0);
	assert_int_equal(nearest__distance("check", "check"), 0);
	assert_int_equal(nearest__distance("check", ""), 5);
	assert_int_equal(nearest__distance("", "ps"), 2);
	assert_int_equal(nearest__distance("chek", "check"), 1);
	assert_int_equal(nearest__distance("checkk", "check"), 1);
	assert_int_equal(nearest__distance("chock", "check"), 1);
	assert_int_equal(nearest__distance("cehck", "check"), 1);
	assert_int_equal(nearest__distance("kitten", "sitting"), 3);
}

static void test_long_words(void **state)
{
	char a[200], b[200];

	(void)state;
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	a[199] = b[199] = '\0';
	assert_int_equal(nearest__distance(a, b), 63);
	assert_int_equal(nearest__distance(a, "b"), 63);
}

static void test_limit(void **state)
{
	(void)state;
	assert_int_equal(nearest__limit(""), 1);
	assert_int_equal(nearest__limit("ps"), 1);
	assert_int_equal(nearest__limit("record"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
