// SPDX-License-Identifier: MIT
/*
 * event_outside.c: events about what is outside: hooks, writers, changes, exposures, gaps, losses.
 *
 * As event_memory.c. These are the facts as the recorder wrote them; what they mean, check says.
 */
#include "show/event.h"

#include <stdio.h>
#include <string.h>

#include "util/names.h"

/** A field of fixed length that may lack its NUL. */
static void fixed(struct sink *s, const char *name, const char *field, size_t size)
{
	char text[129];

	snprintf(text, sizeof(text), "%.*s", (int)size, field);
	s->ops->text(s, name, text);
}

static void decode_hook(struct sink *s, const struct event_header *ev)
{
	const struct ev_hook *e = (const void *)(ev + 1);

	fixed(s, "name", e->name, sizeof(e->name));
	s->ops->text(s, "state", hook_state_name(e->state));
	if (e->error)
		s->ops->text(s, "error", strerrorname_np(e->error));
	fixed(s, "serves", e->serves, sizeof(e->serves));
}

/** Bits of ev_change.flags, in order. */
static const char *const change_bits[] = { "saved",	 "in-flight", "range-unknown", "by-compare",
					   "page-range", "shrunk",    "exposed",       "remote",
					   "crowded",	 "doubtful" };
static const char *const insider_states[] = { "?", "stopped", "in-call", "call-touches",
					      "running" };

static void insiders(struct sink *s, const struct change_insider *in, uint32_t n)
{
	s->ops->list(s, "insiders");
	for (uint32_t i = 0; i < n; i++) {
		s->ops->item(s);
		s->ops->num(s, "pid", in[i].pid);
		s->ops->num(s, "tid", in[i].tid);
		s->ops->hex(s, "addr", in[i].addr);
		s->ops->text(s, "state", insider_states[in[i].state < 5 ? in[i].state : 0]);
		s->ops->num(s, "idle_from_ns", in[i].idle_from_ns);
		if (in[i].flags & 1)
			s->ops->text(s, "mapping", "private");
		s->ops->end(s);
	}
	s->ops->end(s);
}

static void decode_change(struct sink *s, const struct event_header *ev)
{
	const struct ev_change *e = (const void *)(ev + 1);

	s->ops->num(s, "object", e->object);
	s->ops->text(s, "channel", channel_name(e->channel));
	s->ops->num(s, "writer", e->writer);
	s->ops->num(s, "offset", e->offset);
	s->ops->num(s, "length", e->length);
	s->ops->list(s, "flags");
	for (unsigned int i = 0; i < sizeof(change_bits) / sizeof(*change_bits); i++)
		if (e->flags & 1u << i)
			s->ops->text(s, NULL, change_bits[i]);
	s->ops->end(s);
	s->ops->num(s, "pages", e->pages);
	s->ops->num(s, "pages_changed", e->pages_changed);
	s->ops->num(s, "pages_event", e->pages_event);
	s->ops->num(s, "after_event", e->after_event);
	s->ops->num(s, "begin_ns", e->begin_ns);
	s->ops->num(s, "end_ns", e->end_ns);
	s->ops->num(s, "saved_ns", e->saved_ns);
	s->ops->num(s, "new_size", e->new_size);
	s->ops->num(s, "count", e->count);
	s->ops->num(s, "stack", e->stack);
	insiders(s, (const void *)(e + 1), e->ninsiders);
}

static void decode_writer(struct sink *s, const struct event_header *ev)
{
	static const char *const names[] = { "exe", "cgroup", "args", "build_id" };
	const struct ev_writer *e = (const void *)(ev + 1);
	const char *at = (const char *)(e + 1), *end = at + e->strings_len;

	s->ops->num(s, "writer", e->writer);
	s->ops->num(s, "pid", e->pid);
	s->ops->num(s, "tid", e->tid);
	s->ops->num(s, "uid", e->uid);
	fixed(s, "comm", e->comm, sizeof(e->comm));
	for (int i = 0; i < 4 && at < end; i++, at += strlen(at) + 1)
		s->ops->text(s, names[i], at);
	s->ops->num(s, "ns_pid", e->ns_pid);
	s->ops->num(s, "start_ns", e->start_ns);
}

static void decode_stack(struct sink *s, const struct event_header *ev)
{
	static const char *const ways[] = { "?", "place", "tables", "pointer" };
	static const char *const names[] = { "function", "file", "build_id" };
	const struct ev_stack *e = (const void *)(ev + 1);
	const struct stack_frame *f = (const void *)(e + 1);
	const char *at = (const char *)(f + e->nframes);

	s->ops->num(s, "stack", e->stack);
	s->ops->num(s, "writer", e->writer);
	s->ops->num(s, "pid", e->pid);
	s->ops->num(s, "tid", e->tid);
	if (e->change != UINT64_MAX)
		s->ops->num(s, "change", e->change);
	s->ops->list(s, "frames");
	for (uint32_t i = 0; i < e->nframes; i++) {
		s->ops->item(s);
		s->ops->hex(s, "pc", f[i].pc);
		s->ops->num(s, "offset", f[i].offset);
		s->ops->text(s, "how", ways[f[i].how <= STACK_POINTER ? f[i].how : 0]);
		for (int k = 0; k < 3; k++, at += strlen(at) + 1)
			s->ops->text(s, names[k], at);
		s->ops->end(s);
	}
	s->ops->end(s);
}

static void decode_exposure(struct sink *s, const struct event_header *ev)
{
	const struct ev_exposure *e = (const void *)(ev + 1);

	s->ops->num(s, "exposure", e->exposure);
	s->ops->num(s, "object", e->object);
	s->ops->text(s, "kind", exposure_name(e->kind));
	s->ops->num(s, "writer", e->writer);
	s->ops->num(s, "since_ns", e->since_ns);
	s->ops->num(s, "offset", e->offset);
	s->ops->num(s, "length", e->length);
}

static void decode_exposure_end(struct sink *s, const struct event_header *ev)
{
	const struct ev_exposure_end *e = (const void *)(ev + 1);

	s->ops->num(s, "exposure", e->exposure);
	s->ops->num(s, "ns", e->ns);
}

static void decode_gap(struct sink *s, const struct event_header *ev)
{
	const struct ev_gap *e = (const void *)(ev + 1);

	s->ops->text(s, "kind", gap_name(e->kind));
	s->ops->text(s, "channel", channel_name(e->channel));
	s->ops->num(s, "object", e->object);
	s->ops->text(s, "reason", e->reason_len ? (const char *)(e + 1) : "");
}

static void decode_compare(struct sink *s, const struct event_header *ev)
{
	const struct ev_compare *e = (const void *)(ev + 1);

	s->ops->num(s, "object", e->object);
	if (e->flags & COMPARE_PARTIAL)
		s->ops->text(s, "read", "a part");
	else if (e->flags & COMPARE_LIKELY)
		s->ops->text(s, "read", "what is likely");
	s->ops->num(s, "pages", e->pages);
	s->ops->num(s, "pages_changed", e->pages_changed);
	s->ops->num(s, "from_ns", e->from_ns);
	s->ops->num(s, "to_ns", e->to_ns);
}

static void decode_loss(struct sink *s, const struct event_header *ev)
{
	const struct ev_loss *e = (const void *)(ev + 1);

	s->ops->text(s, "kind", loss_name(e->kind));
	s->ops->text(s, "channel", channel_name(e->channel));
	s->ops->num(s, "count", e->count);
	fixed(s, "hook", e->hook, sizeof(e->hook));
}

event_decode_fn event__outside(uint32_t type)
{
	static const event_decode_fn table[EV_MAX] = {
		[EV_HOOK] = decode_hook,	 [EV_CHANGE] = decode_change,
		[EV_WRITER] = decode_writer,	 [EV_STACK] = decode_stack,
		[EV_EXPOSURE] = decode_exposure, [EV_EXPOSURE_END] = decode_exposure_end,
		[EV_GAP] = decode_gap,		 [EV_COMPARE] = decode_compare,
		[EV_LOSS] = decode_loss,
	};

	return type < EV_MAX ? table[type] : NULL;
}
