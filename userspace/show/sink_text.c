// SPDX-License-Identifier: MIT
/*
 * sink_text.c: records as lines for a person: number, time since the start, thread, type, then name=value.
 *
 * A line is never broken by what is in it: strings and bytes pass through term.h. Nested records stand in brackets.
 */
#include "show/sink.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/names.h"

static void separate(struct sink *s)
{
	if (s->comma)
		fputc(' ', s->o->out);
	s->comma = 1;
}

static void name(struct sink *s, const char *field)
{
	separate(s);
	if (field)
		fprintf(s->o->out, "%s%s=%s", term__colour(s->o->colour, TERM_DIM), field,
			term__colour(s->o->colour, TERM_PLAIN));
}

static void open_container(struct sink *s, char closing)
{
	if (s->depth < SINK_DEPTH)
		s->closing[s->depth] = closing;
	s->depth++;
	s->comma = 0;
}

static void text_event(struct sink *s, const struct event_header *ev, uint64_t no)
{
	if (!s->started)
		s->start_ns = ev->time_ns;
	s->started = 1;
	fprintf(s->o->out, "%7" PRIu64 " %11.6f ", no, (double)(ev->time_ns - s->start_ns) / 1e9);
	if (!ev->tid)
		fprintf(s->o->out, "%-15s ", "-");
	else if (ev->tid == ev->pid)
		fprintf(s->o->out, "%-15u ", ev->pid);
	else
		fprintf(s->o->out, "%7u/%-7u ", ev->pid, ev->tid);
	fprintf(s->o->out, "%s%-13s%s ", term__colour(s->o->colour, TERM_HEAD),
		event_name(ev->type), term__colour(s->o->colour, TERM_PLAIN));
	open_container(s, '\n');
}

static void text_begin(struct sink *s, const char *kind)
{
	fprintf(s->o->out, "%s%s%s ", term__colour(s->o->colour, TERM_HEAD), kind,
		term__colour(s->o->colour, TERM_PLAIN));
	open_container(s, '\n');
}

static void text_num(struct sink *s, const char *field, uint64_t v)
{
	name(s, field);
	if (v == UINT64_MAX)
		fputs("none", s->o->out);
	else
		fprintf(s->o->out, "%" PRIu64, v);
}

static void text_snum(struct sink *s, const char *field, int64_t v)
{
	name(s, field);
	fprintf(s->o->out, "%" PRId64, v);
}

static void text_hex(struct sink *s, const char *field, uint64_t v)
{
	name(s, field);
	fprintf(s->o->out, "0x%" PRIx64, v);
}

static void text_text(struct sink *s, const char *field, const char *v)
{
	char *safe = term__escape(v ? v : "none");
	bool quote = v && (!*v || strpbrk(v, " =\"[]{}"));

	name(s, field);
	if (safe)
		fprintf(s->o->out, quote ? "\"%s\"" : "%s", safe);
	else
		s->failed = 1;
	free(safe);
}

static void text_bytes(struct sink *s, const char *field, const void *v, size_t len)
{
	char *safe = term__escape_bytes(v, len, s->o->verbose ? SINK_BYTES_ALL : SINK_BYTES);

	name(s, field);
	if (safe)
		fprintf(s->o->out, "\"%s\"", safe);
	else
		s->failed = 1;
	free(safe);
}

/** One argument or result: small numbers as such (also negative ones of 32 bits, as AT_FDCWD), the rest as addresses. */
static void value(struct sink *s, int64_t v)
{
	if (v > 0xfffff000 && v <= 0xffffffff)
		v = (int32_t)v;
	if (v > -4096 && v < 65536)
		fprintf(s->o->out, "%" PRId64, v);
	else
		fprintf(s->o->out, "0x%" PRIx64, (uint64_t)v);
}

static void text_call(struct sink *s, uint32_t nr, const char *call, const uint64_t *args,
		      unsigned int nargs, const int64_t *ret)
{
	separate(s);
	if (call)
		fprintf(s->o->out, "%s(", call);
	else
		fprintf(s->o->out, "call_%u(", nr);
	for (unsigned int i = 0; i < nargs; i++) {
		fputs(i ? ", " : "", s->o->out);
		value(s, (int64_t)args[i]);
	}
	fputs(")", s->o->out);
	if (!ret)
		return;
	fputs(" = ", s->o->out);
	const char *error = *ret < 0 && *ret > -4096 ? strerrorname_np((int)-*ret) : NULL;
	if (error)
		fprintf(s->o->out, "-%s", error);
	else
		value(s, *ret);
}

static void text_list(struct sink *s, const char *field)
{
	name(s, field);
	fputc('[', s->o->out);
	open_container(s, ']');
}

static void text_item(struct sink *s)
{
	separate(s);
	fputc('{', s->o->out);
	open_container(s, '}');
}

static void text_end(struct sink *s)
{
	if (!s->depth)
		return;
	s->depth--;
	fputc(s->depth < SINK_DEPTH ? s->closing[s->depth] : '?', s->o->out);
	s->comma = s->depth > 0;
}

struct sink sink__text(const struct show_opts *o)
{
	static const struct sink_ops ops = {
		.event = text_event,
		.begin = text_begin,
		.num = text_num,
		.snum = text_snum,
		.hex = text_hex,
		.text = text_text,
		.bytes = text_bytes,
		.call = text_call,
		.list = text_list,
		.item = text_item,
		.end = text_end,
	};

	return (struct sink){ .ops = &ops, .o = o };
}
