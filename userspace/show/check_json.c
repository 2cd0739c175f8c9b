// SPDX-License-Identifier: MIT
/* check_json.c: the report of check as JSON. The keys of CLI.md come first and in its order; ours are added behind. */
#include "show/check.h"

#include <errno.h>

#include "show/json.h"
#include "util/names.h"

/** Array of what `make` gives for each of n elements; NULL: no memory. */
static json_t *array_of(size_t n, const void *elements, size_t size, json_t *(*make)(const void *))
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < n; i++) {
		if (json_array_append_new(list, make((const char *)elements + i * size))) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

static json_t *object_json(const struct model_object *o)
{
	if (!o)
		return json_null();
	return json_pack("{s:o, s:I, s:I, s:o, s:I}", "path", json__text(o->path), "major",
			 (json_int_t)o->major, "minor", (json_int_t)o->minor, "inode",
			 json__u64(o->inode), "generation", (json_int_t)o->generation);
}

static json_t *frame_json(const void *p)
{
	static const char *const ways[] = { NULL, "place", "tables", "pointer" };
	const struct check_frame *f = p;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:s}", "address", json__hex(f->fact.pc),
			 "symbol", *f->function ? json__text(f->function) : json_null(), "offset",
			 json__u64(f->fact.offset), "file",
			 *f->file ? json__text(f->file) : json_null(), "build_id",
			 *f->build_id ? json__text(f->build_id) : json_null(), "how",
			 ways[f->fact.how <= STACK_POINTER ? f->fact.how : 0]);
}

static json_t *stack_json(const struct check_stack *s)
{
	return s ? array_of(s->fact.nframes, s->frames, sizeof(*s->frames), frame_json)
		 : json_null();
}

static json_t *writer_json(const struct check_writer *w)
{
	if (!w)
		return json_null();
	json_t *v = json_pack("{s:I, s:I, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "pid",
			      (json_int_t)w->pid, "tid", (json_int_t)w->tid, "comm",
			      json__text(w->comm), "exe", json__text(w->exe), "uid",
			      (json_int_t)w->uid, "cgroup", json__text(w->cgroup), "args",
			      json__text(w->args), "cmdline", json__text(w->args), "exe_build_id",
			      *w->build_id ? json__text(w->build_id) : json_null(), "ns_pid",
			      w->ns_pid ? json_integer(w->ns_pid) : json_null(), "start_ns",
			      json__u64(w->start_ns));
	return v;
}

/** Who made a change, and from where. */
static json_t *author_json(const struct check_report *rep, const struct check_change *c)
{
	json_t *v = writer_json(c->by);

	if (v && c->by)
		json_object_set_new(v, "stack",
				    stack_json(check_report__stack(rep, c->fact.stack)));
	return v;
}

static json_t *mapper_json(const struct change_insider *in, const struct check_stack *stack)
{
	return json_pack("{s:I, s:o, s:I, s:b, s:o}", "pid", (json_int_t)in->pid, "address",
			 json__hex(in->addr), "tid", (json_int_t)in->tid, "private",
			 (int)(in->flags & 1), "stack", stack_json(stack));
}

static json_t *mappers_json(const struct check_report *rep, const struct check_change *c)
{
	json_t *list = json_array();

	for (uint32_t i = 0; list && i < c->ninsiders; i++)
		json_array_append_new(list, mapper_json(&c->insiders[i],
							check_report__insider(rep, c->event,
									      c->insiders[i].tid)));
	return list;
}

static json_t *change_json(const struct check_report *rep, const struct check_change *c)
{
	const struct ev_change *f = &c->fact;
	uint64_t when = f->end_ns ? f->end_ns : f->begin_ns;
	json_t *v =
		json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:[o,o], s:o, s:o, s:o, s:o, s:s, s:s}",
			  "object", object_json(c->object), "offset", json__u64(f->offset),
			  "length", json__u64(f->length), "channel", channel_name(f->channel), "by",
			  author_json(rep, c), "when_ns", json__u64(when), "window_ns",
			  json__u64(f->begin_ns),
			  f->saved_ns ? json__u64(f->saved_ns) : json_null(), "after_event",
			  json__u64(f->after_event), "pages", json__u64(f->pages), "pages_changed",
			  json__u64(f->pages_changed), "mapped_by", mappers_json(rep, c), "held",
			  "direct", "outcome", outcome_name(c->outcome));

	if (!v)
		return NULL;
	json_object_set_new(v, "why", json__text(c->why));
	json_object_set_new(v, "event", json__u64(c->event));
	json_object_set_new(v, "count", json__u64(f->count));
	json_object_set_new(v, "range_known", json_boolean(!(f->flags & CHANGE_RANGE_UNKNOWN)));
	json_object_set_new(v, "page_range", json_boolean(f->flags & CHANGE_PAGE_RANGE));
	json_object_set_new(v, "certain", json_boolean(!(f->flags & CHANGE_DOUBTFUL)));
	json_object_set_new(v, "by_compare", json_boolean(f->flags & CHANGE_BY_COMPARE));
	return v;
}

static json_t *changes_json(const struct check_report *rep)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < rep->nchanges; i++) {
		if (json_array_append_new(list, change_json(rep, &rep->changes[i]))) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

static json_t *exposure_json(const void *p)
{
	const struct check_exposure *x = p;

	return json_pack("{s:o, s:o, s:s, s:o, s:o}", "object", object_json(x->object), "by",
			 writer_json(x->by), "kind", exposure_name(x->fact.kind), "from_event",
			 json__u64(x->from_event), "to_event", json__u64(x->to_event));
}

static json_t *gap_json(const void *p)
{
	const struct check_gap *g = p;

	return json_pack("{s:s, s:o, s:o, s:s, s:o, s:o}", "channel", channel_name(g->channel),
			 "object", g->object ? json__text(g->object->path) : json_null(), "reason",
			 json__text(*g->reason ? g->reason : gap_name(g->kind)), "kind",
			 gap_name(g->kind), "count", json__u64(g->count), "identity",
			 object_json(g->object));
}

static json_t *loss_json(const void *p)
{
	const struct check_loss *l = p;

	return json_pack("{s:s, s:s, s:o, s:o}", "kind", loss_name(l->fact.kind), "channel",
			 channel_name(l->fact.channel), "hook", json__text(l->hook), "count",
			 json__u64(l->fact.count));
}

static json_t *hook_json(const void *p)
{
	const struct check_hook *h = p;

	return json_pack("{s:o, s:s, s:o, s:i}", "name", json__text(h->name), "state",
			 hook_state_name(h->fact.state), "serves", json__text(h->serves), "error",
			 (int)h->fact.error);
}

static json_t *exit_json(const struct check_report *rep)
{
	if (rep->end_kind == END_EXITED)
		return json_pack("{s:i}", "status", (int)rep->end_code);
	if (rep->end_kind == END_SIGNALED)
		return json_pack("{s:i}", "signal", (int)rep->end_code);
	return json_null();
}

static json_t *word_json(const void *p)
{
	return json__text(*(char *const *)p);
}

static json_t *observation_json(const struct check_report *rep)
{
	return json_pack("{s:b, s:o, s:o, s:o, s:o}", "active", (int)rep->observed, "lost_events",
			 json__u64(rep->lost), "gaps",
			 array_of(rep->ngaps, rep->gaps, sizeof(*rep->gaps), gap_json), "losses",
			 array_of(rep->nlosses, rep->losses, sizeof(*rep->losses), loss_json),
			 "hooks",
			 array_of(rep->nhooks, rep->hooks, sizeof(*rep->hooks), hook_json));
}

static json_t *summary_json(const struct check_report *rep)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "objects_watched",
			 json__u64(rep->objects), "changes", json__u64(rep->changes_all),
			 "pages_resnapshotted", json__u64(rep->pages_resnapshotted),
			 "first_divergent_event", json__u64(rep->first_divergent_event), "events",
			 json__u64(rep->events), "exposures", json__u64(rep->exposures_all),
			 "changes_listed", json__u64(rep->nchanges));
}

int show__check_json(const struct show_opts *o, const struct check_report *rep)
{
	json_t *v = json_pack("{s:o, s:i, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "trace",
			      json__text(rep->dir), "format", (int)BPREC_FORMAT_VERSION, "verdict",
			      verdict_name(rep->verdict), "complete", (int)rep->complete, "watched",
			      (int)rep->watched, "command",
			      array_of(rep->argc, rep->argv, sizeof(*rep->argv), word_json), "exit",
			      exit_json(rep), "observation", observation_json(rep), "changes",
			      changes_json(rep), "exposures",
			      array_of(rep->nexposures, rep->exposures, sizeof(*rep->exposures),
				       exposure_json),
			      "summary", summary_json(rep));

	return json__print(o, v, 0);
}
