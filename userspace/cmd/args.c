/* SPDX-License-Identifier: MIT */
/*
 * args.c: options of a command, as getopt_long(3) would read them: --name=VALUE, --name VALUE, -x VALUE, -xVALUE,
 * -xyz, and "--" as the end of options.
 *
 * Words are taken one at a time and in order. For commands whose options may follow operands, operands that are
 * passed over stay just before `at`, in their order, and each word taken is moved in front of them; so when the
 * options are over, all operands are together, and `at` is set back to the first.
 */
#include "cmd/cmd.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "util/nearest.h"

const struct cmd_option cmd_help_option = { "help", 'h', NULL, "show this help" };

/** What is wrong with a word, and the option that was perhaps meant. */
struct problem {
	char text[300];		       /* "": nothing is wrong */
	const struct cmd_option *near; /* NULL: no idea */
};

/** Takes the word at `at`: moves it in front of the operands passed over. */
static char *take(struct cmd_parse *p)
{
	char **to = p->argv + p->at - p->skipped;
	char *word = p->argv[p->at++];

	memmove(to + 1, to, p->skipped * sizeof(*to));
	*to = word;
	return word;
}

/** Sets back to the first operand: options are over. */
static const struct cmd_option *finish(struct cmd_parse *p)
{
	p->at -= p->skipped;
	p->skipped = 0;
	return NULL;
}

/** Notes what is wrong (printf format). Returns NULL. */
__attribute__((format(printf, 2, 3))) static const struct cmd_option *fail(struct problem *bad,
									   const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(bad->text, sizeof(bad->text), format, ap);
	va_end(ap);
	return NULL;
}

/** The option with this long name. */
static const struct cmd_option *find_name(const struct cmd *c, const char *name, size_t len)
{
	for (const struct cmd_option *o = c->options; o && o->name; o++)
		if (strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
	if (len == strlen(cmd_help_option.name) && !memcmp(cmd_help_option.name, name, len))
		return &cmd_help_option;
	return NULL;
}

/** The option with this letter. */
static const struct cmd_option *find_letter(const struct cmd *c, char letter)
{
	for (const struct cmd_option *o = c->options; o && o->name; o++)
		if (o->letter == letter)
			return o;
	return letter == cmd_help_option.letter ? &cmd_help_option : NULL;
}

/** The option whose name is most like this one, NULL if none is. */
static const struct cmd_option *find_near(const struct cmd *c, const char *word, int len)
{
	const struct cmd_option *best = NULL;
	char name[64];

	snprintf(name, sizeof(name), "%.*s", len, word);
	unsigned int least = nearest__limit(name) + 1;

	for (const struct cmd_option *o = c->options; o && o->name; o++) {
		unsigned int d = nearest__distance(name, o->name);

		if (d < least) {
			least = d;
			best = o;
		}
	}
	return best;
}

/** Treats --name, --name=VALUE, --name VALUE; `word` is behind the dashes. */
static const struct cmd_option *next_long(const struct cmd *c, struct cmd_parse *p,
					  const char *word, struct problem *bad)
{
	int len = strcspn(word, "=");
	const struct cmd_option *o = find_name(c, word, len);

	if (!o) {
		bad->near = find_near(c, word, len);
		return fail(bad, "unknown option '--%.*s'", len, word);
	}
	if (!o->arg && word[len])
		return fail(bad, "option '--%.*s' takes no value", len, word);
	if (o->arg && word[len])
		p->value = word + len + 1;
	else if (o->arg && p->at < p->argc)
		p->value = take(p);
	else if (o->arg)
		return fail(bad, "option '--%s' needs a value", word);
	return o;
}

/** Treats the next letter of a word like -xyz or -xVALUE. */
static const struct cmd_option *next_letter(const struct cmd *c, struct cmd_parse *p,
					    struct problem *bad)
{
	const char *letter = p->rest++;
	const struct cmd_option *o = find_letter(c, *letter);

	if (!*p->rest)
		p->rest = NULL;
	if (!o)
		return fail(bad, "unknown option '-%c'", *letter);
	if (!o->arg)
		return o;
	if (p->rest)
		p->value = p->rest;
	else if (p->at < p->argc)
		p->value = take(p);
	else
		return fail(bad, "option '-%c' needs a value", *letter);
	p->rest = NULL;
	return o;
}

/** cmd__next without words: *bad says what is wrong. */
static const struct cmd_option *next_option(const struct cmd *c, struct cmd_parse *p,
					    struct problem *bad)
{
	bool stop_at_operand = c->args && !strncmp(c->args, "-- ", 3);

	p->value = NULL;
	if (p->rest)
		return next_letter(c, p, bad);
	for (; p->at < p->argc; p->at++, p->skipped++) {
		const char *word = p->argv[p->at];

		if (word[0] == '-' && word[1])
			break;
		if (stop_at_operand)
			return finish(p);
	}
	if (p->at >= p->argc)
		return finish(p);
	const char *word = take(p);

	if (!strcmp(word, "--"))
		return finish(p);
	if (word[1] == '-')
		return next_long(c, p, word + 2, bad);
	p->rest = word + 1;
	return next_letter(c, p, bad);
}

const struct cmd_option *cmd__next(const struct cmd *c, struct cmd_parse *p, int *ret_err)
{
	struct problem bad = { "", NULL };
	const struct cmd_option *o = next_option(c, p, &bad);

	*ret_err = 0;
	if (!bad.text[0])
		return o;
	if (bad.near)
		*ret_err =
			cmd__usage_error(c, "%s (did you mean '--%s'?)", bad.text, bad.near->name);
	else
		*ret_err = cmd__usage_error(c, "%s", bad.text);
	return NULL;
}

bool cmd__wants_help(const struct cmd *c, int argc, char *const *argv)
{
	struct problem bad = { "", NULL };
	char **copy = calloc(argc + 1, sizeof(*copy));
	struct cmd_parse p = { .argc = argc, .argv = copy, .at = 1 };
	const struct cmd_option *o = NULL;

	if (!copy)
		return false;
	memcpy(copy, argv, argc * sizeof(*copy));
	do
		o = next_option(c, &p, &bad);
	while (o && o != &cmd_help_option);
	free(copy);
	return o == &cmd_help_option;
}

int cmd__usage_error(const struct cmd *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "bprec: %s: ", c->name);
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "; see 'bprec help %s'\n", c->name);
	va_end(ap);
	return c->usage_exit;
}
