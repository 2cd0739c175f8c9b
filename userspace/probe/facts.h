/* SPDX-License-Identifier: MIT */
/* facts.h: the trials, one function per fact (see trial.h: each runs in a child of its own). The table in probe.c says
 * which fact each one finds. */
#ifndef BPREC_PROBE_FACTS_H
#define BPREC_PROBE_FACTS_H

#include "probe/trial.h"

/** Types of BPF programs, each loaded, attached and triggered (facts_bpf.c). */
void fact__tp_btf(struct trial *t, void *arg);
void fact__raw_tp(struct trial *t, void *arg);
void fact__tracepoint(struct trial *t, void *arg);
void fact__fentry(struct trial *t, void *arg);
void fact__fexit(struct trial *t, void *arg);
void fact__fmod_ret(struct trial *t, void *arg);
void fact__kprobe(struct trial *t, void *arg);
void fact__lsm(struct trial *t, void *arg);

/** Iterators, each read until it shows what the trial made (facts_iter.c). */
void fact__iter_task(struct trial *t, void *arg);
void fact__iter_task_vma(struct trial *t, void *arg);
void fact__iter_task_file(struct trial *t, void *arg);

/** What BPF programs can do, and what keeps them from it (facts_help.c). */
void fact__ringbuf(struct trial *t, void *arg);
void fact__find_vma(struct trial *t, void *arg);
void fact__send_signal(struct trial *t, void *arg);
void fact__kernel_read(struct trial *t, void *arg);
void fact__btf(struct trial *t, void *arg);
void fact__lockdown(struct trial *t, void *arg);

/** ptrace and seccomp (facts_ptrace.c). */
void fact__ptrace_seize(struct trial *t, void *arg);
void fact__seccomp_trace(struct trial *t, void *arg);
void fact__sysemu(struct trial *t, void *arg);

/** Stopping at instructions (facts_step.c). */
void fact__single_step(struct trial *t, void *arg);
void fact__single_step_cpuid(struct trial *t, void *arg);
void fact__hw_breakpoint(struct trial *t, void *arg);
void fact__hw_watchpoint(struct trial *t, void *arg);

/** The processor (facts_cpu.c). */
void fact__tsc_fault(struct trial *t, void *arg);
void fact__cpuid_fault(struct trial *t, void *arg);
void fact__pmu(struct trial *t, void *arg);
void fact__rseq(struct trial *t, void *arg);

/** Memory (facts_mem.c). */
void fact__uffd_minor(struct trial *t, void *arg);
void fact__soft_dirty(struct trial *t, void *arg);
void fact__pagemap_scan(struct trial *t, void *arg);
void fact__pidfd_getfd(struct trial *t, void *arg);

#endif
