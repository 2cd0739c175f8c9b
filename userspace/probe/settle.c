/* SPDX-License-Identifier: MIT */
/*
 * settle.c: what one cell of the table says.
 *
 * A cell is settled by the first of these that holds:
 *   1. nothing can be observed at all: not known;
 *   2. the kernel has no such filesystem, or the filesystem no such operation: no change can come this way;
 *   3. the change could not be made: not known, with the reason;
 *   4. it was made: what the events told. An event that comes although a hook of the channel is missing isn't relied on.
 * Where 4 comes to "no", but the list of holders names the outsider's descriptor or mapping, the contents of the object
 * are compared at unmap and at the end (DESIGN 12, rule 9): "compare". What isn't known counts as not seen.
 */
#include "probe/settle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/names.h"

/* Does a blank-separated list hold the word? */
static bool has_word(const char *list, const char *word)
{
	const size_t len = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += len)
		if ((at == list || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

/*
 * Notes the attached hooks of the cell's channel; returns one that it can't do without and that is not there, or NULL.
 * io_uring_submit_sqe became io_uring_submit_req between 6.1 and 6.12: of these, one will do.
 */
static const struct observed_hook *find_hooks(const struct maker *m, struct probe_cell *c)
{
	/* Bytes that vmsplice takes out of a pipe are stored by the kernel, as those of a read are; what a debugger changes
	 * through an outsider's mapping shows where a store would. */
	const enum channel like = c->channel == CH_VMSPLICE ? CH_READ_INTO_MAPPING
				  : c->channel == CH_PTRACE ? CH_MMAP_STORE
							    : c->channel;
	static const char renamed[] = "tp_btf/io_uring_submit_";
	const struct observed_hook *missing = NULL, *variant = NULL;
	bool have_variant = false;

	for (size_t i = 0; i < m->obs->nhooks; i++) {
		const struct observed_hook *h = &m->obs->hooks[i];
		const bool is_variant = !strncmp(h->name, renamed, sizeof(renamed) - 1);

		if (!has_word(h->serves, channel_name(like)))
			continue;
		if (h->state != HOOK_ATTACHED) {
			*(is_variant ? &variant : &missing) = h;
			continue;
		}
		have_variant = have_variant || is_variant;
		if (c->nhooks < PROBE_HOOKS_MAX)
			c->hooks[c->nhooks++] = m->names[i];
	}
	return missing || have_variant ? missing : variant;
}

__attribute__((format(printf, 2, 3))) static void say(struct probe_cell *c, const char *fmt, ...)
{
	const size_t at = strlen(c->why);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why + at, sizeof(c->why) - at, fmt, ap);
	va_end(ap);
}

/* What makes an exposure of the change, in words; NULL: nothing that was listed. */
static const char *exposed_by(const struct observed_scratch *s, const struct attempt *a,
			      enum hold hold)
{
	if (hold == HOLD_FD && s->held_fd)
		return "the outsider's descriptor is listed";
	if (hold == HOLD_MAP && s->held_map)
		return "the outsider's mapping is listed";
	if (hold == HOLD_HIDDEN && a->hidden)
		return "a writer is counted whom no list names";
	return NULL;
}

/* Nothing came that can be relied on: are contents compared? */
static void settle_unseen(const struct observed_scratch *s, const struct channel_info *info,
			  struct probe_cell *c)
{
	const char *exposed = exposed_by(s, &s->attempts[c->channel], info->hold);

	c->seen = exposed ? SEEN_COMPARE : SEEN_NO;
	if (exposed)
		say(c, "; %s, so contents are compared", exposed);
	else if (c->channel == CH_KERNEL_SHARED && s->named_special)
		say(c, "; the mapping was told, and is named in the trace");
}

static void settle_made(const struct observed_scratch *s, const struct channel_info *info,
			const struct observed_hook *missing, struct probe_cell *c)
{
	const struct attempt *a = &s->attempts[c->channel];

	c->seen = a->seen;
	if (a->seen == SEEN_NO)
		say(c, "no event came");
	else
		say(c, "%s (%s)", a->seen == SEEN_EXACT ? "the exact range came" : "the page came",
		    a->event);
	if (missing) /* check calls a trace uncertain without it, whatever else may have come */
		say(c, ", but %s is not attached (%s)", missing->name,
		    missing->error ? trial__errno(missing->error) : "left out");
	if (missing || a->seen == SEEN_NO)
		settle_unseen(s, info, c);
}

/* Does the errno say that there is no such operation here, rather than that it went wrong this time? */
static bool means_impossible(int err)
{
	return err == EOPNOTSUPP || err == ENOSYS || err == EINVAL || err == ENOTTY;
}

static void settle_untried(const struct observed_scratch *s, struct probe_cell *c)
{
	c->known = s && s->absent;
	c->possible = !c->known;
	if (c->known)
		say(c, "not tried: the kernel knows no such filesystem (%s)", s->why);
	else
		say(c, "not tried: %s", s && *s->why ? s->why : "there is no means for it here");
}

void settle_cell(const struct maker *m, const struct channel_info *info, struct probe_cell *c)
{
	const struct observed_scratch *s = observe__scratch(m->obs, c->filesystem);
	const struct attempt *a = s ? &s->attempts[c->channel] : NULL;
	const struct observed_hook *missing;

	c->possible = true;
	if (m->obs->error) {
		say(c, "%s", m->obs->why);
		return;
	}
	missing = find_hooks(m, c);
	if (!a || !a->tried)
		return settle_untried(s, c);
	c->tried = true;
	c->known = !a->idle && (!a->refused || means_impossible(a->refused));
	c->possible = !a->refused || !c->known;
	say(c, "tried in %s: ", a->where);
	if (a->refused)
		say(c, "refused with %s", trial__errno(a->refused));
	else if (a->idle)
		say(c, "nothing was refused, but nothing changed");
	else
		settle_made(s, info, missing, c);
	if (c->known)
		say(c, "%s", info->note);
}
