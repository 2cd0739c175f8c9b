// SPDX-License-Identifier: MIT
/* dump.c: `bprec dump`: what is in a trace. */
#include "cmd/trace.h"

#include <stdlib.h>
#include <string.h>

#include "show/dump.h"
#include "show/sink.h"

/** Options that say what is dumped come first, in the order of enum dump_what. */
static const struct cmd_option options[] = {
	{ "events", 0, NULL, "every event (the default)" },
	{ "maps", 0, NULL, "what each process had mapped when it ended" },
	{ "pages", 0, NULL, "mapped objects, and the pages they hold at the end" },
	{ "changes", 0, NULL, "events about outside changes" },
	{ "page", 0, "ID", "the 4096 bytes of one stored page" },
	{ "object", 0, "ID", "the contents of one mapped object" },
	{ "path", 0, "PATH", "the contents of the mapped object with this path" },
	{ "at", 0, "EVENT", "as things were after this event" },
	{ "json", 0, NULL, "print JSON lines" },
	{ "verbose", 'v', NULL, "don't shorten buffers and lists" },
	{ NULL, 0, NULL, NULL },
};
/** Where the options are in the table. */
enum { OPT_CHANGES = 3, OPT_PAGE, OPT_OBJECT, OPT_PATH, OPT_AT, OPT_JSON, OPT_VERBOSE };

/** What the command line asks for. */
struct wish {
	struct dump_opts d;
	bool json, verbose;
};

/** Reads a number of at most `most`. Returns 0 or the exit code of a usage error. */
static int number(const struct cmd_option *o, const char *text, uint64_t most, uint64_t *ret)
{
	char *end;

	/* strtoull(3) takes signs and blanks, which are no numbers here */
	uint64_t v = *text >= '0' && *text <= '9' ? strtoull(text, &end, 0) : 0;
	if (*text < '0' || *text > '9' || *end || v > most)
		return cmd__usage_error(&cmd_dump, "--%s needs a number, not '%s'", o->name, text);
	*ret = v;
	return 0;
}

/** Notes what is to be dumped; only one thing at a time. */
static int choose(struct wish *w, enum dump_what what, const struct cmd_option *o)
{
	if (w->d.what && w->d.what != what)
		return cmd__usage_error(&cmd_dump, "one thing at a time, not --%s too", o->name);
	w->d.what = what;
	return 0;
}

/** Takes one option. Returns 0 or the exit code of a usage error. */
static int take(struct wish *w, const struct cmd_option *o, const char *value)
{
	uint64_t v = 0;
	int err;

	switch (o - options) {
	case OPT_PAGE:
		err = choose(w, DUMP_PAGE, o);
		return err ? err : number(o, value, BPREC_PAGE_LOST - 1, &w->d.page);
	case OPT_OBJECT:
		err = choose(w, DUMP_OBJECT, o);
		if (!err)
			err = number(o, value, UINT32_MAX, &v);
		w->d.object = (uint32_t)v;
		return err || v ? err : cmd__usage_error(&cmd_dump, "there is no object 0");
	case OPT_PATH:
		w->d.path = value;
		return choose(w, DUMP_OBJECT, o);
	case OPT_AT:
		return number(o, value, UINT64_MAX - 1, &w->d.at);
	case OPT_JSON:
		w->json = true;
		return 0;
	case OPT_VERBOSE:
		w->verbose = true;
		return 0;
	default:
		return choose(w, (enum dump_what)(o - options + DUMP_EVENTS), o);
	}
}

static int run(int argc, char **argv)
{
	struct cmd_parse p = { .argc = argc, .argv = argv, .at = 1 };
	struct wish w = { .d = { .at = UINT64_MAX } };
	const struct cmd_option *opt;
	struct reader *r = NULL;
	int err;

	while ((opt = cmd__next(&cmd_dump, &p, &err))) {
		err = take(&w, opt, p.value);
		if (err)
			return err;
	}
	if (err)
		return err;
	if (argc - p.at > 1)
		return cmd__usage_error(&cmd_dump, "one trace at a time, not '%s'", argv[p.at + 1]);
	if (!w.d.what)
		w.d.what = DUMP_EVENTS;
	struct show_opts o = { stdout, !w.json && term__wants_colour(stdout), w.verbose || w.json };
	struct sink s = w.json ? sink__json(&o) : sink__text(&o);

	err = cmd__open_trace(p.at < argc ? argv[p.at] : NULL, &r);
	if (!err)
		err = show__dump(r, &w.d, &s);
	reader__free(r);
	return err ? cmd__trouble() : EXIT_OK;
}

const struct cmd cmd_dump = {
	"dump", "[TRACE]", "print what is in a trace", options, run, EXIT_TROUBLE,
};
