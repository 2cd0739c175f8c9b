// SPDX-License-Identifier: MIT
/* check.c: `bprec check`: the verdict on a trace. */
#include "cmd/trace.h"

#include <stdio.h>

#include "check/check.h"
#include "show/check.h"
#include "util/err.h"

static const struct cmd_option options[] = {
	{ "json", 0, NULL, "print JSON" },
	{ "allow-uncertain", 0, NULL, "exit 0 for the verdict uncertain, too" },
	{ "verbose", 'v', NULL, "show whole lists, the kernel hooks, and notes" },
	{ NULL, 0, NULL, NULL },
};

/** What the command line asks for. */
struct wish {
	bool json, allow_uncertain, verbose;
	const char *trace; /* NULL: the latest */
};

static int parse(int argc, char **argv, struct wish *w)
{
	struct cmd_parse p = { .argc = argc, .argv = argv, .at = 1 };
	const struct cmd_option *o;
	int err;

	while ((o = cmd__next(&cmd_check, &p, &err))) {
		if (o == &options[0])
			w->json = true;
		else if (o == &options[1])
			w->allow_uncertain = true;
		else if (o == &options[2])
			w->verbose = true;
	}
	if (err)
		return err;
	if (argc - p.at > 1)
		return cmd__usage_error(&cmd_check, "one trace at a time, not '%s'",
					argv[p.at + 1]);
	w->trace = p.at < argc ? argv[p.at] : NULL;
	return 0;
}

/** Reads and judges a trace. 0 or negative with err__text. */
static int judge(const char *operand, struct check_report **ret)
{
	struct reader *r = NULL;
	int err = cmd__open_trace(operand, &r);

	if (err)
		return err;
	err = check__run(r, NULL, ret);
	reader__free(r);
	return err;
}

static int exit_code(const struct wish *w, enum verdict v)
{
	if (v == VERDICT_CLEAN || v == VERDICT_RESNAPSHOTTED)
		return EXIT_OK;
	return v == VERDICT_UNCERTAIN && w->allow_uncertain ? EXIT_OK : EXIT_NEGATIVE;
}

static int run(int argc, char **argv)
{
	struct wish w = { 0 };
	struct check_report *rep = NULL;
	int err = parse(argc, argv, &w);

	if (err)
		return err;
	if (judge(w.trace, &rep))
		return cmd__trouble();
	struct show_opts o = { stdout, !w.json && term__wants_colour(stdout), w.verbose };
	err = w.json ? show__check_json(&o, rep) : show__check_text(&o, rep);
	int code = exit_code(&w, rep->verdict);
	check_report__free(rep);
	if (err) {
		err__set(err, "out of memory");
		return cmd__trouble();
	}
	return code;
}

const struct cmd cmd_check = {
	"check", "[TRACE]", "give the verdict on a trace, and the evidence",
	options, run,	    EXIT_TROUBLE,
};
