/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/err.h"
#include "util/names.h"

static void test_err_keeps_code_and_text(void **state)
{
	(void)state;
	err__clear();
	assert_string_equal(err__text(), "");
	assert_int_equal(err__set(-EINVAL, "page %d of %s", 3, "x"), -EINVAL);
	assert_string_equal(err__text(), "page 3 of x");
	err__set(0, "%s", "");
	assert_string_equal(err__text(), "");
}

static void test_err_cuts_long_text(void **state)
{
	char text[2 * ERR_TEXT_MAX];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	err__set(-EIO, "%s", text);
	assert_int_equal(strlen(err__text()), ERR_TEXT_MAX - 1);
}

static void *other_thread(void *arg)
{
	err__set(-EIO, "theirs");
	return arg;
}

static void test_err_belongs_to_thread(void **state)
{
	pthread_t t;

	(void)state;
	err__set(-EIO, "ours");
	assert_int_equal(pthread_create(&t, NULL, other_thread, NULL), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_string_equal(err__text(), "ours");
}

/** One list of names: each number has one text, and each text one number. */
static void check_names(const char *(*name)(unsigned int), const unsigned int *numbers,
			const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(name(numbers[i]), texts[i]);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(texts[i], texts[j]);
	}
	assert_string_equal(name(100000), "?");
}

#define NUMBER(id, n, text) n,
#define TEXT(id, n, text)   text,
#define CHECK(fn, list)                                                          \
	do {                                                                     \
		static const unsigned int numbers[] = { list(NUMBER) };          \
		static const char *const texts[] = { list(TEXT) };               \
		check_names(fn, numbers, texts, sizeof(texts) / sizeof(*texts)); \
	} while (0)

static void test_names(void **state)
{
	(void)state;
	CHECK(channel_name, BPREC_CHANNELS);
	CHECK(outcome_name, BPREC_OUTCOMES);
	CHECK(verdict_name, BPREC_VERDICTS);
	CHECK(exposure_name, BPREC_EXPOSURES);
	CHECK(hook_state_name, BPREC_HOOK_STATES);
	CHECK(loss_name, BPREC_LOSSES);
	CHECK(gap_name, BPREC_GAPS);
	CHECK(event_name, BPREC_EVENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_err_keeps_code_and_text),
		cmocka_unit_test(test_err_cuts_long_text),
		cmocka_unit_test(test_err_belongs_to_thread),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
