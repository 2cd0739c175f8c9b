/* SPDX-License-Identifier: MIT */
/*
 * facts_cpu.c: what the processor, or the hypervisor in its place, does: faulting rdtsc and cpuid, counters, rseq.
 *
 * Calls that set a mode return 0 on some machines and change nothing, so that only what happens afterwards counts: the
 * instruction is carried out and has to fault, the counter has to count. Each trial runs in a child of its own.
 */
#include "probe/facts.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <linux/rseq.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

static sigjmp_buf faulted;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(faulted, 1);
}

static void run_rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
}

static void run_rdtscp(void)
{
	uint32_t lo, hi, aux;

	__asm__ volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
}

static void run_cpuid(void)
{
	uint32_t a, b, c, d;

	__cpuid(0, a, b, c, d);
}

/* Does the instruction raise SIGSEGV? */
static bool faults(void (*run)(void))
{
	signal(SIGSEGV, on_fault);
	if (sigsetjmp(faulted, 1))
		return true;
	run();
	return false;
}

void fact__tsc_fault(struct trial *t, void *arg)
{
	(void)arg;
	if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV) < 0)
		return trial__no(t, "PR_SET_TSC: %s", trial__errno(errno));
	/* Nothing may ask for the time here: the vDSO would fault. */
	const bool rdtsc = faults(run_rdtsc);
	const bool rdtscp = faults(run_rdtscp);

	prctl(PR_SET_TSC, PR_TSC_ENABLE);
	if (rdtsc && rdtscp)
		trial__yes(t, "after PR_SET_TSC, rdtsc and rdtscp raised SIGSEGV");
	else
		trial__no(t, "PR_SET_TSC returned 0, but %s did not fault",
			  rdtsc	   ? "rdtscp"
			  : rdtscp ? "rdtsc"
				   : "rdtsc and rdtscp");
}

void fact__cpuid_fault(struct trial *t, void *arg)
{
	(void)arg;
	if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) < 0)
		return trial__no(t, "arch_prctl(ARCH_SET_CPUID, 0): %s", trial__errno(errno));
	if (faults(run_cpuid))
		trial__yes(t, "after ARCH_SET_CPUID, cpuid raised SIGSEGV");
	else
		trial__no(t, "ARCH_SET_CPUID returned 0, but cpuid did not fault");
}

void fact__pmu(struct trial *t, void *arg)
{
	const uint64_t rounds = 100000;
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	const int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	uint64_t n = 0;

	(void)arg;
	if (fd < 0)
		return trial__refused(t, CAP_PERFMON, "perf_event_open of instructions", errno);
	for (volatile uint64_t i = 0; i < rounds; i++)
		;
	if (read(fd, &n, sizeof(n)) != sizeof(n))
		return trial__no(t, "opened, read: %s", trial__errno(errno));
	if (n >= rounds)
		trial__yes(t, "a loop of %llu rounds counted %llu instructions",
			   (unsigned long long)rounds, (unsigned long long)n);
	else
		trial__no(t, "a loop of %llu rounds counted %llu instructions",
			  (unsigned long long)rounds, (unsigned long long)n);
}

/* Moves to each allowed CPU (at most 2) and compares the number in the area with the one the kernel says. */
static bool follows_cpu(const volatile struct rseq *area)
{
	cpu_set_t all, one;
	int tried = 0;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return false;
	for (int cpu = 0; cpu < CPU_SETSIZE && tried < 2; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) < 0)
			return false;
		if (area->cpu_id != (uint32_t)cpu)
			return false;
		tried++;
	}
	return tried > 0;
}

void fact__rseq(struct trial *t, void *arg)
{
	static struct rseq own __attribute__((aligned(32)));
	char *const thread = __builtin_thread_pointer();

	(void)arg;
	if (__rseq_size) {
		const bool ok = follows_cpu((struct rseq *)(thread + __rseq_offset));

		if (ok)
			return trial__yes(
				t, "the C library has registered it, and cpu_id follows the CPU");
		return trial__no(t,
				 "the C library says it registered it, but cpu_id does not follow");
	}
	if (syscall(SYS_rseq, &own, sizeof(own), 0, RSEQ_SIG) < 0)
		return trial__no(t, "not registered by the C library, and rseq: %s",
				 trial__errno(errno));
	if (follows_cpu(&own))
		trial__yes(
			t,
			"not registered by the C library, but registered by the trial: it works");
	else
		trial__no(t, "registered by the trial, but cpu_id does not follow the CPU");
}
