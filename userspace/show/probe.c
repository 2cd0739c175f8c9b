/* SPDX-License-Identifier: MIT */
/*
 * probe.c: text and JSON of what probe__run found.
 *
 * The text begins with one line for each tier (recording, changes by calls, stores to mappings on each filesystem,
 * changes of a tracee's memory, filesystems of which nothing is known, what is not seen); then come the features, the table of channels and filesystems, and
 * the reasons of all cells that are worse than exact, equal ones once.
 */
#include "show/probe.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "util/names.h"

/* Columns of the table that are printed at most. */
#define COLUMNS_MAX 16

#define TEXT(id, n, text) [n] = text,
static const char *const answer_texts[] = { BPREC_PROBE_ANSWERS(TEXT) };
static const char *const seen_texts[] = { BPREC_PROBE_SEEN(TEXT) };
#undef TEXT

/** Where to, and whether in colour. */
struct out {
	FILE *to;
	bool colour;
};

static const char good[] = "\033[32m", poor[] = "\033[33m", bad[] = "\033[31m", faint[] = "\033[2m";

/* Prints a word in a colour, with blanks up to the width (0: none). */
static void print_word(const struct out *o, const char *colour, int width, const char *word)
{
	if (o->colour)
		fprintf(o->to, "%s%s\033[0m", colour, word);
	else
		fputs(word, o->to);
	fprintf(o->to, "%*s", width > (int)strlen(word) ? width - (int)strlen(word) : 0, "");
}

static const char *seen_colour(enum probe_seen seen)
{
	return seen == SEEN_NO ? bad : seen == SEEN_COMPARE ? poor : good;
}

bool show__probe_complete(const struct probe_report *r)
{
	for (size_t i = 0; i < r->ncells; i++)
		if (r->cells[i].possible && r->cells[i].seen < SEEN_PAGE)
			return false;
	return r->ncells > 0;
}

/* Channels in which a call names what it changes. */
static bool is_call(enum channel ch)
{
	switch (ch) {
	case CH_VMSPLICE:
	case CH_READ_INTO_MAPPING:
	case CH_MMAP_STORE:
	case CH_KERNEL:
	case CH_BLOCK_DEVICE:
	case CH_KERNEL_SHARED:
	case CH_REMOTE_MEMORY:
	case CH_PTRACE:
	case CH_PROC_MEM:
	case CH_USERFAULTFD:
	case CH_UPROBE:
		return false;
	default:
		return true;
	}
}

static bool is_tracee_memory(enum channel ch)
{
	return ch == CH_REMOTE_MEMORY || ch == CH_PROC_MEM;
}

static bool is_store(enum channel ch)
{
	return ch == CH_MMAP_STORE;
}

/* How a tier is seen, in words. */
static const char *tier_text(enum probe_seen seen)
{
	static const char *const texts[] = {
		[SEEN_NO] = "not seen",
		[SEEN_COMPARE] = "only by comparing",
		[SEEN_PAGE] = "page by page",
		[SEEN_EXACT] = "seen exactly",
	};

	return texts[seen];
}

/* The worst way of seeing among a tier's cells on one filesystem (NULL: all). */
static enum probe_seen worst(const struct probe_report *r, bool (*in_tier)(enum channel),
			     const char *fs)
{
	enum probe_seen seen = SEEN_EXACT;

	for (size_t i = 0; i < r->ncells; i++) {
		const struct probe_cell *c = &r->cells[i];

		if (c->possible && c->known && in_tier(c->channel) && c->seen < seen &&
		    (!fs || !strcmp(c->filesystem, fs)))
			seen = c->seen;
	}
	return seen;
}

/* Filesystems, in the order of the cells of the first channel. */
static size_t columns(const struct probe_report *r, const char *ret[COLUMNS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < r->ncells && r->cells[i].channel == r->cells[0].channel; i++)
		if (n < COLUMNS_MAX)
			ret[n++] = r->cells[i].filesystem;
	return n;
}

static void print_tier(const struct out *o, const char *what, enum probe_seen seen)
{
	fprintf(o->to, "%s: ", what);
	print_word(o, seen_colour(seen), 0, tier_text(seen));
	putc('\n', o->to);
}

/* The channels of the tier that are seen worse than exactly somewhere. */
static void print_lesser(const struct out *o, const struct probe_report *r,
			 bool (*in_tier)(enum channel), enum probe_seen below)
{
	const char *sep = " (";
	enum channel last = CH_UNKNOWN;

	for (size_t i = 0; i < r->ncells; i++) {
		const struct probe_cell *c = &r->cells[i];

		if (!c->possible || !c->known || c->seen >= below || !in_tier(c->channel) ||
		    c->channel == last)
			continue;
		last = c->channel;
		fprintf(o->to, "%s%s", sep, channel_name(last));
		sep = ", ";
	}
	fputs(*sep == ',' ? ")\n" : "\n", o->to);
}

/* Changes by calls: exactly all, or which ones not. */
static void print_calls(const struct out *o, const struct probe_report *r)
{
	const enum probe_seen seen = worst(r, is_call, NULL);

	fputs("outside writes by calls: ", o->to);
	if (seen == SEEN_EXACT) {
		print_word(o, good, 0, "seen exactly");
		putc('\n', o->to);
		return;
	}
	print_word(o, seen_colour(seen), 0, "not all seen exactly");
	print_lesser(o, r, is_call, SEEN_EXACT);
}

/* A filesystem of which nothing is known: its first reason, NULL if something is. */
static const char *why_unknown(const struct probe_report *r, const char *fs)
{
	const char *why = NULL;

	for (size_t i = 0; i < r->ncells; i++) {
		const struct probe_cell *c = &r->cells[i];

		if (strcmp(c->filesystem, fs) != 0)
			continue;
		if (c->known)
			return NULL;
		if (!why)
			why = c->why;
	}
	return why;
}

/* Stores to mappings: one line for the filesystems that are alike. */
static void print_stores(const struct out *o, const struct probe_report *r)
{
	const char *names[COLUMNS_MAX];
	const size_t n = columns(r, names);

	for (int seen = SEEN_EXACT; seen >= SEEN_NO; seen--) {
		const char *sep = "stores to mappings of ";

		for (size_t i = 0; i < n; i++) {
			if ((int)worst(r, is_store, names[i]) != seen || why_unknown(r, names[i]))
				continue;
			fprintf(o->to, "%s%s", sep, names[i]);
			sep = ", ";
		}
		if (*sep == ',') {
			fputs(" files: ", o->to);
			print_word(o, seen_colour((enum probe_seen)seen), 0,
				   tier_text((enum probe_seen)seen));
			putc('\n', o->to);
		}
	}
}

/* Which of the two kinds of hooks an observation uses where it has a choice. */
static const char *const hook_tiers[] = {
	"none",
	"1: tracepoints of system calls and page faults",
	"2: choke points (fentry and fexit), which cost unrelated calls nothing",
	"1 and 2: choke points, and tracepoints where this kernel refuses those",
};

static bool is_any(enum channel ch)
{
	(void)ch;
	return true;
}

static void print_unknown(const struct out *o, const struct probe_report *r)
{
	const char *names[COLUMNS_MAX];
	const size_t n = columns(r, names);

	for (size_t i = 0; i < n; i++) {
		const char *why = why_unknown(r, names[i]);

		if (!why)
			continue;
		fprintf(o->to, "changes of %s files: ", names[i]);
		print_word(o, poor, 0, "unknown");
		fprintf(o->to, ": %s\n", why);
	}
}

static void print_verdicts(const struct out *o, const struct probe_report *r)
{
	fprintf(o->to, "kernel %s, %s\nbprec record: ", r->kernel, r->arch);
	print_word(o, r->usable ? good : bad, 0, r->usable ? "usable" : "not usable as a whole");
	fprintf(o->to, ": %s\n", r->why);
	if (!r->observes)
		return;
	fprintf(o->to, "tier of hooks: %s\n", hook_tiers[r->tiers & 3]);
	print_calls(o, r);
	print_stores(o, r);
	print_tier(o, "memory of recorded processes", worst(r, is_tracee_memory, NULL));
	print_unknown(o, r);
	if (worst(r, is_any, NULL) == SEEN_NO) {
		print_word(o, bad, 0, "not seen");
		fputs(" somewhere", o->to);
		print_lesser(o, r, is_any, SEEN_COMPARE);
	}
}

static void print_features(const struct out *o, const struct probe_report *r)
{
	fputs("\nfeature            answer   why; what for\n", o->to);
	for (size_t i = 0; i < r->nfeatures; i++) {
		const struct probe_feature *f = &r->features[i];
		const bool fine = f->answer == (f->hinders ? PROBE_NO : PROBE_YES);
		const char *colour = fine ? good : f->answer == PROBE_UNKNOWN ? poor : bad;

		fprintf(o->to, "%-18s ", f->name);
		print_word(o, colour, 9, answer_texts[f->answer]);
		fputs(f->why, o->to);
		putc(' ', o->to);
		if (o->colour)
			fprintf(o->to, "%s[%s]\033[0m\n", faint, f->purpose);
		else
			fprintf(o->to, "[%s]\n", f->purpose);
	}
}

/* One cell: "-" where no change can come this way. */
static void print_cell(const struct out *o, const struct probe_cell *c)
{
	if (!c->possible)
		print_word(o, faint, 11, "-");
	else if (!c->known)
		print_word(o, poor, 11, "unknown");
	else
		print_word(o, seen_colour(c->seen), 11, seen_texts[c->seen]);
}

static void print_table(const struct out *o, const struct probe_report *r)
{
	const char *names[COLUMNS_MAX];
	const size_t n = columns(r, names);
	enum channel last = CH_UNKNOWN;

	fprintf(o->to, "\n%-18s ", "channel");
	for (size_t i = 0; i < n; i++)
		fprintf(o->to, "%-11s", names[i]);
	for (size_t i = 0; i < r->ncells; i++) {
		const struct probe_cell *c = &r->cells[i];

		if (c->channel != last)
			fprintf(o->to, "\n%-18s ", channel_name(c->channel));
		last = c->channel;
		print_cell(o, c);
	}
	fputs("\n(each was tried; - no change can come this way; --json has all reasons)\n", o->to);
}

/* Is there an earlier cell of the channel with the same reason? */
static bool is_repeated(const struct probe_report *r, size_t at)
{
	for (size_t i = at; i-- > 0 && r->cells[i].channel == r->cells[at].channel;)
		if (!strcmp(r->cells[i].why, r->cells[at].why))
			return true;
	return false;
}

static void print_reasons(const struct out *o, const struct probe_report *r)
{
	fputs("\nseen worse than page by page:\n", o->to);
	for (size_t i = 0; i < r->ncells; i++) {
		const struct probe_cell *c = &r->cells[i];

		if (c->possible && c->seen < SEEN_PAGE && !is_repeated(r, i))
			fprintf(o->to, "  %s, %s: %s: %s\n", channel_name(c->channel),
				c->filesystem, c->known ? seen_texts[c->seen] : "unknown", c->why);
	}
}

void show__probe_text(FILE *to, const struct probe_report *r, bool colour)
{
	const struct out o = { to, colour };

	print_verdicts(&o, r);
	print_features(&o, r);
	if (!r->observes)
		return;
	print_table(&o, r);
	if (!show__probe_complete(r))
		print_reasons(&o, r);
}

static json_t *feature_json(const struct probe_feature *f)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "name", f->name, "answer", answer_texts[f->answer],
			 "why", f->why, "for", f->purpose);
}

static json_t *cell_json(const struct probe_cell *c)
{
	json_t *hooks = json_array();

	for (size_t i = 0; i < c->nhooks; i++)
		json_array_append_new(hooks, json_string(c->hooks[i]));
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:b, s:b, s:b}", "channel",
			 channel_name(c->channel), "filesystem", c->filesystem, "seen",
			 seen_texts[c->seen], "hooks", hooks, "why", c->why, "possible",
			 c->possible, "tried", c->tried, "known", c->known);
}

int show__probe_json(FILE *to, const struct probe_report *r)
{
	json_t *features = json_array(), *cells = json_array();
	json_t *all;
	int err = 0;

	for (size_t i = 0; i < r->nfeatures; i++)
		err |= json_array_append_new(features, feature_json(&r->features[i]));
	for (size_t i = 0; i < r->ncells; i++)
		err |= json_array_append_new(cells, cell_json(&r->cells[i]));
	all = json_pack("{s:s, s:s, s:b, s:b, s:i, s:s, s:o, s:o}", "kernel", r->kernel, "arch",
			r->arch, "usable", r->usable, "observes", r->observes, "tiers", r->tiers,
			"why", r->why, "features", features, "channels", cells);
	if (err || !all || json_dumpf(all, to, JSON_INDENT(1) | JSON_PRESERVE_ORDER))
		err = -ENOMEM;
	else
		putc('\n', to);
	json_decref(all);
	return err;
}
