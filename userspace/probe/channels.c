/* SPDX-License-Identifier: MIT */
/* channels.c: what is known of each channel beforehand, and the table made of what was tried. */
#include "probe/channels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/settle.h"
#include "util/names.h"

static const struct channel_info channels[] = {
	{ CH_WRITE, HOLD_FD, false, "" },
	{ CH_PWRITE, HOLD_FD, false, "" },
	{ CH_WRITEV, HOLD_FD, false, "" },
	{ CH_PWRITEV, HOLD_FD, false, "" },
	{ CH_SENDFILE, HOLD_FD, false, "" },
	{ CH_SPLICE, HOLD_FD, false, "" },
	{ CH_VMSPLICE, HOLD_MAP, false, "; the kernel stores as a program would" },
	{ CH_COPY_FILE_RANGE, HOLD_FD, false, "" },
	{ CH_CLONE, HOLD_FD, false, "" },
	{ CH_DEDUPE, HOLD_FD, false, "; dedupe leaves the bytes as they are" },
	{ CH_IO_URING, HOLD_FD, false, "" },
	{ CH_AIO, HOLD_FD, false, "" },
	{ CH_FALLOCATE, HOLD_FD, false, "" },
	{ CH_MADVISE_REMOVE, HOLD_MAP, false, "" },
	{ CH_TRUNCATE, HOLD_NONE, false, "" },
	{ CH_OPEN_TRUNC, HOLD_NONE, false, "" },
	{ CH_DIRECT_WRITE, HOLD_FD, false, "" },
	{ CH_READ_INTO_MAPPING, HOLD_MAP, false, "; the kernel stores as a program would" },
	{ CH_MMAP_STORE, HOLD_MAP, false,
	  "; a store after a read; further ones to the page are found by comparing" },
	{ CH_KERNEL, HOLD_HIDDEN, false, "; by a loop device; nfsd and the like are alike" },
	{ CH_BLOCK_DEVICE, HOLD_NONE, true,
	  "; below the filesystem: who maps the page sees it once it has been read again" },
	{ CH_KERNEL_SHARED, HOLD_NONE, true, "; whatever the file: a BPF map that is mapped" },
	{ CH_REMOTE_MEMORY, HOLD_NONE, false, "; a tracee's memory, whatever the file" },
	{ CH_PTRACE, HOLD_MAP, false,
	  "; through an outsider's mapping: insiders have a tracer already" },
	{ CH_PROC_MEM, HOLD_NONE, false, "; a tracee's memory, whatever the file" },
	{ CH_USERFAULTFD, HOLD_MAP, false, "" },
	{ CH_UPROBE, HOLD_NONE, true, "; a breakpoint in a private page of the program's text" },
};

#define NCHANNELS (sizeof(channels) / sizeof(*channels))

/* Columns that are always there; those of other filesystems that were tried come after them. */
static const char *const fixed_columns[] = { "tmpfs", "ext4", "xfs", "btrfs", "overlayfs" };

#define NFIXED (sizeof(fixed_columns) / sizeof(*fixed_columns))

static bool is_fixed(const char *filesystem)
{
	for (size_t i = 0; i < NFIXED; i++)
		if (!strcmp(fixed_columns[i], filesystem))
			return true;
	return false;
}

/* The filesystems of the columns. Returns how many. */
static size_t columns(const struct observed *obs, const char *ret[NFIXED + OBSERVED_SCRATCH_MAX])
{
	size_t n = 0;

	while (n < NFIXED) {
		ret[n] = fixed_columns[n];
		n++;
	}
	for (size_t i = 0; i < obs->nscratch; i++)
		if (!is_fixed(obs->scratch[i].filesystem) && obs->scratch[i].used)
			ret[n++] = obs->scratch[i].filesystem;
	return n;
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
			if (channels[j].channel == c->channel && !channels[j].blind && c->known &&
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
	r->tiers = obs->error ? 0 : obs->tiers;
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
	const struct maker m = { .obs = obs, .names = r->hook_names };
	const char *names[NFIXED + OBSERVED_SCRATCH_MAX];
	const size_t n = columns(obs, names);

	r->cells = calloc(NCHANNELS * n, sizeof(*r->cells));
	if (!r->cells)
		return -ENOMEM;
	for (size_t i = 0; i < NCHANNELS; i++) {
		for (size_t j = 0; j < n; j++) {
			struct probe_cell *c = &r->cells[r->ncells++];

			c->channel = channels[i].channel;
			c->filesystem = names[j];
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
