// SPDX-License-Identifier: MIT
/* test_show_text.c: strings from a trace, made safe for terminals and JSON; tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "show/json.h"
#include "show/table.h"
#include "show/term.h"

static void escapes(const char *in, const char *expected)
{
	char *out = term__escape(in);

	assert_string_equal(out, expected);
	free(out);
}

static void escape(void **state)
{
	(void)state;
	escapes("", "");
	escapes("/plain path", "/plain path");
	escapes("a\nb\tc\rd", "a\\nb\\tc\\rd");
	escapes("\x1b[2J\x7f\x01", "\\x1b[2J\\x7f\\x01");
	escapes("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
		"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
	escapes("\xc2\x9b"
		"1m",
		"\\u{9b}1m"); /* C1: one-byte CSI */
	escapes("\xe2\x80\xae"
		"abc",
		"\\u{202e}abc");
	escapes("\xff\xc3", "\\xff\\xc3");
	escapes("\xc0\xaf", "\\xc0\\xaf");		     /* overlong / */
	escapes("\xed\xa0\x80", "\\xed\\xa0\\x80");	     /* a surrogate */
	escapes("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond Unicode */
	escapes("\xe2\x82", "\\xe2\\x82");		     /* cut */
}

static void escape_bytes(void **state)
{
	char *out;

	(void)state;
	out = term__escape_bytes("a\0b", 3, 10);
	assert_string_equal(out, "a\\x00b");
	free(out);
	out = term__escape_bytes("abcdef", 6, 3);
	assert_string_equal(out, "abc...");
	free(out);
	/* every byte, alone and in pairs: nothing unsafe comes through, nothing overruns */
	for (unsigned int i = 0; i < 65536; i++) {
		char in[2] = { (char)(i >> 8), (char)i };

		out = term__escape_bytes(in, 2, 2);
		for (const char *c = out; *c; c++)
			assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
		free(out);
	}
}

static void json_strings(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "\"plain\"" },	{ "\x1b[m\n", "\"\\u001B[m\\n\"" },
		{ "\xff", "\"\xef\xbf\xbd\"" }, { "a\xc3", "\"a\xef\xbf\xbd\"" },
		{ "\xc3\xbc", "\"\xc3\xbc\"" }, { "q\"\\", "\"q\\\"\\\\\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *v = json__text(cases[i].in);
		char *out = json_dumps(v, JSON_ENCODE_ANY);

		assert_string_equal(out, cases[i].out);
		free(out);
		json_decref(v);
	}
	json_t *v = json__u64(UINT64_MAX);
	assert_true(json_is_null(v));
	json_decref(v);
	v = json__u64(INT64_MAX);
	assert_true(json_integer_value(v) == INT64_MAX);
	json_decref(v);
}

static void tables(void **state)
{
	struct table t = { .ncolumns = 3, .right = 2 };
	char *text = NULL;
	size_t len;
	struct show_opts o = { open_memstream(&text, &len), false, false };

	(void)state;
	table__head(&t, "name", "n", "rest", NULL);
	table__cell(&t, TERM_BAD, "%s", "\xc3\xbc\n");
	table__cell(&t, TERM_PLAIN, "%d", 12345);
	table__cell(&t, TERM_PLAIN, "%s", "");
	table__print(&t, &o, 1);
	o.colour = true;
	table__print(&t, &o, 0);
	table__free(&t);
	fclose(o.out);
	assert_string_equal(text, " name      n  rest\n"
				  " \xc3\xbc\\n   12345\n"
				  "\033[1mname\033[0m      \033[1mn\033[0m  \033[1mrest\033[0m\n"
				  "\033[1;31m\xc3\xbc\\n\033[0m   12345\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escape),
		cmocka_unit_test(escape_bytes),
		cmocka_unit_test(json_strings),
		cmocka_unit_test(tables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
