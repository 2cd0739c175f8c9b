// SPDX-License-Identifier: MIT
#include "show/sink.h"

#include <stdlib.h>

#include "show/json.h"
#include "util/names.h"

/** Opens a container. NULL: no memory, or too deep; what is put into it is dropped. */
static void push(struct sink *s, json_t *v)
{
	if (!v)
		s->failed = 1;
	if (s->depth < SINK_DEPTH)
		s->open[s->depth] = v;
	else
		json_decref(v);
	s->depth++;
}

static json_t *top(struct sink *s)
{
	return s->depth && s->depth <= SINK_DEPTH ? s->open[s->depth - 1] : NULL;
}

/** Puts a value into the innermost container; takes the reference. */
static void put(struct sink *s, const char *name, json_t *v)
{
	json_t *into = top(s);
	int err = json_is_array(into) ? json_array_append_new(into, v)
				      : json_object_set_new(into, name ? name : "value", v);

	if (err)
		s->failed = 1;
}

static void json_event(struct sink *s, const struct event_header *ev, uint64_t no)
{
	push(s, json_pack("{s:o, s:o, s:s, s:I, s:I}", "event", json__u64(no), "time_ns",
			  json__u64(ev->time_ns), "type", event_name(ev->type), "pid",
			  (json_int_t)ev->pid, "tid", (json_int_t)ev->tid));
	if (ev->reg_hash)
		put(s, "reg_hash", json__hex(ev->reg_hash));
}

static void json_begin(struct sink *s, const char *kind)
{
	push(s, json_pack("{s:s}", "kind", kind));
}

static void json_num(struct sink *s, const char *name, uint64_t v)
{
	put(s, name, json__u64(v));
}

static void json_snum(struct sink *s, const char *name, int64_t v)
{
	put(s, name, json_integer(v));
}

static void json_hex(struct sink *s, const char *name, uint64_t v)
{
	put(s, name, json__hex(v));
}

static void json_text(struct sink *s, const char *name, const char *v)
{
	put(s, name, json__text(v));
}

/** Bytes as hexadecimal digits, all of them: nothing is lost. */
static void json_bytes(struct sink *s, const char *name, const void *v, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *b = v;
	char *hex = malloc(len * 2 + 1);

	for (size_t i = 0; hex && i < len; i++) {
		hex[2 * i] = digits[b[i] >> 4];
		hex[2 * i + 1] = digits[b[i] & 15];
	}
	put(s, name, hex ? json_stringn(hex, len * 2) : NULL);
	free(hex);
}

static void json_call(struct sink *s, uint32_t nr, const char *name, const uint64_t *args,
		      unsigned int nargs, const int64_t *ret)
{
	json_t *list = json_array();

	for (unsigned int i = 0; list && i < nargs; i++)
		json_array_append_new(list, json__hex(args[i]));
	put(s, "nr", json_integer(nr));
	put(s, "call", json__text(name));
	put(s, "args", list);
	if (ret)
		put(s, "ret", json_integer(*ret));
}

static void json_list(struct sink *s, const char *name)
{
	json_t *list = json_array();

	if (list && json_object_set(top(s), name, list))
		s->failed = 1;
	push(s, list);
}

static void json_item(struct sink *s)
{
	json_t *item = json_object();

	if (item && json_array_append(top(s), item))
		s->failed = 1;
	push(s, item);
}

static void json_end(struct sink *s)
{
	if (!s->depth)
		return;
	json_t *v = top(s);
	s->depth--;
	if (s->depth)
		json_decref(v); /* its container holds another reference */
	else if (v && json__print(s->o, v, 1))
		s->failed = 1;
}

struct sink sink__json(const struct show_opts *o)
{
	static const struct sink_ops ops = {
		.event = json_event,
		.begin = json_begin,
		.num = json_num,
		.snum = json_snum,
		.hex = json_hex,
		.text = json_text,
		.bytes = json_bytes,
		.call = json_call,
		.list = json_list,
		.item = json_item,
		.end = json_end,
	};

	return (struct sink){ .ops = &ops, .o = o };
}
