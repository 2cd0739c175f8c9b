/* SPDX-License-Identifier: MIT */
/* bpf.h: one trial program of bpf/probe.bpf.c: load it alone, attach it, and read what it counted. */
#ifndef BPREC_PROBE_BPF_H
#define BPREC_PROBE_BPF_H

#include <bpf/libbpf.h>

#include "probe/trial.h"
#include "probe.skel.h"

/** A loaded trial program. It and its attachment go with the process: there is no end to call. */
struct bpf_trial {
	struct probe_bpf *skel;	  /* skel->bss has cookie, wanted, hits, seen */
	struct bpf_program *prog; /* the one that is loaded */
	struct bpf_link *link;	  /* NULL until attached */
};

/** Loads program `name` and nothing else of the object, without attaching it. On failure t has the answer. */
bool bpf_trial__load(struct bpf_trial *b, struct trial *t, const char *name);
/** Loads and attaches. On failure t has the answer. From here on the program counts for this process. */
bool bpf_trial__start(struct bpf_trial *b, struct trial *t, const char *name);
/** How often it ran for this process. */
unsigned long long bpf_trial__hits(const struct bpf_trial *b);

#endif
