/* SPDX-License-Identifier: MIT */
/*
 * xinuse: why stacks are not hashed (space/hash.c). ld.so saves the vector registers on the stack by xsavec when a function is
 * called for the first time. xsavec writes a component only if it is in use (XINUSE; Intel SDM 1, 13.10), and that changes at
 * any context switch: the kernel's xrstors of a component in its initial state ends its use or begins it.
 *
 * The same registers are saved twice with nothing between but a change of threads; bytes that differ are counted by place:
 * "header N", the mask of what was written, and "components N", what was there before or zeros. 77: this machine hasn't got it.
 */
#include <cpuid.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SAVED  0xee /* STATE_SAVE_MASK of glibc, sysdeps/x86/sysdep.h: all but x87 and PKRU */
#define HEADER 512

static uint8_t before[4096] __attribute__((aligned(64))), after[4096] __attribute__((aligned(64)));

static void save(uint8_t *to)
{
	memset(to, 0x55, sizeof(before));
	memset(to + HEADER, 0, 64);
	__asm__ volatile("vzeroall\n\t"
			 "xsavec (%0)" ::"r"(to),
			 "a"(SAVED), "d"(0)
			 : "memory");
}

/** The same, but another thread has the processor in between. */
static void save_after_switch(uint8_t *to)
{
	memset(to, 0x55, sizeof(before));
	memset(to + HEADER, 0, 64);
	__asm__ volatile("vzeroall\n\t"
			 "syscall\n\t" /* sched_yield: no function may use the registers */
			 "mov %1, %%eax\n\t"
			 "xor %%edx, %%edx\n\t"
			 "xsavec (%0)" ::"r"(to),
			 "i"(SAVED), "a"(24)
			 : "memory", "rcx", "rdx", "r11");
}

int main(void)
{
	uint32_t a, b, c, d;
	long header = 0, components = 0;

	if (!__get_cpuid_count(13, 1, &a, &b, &c, &d) || !(a & 2))
		return 77;
	for (int i = 0; i < 20000; i++) {
		save(before);
		save_after_switch(after);
		for (int k = 0; k < HEADER + 64 + 256; k++)
			if (before[k] != after[k])
				++*(k >= HEADER && k < HEADER + 64 ? &header : &components);
	}
	printf("header %ld components %ld\n", header, components);
	return 0;
}
