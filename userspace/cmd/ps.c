// SPDX-License-Identifier: MIT
/* ps.c: `bprec ps`: the processes of a trace. */
#include "cmd/trace.h"

#include "show/ps.h"

static const struct cmd_option options[] = {
	{ "json", 0, NULL, "print a JSON array" },
	{ NULL, 0, NULL, NULL },
};

static int run(int argc, char **argv)
{
	struct cmd_parse p = { .argc = argc, .argv = argv, .at = 1 };
	struct reader *r = NULL;
	bool json = false;
	int err;

	while (cmd__next(&cmd_ps, &p, &err))
		json = true;
	if (err)
		return err;
	if (argc - p.at > 1)
		return cmd__usage_error(&cmd_ps, "one trace at a time, not '%s'", argv[p.at + 1]);
	struct show_opts o = { stdout, !json && term__wants_colour(stdout), false };

	err = cmd__open_trace(p.at < argc ? argv[p.at] : NULL, &r);
	if (!err)
		err = show__ps(r, &o, json);
	reader__free(r);
	return err ? cmd__trouble() : EXIT_OK;
}

const struct cmd cmd_ps = {
	"ps", "[TRACE]", "list the processes of a trace", options, run, EXIT_TROUBLE,
};
