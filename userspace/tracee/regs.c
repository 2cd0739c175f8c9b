/* SPDX-License-Identifier: MIT */
#include "tracee/tracee.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

/* The trace's register file and the kernel's are the same 27 words. */
static_assert(sizeof(struct regs64) == sizeof(struct user_regs_struct), "regs64");
static_assert(offsetof(struct regs64, orig_rax) == offsetof(struct user_regs_struct, orig_rax),
	      "orig_rax");
static_assert(offsetof(struct regs64, rip) == offsetof(struct user_regs_struct, rip), "rip");
static_assert(offsetof(struct regs64, fs_base) == offsetof(struct user_regs_struct, fs_base),
	      "fs_base");
static_assert(offsetof(struct regs64, gs) == offsetof(struct user_regs_struct, gs), "gs");

/* Selector of 64-bit user code (Linux, arch/x86/include/asm/segment.h: __USER_CS). */
#define CS_USER64 0x33u
/* Legacy area of an xsave image: what a machine without XSAVE has. */
#define XSAVE_LEGACY 512u

int tracee__get_regs(pid_t tid, struct regs64 *ret)
{
	return ptrace(PTRACE_GETREGS, tid, NULL, ret) < 0 ? -errno : 0;
}

int tracee__set_regs(pid_t tid, const struct regs64 *regs)
{
	return ptrace(PTRACE_SETREGS, tid, NULL, regs) < 0 ? -errno : 0;
}

int tracee__get_xstate(pid_t tid, void *buf, size_t *len)
{
	struct iovec iov = { .iov_base = buf, .iov_len = *len };

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_X86_XSTATE, &iov) < 0)
		return -errno;
	*len = iov.iov_len;
	return 0;
}

int tracee__set_xstate(pid_t tid, const void *buf, size_t len)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_X86_XSTATE, &iov) < 0 ? -errno : 0;
}

uint64_t tracee__xcr0(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return 0;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (uint64_t)d << 32 | a;
}

size_t tracee__xstate_size(void)
{
	static size_t size;
	unsigned int a, b, c, d;

	if (size)
		return size;
	/* CPUID leaf 0xd, EBX: bytes for the components that XCR0 enables now, in standard format. */
	if (tracee__xcr0() && __get_cpuid_count(0xd, 0, &a, &b, &c, &d) && b > XSAVE_LEGACY)
		size = b;
	else
		size = XSAVE_LEGACY;
	return size;
}

bool tracee__is_32bit(const struct regs64 *regs)
{
	return regs->cs != CS_USER64;
}
