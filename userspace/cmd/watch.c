/* SPDX-License-Identifier: MIT */
/*
 * watch.c: `bprec watch`: observes a command, or a tree that runs already, without stopping anybody.
 *
 * The exit status is the command's, as for record; with --pid it is 0, since the processes are somebody else's children.
 * --follow judges each change as soon as it is written to the trace, by the code that judges the whole trace in the end.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/check.h"
#include "cmd/capture.h"
#include "cmd/cmd.h"
#include "show/check.h"
#include "util/err.h"

static const struct cmd_option options[] = {
	{ "output", 'o', "DIR", "trace directory; it must not exist or be empty" },
	{ "pid", 'p', "PID", "watch this process and its descendants, which run already" },
	{ "follow", 'f', NULL, "print a line about each change as it happens" },
	{ "quiet", 'q', NULL, "say nothing at the end" },
	{ "user", 'u', "NAME", "load BPF, then become this user to watch and run the command" },
	CAPTURE_OPTIONS,
	{ "disable-hook", 0, "HOOK", "leave out one kernel hook (for tests)" },
	{ NULL, 0, NULL, NULL },
};

/** What the words say. */
struct arguments {
	struct capture capture; /* with --pid its command is the command line of that process */
	const char *pid;
	bool follow;
	struct check_live *live; /* --follow; NULL: not, or no longer */
};

/** An event was written: if it tells of a change, so do we. */
static void follow(void *ctx, const struct event_header *ev, uint64_t no)
{
	struct arguments *a = ctx;
	const struct check_change *c = NULL;
	int ret = a->live ? check_live__feed(a->live, ev, no, &c) : 0;
	char *line;

	if (ret < 0) {
		fprintf(stderr, "bprec: changes can't be followed any more: %s\n", err__text());
		err__clear();
		check_live__free(a->live);
		a->live = NULL;
	}
	if (ret <= 0)
		return;
	line = show__change_line(c);
	fprintf(stderr, "bprec: %s\n", line ? line : "a change (no memory to tell more)");
	free(line);
}

static int parse(int argc, char **argv, struct arguments *a, struct record_opts *opts)
{
	struct cmd_parse p = { .argc = argc, .argv = argv, .at = 1 };
	const struct cmd_option *o;
	int err = 0;

	while (!err && (o = cmd__next(&cmd_watch, &p, &err))) {
		err = capture__option(&a->capture, opts, o->name, p.value);
		if (err != 1)
			continue;
		err = 0;
		if (!strcmp(o->name, "pid"))
			a->pid = p.value;
		else if (!strcmp(o->name, "follow"))
			a->follow = true;
	}
	if (err)
		return err;
	a->capture.command = argv + p.at;
	if (a->pid && p.at < argc)
		return cmd__usage_error(&cmd_watch, "--pid and a command, '%s', exclude each other",
					argv[p.at]);
	if (!a->pid && p.at >= argc)
		return cmd__usage_error(&cmd_watch, "a command is missing, or --pid");
	return 0;
}

/** Words of a running process's command line; the last one is NULL. Kept to the end. NULL: no memory. */
static char **command_line(pid_t pid)
{
	char path[64], *text = NULL, **words;
	size_t cap = 0, n = 0, count = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	f = fopen(path, "re");
	words = calloc(1, sizeof(*words));
	while (f && words && getdelim(&text, &cap, '\0', f) > 0 && n < 1000) {
		char **more = realloc(words, (n + 2) * sizeof(*words));

		if (!more)
			break;
		words = more;
		words[n++] = strdup(text);
		words[n] = NULL;
	}
	count = n;
	if (f)
		fclose(f);
	free(text);
	if (!count && words) {
		free(words);
		words = calloc(2, sizeof(*words));
		if (words)
			words[0] = strdup("pid");
	}
	return words;
}

static int set_pid(struct arguments *a, struct record_opts *o)
{
	char *end;
	long pid;

	if (!a->pid)
		return 0;
	errno = 0;
	pid = strtol(a->pid, &end, 10);
	if (errno || *end || end == a->pid || pid <= 0 || pid > INT_MAX)
		return cmd__usage_error(&cmd_watch, "'%s' is not a process number", a->pid);
	o->attach = (pid_t)pid;
	a->capture.command = command_line(o->attach);
	if (a->capture.command && a->capture.command[0])
		return 0;
	fprintf(stderr, "bprec: no memory\n");
	return EXIT_BPREC;
}

static int run(int argc, char **argv)
{
	struct arguments a = { .capture.cmd = &cmd_watch };
	struct record_opts o = { CAPTURE_DEFAULTS(&a.capture) };
	int err = parse(argc, argv, &a, &o);

	if (!err)
		err = set_pid(&a, &o);
	if (err)
		return err;
	a.live = a.follow ? check_live__new() : NULL;
	o.event = a.live ? follow : NULL;
	err = capture__run(&a.capture, &o, watch__run);
	check_live__free(a.live);
	return err;
}

const struct cmd cmd_watch = {
	.name = "watch",
	.args = "-- COMMAND [ARG...]",
	.summary =
		"observe a command that nobody stops: can what somebody else records of it be trusted?",
	.options = options,
	.run = run,
	.usage_exit = EXIT_BPREC,
};
