/* SPDX-License-Identifier: MIT */
/*
 * settle.c: what one cell of the table says.
 *
 * A cell is settled by the first of these that holds:
 *   1. nothing can be observed at all: "no";
 *   2. no change can come this way (the filesystem refused it, or has no such thing): not possible;
 *   3. the change was made on this filesystem: what the events told;
 *   4. it was made on another one of the same class (memory, disk): the same, and the reason says "not tried";
 *   5. it could not be tried: what its attached hooks promise, and the reason says "not tried".
 * Where 3 to 5 come to "no", but the list of holders names the outsider's descriptor or mapping, the contents of the
 * object are compared at unmap and at the end (DESIGN 12, rule 9): "compare".
 */
#include "probe/settle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "probe/trial.h"
#include "util/names.h"

const struct column *column_of(const struct maker *m, const char *fs)
{
	for (size_t i = 0; i < m->ncolumns; i++)
		if (!strcmp(m->columns[i].filesystem, fs))
			return &m->columns[i];
	return NULL;
}

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
	/* Bytes that vmsplice takes out of a pipe are stored by the kernel, as those of a read are. */
	const enum channel like = c->channel == CH_VMSPLICE ? CH_READ_INTO_MAPPING : c->channel;
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

static const struct observed_scratch *find_scratch(const struct maker *m, const char *fs)
{
	for (size_t i = 0; i < m->obs->nscratch; i++)
		if (!strcmp(m->obs->scratch[i].filesystem, fs))
			return &m->obs->scratch[i];
	return NULL;
}

/* A filesystem of the class on which the change was made. */
static const struct observed_scratch *find_alike(const struct maker *m, enum channel ch,
						 enum fs_class class)
{
	for (size_t i = 0; i < m->obs->nscratch; i++) {
		const struct observed_scratch *s = &m->obs->scratch[i];

		if (s->attempts[ch].done && column_of(m, s->filesystem)->class == class)
			return s;
	}
	return NULL;
}

/* Is the outsider's way of holding the object listed, on this or any other filesystem that was tried? */
static bool is_exposed(const struct maker *m, enum hold hold)
{
	for (size_t i = 0; i < m->obs->nscratch; i++) {
		const struct observed_scratch *s = &m->obs->scratch[i];

		if ((hold == HOLD_FD && s->held_fd) || (hold == HOLD_MAP && s->held_map))
			return true;
	}
	return false;
}

/* Nothing came, or nothing can come: are contents compared? */
static void settle_unseen(const struct maker *m, const struct channel_info *info,
			  struct probe_cell *c)
{
	c->seen = SEEN_NO;
	if (!is_exposed(m, info->hold))
		return;
	c->seen = SEEN_COMPARE;
	say(c, "; the outsider's %s is listed, so contents are compared",
	    info->hold == HOLD_FD ? "descriptor" : "mapping");
}

static void settle_tried(const struct maker *m, const struct channel_info *info,
			 struct probe_cell *c, const struct observed_scratch *s)
{
	const struct attempt *a = &s->attempts[c->channel];

	c->tried = !strcmp(s->filesystem, c->filesystem);
	if (c->tried)
		say(c, "tried in %s: ", s->dir);
	else
		say(c, "not tried here; in %s (%s) ", s->dir, s->filesystem);
	if (a->seen == SEEN_NO) {
		say(c, "no event came");
		settle_unseen(m, info, c);
		return;
	}
	c->seen = a->seen;
	say(c, "%s (%s)", a->seen == SEEN_EXACT ? "the exact range came" : "the page came",
	    a->event);
}

/* The change could not be made anywhere alike: what do the hooks promise? */
static void settle_promised(const struct maker *m, const struct channel_info *info,
			    struct probe_cell *c)
{
	if (c->nhooks && info->promised != SEEN_NO) {
		c->seen = info->promised;
		say(c, "not tried; derived from its hooks, which are attached");
		return;
	}
	say(c, c->nhooks ? "not tried; its hooks show only a part" : "not tried; no hook");
	settle_unseen(m, info, c);
}

/* Does the errno say that there is no such operation here, rather than that it went wrong this time? */
static bool means_impossible(int err)
{
	return err == EOPNOTSUPP || err == ENOSYS || err == EINVAL || err == ENOTTY;
}

/* Can no change come this way on this filesystem? Then the cell says why. */
static bool settle_impossible(const struct channel_info *info, struct probe_cell *c,
			      enum fs_class class, const struct observed_scratch *here)
{
	const struct attempt *a = here ? &here->attempts[c->channel] : NULL;

	if (a && means_impossible(a->refused)) {
		c->tried = true;
		say(c, "tried in %s: refused with %s", here->dir, trial__errno(a->refused));
	} else if (!(info->classes & class)) {
		say(c, class == FS_MEMORY ? "not tried; there is no such thing in memory"
					  : "not tried; for files in memory only");
	} else {
		return false;
	}
	c->possible = false;
	return true;
}

void settle_cell(const struct maker *m, const struct channel_info *info, struct probe_cell *c)
{
	const enum fs_class class = column_of(m, c->filesystem)->class;
	const struct observed_scratch *here = find_scratch(m, c->filesystem);
	const struct observed_hook *missing;

	c->possible = true;
	if (m->obs->error) {
		say(c, "%s", m->obs->why);
		return;
	}
	missing = find_hooks(m, c);
	if (settle_impossible(info, c, class, here))
		return;
	if (info->unhooked) {
		say(c, "not tried; %s", info->unhooked);
		return;
	}
	if (missing) {
		say(c, "%s is not attached (%s)", missing->name,
		    missing->error ? trial__errno(missing->error) : "left out");
		settle_unseen(m, info, c);
		return;
	}
	if (!here || !here->attempts[c->channel].done)
		here = find_alike(m, c->channel, class);
	if (here)
		settle_tried(m, info, c, here);
	else
		settle_promised(m, info, c);
	say(c, "%s", info->note);
	if (!c->tried && !strcmp(c->filesystem, "overlayfs"))
		say(c, " (upper layer on a disk)");
}
