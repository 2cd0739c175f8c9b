/* SPDX-License-Identifier: MIT */
/*
 * filter.c: the seccomp filter that makes every system call of a tracee stop, and sorts it while doing so.
 *
 * All calls return SECCOMP_RET_TRACE with a number from enum tracee_seccomp as data. Which x86-64 calls are plain is a
 * bitmap of 32-bit constants, so that the program is short whatever the table looks like:
 *
 *	X = nr & 31; A = nr >> 5; if A == 0: A = bits[0]; if A == 1: A = bits[1]; ... ; if ((A >> X) & 1) PLAIN else LOOK
 *
 * Before that, calls that the tracee logs itself are let pass, from the one place that makes them (calllog.h).
 *
 * Numbers with bit 30 are x32 calls; those with bit 31 are nobody's (-1 among them) and get ENOSYS from the kernel: LOOK.
 */
#include "tracee/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracee/calllog.h"

/* Highest number in the bitmap plus one: 16 words. */
#define NR_LIMIT 512u
/* Last place in the program where an output number may go: 16 of them. */
#define OUTPUTS_END 56u
#define X32_BIT	    0x40000000u
#define NR_BIT31    0x80000000u
/* Upper half of the vsyscall page's address; no other call comes from a negative one. */
#define VSYSCALL_HIGH 0xffffffffu

/* Jump target that is known last; filled in at the end. */
#define TO_TEST 0u

/* A program being built. */
struct program {
	struct sock_filter *insns;
	size_t n;
};

static void emit(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	p->insns[p->n++] = (struct sock_filter){ .code = code, .jt = jt, .jf = jf, .k = k };
}

static void emit_return(struct program *p, enum tracee_seccomp what)
{
	emit(p, BPF_RET | BPF_K, SECCOMP_RET_TRACE | (uint32_t)what, 0, 0);
}

/* Words of the bitmap that are needed. */
static uint32_t make_bitmap(const struct tracee_launch *l, uint32_t bits[NR_LIMIT / 32])
{
	uint32_t words = 0;

	memset(bits, 0, NR_LIMIT / 8);
	for (uint32_t nr = 0; nr < l->nr_max && nr < NR_LIMIT; nr++) {
		if (!l->plain(nr))
			continue;
		bits[nr / 32] |= 1u << nr % 32;
		words = nr / 32 + 1;
	}
	return words;
}

/* Calls from the code that logs them, and of no other number: a program that goes there by itself hides nothing else. */
static void emit_logged(struct program *p)
{
	const uint64_t at = calllog__return();
	size_t n;
	const uint32_t *nr = calllog__numbers(&n);

	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer), 0, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)at, 0, (uint8_t)(2 * n + 3));
	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4, 0,
	     0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(at >> 32), 0, (uint8_t)(2 * n + 1));
	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	for (size_t i = 0; i < n; i++) {
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, nr[i], 0, 1);
		emit(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	}
}

/* Architecture, the vsyscall page and x32; leaves nr in A. */
static void emit_head(struct program *p, bool call_log)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	emit_return(p, TRACEE_SECCOMP_ARCH);
	if (call_log)
		emit_logged(p);
	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4, 0,
	     0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, VSYSCALL_HIGH, 0, 1);
	emit_return(p, TRACEE_SECCOMP_VSYSCALL);
	emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	emit(p, BPF_JMP | BPF_JSET | BPF_K, NR_BIT31, 0, 1);
	emit_return(p, TRACEE_SECCOMP_LOOK);
	emit(p, BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 0, 1);
	emit_return(p, TRACEE_SECCOMP_ARCH);
}

/* Plain numbers that are told apart; A: nr. */
static void emit_outputs(struct program *p, const struct tracee_launch *l)
{
	for (uint32_t nr = 0; l->output && nr < l->nr_max; nr++) {
		if (!l->output(nr) || !l->plain || !l->plain(nr) || p->n > OUTPUTS_END)
			continue;
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1);
		emit_return(p, TRACEE_SECCOMP_OUTPUT);
	}
}

size_t tracee_filter__build(const struct tracee_launch *l, struct sock_filter *insns)
{
	struct program p = { .insns = insns };
	uint32_t bits[NR_LIMIT / 32];
	uint32_t words = l->plain ? make_bitmap(l, bits) : 0;

	emit_head(&p, l->call_log);
	emit_outputs(&p, l);
	emit(&p, BPF_ALU | BPF_AND | BPF_K, 31, 0, 0);
	emit(&p, BPF_MISC | BPF_TAX, 0, 0, 0);
	emit(&p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	emit(&p, BPF_ALU | BPF_RSH | BPF_K, 5, 0, 0);
	size_t table = p.n;
	for (uint32_t i = 0; i < words; i++) {
		emit(&p, BPF_JMP | BPF_JEQ | BPF_K, i, 0, 2);
		emit(&p, BPF_LD | BPF_IMM, bits[i], 0, 0);
		emit(&p, BPF_JMP | BPF_JA, TO_TEST, 0, 0);
	}
	emit_return(&p, TRACEE_SECCOMP_LOOK);
	size_t test = p.n;
	for (size_t i = table + 2; i < test; i += 3)
		insns[i].k = (uint32_t)(test - i - 1);
	emit(&p, BPF_ALU | BPF_RSH | BPF_X, 0, 0, 0);
	emit(&p, BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1);
	emit_return(&p, TRACEE_SECCOMP_PLAIN);
	emit_return(&p, TRACEE_SECCOMP_LOOK);
	return p.n;
}

int tracee_filter__install(struct sock_filter *insns, size_t n)
{
	struct sock_fprog prog = { .len = (unsigned short)n, .filter = insns };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0)
		return 0;
	/* EACCES: no CAP_SYS_ADMIN (man 2 seccomp). */
	if (errno != EACCES || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0 ? -errno : 0;
}
