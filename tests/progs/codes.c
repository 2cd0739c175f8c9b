/* SPDX-License-Identifier: MIT */
/*
 * codes.c MODE [N]: loops that are hard to put a jump into are interrupted N times, and it prints where. "jit": code made
 * while it runs; "shared": the same, mapped MAP_SHARED; "vector": only xmm registers change; "wide": only the upper halves of
 * ymm registers do; "dense": instructions of one and two bytes, jumped into everywhere, also by computed jumps; "calls":
 * calls, returns and pushes; "modify": the loop's instructions are written over;
 * "pushf": flags are pushed.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "trail.h"

static volatile long seen, want;

static void note(int sig, siginfo_t *si, void *ctx)
{
	const ucontext_t *uc = ctx;

	(void)sig;
	(void)si;
	for (int i = 0; i <= REG_EFL; i++)
		if (i != REG_ERR && i != REG_TRAPNO && i != REG_CR2)
			mix((uint64_t)uc->uc_mcontext.gregs[i]);
	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 4; j++)
			mix(uc->uc_mcontext.fpregs->_xmm[i].element[j]);
	seen++;
}

static void timer(long usec)
{
	const struct sigaction sa = { .sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART };
	const struct itimerval it = { { 0, usec }, { 0, usec } };

	if (usec)
		sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

/** 1: inc rax; nop; mov rcx, rax; cmp (rdi), rsi; jl 1b: runs until *rdi reaches rsi. */
static const uint8_t loop[] = { 0x31, 0xc0, 0x48, 0xff, 0xc0, 0x90, 0x48, 0x89,
				0xc1, 0x48, 0x39, 0x37, 0x7c, 0xf4, 0xc3 };
typedef uint64_t code(const volatile long *seen, long want);

static uint64_t in_new_code(int flags)
{
	uint8_t *p =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(3);
	memcpy(p, loop, sizeof(loop));
	return ((code *)p)(&seen, want);
}

static uint64_t jit(void)
{
	return in_new_code(MAP_PRIVATE);
}

static uint64_t shared(void)
{
	return in_new_code(MAP_SHARED);
}

static uint64_t vector(void)
{
	uint64_t n;

	__asm__ volatile("pxor %%xmm0, %%xmm0; pcmpeqd %%xmm1, %%xmm1; psrlq $63, %%xmm1\n"
			 "1: paddq %%xmm1, %%xmm0\n"
			 "   movdqa %%xmm0, %%xmm2; pmuludq %%xmm0, %%xmm2\n"
			 "   cmpq %2, %1\n"
			 "   jl 1b\n"
			 "movq %%xmm0, %0"
			 : "=r"(n)
			 : "m"(seen), "r"(want)
			 : "xmm0", "xmm1", "xmm2", "cc");
	return n;
}

static uint64_t wide(void)
{
	uint64_t n[4] = { 0 };
	const uint64_t one[4] = { 0, 0, 1, 0 };

	if (!__builtin_cpu_supports("avx2"))
		return vector();
	/* slow, so that the few rounds can be looked at one by one */
	__asm__ volatile("vmovdqu %3, %%ymm1; vpxor %%ymm0, %%ymm0, %%ymm0\n"
			 "1: vpaddq %%ymm1, %%ymm0, %%ymm0\n"
			 "   mov $2000000, %%ecx\n"
			 "2: dec %%ecx; jnz 2b\n"
			 "   cmpq %2, %1\n"
			 "   jl 1b\n"
			 "vmovdqu %%ymm0, %0; vzeroupper"
			 : "=m"(n)
			 : "m"(seen), "r"(want), "m"(one)
			 : "xmm0", "xmm1", "rcx", "cc");
	return n[2];
}

static uint64_t dense(void)
{
	uint64_t n = 0;

	__asm__ volatile(
		"lea 1f(%%rip), %%r8; lea 2f(%%rip), %%r9; lea 3f(%%rip), %%r10\n"
		"xor %%ecx, %%ecx\n"
		"0: inc %%ecx; test $0xfff, %%ecx; jz 4f; test $0x7ff, %%ecx; jz 5f; jmp *%%r8\n"
		"4: jmp *%%r9\n"
		"5: jmp *%%r10\n"
		"1: cld\n"
		"2: nop; clc\n"
		"3: nop; inc %0; cmpq %2, %1; jl 0b\n"
		: "+r"(n)
		: "m"(seen), "r"(want)
		: "r8", "r9", "r10", "rcx", "cc");
	return n;
}

__attribute__((noinline)) static uint64_t deeper(uint64_t n)
{
	__asm__ volatile("" : "+r"(n));
	return n < 2 ? n : deeper(n - 1) + deeper(n - 2);
}

static uint64_t calls(void)
{
	uint64_t n = 0;

	while (seen < want)
		n += deeper(n % 12) + 1;
	return n;
}

/** Writes another immediate into the loop again and again, without a call. */
static uint64_t modify(void)
{
	/* mov eax, esi; 1: add eax, imm32; dec rdi; jnz 1b; ret */
	static const uint8_t bytes[] = { 0x89, 0xf0, 0x05, 0,	 0,    0,   0,
					 0x48, 0xff, 0xcf, 0x75, 0xf6, 0xc3 };
	uint8_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t x = 0;

	if (p == MAP_FAILED)
		exit(3);
	memcpy(p, bytes, sizeof(bytes));
	for (uint32_t k = 1; seen < want; k++) {
		memcpy(p + 3, &k, sizeof(k));
		x = ((uint32_t(*)(uint64_t, uint32_t))p)(1000000, x);
	}
	return x;
}

static uint64_t pushf(void)
{
	uint64_t n = 0, flags = 0;

	while (seen < want) {
		__asm__ volatile("add $0x70000001, %k0; pushfq; pop %1"
				 : "+r"(n), "=r"(flags)::"cc");
		mix(flags & 0x8d5);
		if (flags & 0x100)
			exit(4);
	}
	return n;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint64_t (*fn)(void);
	} modes[] = {
		{ "jit", jit },	    { "shared", shared }, { "vector", vector }, { "wide", wide },
		{ "dense", dense }, { "calls", calls },	  { "modify", modify }, { "pushf", pushf },
	};

	want = argc > 2 ? atol(argv[2]) : 5;
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[1], modes[i].name)) {
			uint64_t n;

			timer(5000);
			n = modes[i].fn();
			timer(0);
			printf("%s: %ld handler runs, %llu, trail %016llx\n", argv[1], seen,
			       (unsigned long long)n, (unsigned long long)trail);
			return 0;
		}
	return 9;
}
