// SPDX-License-Identifier: MIT
/*
 * load.c: which hooks this kernel has, and loading the programs of those.
 *
 * Loading an object is all or nothing. So a hook that the kernel doesn't have at all (no such tracepoint in tracefs or
 * in the BTF) is left out beforehand; if the rest is refused all the same, each program is tried alone, with an
 * object of its own, and those that are refused are left out of the next attempt. Hooks that other ones make
 * superfluous are left out, too (tier.c).
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kern/btf.h"
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

/** What loading needs of the kernel's BTF. */
struct places {
	struct kbtf_want types[KHOOK_MAX + 1]; /* types that programs are attached by */
	size_t n;			       /* of types */
	int cut; /* descriptor of the part of the BTF for relocations; -1: libbpf reads all of it */
	char path[32];	/* its name */
	int uring_args; /* arguments of io_uring_complete, 0: there is no such tracepoint */
};

/* Of the load that is under way: libbpf hands nothing of ours to its callbacks. */
static const struct places *places_now;

/* The type that a place is known by: "btf_trace_NAME" of a tracepoint, "bpf_iter_NAME" of an iterator, a function itself. */
static bool place_type(const char *place, struct kbtf_want *ret)
{
	const char *name = strchr(place, '/');

	*ret = (struct kbtf_want){ .kind = BTF_KIND_TYPEDEF };
	if (!strncmp(place, "tp_btf/", 7)) {
		snprintf(ret->name, sizeof(ret->name), "btf_trace_%s", name + 1);
		return true;
	}
	ret->kind = BTF_KIND_FUNC;
	if (!strncmp(place, "fentry/", 7) || !strncmp(place, "fexit/", 6)) {
		snprintf(ret->name, sizeof(ret->name), "%s", name + 1);
		return true;
	}
	if (strncmp(place, "iter/", 5))
		return false;
	snprintf(ret->name, sizeof(ret->name), "bpf_iter_%s", name + 1);
	ret->name[strcspn(ret->name, ":")] = '\0';
	return true;
}

/* The id of that type; 0: the kernel has no such place. */
static uint32_t place_id(const struct places *p, const char *place)
{
	struct kbtf_want want;

	if (!place_type(place, &want))
		return 0;
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->types[i].name, want.name))
			return p->types[i].id;
	return 0;
}

/* Every type once. */
static void list_places(struct places *p)
{
	struct kbtf_want want;

	for (int i = 0; i < KHOOK_MAX; i++) {
		size_t j = 0;

		if (!place_type(hook_table[i].name, &want))
			continue;
		while (j < p->n && strcmp(p->types[j].name, want.name))
			j++;
		p->types[j] = want;
		p->n += j == p->n;
	}
}

/*
 * Looks up the places, and cuts out the part of the BTF that `local` is relocated by. With the module overlay loaded there is
 * no such part: our types of overlayfs are in the BTF of the module then, where libbpf finds them.
 */
static int find_places(struct places *p, const struct btf *local)
{
	struct kbtf b;
	int err = kbtf_open(&b, "/sys/kernel/btf/vmlinux");

	if (err)
		return err;
	err = kbtf_extract(&b, p->types, p->n, local, p->cut);
	if (!err) {
		int n = kbtf_args(&b, place_id(p, "tp_btf/io_uring_complete"));

		p->uring_args = n > 0 ? n - 1 : 0; /* the first one is the tracepoint's data */
	}
	kbtf_close(&b);
	return err;
}

static void places_open(struct places *p, const struct kern_opts *opts)
{
	p->cut = -1;
	list_places(p);
	if (opts->whole_btf || !access("/sys/kernel/btf/overlay", F_OK))
		return;
	p->cut = memfd_create("bprec-btf", MFD_CLOEXEC);
	snprintf(p->path, sizeof(p->path), "/proc/self/fd/%d", p->cut);
}

/* What sections begin with, what places do instead, and how the program is attached. */
static const struct {
	const char *section, *place;
	enum bpf_attach_type type;
} kinds[] = {
	{ "bprec_tp+", "tp_btf", BPF_TRACE_RAW_TP },
	{ "bprec_iter+", "iter", BPF_TRACE_ITER },
	{ "bprec_fentry+", "fentry", BPF_TRACE_FENTRY },
	{ "bprec_fexit+", "fexit", BPF_TRACE_FEXIT },
};
#define NKINDS (sizeof(kinds) / sizeof(*kinds))

/*
 * Programs in the sections bprec_tp/... and bprec_iter/... are tp_btf/... and iter/... programs of which we know the
 * place (those in bprec_fentry and bprec_fexit likewise): libbpf would read the kernel's BTF for that, and looks through all of it for each. It decides so by the type of the
 * program, before this is called; so the type is right only from here on.
 */
static int prepare_program(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long kind)
{
	char place[96];

	snprintf(place, sizeof(place), "%s%s", kinds[kind].place,
		 strchr(bpf_program__section_name(prog), '/'));
	opts->attach_btf_id = places_now ? place_id(places_now, place) : 0;
	opts->expected_attach_type = kinds[kind].type;
	return opts->attach_btf_id ? bpf_program__set_type(prog, BPF_PROG_TYPE_TRACING) : -ESRCH;
}

static int register_sections(void)
{
	static size_t done;
	int err = 0;

	for (; done < NKINDS && err >= 0; done++) {
		LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = prepare_program,
			    .cookie = done);
		err = libbpf_register_prog_handler(
			kinds[done].section, BPF_PROG_TYPE_RAW_TRACEPOINT, kinds[done].type, &opts);
	}
	return err < 0 ? err : 0;
}

/* Whether the place that a hook is named after exists. */
static bool hook_exists(const struct kern *k, const struct places *p, const char *name)
{
	if (!strncmp(name, "tp_btf/", 7) || !strncmp(name, "fentry/", 7) ||
	    !strncmp(name, "fexit/", 6))
		return place_id(p, name) > 0;
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
	int trial = tier_trial(place_id(p, hook_table[KHOOK_choke_write_checks].name));

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

/* Sets constants, and which programs are loaded: those whose hooks are wanted (only: one hook, or -1). */
static void configure(const struct kern *k, struct bprec_bpf *skel, const struct kern_opts *opts,
		      const struct places *places, int only)
{
	skel->rodata->own_tgid = getpid();
	skel->rodata->uring_complete_args = places->uring_args;
	skel->rodata->tell_tree = opts->tree;
	skel->rodata->sum_up = opts->sums;
	skel->rodata->few_faults = opts->few_faults;
	skel->rodata->uprobe_type = uprobe_type();
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
				configure(k, skel, opts, p, i);
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
	configure(k, skel, opts, p, -1);
	err = bprec_bpf__load(skel);
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
	err = find_places(p, bpf_object__btf(skel->obj));
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

int kern_load(struct kern *k, const struct kern_opts *opts)
{
	struct places places = { 0 };
	int err = register_sections();

	if (err)
		return err;
	libbpf_set_print(quiet);
	places_open(&places, opts);
	places_now = &places;
	err = load(k, opts, &places);
	places_now = NULL;
	if (places.cut >= 0)
		close(places.cut);
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
