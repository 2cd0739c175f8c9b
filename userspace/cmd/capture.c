/* SPDX-License-Identifier: MIT */
/*
 * capture.c: what record and watch have in common: the options of both, the trace's owner, the run, and what is said of it.
 *
 * Exit codes are those of CLI.md: the command's own, 125 where bprec failed, 126 and 127 where the command could not be run.
 */
#include "cmd/capture.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/check.h"
#include "kern/kern.h"
#include "trace/reader.h"
#include "util/err.h"
#include "util/names.h"

extern char **environ;

void capture__warn(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "bprec: %s\n", line);
}

int capture__prepare(void *ctx)
{
	struct capture *c = ctx;

	return cmd__new_trace(c->output, c->command[0], c->dir, sizeof(c->dir));
}

/** The options say to become this user; NULL: nobody. 0, or the exit code of a usage error. */
static int set_user(const struct cmd *c, struct record_opts *o, const char *name)
{
	const struct passwd *pw;

	if (!name)
		return 0;
	pw = getpwnam(name);
	if (!pw)
		return cmd__usage_error(c, "there is no user '%s'", name);
	o->drop_user = true;
	o->uid = pw->pw_uid;
	o->gid = pw->pw_gid;
	o->user = name;
	return 0;
}

static int set_budget(const struct cmd *c, struct record_opts *o, const char *value)
{
	char *end;
	const double percent = strtod(value, &end);

	if (end == value || *end || !(percent >= 0 && percent <= 100))
		return cmd__usage_error(c, "--compare-budget is a number from 0 to 100, not '%s'",
					value);
	o->compare_budget = percent;
	return 0;
}

static int set_rearm(const struct cmd *c, struct record_opts *o, const char *value)
{
	if (!strcmp(value, "none"))
		o->rearm = REARM_NONE;
	else if (!strcmp(value, "soft-dirty"))
		o->rearm = REARM_SOFT_DIRTY;
	else
		return cmd__usage_error(c, "--rearm is none or soft-dirty, not '%s'", value);
	return 0;
}

static int set_disabled(const struct cmd *c, struct record_opts *o, const char *value)
{
	if (!kern__has_hook(value))
		return cmd__usage_error(c, "there is no hook '%s'; 'bprec check -v' names them",
					value);
	o->disable_hook = value;
	return 0;
}

int capture__option(struct capture *c, struct record_opts *o, const char *name, const char *value)
{
	if (!strcmp(name, "compare-budget"))
		return set_budget(c->cmd, o, value);
	if (!strcmp(name, "rearm"))
		return set_rearm(c->cmd, o, value);
	if (!strcmp(name, "output"))
		c->output = value;
	else if (!strcmp(name, "quiet"))
		c->quiet = true;
	else if (!strcmp(name, "user"))
		c->user = value;
	else if (!strcmp(name, "disable-hook"))
		return set_disabled(c->cmd, o, value);
	else
		return 1;
	return 0;
}

/* Under sudo the trace is the calling user's from the start: also if the recorder is killed half-way. */
static void set_owner(struct record_opts *o)
{
	struct cmd_user user;

	if (cmd__calling_user(&user) || geteuid() || !user.uid)
		return;
	o->give_trace = true;
	o->owner_uid = user.uid;
	o->owner_gid = user.gid;
}

/** The last line: the trace and what it is worth. */
static void say_verdict(const char *dir)
{
	struct check_report *report = NULL;
	struct reader *r = NULL;
	int err = reader__open(&r, dir);

	if (!err)
		err = check__run(r, &(struct check_opts){ .trust_pages = true }, &report);
	if (err)
		fprintf(stderr, "bprec: %s: %s\n", dir, reader__error(r));
	else
		fprintf(stderr, "bprec: trace %s: %s%s\n", dir, verdict_name(report->verdict),
			report->verdict == VERDICT_CLEAN ? "" : "; see 'bprec check'");
	check_report__free(report);
	reader__free(r);
}

/** Says why it failed and returns the exit code. */
static int failed(const char *command, const char *dir, int err, const struct record_result *result)
{
	const char *text = *err__text() ? err__text() : strerror(-err);

	if (result->end_kind) {
		fprintf(stderr,
			"bprec: the recording ended early: %s; what was recorded is in %s\n", text,
			dir);
		return EXIT_BPREC;
	}
	if (!result->not_executed) {
		fprintf(stderr, "bprec: %s\n", text);
		return EXIT_BPREC;
	}
	if (*err__text())
		fprintf(stderr, "bprec: %s\n", text);
	else
		fprintf(stderr, "bprec: %s: %s\n", command, text);
	return err == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANT_EXEC;
}

int capture__run(struct capture *c, struct record_opts *o,
		 int (*run)(const struct record_opts *o, struct record_result *ret))
{
	struct record_result result;
	int err = set_user(c->cmd, o, c->user);

	if (err)
		return err;
	set_owner(o);
	o->argv = c->command;
	o->envp = environ;
	err = run(o, &result);
	if (*c->dir)
		cmd__give_trace(c->dir);
	if (err)
		return failed(c->command[0], c->dir, err, &result);
	if (!c->quiet)
		say_verdict(c->dir);
	if (o->attach) /* somebody else's children */
		return EXIT_OK;
	return result.end_kind == END_SIGNALED ? 128 + result.end_code : result.end_code;
}
