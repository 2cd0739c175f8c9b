/* SPDX-License-Identifier: MIT */
/*
 * calllog.c: see calllog.h. The code is position-dependent: it lies at CALLLOG_CODE, and its log at CALLLOG_ADDR.
 *
 * It uses only what a call destroys (rax, rcx, r11), the log, and the flags; not the caller's stack, of which nobody knows what is
 * below rsp (the wrappers' own frames are empty). A thread that is in it is never left there: record/logged.c.
 */
#include "tracee/calllog.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define SIGACTION_BYTES 32u	 /* of the kernel: handler, flags, restorer, mask */
#define FLAGS_OF_CMP	0x8d5ull /* CF, PF, AF, ZF, SF, OF: what cmp sets */
#define FLAGS_EQUAL	0x44ull	 /* ... ZF and PF, of two equal numbers */

/** Flags of an openat that changes nothing: beside these it only reads. */
#define OPEN_READS     (O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_DIRECTORY | O_NOFOLLOW | OPEN_LARGEFILE)
#define OPEN_LARGEFILE 0x8000 /* <fcntl.h> has it as 0 */

static_assert((uint32_t)~OPEN_READS == 0xfff476ff, "the code has it");
static_assert(CALLLOG_ADDR == 0x70001000, "the code has its address");
static_assert(CALLLOG_OUT_MAX == 4096, "the code has it");
static_assert(sizeof(struct stat) == 144, "18 words in the code");
static_assert(sizeof(struct calllog_head) == 64 && sizeof(struct calllog_entry) == 64,
	      "offsets in the code");

__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"calllog_begin:\n"
	"calllog_readlink:\n"
	"	mov $89, %eax\n"
	"	cmp $4096, %rdx\n" /* its output may be longer than the room */
	"	ja calllog_slow\n"
	"	jmp calllog_check\n"
	".balign 16, 0xcc\n"
	"calllog_access:\n"
	"	mov $21, %eax\n"
	"	jmp calllog_check\n"
	".balign 16, 0xcc\n"
	"calllog_lseek:\n"
	"	mov $8, %eax\n"
	"	jmp calllog_check\n"
	".balign 16, 0xcc\n"
	"calllog_newfstatat:\n"
	"	mov $262, %eax\n"
	"	jmp calllog_check\n"
	".balign 16, 0xcc\n"
	"calllog_close:\n"
	"	mov $3, %eax\n"
	"	jmp calllog_check\n"
	".balign 16, 0xcc\n"
	"calllog_rt_sigaction:\n"
	"	mov $13, %eax\n"
	"	jmp calllog_check\n"
	".balign 16, 0xcc\n"
	"calllog_openat_cwd:\n" /* rax is set */
	"	mov $0xffffff9c, %edi\n"
	"	jmp calllog_openat\n"
	".balign 16, 0xcc\n"
	"calllog_openat:\n"
	"	mov $257, %eax\n"
	"	test $0xfff476ff, %edx\n" /* more than OPEN_READS: it may make or change a file */
	"	jnz calllog_slow\n"
	"	jmp calllog_check\n"
	".balign 16, 0xcc\n"
	"calllog_check:\n"
	"	mov 0x70001000, %rcx\n" /* next */
	"	cmp 0x70001008, %rcx\n" /* limit */
	"	jae calllog_slow\n"
	"	mov %rax, (%rcx)\n"
	"	mov %rdi, 8(%rcx)\n"
	"	mov %rsi, 16(%rcx)\n"
	"	mov %rdx, 24(%rcx)\n"
	"	mov %r10, 32(%rcx)\n"
	"	mov %r8, 40(%rcx)\n"
	"	mov %r9, 48(%rcx)\n"
	"	syscall\n"
	"calllog_made:\n"
	"	mov 0x70001000, %rcx\n"
	"	mov %rax, 56(%rcx)\n"
	"	cmpq $89, (%rcx)\n"
	"	je 1f\n"
	"	test %rax, %rax\n"
	"	jne 3f\n"
	"	mov $18, %r11d\n" /* newfstatat: words of struct stat */
	"	cmpq $262, (%rcx)\n"
	"	je 2f\n"
	"	mov $4, %r11d\n" /* rt_sigaction: of the kernel's struct sigaction */
	"	cmpq $13, (%rcx)\n"
	"	jne 3f\n"
	"	test %rdx, %rdx\n"
	"	jnz 2f\n"
	"3:	add $64, %rcx\n"
	"	jmp calllog_publish\n"
	"1:	test %rax, %rax\n" /* readlink: rax bytes */
	"	jle 3b\n"
	"	mov %rsi, 0x70001010\n"
	"	mov %rdi, 0x70001018\n"
	"	lea 64(%rcx), %rdi\n"
	"	mov %rax, %rcx\n"
	"	rep movsb\n"
	"	lea 7(%rdi), %rcx\n"
	"	and $-8, %rcx\n"
	"	jmp 4f\n"
	"2:	mov %rsi, 0x70001010\n" /* r11 words at rdx */
	"	mov %rdi, 0x70001018\n"
	"	lea 64(%rcx), %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %r11, %rcx\n"
	"	rep movsq\n"
	"	mov %rdi, %rcx\n"
	"4:	mov 0x70001010, %rsi\n"
	"	mov 0x70001018, %rdi\n"
	"calllog_publish:\n"
	"	mov %rcx, 0x70001000\n"
	"calllog_logged:\n"
	"	xor %r11d, %r11d\n"
	"	xor %ecx, %ecx\n"
	"	cmp %ecx, %ecx\n" /* flags that are all defined */
	"	ret\n"
	".balign 16, 0xcc\n"
	"calllog_slow:\n"
	"	cmp %ecx, %ecx\n" /* the stop sees the same flags, from wherever this is reached */
	"	syscall\n"
	"calllog_back:\n"
	"	jmp calllog_logged\n"
	"calllog_end:\n"
	".popsection\n");

extern const uint8_t calllog_begin[], calllog_readlink[], calllog_access[], calllog_lseek[],
	calllog_newfstatat[], calllog_close[], calllog_rt_sigaction[], calllog_openat[],
	calllog_openat_cwd[], calllog_made[], calllog_logged[], calllog_slow[], calllog_back[],
	calllog_end[];

static const struct {
	uint32_t nr;
	const uint8_t *at;
} calls[] = {
	{ SYS_readlink, calllog_readlink }, { SYS_access, calllog_access },
	{ SYS_lseek, calllog_lseek },	    { SYS_newfstatat, calllog_newfstatat },
	{ SYS_close, calllog_close },	    { SYS_rt_sigaction, calllog_rt_sigaction },
	{ SYS_openat, calllog_openat },
};
#define NCALLS (sizeof(calls) / sizeof(*calls))

/** Address in a tracee. */
static uint64_t there(const uint8_t *at)
{
	return CALLLOG_CODE + (uint64_t)(at - calllog_begin);
}

const void *calllog__code(size_t *ret_len)
{
	*ret_len = (size_t)(calllog_end - calllog_begin);
	return calllog_begin;
}

const uint32_t *calllog__numbers(size_t *ret_n)
{
	static uint32_t nr[NCALLS];

	for (size_t i = 0; i < NCALLS; i++)
		nr[i] = calls[i].nr;
	*ret_n = NCALLS;
	return nr;
}

uint64_t calllog__entry(uint32_t nr)
{
	for (size_t i = 0; i < NCALLS; i++)
		if (calls[i].nr == nr)
			return there(calls[i].at);
	return 0;
}

uint64_t calllog__entry_cwd(void)
{
	return there(calllog_openat_cwd);
}

uint64_t calllog__return(void)
{
	return there(calllog_made);
}

enum calllog_place calllog__place(uint64_t rip)
{
	if (rip < CALLLOG_CODE || rip >= there(calllog_end))
		return CALLLOG_OUTSIDE;
	if (rip < there(calllog_made))
		return CALLLOG_BEFORE;
	if (rip < there(calllog_logged))
		return CALLLOG_MADE;
	return rip < there(calllog_slow) || rip >= there(calllog_back) ? CALLLOG_LOGGED
								       : CALLLOG_STOPS;
}

void calllog__go_back(struct regs64 *regs, const struct calllog_entry *e)
{
	if (e) {
		regs->rax = e->nr;
		regs->rsi = e->args[1];
		regs->rdi = e->args[0];
	}
	for (size_t i = 0; i < NCALLS; i++)
		if (regs->rip == there(calls[i].at))
			regs->rax = calls[i].nr;
	if (regs->rip == there(calllog_openat_cwd)) {
		regs->rax = SYS_openat;
		regs->rdi = (uint32_t)AT_FDCWD;
	}
	regs->rip = there(calllog_slow);
	regs->orig_rax = ~0ull;
}

void calllog__leave(struct regs64 *regs, const struct calllog_entry *e, uint64_t to)
{
	if (e) {
		regs->rsi = e->args[1];
		regs->rdi = e->args[0];
	}
	regs->rcx = regs->r11 = 0;
	regs->eflags = (regs->eflags & ~FLAGS_OF_CMP) | FLAGS_EQUAL;
	regs->rip = to;
	regs->rsp += 8;
	regs->orig_rax = ~0ull;
}

uint64_t calllog__output(const struct calllog_entry *e, uint32_t *ret_arg)
{
	*ret_arg = 0;
	if (e->nr == SYS_readlink && e->ret > 0) {
		*ret_arg = 1;
		return (uint64_t)e->ret;
	}
	if (e->nr == SYS_newfstatat && !e->ret) {
		*ret_arg = 2;
		return sizeof(struct stat);
	}
	if (e->nr == SYS_rt_sigaction && !e->ret && e->args[2]) {
		*ret_arg = 2;
		return SIGACTION_BYTES;
	}
	return 0;
}
