/* SPDX-License-Identifier: MIT */
/* help.c: `bprec help`, and what --help prints. All of it comes from the tables, so that it can't be wrong about them. */
#include "cmd/cmd.h"

#include <string.h>

#include "util/nearest.h"

static const struct cmd_option help_options[] = {
	{ "list", 0, NULL, "print the names of the commands, one a line" },
	{ NULL, 0, NULL, NULL },
};

const struct cmd *cmd__find(const char *name)
{
	for (const struct cmd *const *c = commands; *c; c++)
		if (!strcmp((*c)->name, name))
			return *c;
	return NULL;
}

int cmd__unknown(const char *name)
{
	const struct cmd *best = NULL;
	unsigned int least = nearest__limit(name) + 1;

	for (const struct cmd *const *c = commands; *c; c++) {
		unsigned int d = nearest__distance(name, (*c)->name);

		if (d < least) {
			least = d;
			best = *c;
		}
	}
	fprintf(stderr, "bprec: unknown %s '%s'", name[0] == '-' ? "option" : "command", name);
	if (best)
		fprintf(stderr, " (did you mean '%s'?)", best->name);
	fprintf(stderr, "; see 'bprec help'\n");
	return EXIT_TROUBLE;
}

void cmd__overview(FILE *to)
{
	fprintf(to,
		"Usage: bprec COMMAND [OPTION...] [ARG...]\n\n"
		"Records a process tree and notices when anything outside it changes the files\n"
		"that it has mapped.\n\nCommands:\n");
	for (const struct cmd *const *c = commands; *c; c++)
		fprintf(to, "  %-8s %s\n", (*c)->name, (*c)->summary);
	fprintf(to, "\n'bprec help COMMAND' or 'bprec COMMAND --help' tells its options,\n"
		    "'bprec --version' the version.\n");
}

/** One line about one option. */
static void print_option(const struct cmd_option *o)
{
	char left[64];

	snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter ? '-' : ' ',
		 o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name, o->arg ? "=" : "",
		 o->arg ? o->arg : "");
	printf("  %-27s %s\n", left, o->help);
}

void cmd__help(const struct cmd *c)
{
	printf("Usage: bprec %s [OPTION...]%s%s\n\n%s\n\nOptions:\n", c->name,
	       c->args && *c->args ? " " : "", c->args ? c->args : "", c->summary);
	for (const struct cmd_option *o = c->options; o && o->name; o++)
		print_option(o);
	print_option(&cmd_help_option);
	printf("\nMore in bprec-%s(1).\n", c->name);
}

static void print_names(void)
{
	for (const struct cmd *const *c = commands; *c; c++)
		puts((*c)->name);
}

static int run(int argc, char **argv)
{
	struct cmd_parse p = { .argc = argc, .argv = argv, .at = 1 };
	int err;

	if (cmd__next(&cmd_help, &p, &err)) {
		print_names();
		return EXIT_OK;
	}
	if (err)
		return err;
	if (p.at == argc) {
		cmd__overview(stdout);
		return EXIT_OK;
	}
	if (p.at + 1 < argc)
		return cmd__usage_error(&cmd_help, "one command at a time, not '%s'",
					argv[p.at + 1]);
	const struct cmd *c = cmd__find(argv[p.at]);

	if (!c)
		return cmd__unknown(argv[p.at]);
	cmd__help(c);
	return EXIT_OK;
}

const struct cmd cmd_help = { "help",	    "[COMMAND]", "show the commands, or the options of one",
			      help_options, run,	 EXIT_TROUBLE };
