// SPDX-License-Identifier: MIT
/*
 * places.c: see places.h.
 *
 * Programs in the sections bprec_tp/... and bprec_iter/... are tp_btf/... and iter/... programs of which we know the
 * place (those in bprec_fentry and bprec_fexit likewise): libbpf would read the kernel's BTF for that, and looks through
 * all of it for each. It decides so by the type of the program, before prepare_program is called; so the type is right only
 * from there on. Those in bprec_tracepoint/... are tracepoint/... programs: all but two small ones (syscall) have a section
 * of ours, so that they can be verified in two threads (verify.c).
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kern/places.h"
#include "kern/verify.h"

/* Of the load that is under way: libbpf hands nothing of ours to its callbacks. */
static __thread const struct places *places_now;

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

uint32_t places_id(const struct places *p, const char *place)
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
static void list_places(struct places *p, const char *const *hooks, size_t n)
{
	struct kbtf_want want;

	for (size_t i = 0; i < n; i++) {
		size_t j = 0;

		if (!place_type(hooks[i], &want))
			continue;
		while (j < p->n && strcmp(p->types[j].name, want.name))
			j++;
		p->types[j] = want;
		p->n += j == p->n;
	}
}

int places_find(struct places *p, const struct btf *local)
{
	struct kbtf b;
	int err = kbtf_open(&b, "/sys/kernel/btf/vmlinux");

	if (err)
		return err;
	err = kbtf_extract(&b, p->types, p->n, local, p->cut);
	if (!err) {
		int n = kbtf_args(&b, places_id(p, "tp_btf/io_uring_complete"));

		p->uring_args = n > 0 ? n - 1 : 0; /* the first one is the tracepoint's data */
	}
	kbtf_close(&b);
	return err;
}

void places_open(struct places *p, const char *const *hooks, size_t n, bool whole_btf)
{
	*p = (struct places){ .cut = -1 };
	list_places(p, hooks, n);
	/* with the module overlay our types of overlayfs are in the BTF of the module, where libbpf finds them */
	if (whole_btf || !access("/sys/kernel/btf/overlay", F_OK))
		return;
	p->cut = memfd_create("bprec-btf", MFD_CLOEXEC);
	snprintf(p->path, sizeof(p->path), "/proc/self/fd/%d", p->cut);
}

void places_close(struct places *p)
{
	if (p->cut >= 0)
		close(p->cut);
	p->cut = -1;
}

/* What sections begin with, what places do instead (NULL: they are no places of ours), and how the program is attached. */
static const struct {
	const char *section, *place;
	enum bpf_attach_type type;
} kinds[] = {
	{ "bprec_tp+", "tp_btf", BPF_TRACE_RAW_TP },
	{ "bprec_iter+", "iter", BPF_TRACE_ITER },
	{ "bprec_fentry+", "fentry", BPF_TRACE_FENTRY },
	{ "bprec_fexit+", "fexit", BPF_TRACE_FEXIT },
	{ "bprec_tracepoint+", NULL, 0 },
};
#define NKINDS (sizeof(kinds) / sizeof(*kinds))

/* Makes the program one of the place that its section names. */
static int find_place(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long kind)
{
	char place[96];

	snprintf(place, sizeof(place), "%s%s", kinds[kind].place,
		 strchr(bpf_program__section_name(prog), '/'));
	opts->attach_btf_id = places_now ? places_id(places_now, place) : 0;
	opts->expected_attach_type = kinds[kind].type;
	return opts->attach_btf_id ? bpf_program__set_type(prog, BPF_PROG_TYPE_TRACING) : -ESRCH;
}

/* Called by libbpf when it is about to load a program of our sections. */
static int prepare_program(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long kind)
{
	int err = kinds[kind].place ? find_place(prog, opts, kind) : 0;

	return err ?: verify_put_off(prog, opts);
}

int places_use(const struct places *p)
{
	static size_t done;
	int err = 0;

	places_now = p;
	for (; done < NKINDS && err >= 0; done++) {
		LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = prepare_program,
			    .cookie = done);
		err = libbpf_register_prog_handler(kinds[done].section,
						   kinds[done].place ? BPF_PROG_TYPE_RAW_TRACEPOINT
								     : BPF_PROG_TYPE_TRACEPOINT,
						   kinds[done].type, &opts);
	}
	return err < 0 ? err : 0;
}
