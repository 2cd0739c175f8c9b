// SPDX-License-Identifier: MIT
/* check_who.c: who changed something, and from where in their programs: part of the report of check for a person. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show/check.h"

/** Prints a string that comes from a trace. */
static void put(const struct show_opts *o, const char *s)
{
	char *text = term__escape(s);

	fputs(text ? text : "?", o->out);
	free(text);
}

static void put_named(const struct show_opts *o, const char *name, const char *s)
{
	if (!*s)
		return;
	fprintf(o->out, "    %s%s%s ", term__colour(o->colour, TERM_DIM), name,
		term__colour(o->colour, TERM_PLAIN));
	put(o, s);
	fputc('\n', o->out);
}

/** The groups that say something: a line of /proc/PID/cgroup for each hierarchy, not those where it is in the root. */
static void put_groups(const struct show_opts *o, const char *text)
{
	char *lines = strdup(text), *rest = lines, *line;

	while (rest && (line = strsep(&rest, "\n"))) {
		const char *path = strchr(line, '/');
		if (path && path[1])
			put_named(o, "cgroup  ", line);
	}
	free(lines);
}

static void print_frame(const struct show_opts *o, const struct check_frame *f, uint32_t i)
{
	fprintf(o->out, "      #%-2" PRIu32 " 0x%016" PRIx64 " ", i, f->fact.pc);
	put(o, *f->function ? f->function : "?");
	fprintf(o->out, "+0x%" PRIx64 " ", f->fact.offset);
	put(o, *f->file ? f->file : "(file not known)");
	if (*f->build_id)
		fprintf(o->out, " %s[%s]%s", term__colour(o->colour, TERM_DIM), f->build_id,
			term__colour(o->colour, TERM_PLAIN));
	if (f->fact.how == STACK_POINTER)
		fprintf(o->out, " (by the frame pointer)");
	fputc('\n', o->out);
}

static void print_frames(const struct show_opts *o, const struct check_stack *s)
{
	for (uint32_t i = 0; i < s->fact.nframes; i++)
		print_frame(o, &s->frames[i], i);
}

/** Numbers of the changes that refer to a stack. */
static void print_events(const struct show_opts *o, const struct check_report *rep,
			 const struct check_stack *s)
{
	uint64_t n = 0;

	fprintf(o->out, "    %sstack%s at event", term__colour(o->colour, TERM_DIM),
		term__colour(o->colour, TERM_PLAIN));
	for (size_t i = 0; i < rep->nchanges; i++) {
		if (rep->changes[i].fact.stack != s->fact.stack)
			continue;
		if (n++ < SHOW_ROWS)
			fprintf(o->out, " %" PRIu64, rep->changes[i].event);
	}
	if (n > SHOW_ROWS)
		fprintf(o->out, " and %" PRIu64 " more", n - SHOW_ROWS);
	fputc('\n', o->out);
}

/** Whether a change is of this outsider; *ret_dark: one of which no stack is known. */
static bool did_something(const struct check_report *rep, const struct check_writer *w,
			  bool *ret_dark)
{
	bool found = false;

	*ret_dark = false;
	for (size_t i = 0; i < rep->nchanges; i++) {
		if (rep->changes[i].by != w)
			continue;
		found = true;
		if (!check_report__stack(rep, rep->changes[i].fact.stack))
			*ret_dark = true;
	}
	return found;
}

static void print_writer(const struct show_opts *o, const struct check_report *rep,
			 const struct check_writer *w, bool dark)
{
	fprintf(o->out, "  pid %" PRIu32 " ", w->pid);
	if (w->ns_pid && w->ns_pid != w->pid)
		fprintf(o->out, "(%" PRIu32 " in its namespace) ", w->ns_pid);
	put(o, w->comm);
	fprintf(o->out, ", user %" PRIu32 "\n", w->uid);
	put_named(o, "file    ", *w->exe ? w->exe : "not known");
	put_named(o, "build id", w->build_id);
	put_named(o, "command ", w->args);
	put_groups(o, w->cgroup);
	for (size_t i = 0; i < rep->nstacks; i++) {
		const struct check_stack *s = &rep->stacks[i];

		if (s->fact.writer != w->id)
			continue;
		print_events(o, rep, s);
		print_frames(o, s);
	}
	if (dark)
		put_named(o, "stack   ", "of some changes not known");
}

static void print_insiders(const struct show_opts *o, const struct check_report *rep)
{
	bool first = true;

	for (size_t i = 0; i < rep->nstacks; i++) {
		const struct check_stack *s = &rep->stacks[i];

		if (s->fact.writer)
			continue;
		if (first)
			fprintf(o->out, "\n%swhere the program was%s\n",
				term__colour(o->colour, TERM_HEAD),
				term__colour(o->colour, TERM_PLAIN));
		first = false;
		fprintf(o->out,
			"  pid %" PRIu32 ", thread %" PRIu32
			", when it stopped after the change of event %" PRIu64 "\n",
			s->fact.pid, s->fact.tid, s->fact.change);
		print_frames(o, s);
	}
}

void show__check_who(const struct show_opts *o, const struct check_report *rep)
{
	bool first = true, dark;

	for (size_t i = 0; i < rep->nwriters; i++) {
		if (!did_something(rep, rep->writers[i], &dark))
			continue;
		if (first)
			fprintf(o->out, "\n%swho did it%s\n", term__colour(o->colour, TERM_HEAD),
				term__colour(o->colour, TERM_PLAIN));
		first = false;
		print_writer(o, rep, rep->writers[i], dark);
	}
	print_insiders(o, rep);
}
