/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

/** What the command printed must have arrived: a full disk is no success. */
static int finish(const struct cmd *c, int code)
{
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	fprintf(stderr, "bprec: %s: can't write to the standard output: %m\n", c->name);
	return c->usage_exit;
}

static int run_command(int argc, char **argv)
{
	const struct cmd *c = cmd__find(argv[0]);

	if (!c)
		return cmd__unknown(argv[0]);
	if (!cmd__wants_help(c, argc, argv))
		return finish(c, c->run(argc, argv));
	cmd__help(c);
	return finish(c, EXIT_OK);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		cmd__overview(stderr);
		return EXIT_TROUBLE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("bprec " BPREC_VERSION);
		return finish(&cmd_help, EXIT_OK);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		argv[1] = "help";
	return run_command(argc - 1, argv + 1);
}
