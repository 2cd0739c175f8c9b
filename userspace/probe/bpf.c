/* SPDX-License-Identifier: MIT */
#include "probe/bpf.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

/* Gives the process a name that no other has, by which the program knows it. */
static void take_cookie(struct probe_bpf *skel)
{
	char name[16] = { 0 };
	unsigned int r[2] = { 0 };

	if (getrandom(r, sizeof(r), 0) < 0)
		r[0] = (unsigned int)getpid();
	snprintf(name, sizeof(name), "bp%06x%06x", r[0] & 0xffffff, r[1] & 0xffffff);
	prctl(PR_SET_NAME, name);
	memcpy((void *)skel->bss->cookie, name, sizeof(name));
}

bool bpf_trial__load(struct bpf_trial *b, struct trial *t, const char *name)
{
	struct bpf_program *prog;
	int err;

	memset(b, 0, sizeof(*b));
	libbpf_set_print(quiet);
	b->skel = probe_bpf__open();
	if (!b->skel) {
		trial__unknown(t, "the trial object: open: %s", trial__errno(errno));
		return false;
	}
	bpf_map__set_autocreate(b->skel->maps.ring, !strcmp(name, "try_ringbuf"));
	bpf_object__for_each_program(prog, b->skel->obj)
		bpf_program__set_autoload(prog, !strcmp(bpf_program__name(prog), name));
	b->prog = bpf_object__find_program_by_name(b->skel->obj, name);
	err = probe_bpf__load(b->skel);
	if (err) {
		trial__refused(t, CAP_BPF, "load", -err);
		return false;
	}
	take_cookie(b->skel);
	return true;
}

bool bpf_trial__start(struct bpf_trial *b, struct trial *t, const char *name)
{
	if (!bpf_trial__load(b, t, name))
		return false;
	b->link = bpf_program__attach(b->prog);
	if (!b->link) {
		trial__refused(t, CAP_PERFMON, "loaded, attach", errno);
		return false;
	}
	return true;
}

unsigned long long bpf_trial__hits(const struct bpf_trial *b)
{
	return *(volatile __u64 *)&b->skel->bss->hits;
}
