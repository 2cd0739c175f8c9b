/* SPDX-License-Identifier: MIT */
/*
 * probe.c: the table of facts, and the run over it.
 *
 * Each fact is found by doing it, in a child of its own (trial.h); the order is that of the output. A new fact is one
 * function (facts.h) and one row here. The trial of the channels, which takes longest, runs meanwhile.
 */
#include "probe/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "probe/channels.h"
#include "probe/facts.h"
#include "util/err.h"

/* Longest time for one fact. They take milliseconds, a hundred times that where the machine is emulated; the bound is
 * for what hangs. */
#define FACT_TIMEOUT_MS 20000

/** One row of the table. */
struct fact {
	const char *name;    /* key "name" */
	const char *purpose; /* key "for" */
	trial_fn fn;
	bool hinders; /* "yes" is the bad answer */
};

static const struct fact facts[] = {
	{ "btf", "finding the fields of the kernel's structures", fact__btf, false },
	{ "kernel_read", "following a descriptor to its file and object", fact__kernel_read,
	  false },
	{ "tp_btf", "tree, page faults, write-back: the tier of hooks that works everywhere",
	  fact__tp_btf, false },
	{ "raw_tp", "the same, where a tracepoint has no BTF", fact__raw_tp, false },
	{ "tracepoint", "write family and truncate, at a tenth of the cost of raw_tp",
	  fact__tracepoint, false },
	{ "fentry", "choke points of changes: the tier of hooks that costs other calls nothing",
	  fact__fentry, false },
	{ "fexit", "the same: where a change is over", fact__fexit, false },
	{ "fmod_ret", "holding a writer before it begins (not used yet)", fact__fmod_ret, false },
	{ "kprobe", "nothing: where fentry is missing, tracepoints serve", fact__kprobe, false },
	{ "lsm", "holding a writer before it begins (not used yet)", fact__lsm, false },
	{ "iter_task", "listing processes", fact__iter_task, false },
	{ "iter_task_vma", "who maps a watched object, and may write it", fact__iter_task_vma,
	  false },
	{ "iter_task_file", "who has a watched object open for writing", fact__iter_task_file,
	  false },
	{ "ringbuf", "events from the kernel, in one order", fact__ringbuf, false },
	{ "bpf_find_vma", "naming object and page at a page fault", fact__find_vma, false },
	{ "bpf_send_signal", "holding an outsider at its first store (not used yet)",
	  fact__send_signal, false },
	{ "lockdown", "tells why the kernel refuses some of the above", fact__lockdown, true },
	{ "ptrace_seize", "recording: stopping the program without it noticing", fact__ptrace_seize,
	  false },
	{ "seccomp_trace", "recording: stopping at system calls that matter only",
	  fact__seccomp_trace, false },
	{ "sysemu", "replay: answering calls from the trace", fact__sysemu, false },
	{ "single_step", "replay: finding the place of a signal", fact__single_step, false },
	{ "single_step_cpuid", "stepping over cpuid; else it is patched", fact__single_step_cpuid,
	  false },
	{ "hw_breakpoint", "replay: running up to an instruction without patching",
	  fact__hw_breakpoint, false },
	{ "hw_watchpoint", "noticing a store to a few bytes", fact__hw_watchpoint, false },
	{ "tsc_fault", "recording rdtsc by faults; else it is patched", fact__tsc_fault, false },
	{ "cpuid_fault", "recording cpuid by faults; else it is patched", fact__cpuid_fault,
	  false },
	{ "pmu", "finding the place of a preemption faster", fact__pmu, false },
	{ "rseq", "keeps the CPU's number in the program's memory: refused while recording",
	  fact__rseq, false },
	{ "uffd_minor", "leases: letting pages in one at a time", fact__uffd_minor, false },
	{ "soft_dirty", "pages written since the last event; re-arming faults in outsiders",
	  fact__soft_dirty, false },
	{ "pagemap_scan", "pages written since the last event", fact__pagemap_scan, false },
	{ "pidfd_getfd", "reading files that a program has mapped and deleted", fact__pidfd_getfd,
	  false },
};

#define NFACTS (sizeof(facts) / sizeof(*facts))

/** To be tried before the observation of the channels begins: of two look-ups at one fault the second gets EBUSY. */
static bool comes_first(const struct fact *f)
{
	return f->fn == fact__find_vma;
}

static void find_facts(struct probe_report *r, bool first)
{
	for (size_t i = 0; i < NFACTS; i++) {
		struct probe_feature *f = &r->features[i];
		struct trial t;

		if (comes_first(&facts[i]) != first)
			continue;
		f->name = facts[i].name;
		f->purpose = facts[i].purpose;
		f->hinders = facts[i].hinders;
		trial__run(facts[i].fn, NULL, FACT_TIMEOUT_MS, &t);
		f->answer = t.answer;
		memcpy(f->why, t.why, sizeof(f->why));
	}
}

static void name_kernel(struct probe_report *r)
{
	struct utsname u;

	if (uname(&u) < 0)
		return;
	memcpy(r->kernel, u.release, sizeof(r->kernel) - 1);
	memcpy(r->arch, u.machine, sizeof(r->arch) - 1);
}

int probe__run(const struct probe_opts *opts, struct probe_report **ret)
{
	struct probe_report *r = calloc(1, sizeof(*r));
	struct observation o = { 0 };
	int err = -ENOMEM;

	if (!r)
		goto out;
	r->features = calloc(NFACTS, sizeof(*r->features));
	if (!r->features)
		goto out;
	r->nfeatures = NFACTS;
	name_kernel(r);
	find_facts(r, true);
	err = observe__start(&o, opts ? opts->disable : NULL);
	if (err)
		goto out;
	find_facts(r, false);
	observe__finish(&o);
	err = channels__make(o.obs, r);
	if (err)
		goto out;
	*ret = r;
	r = NULL;
out:
	observe__free(&o);
	probe__free(r);
	return err ? err__set(err, "probe: %s", strerror(-err)) : 0;
}

void probe__free(struct probe_report *r)
{
	if (!r)
		return;
	for (char **name = r->hook_names; name && *name; name++)
		free(*name);
	free(r->hook_names);
	free(r->cells);
	free(r->features);
	free(r);
}
