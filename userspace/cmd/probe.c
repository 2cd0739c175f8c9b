/* SPDX-License-Identifier: MIT */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kern/kern.h"
#include "probe/probe.h"
#include "show/probe.h"
#include "util/err.h"

static const struct cmd_option probe_options[] = {
	{ "json", 0, NULL, "print JSON instead of text" },
	{ "disable-hook", 0, "HOOK", "leave out one kernel hook (for tests)" },
	{ NULL, 0, NULL, NULL },
};

/** What the options say. */
struct probe_args {
	bool json;
	struct probe_opts opts;
};

/* Reads the options. 0, or the exit code of a usage error. */
static int read_options(int argc, char **argv, struct probe_args *ret)
{
	struct cmd_parse p = { .argc = argc, .argv = argv, .at = 1 };
	const struct cmd_option *o;
	int code = 0;

	while ((o = cmd__next(&cmd_probe, &p, &code)))
		if (!strcmp(o->name, "json"))
			ret->json = true;
		else
			ret->opts.disable = p.value;
	if (code)
		return code;
	if (ret->opts.disable && !kern__has_hook(ret->opts.disable))
		return cmd__usage_error(&cmd_probe, "there is no hook '%s'", ret->opts.disable);
	if (p.at < argc)
		return cmd__usage_error(&cmd_probe, "unexpected word '%s'", argv[p.at]);
	return 0;
}

/* Colour for a terminal that can show it (no-color.org: NO_COLOR set and not empty turns it off). */
static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

static int run(int argc, char **argv)
{
	struct probe_args a = { 0 };
	struct probe_report *r;
	int code = read_options(argc, argv, &a);

	if (code)
		return code;
	if (probe__run(&a.opts, &r)) {
		fprintf(stderr, "bprec: %s\n", err__text());
		return EXIT_TROUBLE;
	}
	code = show__probe_complete(r) ? EXIT_OK : EXIT_NEGATIVE;
	if (!a.json) {
		show__probe_text(stdout, r, wants_colour());
	} else if (show__probe_json(stdout, r)) {
		fprintf(stderr, "bprec: probe: no memory for the JSON\n");
		code = EXIT_TROUBLE;
	}
	probe__free(r);
	return code;
}

const struct cmd cmd_probe = {
	.name = "probe",
	.args = "",
	.summary = "show what this kernel lets bprec see, channel by channel",
	.options = probe_options,
	.run = run,
	.usage_exit = EXIT_TROUBLE,
};
