/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/cmd.h"

static const struct cmd_option options[] = {
	{ "json", 0, NULL, "" },      { "output", 'o', "DIR", "" }, { "quiet", 'q', NULL, "" },
	{ "verbose", 'v', NULL, "" }, { "user", 0, "NAME", "" },    { NULL, 0, NULL, NULL },
};
static const struct cmd reads = { "reads", "[TRACE]", "", options, NULL, EXIT_TROUBLE };
static const struct cmd runs = { "runs", "-- COMMAND [ARG...]", "", options, NULL, EXIT_BPREC };

/** What a parse gave: options as "name=value " in order, then "| " and the operands. */
struct result {
	char text[256];
	int err;
};

/** Parses words (the last is NULL). Standard error goes nowhere. */
static struct result parse(const struct cmd *c, char **words)
{
	struct result r = { "", 0 };
	struct cmd_parse p = { .argc = 0, .argv = words, .at = 1 };
	const struct cmd_option *o;

	while (words[p.argc])
		p.argc++;
	while ((o = cmd__next(c, &p, &r.err))) {
		strcat(strcat(r.text, o->name), "=");
		strcat(strcat(r.text, p.value ? p.value : ""), " ");
	}
	strcat(r.text, "|");
	for (int i = p.at; !r.err && i < p.argc; i++)
		strcat(strcat(r.text, " "), words[i]);
	return r;
}

#define PARSE(c, ...) parse(&(c), (char *[]){ "name", ##__VA_ARGS__, NULL })
#define GIVES(c, want, ...)                                 \
	do {                                                \
		struct result r_ = PARSE(c, ##__VA_ARGS__); \
		assert_string_equal(r_.text, want);         \
		assert_int_equal(r_.err, 0);                \
	} while (0)

static void test_forms(void **state)
{
	(void)state;
	GIVES(reads, "|");
	GIVES(reads, "json= |", "--json");
	GIVES(reads, "output=d |", "--output=d");
	GIVES(reads, "output=d |", "--output", "d");
	GIVES(reads, "output= |", "--output=");
	GIVES(reads, "output=d |", "-o", "d");
	GIVES(reads, "output=d |", "-od");
	GIVES(reads, "output=--json |", "-o", "--json");
	GIVES(reads, "quiet= verbose= |", "-qv");
	GIVES(reads, "quiet= output=vd |", "-qovd");
	GIVES(reads, "quiet= output=d verbose= |", "-qo", "d", "-v");
}

static void test_operands(void **state)
{
	(void)state;
	GIVES(reads, "| t", "t");
	GIVES(reads, "| -", "-");
	GIVES(reads, "json= | t", "t", "--json");
	GIVES(reads, "json= output=d quiet= | a b c", "a", "--json", "b", "-o", "d", "c", "-q");
	GIVES(reads, "json= | a --output", "--json", "--", "a", "--output");
	GIVES(reads, "json= | a b -q", "a", "--json", "b", "--", "-q");
	GIVES(reads, "|", "--");
	GIVES(reads, "| --", "--", "--");
}

static void test_command_follows(void **state)
{
	(void)state;
	GIVES(runs, "| ls -q", "ls", "-q");
	GIVES(runs, "quiet= | ls -q --json", "-q", "ls", "-q", "--json");
	GIVES(runs, "quiet= | ls -q", "-q", "--", "ls", "-q");
	GIVES(runs, "| -q", "--", "-q");
	GIVES(runs, "output=ls |", "-o", "ls");
}

static void test_errors(void **state)
{
	struct result r;

	(void)state;
	r = PARSE(reads, "--jsn");
	assert_int_equal(r.err, EXIT_TROUBLE);
	r = PARSE(runs, "--jsn", "--", "ls");
	assert_int_equal(r.err, EXIT_BPREC);
	r = PARSE(reads, "-q", "--json=yes");
	assert_int_equal(r.err, EXIT_TROUBLE);
	assert_string_equal(r.text, "quiet= |");
	assert_int_equal(PARSE(reads, "--output").err, EXIT_TROUBLE);
	assert_int_equal(PARSE(reads, "-o").err, EXIT_TROUBLE);
	assert_int_equal(PARSE(reads, "-x").err, EXIT_TROUBLE);
	assert_int_equal(PARSE(reads, "-qx").err, EXIT_TROUBLE);
	assert_int_equal(PARSE(reads, "--json-").err, EXIT_TROUBLE);
	assert_int_equal(PARSE(reads, "--=x").err, EXIT_TROUBLE);
	assert_int_equal(PARSE(reads, "---").err, EXIT_TROUBLE);
}

#define WANTS(c, ...)                                                                       \
	cmd__wants_help(&(c), sizeof((char *[]){ "name", ##__VA_ARGS__ }) / sizeof(char *), \
			(char *[]){ "name", ##__VA_ARGS__, NULL })

static void test_wants_help(void **state)
{
	(void)state;
	assert_true(WANTS(reads, "--help"));
	assert_true(WANTS(reads, "-h"));
	assert_true(WANTS(reads, "-qh"));
	assert_true(WANTS(reads, "t", "--help"));
	assert_true(WANTS(runs, "-q", "--help", "--", "ls"));
	assert_false(WANTS(reads, "--", "--help"));
	assert_false(WANTS(reads, "--output", "--help"));
	assert_false(WANTS(runs, "ls", "--help"));
	assert_false(WANTS(runs, "--", "ls", "--help"));
	assert_false(WANTS(runs, "-o", "-h", "ls"));
	assert_false(WANTS(reads));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),		cmocka_unit_test(test_operands),
		cmocka_unit_test(test_command_follows), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_wants_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
