// SPDX-License-Identifier: MIT
#include "cmd/trace.h"

#include <limits.h>
#include <stdlib.h>

#include "show/term.h"
#include "util/err.h"

int cmd__open_trace(const char *operand, struct reader **ret_reader)
{
	char path[PATH_MAX];
	int err = cmd__trace_path(operand, path, sizeof(path));

	if (err)
		return err;
	err = reader__open(ret_reader, path);
	return err ? err__set(err, "%s", reader__error(NULL)) : 0;
}

int cmd__trouble(void)
{
	char *line = term__escape(err__text());

	fflush(stdout);
	fprintf(stderr, "bprec: %s\n", line ? line : "out of memory");
	free(line);
	return EXIT_TROUBLE;
}
