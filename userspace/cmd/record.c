/* SPDX-License-Identifier: MIT */
/*
 * record.c: `bprec record`: records a command, then asks check for the verdict so far.
 *
 * The exit status is the command's, so that bprec can stand before it in any script; 125 to 127 are bprec's own (CLI.md).
 * Nothing is printed while the command runs but one warning if it isn't observed; the trace is named at the end.
 */
#include <string.h>

#include "cmd/capture.h"
#include "cmd/cmd.h"
#include "record/record.h"

static const struct cmd_option options[] = {
	{ "output", 'o', "DIR", "trace directory; it must not exist or be empty" },
	{ "quiet", 'q', NULL, "say nothing at the end" },
	{ "require-observation", 0, NULL, "fail if the kernel can't be observed" },
	{ "checksum", 0, "HOW", "none, sparse (default) or all: hashes of memory for replay" },
	{ "user", 'u', "NAME", "load BPF, then become this user to record and run the command" },
	CAPTURE_OPTIONS,
	{ "disable-hook", 0, "HOOK", "leave out one kernel hook (for tests)" },
	{ "no-call-log", 0, NULL, "stop at every call, log none in the program (for tests)" },
	{ "no-tsc-fault", 0, NULL, "don't make rdtsc fault, patch it only (for tests)" },
	{ NULL, 0, NULL, NULL },
};

static int parse_checksum(const char *word, enum record_checksum *ret)
{
	static const char *const words[] = {
		[CHECKSUM_SPARSE] = "sparse",
		[CHECKSUM_NONE] = "none",
		[CHECKSUM_ALL] = "all",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(word, words[i])) {
			*ret = i;
			return 0;
		}
	return cmd__usage_error(&cmd_record, "--checksum is none, sparse or all, not '%s'", word);
}

static int set(struct record_opts *o, const char *name, const char *value)
{
	if (!strcmp(name, "require-observation"))
		o->require_observation = true;
	else if (!strcmp(name, "no-call-log"))
		o->no_call_log = true;
	else if (!strcmp(name, "no-tsc-fault"))
		o->no_tsc_fault = true;
	else if (!strcmp(name, "checksum"))
		return parse_checksum(value, &o->checksum);
	return 0;
}

static int parse(int argc, char **argv, struct capture *c, struct record_opts *opts)
{
	struct cmd_parse p = { .argc = argc, .argv = argv, .at = 1 };
	const struct cmd_option *o;
	int err = 0;

	while (!err && (o = cmd__next(&cmd_record, &p, &err))) {
		err = capture__option(c, opts, o->name, p.value);
		if (err == 1)
			err = set(opts, o->name, p.value);
	}
	if (err)
		return err;
	if (p.at >= argc)
		return cmd__usage_error(&cmd_record, "a command is missing");
	c->command = argv + p.at;
	return 0;
}

static int run(int argc, char **argv)
{
	struct capture c = { .cmd = &cmd_record };
	struct record_opts o = { CAPTURE_DEFAULTS(&c) };
	const int err = parse(argc, argv, &c, &o);

	return err ? err : capture__run(&c, &o, record__run);
}

const struct cmd cmd_record = {
	.name = "record",
	.args = "-- COMMAND [ARG...]",
	.summary = "record a process tree, and notice what others do to its memory",
	.options = options,
	.run = run,
	.usage_exit = EXIT_BPREC,
};
