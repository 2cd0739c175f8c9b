// SPDX-License-Identifier: MIT
/*
 * load.c: which hooks this kernel has, and loading the programs of those.
 *
 * Loading an object is all or nothing. So a hook that the kernel doesn't have at all (no such tracepoint in tracefs or
 * in the BTF) is left out beforehand; if the rest is refused all the same, each program is tried alone, with an
 * object of its own, and those that are refused are left out of the next attempt. Hooks that other ones make
 * superfluous are left out, too (tier.c).
 *
 * Programs that are attached only when they are needed (attach.c) are loaded only then, too, unless the caller gives up its
 * privileges: they are a third of all instructions. They come from an object of their own, with the same maps. The others are
 * verified in two threads (verify.c), but one that is tried alone.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kern/places.h"
#include "kern/state.h"
#include "kern/verify.h"

#include "bprec.skel.h" /* after the types that it uses */

#define HOOK_ROW(id, program, place, channels) [KHOOK_##id] = { #program, place, channels },
static const struct {
	const char *prog, *name, *serves;
} hook_table[KHOOK_MAX] = { BPREC_KHOOKS(HOOK_ROW) };

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

/* Whether the place that a hook is named after exists. */
static bool hook_exists(const struct kern *k, const struct places *p, const char *name)
{
	if (!strncmp(name, "tp_btf/", 7) || !strncmp(name, "fentry/", 7) ||
	    !strncmp(name, "fexit/", 6))
		return places_id(p, name) > 0;
	if (!strncmp(name, "tracepoint/", 11))
		return tracefs_id(k->tracefs, name + 11) >= 0;
	return true;
}

/* The state of one hook before loading: OFF by wish, ABSENT, FAILED as was found out before, or ATTACHED as long as nothing speaks
 * against it. trial: whether choke points work at all; where they don't, not each of them has failed. */
static void find_hook(struct kern *k, int i, const struct places *p, const char *disable, int trial)
{
	struct kern_hook *h = &k->hooks[i];
	bool choke = tier_is_choke(i);

	h->name = hook_table[i].name;
	h->serves = hook_table[i].serves;
	h->state = HOOK_ATTACHED;
	h->error = k->refused[i];
	if (disable && !strcmp(disable, h->name))
		h->state = HOOK_OFF;
	else if (!hook_exists(k, p, h->name))
		h->state = HOOK_ABSENT;
	else if (k->refused[i])
		h->state = HOOK_FAILED;
	if (!choke || !trial || h->state == HOOK_OFF)
		return;
	h->state = HOOK_SPARE;
	h->error = -trial;
}

bool kern__has_hook(const char *name)
{
	for (int i = 0; i < KHOOK_MAX; i++)
		if (!strcmp(name, hook_table[i].name))
			return true;
	return false;
}

static void find_hooks(struct kern *k, const struct places *p, const struct kern_opts *opts)
{
	int trial = tier_trial(places_id(p, hook_table[KHOOK_choke_write_checks].name));

	for (int i = 0; i < KHOOK_MAX; i++) {
		if (opts->refuse && !strcmp(opts->refuse, hook_table[i].name)) {
			if (kern_is_late(i))
				k->late_refused = hook_table[i].name;
			else
				k->refused[i] = EPERM;
		}
		find_hook(k, i, p, opts->disable, trial);
	}
}

/* io_uring_submit_sqe became io_uring_submit_req by 6.12: only one of them is missed. */
static void choose_uring(struct kern *k)
{
	struct kern_hook *req = &k->hooks[KHOOK_uring_submit];
	struct kern_hook *sqe = &k->hooks[KHOOK_uring_submit_sqe];

	if (req->state == HOOK_ABSENT && sqe->state == HOOK_ATTACHED)
		req->serves = "";
	else if (sqe->state == HOOK_ABSENT)
		sqe->serves = "";
}

/* Whoever tells of memory that goes: the tracepoint, or before 6.1 the function. */
static void choose_exit_mmap(struct kern *k)
{
	struct kern_hook *tp = &k->hooks[KHOOK_memory_gone];
	struct kern_hook *fn = &k->hooks[KHOOK_memory_going];

	if (tp->state == HOOK_ATTACHED || tp->state == HOOK_OFF) {
		fn->state = HOOK_SPARE;
		fn->serves = "";
	} else if (fn->state == HOOK_ATTACHED) {
		tp->serves = "";
	}
}

/* First hook of the program of hook i. */
static int program_owner(int i)
{
	int first = 0;

	while (strcmp(hook_table[first].prog, hook_table[i].prog))
		first++;
	return first;
}

/* Whether the program of hook i is wanted, for this hook or another. */
static bool program_wanted(const struct kern *k, int i)
{
	for (int j = 0; j < KHOOK_MAX; j++)
		if (k->hooks[j].state == HOOK_ATTACHED &&
		    !strcmp(hook_table[j].prog, hook_table[i].prog))
			return true;
	return false;
}

static struct bprec_bpf *open_object(const struct places *p)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);

	if (p->cut >= 0)
		opts.btf_custom_path = p->path;
	return bprec_bpf__open_opts(&opts);
}

/* Type of uprobes in perf_event_attr; ~0: this kernel has none. */
static uint32_t uprobe_type(void)
{
	FILE *f = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	uint32_t type = ~0u;

	if (f && fscanf(f, "%u", &type) != 1)
		type = ~0u;
	if (f)
		fclose(f);
	return type;
}

static void set_constants(struct bprec_bpf *skel, const struct kern_opts *opts,
			  const struct places *places)
{
	skel->rodata->own_tgid = getpid();
	skel->rodata->uring_complete_args = places->uring_args;
	skel->rodata->tell_tree = opts->tree;
	skel->rodata->sum_up = opts->sums;
	skel->rodata->few_faults = opts->few_faults;
	skel->rodata->uprobe_type = uprobe_type();
	if (opts->ring_bytes)
		bpf_map__set_max_entries(skel->maps.ring, opts->ring_bytes);
	if (!opts->tree)
		bpf_map__set_max_entries(skel->maps.stirred, 1); /* nothing is put there */
}

/* Sets which programs of an object are loaded: those of the hooks that are wanted now, or later; only: one hook, or -1. */
static void choose_programs(const struct kern *k, struct bprec_bpf *skel, enum kern_when when,
			    int only)
{
	for (int i = 0; i < KHOOK_MAX; i++) {
		struct bpf_program *p =
			bpf_object__find_program_by_name(skel->obj, hook_table[i].prog);
		bool on = program_wanted(k, i) && kern_when_loaded(k, i) == when &&
			  (only < 0 || program_owner(only) == program_owner(i));
		if (p)
			bpf_program__set_autoload(p, on);
	}
}

/* Loads each wanted program alone; those that are refused are marked. Returns how many. */
static int try_each(struct kern *k, const struct kern_opts *opts, const struct places *p)
{
	int refused = 0, answers[KHOOK_MAX] = { 0 };

	for (int i = 0; i < KHOOK_MAX; i++) {
		int owner = program_owner(i);
		if (owner == i && program_wanted(k, i)) {
			struct bprec_bpf *skel = open_object(p);
			answers[i] = -errno;
			if (skel) {
				set_constants(skel, opts, p);
				choose_programs(k, skel, kern_when_loaded(k, i), i);
				answers[i] = bprec_bpf__load(skel);
			}
			bprec_bpf__destroy(skel);
		}
		int err = answers[owner];
		if (err && k->hooks[i].state == HOOK_ATTACHED) {
			k->refused[i] = -err;
			refused++;
		}
	}
	return refused;
}

/* Loads an open object, which becomes the observation's, or is destroyed. */
static int load_object(struct kern *k, struct bprec_bpf *skel, const struct kern_opts *opts,
		       const struct places *p)
{
	int err;

	if (!skel)
		return -errno;
	set_constants(skel, opts, p);
	choose_programs(k, skel, WHEN_NOW, -1);
	verify_begin();
	err = verify_end(bprec_bpf__load(skel));
	if (err)
		bprec_bpf__destroy(skel);
	else
		k->skel = skel;
	return err;
}

static int load(struct kern *k, const struct kern_opts *opts, struct places *p)
{
	struct bprec_bpf *skel = open_object(p);
	int err;

	if (!skel)
		return -errno;
	err = places_find(p, bpf_object__btf(skel->obj));
	if (err) {
		bprec_bpf__destroy(skel);
		return err;
	}
	/* each time without what was refused, until no more is: where a choke point is, hooks of tier 1 come in */
	for (;;) {
		find_hooks(k, p, opts);
		choose_uring(k);
		choose_exit_mmap(k);
		tier_choose(k, opts);
		err = load_object(k, skel, opts, p);
		if (!err || err == -EPERM || err == -ENOMEM || !try_each(k, opts, p))
			return err;
		skel = open_object(p);
	}
}

/* Notes which program each hook has, of those that an object of this time holds. */
static void note_programs(struct kern *k, struct bprec_bpf *skel, enum kern_when when)
{
	for (int i = 0; i < KHOOK_MAX; i++) {
		if (kern_when_loaded(k, i) == when)
			k->progs[i] =
				bpf_object__find_program_by_name(skel->obj, hook_table[i].prog);
		k->shares[i] = program_owner(i) != i;
	}
}

static int new_places(struct kern *k, const struct kern_opts *opts)
{
	const char *names[KHOOK_MAX];

	k->places = malloc(sizeof(*k->places));
	if (!k->places)
		return -ENOMEM;
	for (int i = 0; i < KHOOK_MAX; i++)
		names[i] = hook_table[i].name;
	places_open(k->places, names, KHOOK_MAX, opts->whole_btf);
	return 0;
}

int kern_load(struct kern *k, const struct kern_opts *opts)
{
	int err = k->places ? 0 : new_places(k, opts);

	if (!err)
		err = places_use(k->places);
	if (err)
		return err;
	libbpf_set_print(quiet);
	err = load(k, opts, k->places);
	places_use(NULL);
	if (!err)
		note_programs(k, k->skel, WHEN_NOW);
	return err;
}

/* An object of the same maps as the one that is loaded. */
static struct bprec_bpf *open_beside(const struct kern *k)
{
	struct bprec_bpf *skel = open_object(k->places);
	struct bpf_map *map;
	int err = 0;

	if (!skel)
		return NULL;
	bpf_object__for_each_map(map, skel->obj)
	{
		struct bpf_map *same =
			bpf_object__find_map_by_name(k->skel->obj, bpf_map__name(map));

		if (!err)
			err = same ? bpf_map__reuse_fd(map, bpf_map__fd(same)) : -ENOENT;
	}
	if (!err)
		return skel;
	bprec_bpf__destroy(skel);
	errno = -err;
	return NULL;
}

int kern_load_later(struct kern *k, enum kern_when when)
{
	struct bprec_bpf *skel;
	int err = places_use(k->places);

	if (err)
		return err;
	skel = open_beside(k);
	err = -errno;
	if (skel) {
		choose_programs(k, skel, when, -1);
		/* not by the skeleton, which would map the maps of variables once more */
		err = bpf_object__load(skel->obj);
	}
	places_use(NULL);
	if (err) {
		bprec_bpf__destroy(skel);
		return err;
	}
	k->later[when] = skel;
	note_programs(k, skel, when);
	return 0;
}

void kern_unload_programs(struct kern *k)
{
	for (int i = 0; i < WHEN_MAX; i++) {
		bprec_bpf__destroy(k->later[i]);
		k->later[i] = NULL;
	}
	bprec_bpf__destroy(k->skel);
	k->skel = NULL;
	memset(k->progs, 0, sizeof(k->progs));
}

void kern_forget_places(struct kern *k)
{
	if (k->places)
		places_close(k->places);
	free(k->places);
	k->places = NULL;
}

struct kiter_args *kern_iter_args(struct kern *k)
{
	return &k->skel->bss->iter_args;
}

struct kcompat *kern_compat(struct kern *k)
{
	return &k->skel->bss->compat;
}

struct klate *kern_late(struct kern *k)
{
	return &k->skel->bss->late;
}

int kern_map_losses(const struct kern *k)
{
	return bpf_map__fd(k->skel->maps.losses);
}

int kern_map_sums(const struct kern *k)
{
	return bpf_map__fd(k->skel->maps.sums);
}

int kern_map_stirred(const struct kern *k)
{
	return bpf_map__fd(k->skel->maps.stirred);
}

int kern_map_watched(const struct kern *k)
{
	return bpf_map__fd(k->skel->maps.watched);
}

void kern_forget_faults(const struct kern *k)
{
	memset(k->skel->bss->told_faults, 0, sizeof(k->skel->bss->told_faults));
}
