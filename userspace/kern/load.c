// SPDX-License-Identifier: MIT
/*
 * load.c: which hooks this kernel has, and loading the programs of those.
 *
 * Loading an object is all or nothing. So a hook that the kernel doesn't have at all (no such tracepoint in tracefs or
 * in the BTF) is left out beforehand; if the rest is refused all the same, each program is tried alone, with an
 * object of its own, and those that are refused are left out of the second attempt.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kern/state.h"

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

/* Number of arguments of a BTF tracepoint, its data pointer not counted; -ENOENT: there is none. */
static int tp_btf_args(const struct btf *btf, const char *tracepoint)
{
	char name[64];
	const struct btf_type *t;
	int id;

	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	if (id < 0)
		return -ENOENT;
	t = btf__type_by_id(btf, btf__type_by_id(btf, id)->type); /* pointer */
	t = btf__type_by_id(btf, t->type);			  /* function */
	return btf_vlen(t) - 1;
}

/* Whether the place that a hook is named after exists. */
static bool hook_exists(const struct kern *k, const struct btf *btf, const char *name)
{
	if (!strncmp(name, "tp_btf/", 7))
		return tp_btf_args(btf, name + 7) >= 0;
	if (!strncmp(name, "tracepoint/", 11))
		return tracefs_id(k->tracefs, name + 11) >= 0;
	return true;
}

/* States before loading: OFF by wish, ABSENT, or ATTACHED as long as nothing speaks against it. */
static void find_hooks(struct kern *k, const struct btf *btf, const char *disable)
{
	for (int i = 0; i < KHOOK_MAX; i++) {
		struct kern_hook *h = &k->hooks[i];

		h->name = hook_table[i].name;
		h->serves = hook_table[i].serves;
		h->state = HOOK_ATTACHED;
		if (disable && !strcmp(disable, h->name))
			h->state = HOOK_OFF;
		else if (!hook_exists(k, btf, h->name))
			h->state = HOOK_ABSENT;
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

/* Opens an object with the programs whose hooks are wanted (only: one hook, or -1). */
static struct bprec_bpf *open_object(const struct kern *k, const struct kern_opts *opts,
				     const struct btf *btf, int only)
{
	struct bprec_bpf *skel = bprec_bpf__open();
	int nargs = tp_btf_args(btf, "io_uring_complete");

	if (!skel)
		return NULL;
	skel->rodata->own_tgid = getpid();
	skel->rodata->uring_complete_args = nargs > 0 ? nargs : 0;
	if (opts->ring_bytes)
		bpf_map__set_max_entries(skel->maps.ring, opts->ring_bytes);
	for (int i = 0; i < KHOOK_MAX; i++) {
		struct bpf_program *p =
			bpf_object__find_program_by_name(skel->obj, hook_table[i].prog);
		bool on = program_wanted(k, i) &&
			  (only < 0 || program_owner(only) == program_owner(i));
		if (p)
			bpf_program__set_autoload(p, on);
	}
	return skel;
}

/* Loads each wanted program alone; those that are refused are marked. Returns how many. */
static int try_each(struct kern *k, const struct kern_opts *opts, const struct btf *btf)
{
	int refused = 0, answers[KHOOK_MAX] = { 0 };

	for (int i = 0; i < KHOOK_MAX; i++) {
		int owner = program_owner(i);
		if (owner == i && program_wanted(k, i)) {
			struct bprec_bpf *skel = open_object(k, opts, btf, i);
			answers[i] = skel ? bprec_bpf__load(skel) : -errno;
			bprec_bpf__destroy(skel);
		}
		int err = answers[owner];
		if (err && k->hooks[i].state == HOOK_ATTACHED) {
			k->hooks[i].state = HOOK_FAILED;
			k->hooks[i].error = -err;
			refused++;
		}
	}
	return refused;
}

static int load_object(struct kern *k, const struct kern_opts *opts, const struct btf *btf)
{
	int err;

	k->skel = open_object(k, opts, btf, -1);
	if (!k->skel)
		return -errno;
	err = bprec_bpf__load(k->skel);
	if (err) {
		bprec_bpf__destroy(k->skel);
		k->skel = NULL;
	}
	return err;
}

int kern_load(struct kern *k, const struct kern_opts *opts)
{
	struct btf *btf;
	int err;

	libbpf_set_print(quiet);
	btf = btf__load_vmlinux_btf();
	if (!btf)
		return -EOPNOTSUPP;
	find_hooks(k, btf, opts->disable);
	choose_uring(k);
	err = load_object(k, opts, btf);
	if (err && err != -EPERM && err != -ENOMEM && try_each(k, opts, btf) > 0)
		err = load_object(k, opts, btf);
	btf__free(btf);
	if (err)
		return err;
	for (int i = 0; i < KHOOK_MAX; i++) {
		k->progs[i] = bpf_object__find_program_by_name(k->skel->obj, hook_table[i].prog);
		k->shares[i] = program_owner(i) != i;
	}
	return 0;
}

struct kiter_args *kern_iter_args(struct kern *k)
{
	return &k->skel->bss->iter_args;
}

struct kcompat *kern_compat(struct kern *k)
{
	return &k->skel->bss->compat;
}

int kern_map_losses(const struct kern *k)
{
	return bpf_map__fd(k->skel->maps.losses);
}

int kern_map_watched(const struct kern *k)
{
	return bpf_map__fd(k->skel->maps.watched);
}
