/* SPDX-License-Identifier: MIT */
/* channels.c: what is known of each channel beforehand, and the table made of that and of what was tried. */
#include "probe/channels.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/settle.h"
#include "util/names.h"

#define ANYWHERE (FS_MEMORY | FS_DISK)

static const struct channel_info channels[] = {
	{ CH_WRITE, ANYWHERE, HOLD_FD, SEEN_EXACT, "", NULL },
	{ CH_PWRITE, ANYWHERE, HOLD_FD, SEEN_EXACT, "", NULL },
	{ CH_WRITEV, ANYWHERE, HOLD_FD, SEEN_EXACT, "", NULL },
	{ CH_PWRITEV, ANYWHERE, HOLD_FD, SEEN_EXACT, "", NULL },
	{ CH_SENDFILE, ANYWHERE, HOLD_FD, SEEN_EXACT, "", NULL },
	{ CH_SPLICE, ANYWHERE, HOLD_FD, SEEN_EXACT, "", NULL },
	{ CH_VMSPLICE, ANYWHERE, HOLD_MAP, SEEN_NO, "; the kernel stores as a program would",
	  NULL },
	{ CH_COPY_FILE_RANGE, ANYWHERE, HOLD_FD, SEEN_EXACT, "", NULL },
	{ CH_CLONE, FS_DISK, HOLD_FD, SEEN_EXACT, "", NULL },
	{ CH_DEDUPE, FS_DISK, HOLD_FD, SEEN_EXACT, "; dedupe leaves the bytes as they are", NULL },
	{ CH_IO_URING, ANYWHERE, HOLD_FD, SEEN_EXACT, "", NULL },
	{ CH_AIO, ANYWHERE, HOLD_FD, SEEN_EXACT, "", NULL },
	{ CH_FALLOCATE, ANYWHERE, HOLD_FD, SEEN_EXACT, "", NULL },
	{ CH_MADVISE_REMOVE, ANYWHERE, HOLD_MAP, SEEN_EXACT, "", NULL },
	{ CH_TRUNCATE, ANYWHERE, HOLD_NONE, SEEN_EXACT, "", NULL },
	{ CH_OPEN_TRUNC, ANYWHERE, HOLD_NONE, SEEN_EXACT, "", NULL },
	{ CH_DIRECT_WRITE, ANYWHERE, HOLD_FD, SEEN_EXACT, "", NULL },
	{ CH_READ_INTO_MAPPING, ANYWHERE, HOLD_MAP, SEEN_NO,
	  "; the kernel stores as a program would", NULL },
	{ CH_MMAP_STORE, ANYWHERE, HOLD_MAP, SEEN_NO,
	  "; a store after a read; further ones to the page are found by comparing", NULL },
	{ CH_KERNEL, ANYWHERE, HOLD_FD, SEEN_NO,
	  "; loop, nfsd and the like count as writers that nobody is named for", NULL },
	{ CH_BLOCK_DEVICE, FS_DISK, HOLD_NONE, SEEN_NO, "",
	  "no hook shows a raw write below the filesystem; a mapped page shows it once it is read again" },
	{ CH_KERNEL_SHARED, ANYWHERE, HOLD_NONE, SEEN_NO, "",
	  "memory that the kernel writes by itself: such a mapping makes a trace uncertain, by name" },
	{ CH_REMOTE_MEMORY, ANYWHERE, HOLD_NONE, SEEN_EXACT,
	  "; a tracee's memory, whatever the file", NULL },
	{ CH_PTRACE, ANYWHERE, HOLD_MAP, SEEN_NO,
	  "; through an outsider's mapping: insiders have a tracer already", NULL },
	{ CH_PROC_MEM, ANYWHERE, HOLD_NONE, SEEN_EXACT, "; a tracee's memory, whatever the file",
	  NULL },
	{ CH_USERFAULTFD, FS_MEMORY, HOLD_MAP, SEEN_NO, "", NULL },
	{ CH_UPROBE, ANYWHERE, HOLD_NONE, SEEN_NO, "",
	  "no hook shows it: the breakpoint goes into a private page of the program's text" },
};

#define NCHANNELS (sizeof(channels) / sizeof(*channels))

static const struct column fixed_columns[] = {
	{ "tmpfs", FS_MEMORY }, { "ext4", FS_DISK },	  { "xfs", FS_DISK },
	{ "btrfs", FS_DISK },	{ "overlayfs", FS_DISK },
};

#define NFIXED (sizeof(fixed_columns) / sizeof(*fixed_columns))
static_assert(NFIXED + OBSERVED_SCRATCH_MAX <= COLUMNS_MAX, "columns");

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

/* A channel that ought to be seen and isn't, not even by comparing; NULL if there is none. */
static const struct probe_cell *find_unseen(const struct probe_report *r)
{
	for (size_t i = 0; i < r->ncells; i++) {
		const struct probe_cell *c = &r->cells[i];

		for (size_t j = 0; j < NCHANNELS; j++)
			if (channels[j].channel == c->channel && !channels[j].unhooked &&
			    c->possible && c->seen == SEEN_NO)
				return c;
	}
	return NULL;
}

static void judge_usable(const struct observed *obs, struct probe_report *r)
{
	const bool records = answer_of(r, "ptrace_seize") == PROBE_YES &&
			     answer_of(r, "seccomp_trace") == PROBE_YES;
	const struct probe_cell *unseen = find_unseen(r);

	r->observes = !obs->error;
	r->usable = records && r->observes && !unseen;
	if (!records)
		snprintf(r->why, sizeof(r->why), "processes can't be traced here");
	else if (obs->error)
		snprintf(r->why, sizeof(r->why), "recording works, observation does not: %.180s",
			 obs->why);
	else if (unseen)
		snprintf(r->why, sizeof(r->why),
			 "recording works, observation has gaps, the first is %s on %s: %.140s",
			 channel_name(unseen->channel), unseen->filesystem, unseen->why);
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
			settle_cell(&m, &channels[i], c);
		}
	}
	return 0;
}

int channels__make(const struct observed *obs, struct probe_report *r)
{
	int err = copy_names(obs, r);

	if (!err)
		err = make_cells(obs, r);
	if (!err)
		judge_usable(obs, r);
	return err;
}
