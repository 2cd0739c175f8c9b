/* SPDX-License-Identifier: MIT */
/*
 * channels.c: from what was tried to the table of channels and filesystems.
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
#include "probe/channels.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "probe/observe.h"
#include "probe/trial.h"
#include "util/names.h"

/** Classes of filesystems that behave alike for all that concerns us. */
enum fs_class { FS_MEMORY = 1, FS_DISK = 2 };

/** By what an outsider holds the object while it changes it through a channel. */
enum hold { HOLD_NONE, HOLD_FD, HOLD_MAP };

/** What is known of a channel without trying it. */
struct channel_info {
	enum channel channel;
	unsigned int classes;	  /* enum fs_class: where a change can come this way */
	enum hold hold;		  /* makes an exposure of it, so that contents are compared */
	enum probe_seen promised; /* when its hooks are attached, and it could not be tried */
	const char *note;	  /* appended to the reason */
};

#define ANYWHERE (FS_MEMORY | FS_DISK)

static const struct channel_info channels[] = {
	{ CH_WRITE, ANYWHERE, HOLD_FD, SEEN_EXACT, "" },
	{ CH_PWRITE, ANYWHERE, HOLD_FD, SEEN_EXACT, "" },
	{ CH_WRITEV, ANYWHERE, HOLD_FD, SEEN_EXACT, "" },
	{ CH_PWRITEV, ANYWHERE, HOLD_FD, SEEN_EXACT, "" },
	{ CH_SENDFILE, ANYWHERE, HOLD_FD, SEEN_EXACT, "" },
	{ CH_SPLICE, ANYWHERE, HOLD_FD, SEEN_EXACT, "" },
	{ CH_VMSPLICE, ANYWHERE, HOLD_MAP, SEEN_NO, "" },
	{ CH_COPY_FILE_RANGE, ANYWHERE, HOLD_FD, SEEN_EXACT, "" },
	{ CH_CLONE, FS_DISK, HOLD_FD, SEEN_EXACT, "" },
	{ CH_DEDUPE, FS_DISK, HOLD_FD, SEEN_EXACT, "; dedupe leaves the bytes as they are" },
	{ CH_IO_URING, ANYWHERE, HOLD_FD, SEEN_EXACT, "" },
	{ CH_AIO, ANYWHERE, HOLD_FD, SEEN_EXACT, "" },
	{ CH_FALLOCATE, ANYWHERE, HOLD_FD, SEEN_EXACT, "" },
	{ CH_MADVISE_REMOVE, ANYWHERE, HOLD_MAP, SEEN_EXACT, "" },
	{ CH_TRUNCATE, ANYWHERE, HOLD_NONE, SEEN_EXACT, "" },
	{ CH_OPEN_TRUNC, ANYWHERE, HOLD_NONE, SEEN_EXACT, "" },
	{ CH_DIRECT_WRITE, ANYWHERE, HOLD_FD, SEEN_EXACT, "" },
	{ CH_READ_INTO_MAPPING, ANYWHERE, HOLD_MAP, SEEN_NO,
	  "; the kernel stores as a program would" },
	{ CH_MMAP_STORE, ANYWHERE, HOLD_MAP, SEEN_NO,
	  "; a store after a read: further ones to the page are found by comparing" },
	{ CH_KERNEL, ANYWHERE, HOLD_FD, SEEN_NO,
	  "; loop, nfsd and the like: counted as writers that nobody is named for" },
	{ CH_BLOCK_DEVICE, FS_DISK, HOLD_NONE, SEEN_NO,
	  "a raw write below the filesystem reaches no mapped page until it is read again, and no hook" },
	{ CH_KERNEL_SHARED, ANYWHERE, HOLD_NONE, SEEN_NO,
	  "memory that the kernel writes by itself: such a mapping makes a trace uncertain, by name" },
	{ CH_REMOTE_MEMORY, ANYWHERE, HOLD_NONE, SEEN_EXACT,
	  "; a tracee's memory, whatever the file" },
	{ CH_PTRACE, ANYWHERE, HOLD_MAP, SEEN_NO,
	  "; through an outsider's mapping: insiders have a tracer already" },
	{ CH_PROC_MEM, ANYWHERE, HOLD_NONE, SEEN_EXACT, "; a tracee's memory, whatever the file" },
	{ CH_USERFAULTFD, FS_MEMORY, HOLD_MAP, SEEN_NO, "" },
	{ CH_UPROBE, ANYWHERE, HOLD_NONE, SEEN_NO,
	  "no hook: a breakpoint goes into a private page of the program's text" },
};

#define NCHANNELS (sizeof(channels) / sizeof(*channels))

/** One column of the table. */
struct column {
	const char *filesystem;
	enum fs_class class;
};

static const struct column fixed_columns[] = {
	{ "tmpfs", FS_MEMORY }, { "ext4", FS_DISK },	  { "xfs", FS_DISK },
	{ "btrfs", FS_DISK },	{ "overlayfs", FS_DISK },
};

#define NFIXED (sizeof(fixed_columns) / sizeof(*fixed_columns))

/** What the cells are made from. */
struct maker {
	const struct observed *obs;
	char **names; /* of hooks, one for each of obs->hooks */
	struct column columns[NFIXED + OBSERVED_SCRATCH_MAX];
	size_t ncolumns;
};

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
	static const char renamed[] = "tp_btf/io_uring_submit_";
	const struct observed_hook *missing = NULL, *variant = NULL;
	bool have_variant = false;

	for (size_t i = 0; i < m->obs->nhooks; i++) {
		const struct observed_hook *h = &m->obs->hooks[i];
		const bool is_variant = !strncmp(h->name, renamed, sizeof(renamed) - 1);

		if (!has_word(h->serves, channel_name(c->channel)))
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

static const struct column *column_of(const struct maker *m, const char *fs)
{
	for (size_t i = 0; i < m->ncolumns; i++)
		if (!strcmp(m->columns[i].filesystem, fs))
			return &m->columns[i];
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
	say(c, c->tried ? "tried in %s: " : "not tried here; in %s, ", s->dir);
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
	if (info->note[0] != ';') {
		c->seen = SEEN_NO;
		return;
	}
	say(c, c->nhooks ? "not tried; its hooks show only a part" : "not tried; no hook");
	settle_unseen(m, info, c);
}

/* Can no change come this way on this filesystem? Then the cell says why. */
static bool settle_impossible(const struct channel_info *info, struct probe_cell *c,
			      enum fs_class class, const struct observed_scratch *here)
{
	const struct attempt *a = here ? &here->attempts[c->channel] : NULL;

	if (a && a->refused) {
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

static void settle(const struct maker *m, const struct channel_info *info, enum fs_class class,
		   struct probe_cell *c)
{
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
}

/* The fixed columns, and the filesystems of the scratch directories beside them. */
static void make_columns(struct maker *m)
{
	memcpy(m->columns, fixed_columns, sizeof(fixed_columns));
	m->ncolumns = NFIXED;
	for (size_t i = 0; i < m->obs->nscratch; i++)
		if (!column_of(m, m->obs->scratch[i].filesystem))
			m->columns[m->ncolumns++] =
				(struct column){ m->obs->scratch[i].filesystem, FS_DISK };
}

/* Copies of the hooks' names, which outlive the trial. 0 or -ENOMEM. */
static int copy_names(const struct observed *obs, struct probe_report *r)
{
	r->hook_names = calloc(obs->nhooks + 1, sizeof(*r->hook_names));
	if (!r->hook_names)
		return -ENOMEM;
	for (size_t i = 0; i < obs->nhooks; i++) {
		r->hook_names[i] = strdup(obs->hooks[i].name);
		if (!r->hook_names[i])
			return -ENOMEM;
	}
	return 0;
}

static enum probe_answer answer_of(const struct probe_report *r, const char *name)
{
	for (size_t i = 0; i < r->nfeatures; i++)
		if (!strcmp(r->features[i].name, name))
			return r->features[i].answer;
	return PROBE_UNKNOWN;
}

static void judge_usable(const struct observed *obs, struct probe_report *r)
{
	const bool records = answer_of(r, "ptrace_seize") == PROBE_YES &&
			     answer_of(r, "seccomp_trace") == PROBE_YES;

	r->usable = records && !obs->error;
	if (!records)
		snprintf(r->why, sizeof(r->why), "processes can't be traced here");
	else if (obs->error)
		snprintf(r->why, sizeof(r->why), "recording works, observation does not: %.200s",
			 obs->why);
	else
		snprintf(r->why, sizeof(r->why), "recording and observation work");
}

static int make_cells(const struct observed *obs, struct probe_report *r)
{
	struct maker m = { .obs = obs, .names = r->hook_names };

	make_columns(&m);
	r->cells = calloc(NCHANNELS * m.ncolumns, sizeof(*r->cells));
	if (!r->cells)
		return -ENOMEM;
	for (size_t i = 0; i < NCHANNELS; i++) {
		for (size_t j = 0; j < m.ncolumns; j++) {
			struct probe_cell *c = &r->cells[r->ncells++];

			c->channel = channels[i].channel;
			c->filesystem = m.columns[j].filesystem;
			settle(&m, &channels[i], m.columns[j].class, c);
		}
	}
	return 0;
}

int channels__find(const struct probe_opts *opts, struct probe_report *r)
{
	struct observed *obs = trial__shared(sizeof(*obs));
	int err = -ENOMEM;

	if (!obs)
		goto out;
	observe__run(obs, opts ? opts->disable : NULL);
	err = copy_names(obs, r);
	if (err)
		goto out;
	err = make_cells(obs, r);
	if (err)
		goto out;
	judge_usable(obs, r);
out:
	if (obs)
		munmap(obs, sizeof(*obs));
	return err;
}
