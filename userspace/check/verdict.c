// SPDX-License-Identifier: MIT
/* verdict.c: what remains to be said at the end of a trace, and the verdict. The rules: docs/VERDICTS.md. */
#include "check/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <Judy.h>

#include "util/names.h"

/** True if the recorder has told of a gap of this kind that covers the channel. */
static bool told(const struct check_report *rep, enum gap_kind kind, uint32_t channel)
{
	for (size_t i = 0; i < rep->ngaps; i++)
		if (rep->gaps[i].kind == kind && !rep->gaps[i].object &&
		    (rep->gaps[i].channel == channel || rep->gaps[i].channel == CH_UNKNOWN))
			return true;
	return false;
}

/** Number of the channel whose name is the first `len` bytes of s. */
static uint32_t channel_of(const char *s, size_t len)
{
	for (uint32_t ch = 0; ch < CH_MAX; ch++)
		if (strlen(channel_name(ch)) == len && !strncmp(channel_name(ch), s, len))
			return ch;
	return CH_UNKNOWN;
}

/** Names each channel that a missing hook serves. */
static int missing_hook(struct check_state *s, const struct check_hook *h)
{
	char reason[160];

	snprintf(reason, sizeof(reason), "hook %s: %s%s%s", h->name, hook_state_name(h->fact.state),
		 h->fact.error ? ", " : "", h->fact.error ? strerror(h->fact.error) : "");
	for (const char *at = h->serves; *(at += strspn(at, " ")); at += strcspn(at, " ")) {
		uint32_t ch = channel_of(at, strcspn(at, " "));

		if (told(s->rep, GAP_HOOK_MISSING, ch) || told(s->rep, GAP_CHANNEL_UNSEEN, ch))
			continue;
		int err = check__gap(s, GAP_HOOK_MISSING, ch, 0, reason);
		if (err)
			return err;
	}
	return 0;
}

static int look_at_hooks(struct check_state *s)
{
	struct check_report *rep = s->rep;

	for (size_t i = 0; i < rep->nhooks; i++) {
		int err = rep->hooks[i].fact.state == HOOK_ATTACHED
				  ? 0
				  : missing_hook(s, &rep->hooks[i]);
		if (err)
			return err;
	}
	if (!rep->observed && !told(rep, GAP_NOT_OBSERVED, CH_UNKNOWN))
		return check__gap(s, GAP_NOT_OBSERVED, CH_UNKNOWN, 0, "nothing was observed");
	if (rep->observed && !s->attached)
		return check__gap(s, GAP_HOOK_MISSING, CH_UNKNOWN, 0, "no hook was attached");
	return 0;
}

/** Takes a mapping at the end of the trace: a suspect object that nobody has looked at since is not known. */
static int last_mapping(void *ctx, const struct model_space *sp, const struct model_vma *v)
{
	struct check_state *s = ctx;
	void **p = JudyLGet(s->spaces, sp->id, NULL);
	const struct space_times *r = p ? *p : NULL;
	struct object_facts *o = check__object(s, v->object);

	if (!o)
		return -ENOMEM;
	if (o->compare_no == UINT64_MAX ||
	    (r && r->before != UINT64_MAX && o->compare_no < r->before))
		o->unlooked = true;
	return 0;
}

static int look_at_suspects(struct check_state *s)
{
	Word_t id = 0;

	for (void **v = JudyLFirst(s->objects, &id, NULL); v;
	     v = JudyLNext(s->objects, &id, NULL)) {
		const struct object_facts *o = *v;
		int err = o->suspect ? model__each_mapper(s->model, (uint32_t)id, 0, UINT64_MAX,
							  last_mapping, s)
				     : 0;
		if (!err && o->unlooked && !o->hidden)
			err = check__gap(
				s, GAP_HIDDEN_STORES, CH_MMAP_STORE, (uint32_t)id,
				"an outsider could store into it, and nobody looked at the "
				"contents afterwards");
		if (err)
			return err;
	}
	return 0;
}

static int blame_changes(struct check_state *s)
{
	int err = 0;

	for (size_t i = 0; !err && i < s->rep->nchanges; i++)
		err = check__blame(s, &s->rep->changes[i]);
	return err;
}

int check__finish(struct check_state *s)
{
	struct check_report *rep = s->rep;
	const struct model_task *root = model__root(s->model);
	int err = rep->started ? look_at_hooks(s) : 0;

	if (!err)
		err = look_at_suspects(s);
	if (!err && rep->complete && !s->ended)
		err = check__gap(s, GAP_RECORDER_ERROR, CH_UNKNOWN, 0,
				 "the trace has no last event");
	if (!err && !rep->started)
		err = check__gap(s, GAP_RECORDER_ERROR, CH_UNKNOWN, 0,
				 "the trace has no first event");
	if (!err && rep->end_kind == END_FAILED)
		err = check__gap(s, GAP_RECORDER_ERROR, CH_UNKNOWN, 0, "the recorder failed");
	if (!rep->end_kind && root && !root->alive) {
		rep->end_kind = root->end_kind;
		rep->end_code = root->end_code;
	}
	return err ? err : blame_changes(s);
}

static uint64_t sum_bad(const uint64_t *outcomes)
{
	return outcomes[OUTCOME_POSSIBLE] + outcomes[OUTCOME_SEEN_EARLY] + outcomes[OUTCOME_LOST];
}

uint64_t check__doubtful(const struct check_report *rep)
{
	return sum_bad(rep->doubted);
}

uint64_t check__bad(const struct check_report *rep)
{
	return sum_bad(rep->outcomes) - check__doubtful(rep);
}

enum verdict check__verdict(const struct check_report *rep)
{
	if (check__bad(rep))
		return VERDICT_DIVERGENT;
	if (!rep->complete || !rep->started || rep->gaps_all || rep->lost || check__doubtful(rep))
		return VERDICT_UNCERTAIN;
	if (rep->changes_all)
		return VERDICT_RESNAPSHOTTED;
	return VERDICT_CLEAN;
}
