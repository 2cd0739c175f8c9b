/* SPDX-License-Identifier: MIT */
/* facts.h: the trials, one function per fact, each run in a child of its own (trial.h); arg is not used. The table in
 * probe.c gives them their names. */
#ifndef BPREC_PROBE_FACTS_H
#define BPREC_PROBE_FACTS_H

#include "probe/trial.h"

/* facts_bpf.c: types of BPF programs, each loaded, attached and triggered. */

/** tp_btf/sys_enter sees one call of ours and its argument. */
void fact__tp_btf(struct trial *t, void *arg);
/** raw_tp/sys_enter runs at a call of ours. */
void fact__raw_tp(struct trial *t, void *arg);
/** A classic tracepoint of one system call runs; tracefs is mounted for it if need be. */
void fact__tracepoint(struct trial *t, void *arg);
/** fentry of a kernel function that a write passes. */
void fact__fentry(struct trial *t, void *arg);
/** fexit of the same. */
void fact__fexit(struct trial *t, void *arg);
/** fmod_ret of the same. */
void fact__fmod_ret(struct trial *t, void *arg);
/** kprobe at the same. */
void fact__kprobe(struct trial *t, void *arg);
/** An LSM program is called at a write: loads and attaches also where the bpf LSM is not active. */
void fact__lsm(struct trial *t, void *arg);

/* facts_iter.c: iterators, each read until it shows what the trial made. */

/** iter/task lists the trial's process. */
void fact__iter_task(struct trial *t, void *arg);
/** iter/task_vma lists a mapping of it. */
void fact__iter_task_vma(struct trial *t, void *arg);
/** iter/task_file lists a descriptor of it. */
void fact__iter_task_file(struct trial *t, void *arg);

/* facts_help.c: what BPF programs can do, and what keeps them from it. */

/** A record goes through a ring buffer. */
void fact__ringbuf(struct trial *t, void *arg);
/** bpf_find_vma names the VMA at a page fault. */
void fact__find_vma(struct trial *t, void *arg);
/** bpf_send_signal makes a handler of ours run. */
void fact__send_signal(struct trial *t, void *arg);
/** bpf_probe_read_kernel at an offset that CO-RE found reads the right value. */
void fact__kernel_read(struct trial *t, void *arg);
/** The kernel's BTF can be read, and has what we need. */
void fact__btf(struct trial *t, void *arg);
/** Lockdown refuses what privileges would allow. */
void fact__lockdown(struct trial *t, void *arg);

/* facts_ptrace.c: stopping a process, and stopping it at its calls. */

/** A running child is seized, interrupted, its registers read. */
void fact__ptrace_seize(struct trial *t, void *arg);
/** SECCOMP_RET_TRACE stops at a call, which is left out and answered. */
void fact__seccomp_trace(struct trial *t, void *arg);
/** PTRACE_SYSEMU: the kernel does not carry out the call. */
void fact__sysemu(struct trial *t, void *arg);

/* facts_step.c: stopping at instructions. */

/** Single steps stop at every instruction. */
void fact__single_step(struct trial *t, void *arg);
/** The step over cpuid stops at the next instruction. */
void fact__single_step_cpuid(struct trial *t, void *arg);
/** A hardware breakpoint on execution is hit. */
void fact__hw_breakpoint(struct trial *t, void *arg);
/** A hardware breakpoint on a store is hit. */
void fact__hw_watchpoint(struct trial *t, void *arg);

/* facts_cpu.c: the processor. */

/** rdtsc and rdtscp fault after PR_SET_TSC. */
void fact__tsc_fault(struct trial *t, void *arg);
/** cpuid faults after ARCH_SET_CPUID. */
void fact__cpuid_fault(struct trial *t, void *arg);
/** The counter of retired instructions counts. */
void fact__pmu(struct trial *t, void *arg);
/** rseq: the kernel keeps the CPU's number up to date in the area that the C library registered. */
void fact__rseq(struct trial *t, void *arg);

/* facts_mem.c: memory and descriptors of other processes. */

/** A child waits at a page of a memfd until it is let in from outside. */
void fact__uffd_minor(struct trial *t, void *arg);
/** Soft-dirty: a store after clear_refs sets bit 55. */
void fact__soft_dirty(struct trial *t, void *arg);
/** PAGEMAP_SCAN with asynchronous write protection lists just the page that was stored to. */
void fact__pagemap_scan(struct trial *t, void *arg);
/** A child's descriptor is fetched. */
void fact__pidfd_getfd(struct trial *t, void *arg);

#endif
