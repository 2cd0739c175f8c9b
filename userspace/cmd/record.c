/* SPDX-License-Identifier: MIT */
/*
 * record.c: `bprec record`: records a command, then asks check for the verdict so far.
 *
 * The exit status is the command's, so that bprec can stand before it in any script; 125 to 127 are bprec's own (CLI.md).
 * Nothing is printed while the command runs but one warning if it isn't observed; the trace is named at the end.
 */
#include <limits.h>
#include <string.h>

#include "cmd/capture.h"
#include "cmd/cmd.h"
#include "record/record.h"

extern char **environ;

static const struct cmd_option options[] = {
	{ "output", 'o', "DIR", "trace directory; it must not exist or be empty" },
	{ "quiet", 'q', NULL, "say nothing at the end" },
	{ "require-observation", 0, NULL, "fail if the kernel can't be observed" },
	{ "checksum", 0, "HOW", "none, sparse (default) or all: hashes of memory for replay" },
	{ "user", 'u', "NAME", "load BPF, then become this user to record and run the command" },
	CAPTURE_OPTIONS,
	{ "disable-hook", 0, "HOOK", "leave out one kernel hook (for tests)" },
	{ "no-tsc-fault", 0, NULL, "don't make rdtsc fault, patch it only (for tests)" },
	{ NULL, 0, NULL, NULL },
};

/** What the words say. */
struct arguments {
	const char *output, *user, *disable_hook;
	enum record_checksum checksum;
	bool quiet, require, no_tsc_fault;
	char **command;
	char dir[PATH_MAX];
};

static int prepare(void *ctx)
{
	struct arguments *a = ctx;

	return cmd__new_trace(a->output, a->command[0], a->dir, sizeof(a->dir));
}

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

static int parse(int argc, char **argv, struct arguments *a, struct record_opts *opts)
{
	struct cmd_parse p = { .argc = argc, .argv = argv, .at = 1 };
	const struct cmd_option *o;
	int err = 0, common;

	while (!err && (o = cmd__next(&cmd_record, &p, &err))) {
		common = capture__option(&cmd_record, opts, o->name, p.value);
		if (common != 1)
			err = common;
		if (!strcmp(o->name, "output"))
			a->output = p.value;
		else if (!strcmp(o->name, "quiet"))
			a->quiet = true;
		else if (!strcmp(o->name, "require-observation"))
			a->require = true;
		else if (!strcmp(o->name, "checksum"))
			err = parse_checksum(p.value, &a->checksum);
		else if (!strcmp(o->name, "user"))
			a->user = p.value;
		else if (!strcmp(o->name, "disable-hook"))
			a->disable_hook = p.value;
		else if (!strcmp(o->name, "no-tsc-fault"))
			a->no_tsc_fault = true;
	}
	if (err)
		return err;
	if (p.at >= argc)
		return cmd__usage_error(&cmd_record, "a command is missing");
	a->command = argv + p.at;
	return 0;
}

static int run(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct record_opts o = {
		.dir = a.dir, .warn = capture__warn, .prepare = prepare, .ctx = &a, CAPTURE_DEFAULTS
	};
	struct record_result result;
	int err = parse(argc, argv, &a, &o);

	if (!err)
		err = capture__user(&cmd_record, &o, a.user);
	if (err)
		return err;
	capture__owner(&o);
	o.argv = a.command;
	o.envp = environ;
	o.require_observation = a.require;
	o.disable_hook = a.disable_hook;
	o.checksum = a.checksum;
	o.no_tsc_fault = a.no_tsc_fault;
	err = record__run(&o, &result);
	if (*a.dir)
		cmd__give_trace(a.dir);
	if (err)
		return capture__failed(a.command[0], a.dir, err, &result);
	if (!a.quiet)
		capture__say_verdict(a.dir);
	return capture__status(&result);
}

const struct cmd cmd_record = {
	.name = "record",
	.args = "-- COMMAND [ARG...]",
	.summary = "record a process tree, and notice what others do to its memory",
	.options = options,
	.run = run,
	.usage_exit = EXIT_BPREC,
};
