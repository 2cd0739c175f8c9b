/* SPDX-License-Identifier: MIT */
/* test_probe_facts.c: answers of the probe, held against trials that the test makes itself, in another way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <asm/prctl.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/facts.h"

#define LONG_MS 60000

/* Runs fn in a child; true if it dies of SIGSEGV. */
static bool dies_of_segv(void (*fn)(void))
{
	const pid_t pid = fork();
	int status;

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		signal(SIGSEGV, SIG_DFL);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void rdtsc_forbidden(void)
{
	prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
	__asm__ volatile("rdtsc" : : : "eax", "edx");
}

static void cpuid_forbidden(void)
{
	syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
	__asm__ volatile("cpuid" : : "a"(0), "c"(0) : "rbx", "edx");
}

static enum probe_answer ask(trial_fn fn)
{
	struct trial t;

	trial__run(fn, NULL, LONG_MS, &t);
	assert_true(t.why[0]);
	return t.answer;
}

static void test_tsc(void **state)
{
	(void)state;
	assert_int_equal(ask(fact__tsc_fault),
			 dies_of_segv(rdtsc_forbidden) ? PROBE_YES : PROBE_NO);
}

static void test_cpuid(void **state)
{
	(void)state;
	assert_int_equal(ask(fact__cpuid_fault),
			 dies_of_segv(cpuid_forbidden) ? PROBE_YES : PROBE_NO);
}

/* The counter exists and counts, or the probe does not say so. */
static void test_pmu(void **state)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_HW_INSTRUCTIONS,
					.exclude_kernel = 1 };
	const int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	uint64_t n = 0;

	(void)state;
	if (fd >= 0)
		assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(ask(fact__pmu) == PROBE_YES, n > 0);
}

/* A child traced in the old way (TRACEME), stepped over `cpuid; nop; nop; int3`: how many steps to the int3? */
static int steps_over_cpuid(void)
{
	const pid_t pid = fork();
	int status, steps = 0;
	long word;

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		__asm__ volatile("int3\n cpuid\n nop\n nop\n int3"
				 :
				 : "a"(0), "c"(0)
				 : "rbx", "edx");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	do {
		ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
		waitpid(pid, &status, 0);
		steps++;
		const long rip =
			ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rip), 0);

		word = ptrace(PTRACE_PEEKTEXT, pid, rip, 0);
	} while (steps < 10 && (word & 0xff) != 0xcc);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return steps;
}

static void test_single_step(void **state)
{
	(void)state;
	assert_int_equal(ask(fact__single_step), PROBE_YES);
	assert_int_equal(ask(fact__single_step_cpuid),
			 steps_over_cpuid() == 3 ? PROBE_YES : PROBE_NO);
}

/* Things that hold on any machine on which bprec can be built. */
static void test_everywhere(void **state)
{
	(void)state;
	assert_int_equal(ask(fact__ptrace_seize), PROBE_YES);
	assert_int_equal(ask(fact__seccomp_trace), PROBE_YES);
	assert_int_equal(ask(fact__sysemu), PROBE_YES);
	assert_int_equal(ask(fact__pidfd_getfd), PROBE_YES);
}

static void ask_as_nobody(struct trial *t, void *arg)
{
	static const trial_fn need_root[] = {
		fact__tp_btf,	     fact__raw_tp,	   fact__tracepoint,  fact__fentry,
		fact__fexit,	     fact__kprobe,	   fact__lsm,	      fact__iter_task,
		fact__fmod_ret,	     fact__ringbuf,	   fact__find_vma,    fact__send_signal,
		fact__iter_task_vma, fact__iter_task_file, fact__kernel_read, fact__lockdown,
	};
	struct trial one;

	(void)arg;
	if (setuid(65534) < 0)
		return;
	for (size_t i = 0; i < sizeof(need_root) / sizeof(*need_root); i++) {
		trial__run(need_root[i], NULL, LONG_MS, &one);
		if (one.answer != PROBE_UNKNOWN || !strstr(one.why, "needs root"))
			return trial__no(t, "trial %zu: %.100s", i, one.why);
	}
	trial__yes(t, "all unknown");
}

/* With a privilege missing the answer is unknown, whatever the kernel can do. */
static void test_as_nobody(void **state)
{
	struct trial t;

	(void)state;
	if (geteuid() != 0)
		skip();
	trial__run(ask_as_nobody, NULL, LONG_MS, &t);
	if (t.answer != PROBE_YES)
		fail_msg("%s", t.why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tsc),	   cmocka_unit_test(test_cpuid),
		cmocka_unit_test(test_pmu),	   cmocka_unit_test(test_single_step),
		cmocka_unit_test(test_everywhere), cmocka_unit_test(test_as_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
