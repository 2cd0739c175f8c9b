/* SPDX-License-Identifier: MIT */
/*
 * facts_step.c: single steps and hardware breakpoints.
 *
 * The puppet runs a few instructions between two int3, the labels of which are known, so that every stop can be held
 * against the address where it has to be. Under some hypervisors a step over an instruction that traps to them
 * (cpuid) also carries out the next one, and breakpoints are accepted and never hit: neither shows in any flag or
 * result, only here.
 */
#include "probe/facts.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "probe/puppet.h"

/* Code of the puppets. Each ends at an int3 behind its last label, then returns. */
__asm__(".pushsection .text\n"
	"probe_plain_code:\n int3\n"
	"probe_plain_0: nop\n"
	"probe_plain_1: nop\n"
	"probe_plain_2: nop\n"
	"probe_plain_3: int3\n ret\n"
	"probe_cpuid_code: push %rbx\n int3\n"
	"probe_cpuid_0: xor %eax, %eax\n"
	"probe_cpuid_1: cpuid\n"
	"probe_cpuid_2: nop\n"
	"probe_cpuid_3: int3\n pop %rbx\n ret\n"
	"probe_store_code: int3\n"
	"probe_store_0: movl $1, (%rdi)\n"
	"probe_store_1: nop\n"
	"probe_store_2: int3\n ret\n"
	".popsection\n");

extern const char probe_plain_0[], probe_plain_1[], probe_plain_2[], probe_plain_3[];
extern const char probe_cpuid_0[], probe_cpuid_1[], probe_cpuid_2[], probe_cpuid_3[];
extern const char probe_store_0[], probe_store_1[], probe_store_2[];
/* The three pieces of code, with the C calling convention. */
void probe_plain_code(void *arg);
void probe_cpuid_code(void *arg);
void probe_store_code(void *arg);

static int run_plain(void *arg)
{
	probe_plain_code(arg);
	return 0;
}

static int run_cpuid(void *arg)
{
	probe_cpuid_code(arg);
	return 0;
}

static int run_store(void *arg)
{
	probe_store_code(arg);
	return 0;
}

/* Starts the puppet and waits for its first int3, which must leave it at `at`. */
static bool start_at(struct puppet *p, struct trial *t, int (*fn)(void *), void *arg,
		     const char *at)
{
	struct user_regs_struct regs;

	if (!puppet__start(p, t, 0, fn, arg))
		return false;
	const int status = puppet__wait(p);

	if (puppet__trapped(status) && puppet__regs(p, &regs) == 0 && regs.rip == (uintptr_t)at)
		return true;
	trial__unknown(t, "the child did not stop where it should (status %#x)",
		       (unsigned int)status);
	return false;
}

/* Steps from places[0] to places[n - 1]. Number of steps that stopped at the next place before one did not. */
static int step_through(const struct puppet *p, const char *const places[], int n)
{
	struct user_regs_struct regs;
	int right = 0;

	while (right < n - 1) {
		const int status = puppet__resume(p, PTRACE_SINGLESTEP);

		if (!puppet__trapped(status) || puppet__regs(p, &regs) < 0 ||
		    regs.rip != (uintptr_t)places[right + 1])
			break;
		right++;
	}
	return right;
}

void fact__single_step(struct trial *t, void *arg)
{
	const char *const places[] = { probe_plain_0, probe_plain_1, probe_plain_2, probe_plain_3 };
	struct puppet p;

	(void)arg;
	if (!start_at(&p, t, run_plain, NULL, places[0]))
		return;
	const int right = step_through(&p, places, 4);

	if (right == 3)
		trial__yes(t, "3 steps over 3 instructions, each stopped at the next one");
	else
		trial__no(t, "step %d of 3 did not stop at the next instruction", right + 1);
}

void fact__single_step_cpuid(struct trial *t, void *arg)
{
	const char *const places[] = { probe_cpuid_0, probe_cpuid_1, probe_cpuid_2, probe_cpuid_3 };
	struct user_regs_struct regs = { 0 };
	struct puppet p;

	(void)arg;
	if (!start_at(&p, t, run_cpuid, NULL, places[0]))
		return;
	const int right = step_through(&p, places, 4);

	puppet__regs(&p, &regs);
	if (right == 3)
		trial__yes(t, "3 steps over xor, cpuid, nop, each stopped at the next one");
	else if (right == 1 && regs.rip == (uintptr_t)places[3])
		trial__no(
			t,
			"the step over cpuid also carried out the next instruction: one step is lost");
	else
		trial__no(t, "step %d over xor, cpuid, nop did not stop where it should",
			  right + 1);
}

/* Sets debug register n of the puppet. 0 or -errno. */
static int poke_debug(const struct puppet *p, int n, unsigned long value)
{
	const size_t at = offsetof(struct user, u_debugreg) + (size_t)n * sizeof(long);

	return ptrace(PTRACE_POKEUSER, p->pid, at, value) < 0 ? -errno : 0;
}

/* Sets one breakpoint at addr (bits of DR7 beyond the enable bit: Intel SDM 3B, 18.2.4), goes on, and tells whether it
 * was hit with the puppet at `place` rather than run past it to the int3 behind. */
static void try_breakpoint(struct trial *t, const struct puppet *p, const void *addr,
			   unsigned long bits, const char *place)
{
	struct user_regs_struct regs = { 0 };
	int err = poke_debug(p, 0, (uintptr_t)addr);

	if (!err)
		err = poke_debug(p, 7, 1 | bits);
	if (err)
		return trial__no(t, "PTRACE_POKEUSER of DR0, DR7: %s", trial__errno(-err));
	const int status = puppet__resume(p, PTRACE_CONT);
	const long dr6 = ptrace(PTRACE_PEEKUSER, p->pid,
				offsetof(struct user, u_debugreg) + 6 * sizeof(long), 0);

	puppet__regs(p, &regs);
	if (puppet__trapped(status) && regs.rip == (uintptr_t)place && (dr6 & 1))
		trial__yes(t, "set by PTRACE_POKEUSER, and hit");
	else
		trial__no(t, "set by PTRACE_POKEUSER without an error, but never hit");
}

void fact__hw_breakpoint(struct trial *t, void *arg)
{
	struct puppet p;

	(void)arg;
	if (start_at(&p, t, run_plain, NULL, probe_plain_0))
		try_breakpoint(t, &p, probe_plain_2, 0, probe_plain_2);
}

void fact__hw_watchpoint(struct trial *t, void *arg)
{
	int *watched = trial__shared(sizeof(*watched));
	struct puppet p;

	(void)arg;
	if (!watched)
		return trial__unknown(t, "no memory");
	if (start_at(&p, t, run_store, watched, probe_store_0))
		try_breakpoint(t, &p, watched, 1ul << 16 | 3ul << 18, probe_store_1);
}
