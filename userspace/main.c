/* SPDX-License-Identifier: MIT */
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc < 2)
		return cmd_help.run(0, argv), EXIT_TROUBLE;
	for (const struct cmd *c = commands; c->name; c++)
		if (!strcmp(c->name, argv[1]))
			return c->run(argc - 1, argv + 1);
	fprintf(stderr, "bprec: unknown command '%s'; try 'bprec help'\n", argv[1]);
	return EXIT_TROUBLE;
}
