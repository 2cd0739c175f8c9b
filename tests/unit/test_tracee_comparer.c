// SPDX-License-Identifier: MIT
/*
 * test_tracee_comparer.c: comparers are executed. Small functions are copied into memory of their own, a jump to a comparer is
 * put into them, and the handler of the traps looks at the registers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tracee/comparer.h"

#define PAGE 4096ul
#define TRAP 0x100ull

/* loop: all registers busy, a carry that lives across the point, bytes below rsp that are read again, a rip-relative
 * instruction at the point. short: a two-byte instruction at the point and a jump to the one behind it. cond: a conditional
 * jump at the point. vec: the state is in xmm registers alone. called: the point can't be moved. */
extern const uint8_t loop_begin[], loop_point[], loop_end[], short_begin[], short_point[],
	short_end[], cond_begin[], cond_point[], cond_end[], vec_begin[], vec_point[], vec_end[],
	called_begin[], called_point[], called_end[];
__asm__(".text\n"
	"loop_begin:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"xor %eax, %eax\n"
	"xor %r8d, %r8d\n"
	"mov %rdi, %rcx\n"
	"mov $0x123456789abcdef, %rbx\n"
	"mov %rsp, %rbp\n"
	"mov %rbx, %r9\n mov %rbx, %r10\n mov %rbx, %r11\n mov %rbx, %r12\n"
	"mov %rbx, %r13\n mov %rbx, %r14\n mov %rbx, %r15\n"
	"stc\n"
	"1: mov %rcx, -8(%rsp)\n"
	"mov %rcx, -128(%rsp)\n"
	"mov %rcx, (%rsi)\n"
	"adc $0x7fffffff, %rax\n"
	"lea (%rbx,%rcx), %r9; lea (%rbx,%rcx,2), %r10; lea (%rax,%rcx,4), %r11\n"
	"lea 1(%r10,%r11), %r12; lea 2(%r12,%rax), %r13; lea (%r13,%r13,8), %r14; lea 5(%r14), %r15\n"
	"loop_point: lea 1b(%rip), %rdx\n"
	"adc $3, %r8\n"
	"cmp -8(%rsp), %rcx; jne 2f\n"
	"cmp -128(%rsp), %rcx; jne 2f\n"
	"sub $1, %rcx\n"
	"ror $1, %r8; rol $1, %r8\n" /* a carry that depends on the round */
	"lea -1(%rcx), %rcx; lea 1(%rcx), %rcx\n"
	"jrcxz 2f\n"
	"jmp 1b\n"
	"2: xor %r8, %rax; xor %r15, %rax\n"
	"pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"ret\n"
	"loop_end:\n"
	"short_begin: mov %rdi, %rcx\n"
	"xor %eax, %eax\n"
	"inc %rcx\n"
	"1: mov $1, %edx\n"
	"short_point: dec %ecx\n"
	"3: inc %eax\n"
	"inc %eax\n"
	"test $7, %al; jz 3b\n"
	"test %ecx, %ecx\n"
	"jnz 1b\n"
	"ret\n"
	"short_end:\n"
	"cond_begin: mov %rdi, %rcx\n"
	"xor %eax, %eax\n"
	"1: add $5, %rax\n"
	"test $1, %cl\n"
	"cond_point: jz 2f\n"
	"add $1000, %rax\n"
	"2: dec %rcx\n"
	"jnz 1b\n"
	"ret\n"
	"cond_end:\n"
	"vec_begin: movq %rdi, %xmm9\n"
	"pxor %xmm0, %xmm0\n"
	"pcmpeqd %xmm1, %xmm1\n"
	"psrlq $63, %xmm1\n"
	"1: paddq %xmm1, %xmm0\n"
	"vec_point: movdqa %xmm0, %xmm3\n"
	"psubq %xmm9, %xmm3\n"
	"ptest %xmm3, %xmm3\n"
	"pshufd $0x0e, %xmm0, %xmm4\n"
	"comisd %xmm9, %xmm4\n"
	"jb 1b\n"
	"movq %xmm0, %rax\n"
	"ret\n"
	"vec_end:\n"
	"called_begin: mov %rdi, %rcx\n"
	"xor %eax, %eax\n"
	"jmp 1f\n"
	"3: add $7, %rax\n"
	"ret\n"
	"1: nop\n"
	"called_point: inc %rax\n"
	"call 3b\n"
	"dec %rcx\n"
	"jnz 1b\n"
	"ret\n"
	"called_end:\n");

/** A function under test, in memory of its own. */
static struct {
	uint8_t *code, *point; /* writable and executable */
	uint8_t original[32];
	struct comparer c;
	uint64_t *slots;
	uint64_t memory[2];
} f;

/** What the handler does and sees. */
static struct {
	unsigned hits, leaves, middles, steps; /* traps of each kind */
	struct regs64 at;		       /* registers at the last hit */
	struct regs64 truth;		       /* ... at the point, in the round looked at */
	bool breakpoint;		       /* there is an int3 at the point, no comparer */
	bool step;			       /* through the comparer */
	bool end;			       /* at a hit the comparer is taken away */
	uint64_t round;			       /* rcx at which `truth` is taken */
} seen;

static struct regs64 get_regs(const ucontext_t *u)
{
	const greg_t *g = u->uc_mcontext.gregs;

	return (struct regs64){
		.r15 = g[REG_R15],
		.r14 = g[REG_R14],
		.r13 = g[REG_R13],
		.r12 = g[REG_R12],
		.rbp = g[REG_RBP],
		.rbx = g[REG_RBX],
		.r11 = g[REG_R11],
		.r10 = g[REG_R10],
		.r9 = g[REG_R9],
		.r8 = g[REG_R8],
		.rax = g[REG_RAX],
		.rcx = g[REG_RCX],
		.rdx = g[REG_RDX],
		.rsi = g[REG_RSI],
		.rdi = g[REG_RDI],
		.rip = g[REG_RIP],
		.rsp = g[REG_RSP],
		.eflags = g[REG_EFL] & ~TRAP,
	};
}

static void disarm(void)
{
	memcpy(f.point, f.original, RELOCATE_JUMP);
}

static void on_breakpoint(greg_t *g, const struct regs64 *now)
{
	if (now->rcx == seen.round && !seen.truth.rip) {
		seen.truth = *now;
		seen.truth.rip--;
	}
	int32_t disp;

	memcpy(&disp, f.original + 3,
	       2); /* lea 1b(%rip), %rdx: 48 8d 15 and the displacement, a short one */
	g[REG_RDX] = (greg_t)f.point + 7 + (int16_t)disp;
	g[REG_RIP] += 6;
}

/** A single step: at each instruction of the comparer that comes before the moved ones the program's registers are known. */
static void on_step(greg_t *g, const struct regs64 *now)
{
	struct regs64 r = *now;

	if (now->rip == (uint64_t)f.point)
		seen.truth = *now;
	if (comparer__restore(&f.c, f.slots, &r) == COMPARER_INSIDE && r.rip == (uint64_t)f.point) {
		seen.steps++;
		if (memcmp(&r, &seen.truth, sizeof(r)) && now->rip != f.c.at + f.c.moved)
			seen.middles = 1000000;
	}
	g[REG_EFL] |= TRAP;
}

static void handler(int sig, siginfo_t *si, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct regs64 r = get_regs(context);

	if (sig == SIGTRAP && si->si_code == TRAP_TRACE) {
		on_step(g, &r);
		return;
	}
	if (seen.breakpoint) {
		on_breakpoint(g, &r);
		return;
	}
	switch (comparer__restore(&f.c, f.slots, &r)) {
	case COMPARER_HIT:
		seen.hits++;
		seen.at = r;
		g[REG_RIP] = (greg_t)(f.c.at + f.c.moved);
		if (seen.end) {
			disarm();
			g[REG_RIP] = (greg_t)r.rip;
		}
		return;
	case COMPARER_LEAVE:
		seen.leaves++;
		disarm();
		g[REG_RIP] = (greg_t)r.rip;
		return;
	default: /* into the middle of the jump */
		seen.middles++;
		if (sig == SIGTRAP)
			g[REG_RIP]--;
		disarm();
		if (g[REG_RIP] <= (greg_t)f.point || g[REG_RIP] >= (greg_t)f.point + RELOCATE_JUMP)
			g[REG_RIP] = 0; /* a crash */
	}
}

static void load(const uint8_t *begin, const uint8_t *point, const uint8_t *end)
{
	const struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

	/* in the test: cmocka puts in handlers of its own before */
	sigaction(SIGTRAP, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	memset(&seen, 0, sizeof(seen));
	memset(&seen, 0, sizeof(seen));
	memset(&f, 0, sizeof(f));
	f.code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	assert_ptr_not_equal(f.code, MAP_FAILED);
	memcpy(f.code, begin, (size_t)(end - begin));
	f.point = f.code + (point - begin);
	memcpy(f.original, f.point, sizeof(f.original));
}

/** On a stack of its own, so that rsp is the same each time. */
static uint64_t run(uint64_t n)
{
	static uint8_t stack[4 * PAGE] __attribute__((aligned(16)));
	uint64_t result, *memory = f.memory;

	__asm__ volatile("mov %%rsp, %%rbx; mov %[stack], %%rsp; call *%[code]; mov %%rbx, %%rsp"
			 : "=a"(result), "+D"(n), "+S"(memory)
			 : [stack] "r"(stack + sizeof(stack)), [code] "r"(f.code)
			 : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm3",
			   "xmm4", "xmm9", "cc", "memory");
	return result;
}

static void unmap_comparer(void)
{
	if (f.slots)
		munmap((uint8_t *)f.slots - 3 * PAGE, 4 * PAGE);
}

/** Finds room as a replay does, and puts the jump there. */
static void arm(const struct comparer_term *terms, size_t n)
{
	uint8_t *area = MAP_FAILED;

	unmap_comparer();
	f.c.point = (uint64_t)f.point;
	for (unsigned i = 0; area == MAP_FAILED; i++) {
		assert_true(comparer__candidate(f.c.point, i, &f.c.at));
		area = mmap((void *)(f.c.at & ~(PAGE - 1)), 4 * PAGE,
			    PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	}
	f.slots = (uint64_t *)(area + 3 * PAGE);
	f.c.slots = (uint64_t)f.slots;
	assert_int_equal(comparer__build(&f.c, f.original, 32, terms, n), 0);
	memcpy((void *)f.c.at, f.c.code, f.c.len);
	assert_int_equal(comparer__jump(&f.c, f.point), 0);
}

static void unload(void)
{
	unmap_comparer();
	munmap(f.code, PAGE);
}

static uint64_t *reg_field(struct regs64 *r, unsigned reg)
{
	uint64_t *const by_number[] = { &r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
					&r->rsi, &r->rdi, &r->r8,  &r->r9,  &r->r10, &r->r11,
					&r->r12, &r->r13, &r->r14, &r->r15 };
	return by_number[reg];
}

/** All registers as terms, `first` first. */
static void all_registers(struct comparer_term terms[16], struct regs64 *r, unsigned first)
{
	for (unsigned i = 0; i < 16; i++) {
		const unsigned reg = (first + i) % 16;

		terms[i] = (struct comparer_term){ .kind = COMPARER_REG,
						   .reg = reg,
						   .value = *reg_field(r, reg) };
	}
}

/** Registers at the point when rcx is `round`, as a breakpoint sees them. */
static uint64_t true_state(uint64_t n, uint64_t round)
{
	uint64_t result;

	seen.breakpoint = true;
	seen.round = round;
	*f.point = 0xcc;
	result = run(n);
	disarm();
	seen.breakpoint = false;
	assert_int_equal(seen.truth.rcx, round);
	return result;
}

static void finds_the_round(void **state)
{
	struct comparer_term terms[17];
	uint64_t expected;

	(void)state;
	load(loop_begin, loop_point, loop_end);
	expected = run(1000);
	assert_int_equal(true_state(1000, 250), expected);
	for (unsigned first = 0; first < 16; first++) {
		all_registers(terms, &seen.truth, first);
		terms[16] = (struct comparer_term){ .kind = COMPARER_WORD,
						    .addr = (uint64_t)f.memory,
						    .value = 250 };
		arm(terms, 17);
		seen.hits = 0;
		assert_int_equal(run(1000), expected);
		assert_int_equal(seen.hits, 1);
		assert_memory_equal(&seen.at, &seen.truth, sizeof(seen.at));
		terms[16].value = 251; /* never */
		arm(terms, 17);
		assert_int_equal(run(1000), expected);
		assert_int_equal(seen.hits, 1);
		disarm();
	}
	unload();
}

static void is_taken_away(void **state)
{
	struct comparer_term terms[16];
	uint64_t expected;

	(void)state;
	load(loop_begin, loop_point, loop_end);
	expected = true_state(1000, 700);
	seen.end = true;
	all_registers(terms, &seen.truth, 9);
	arm(terms, 16);
	assert_int_equal(run(1000), expected);
	assert_int_equal(seen.hits, 1);
	assert_memory_equal(f.point, loop_point, RELOCATE_JUMP);
	unload();
}

static void words_come_first(void **state)
{
	struct comparer_term t[2] = { { .kind = COMPARER_WORD, .value = 31 },
				      { .kind = COMPARER_REG, .reg = 1, .value = 31 } };
	uint64_t expected;

	(void)state;
	load(loop_begin, loop_point, loop_end);
	t[0].addr = (uint64_t)f.memory;
	expected = run(64);
	arm(t, 2);
	assert_int_equal(run(64), expected);
	assert_int_equal(seen.hits, 1);
	assert_int_equal(seen.at.rcx, 31);
	unload();
}

/** Stepped through, at each instruction: are the registers told right? */
static void stopped_anywhere(void **state)
{
	struct comparer_term terms[16];
	struct regs64 want;
	uint64_t expected;

	(void)state;
	load(loop_begin, loop_point, loop_end);
	expected = true_state(8, 3);
	want = seen.truth;
	for (unsigned first = 0; first < 16; first++) {
		all_registers(terms, &want, first);
		arm(terms, 16);
		seen.steps = seen.hits = 0;
		__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "cc", "memory");
		const uint64_t result = run(8);

		__asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "cc", "memory");
		assert_int_equal(result, expected);
		assert_int_equal(seen.middles, 0);
		assert_true(seen.steps > 8 * 4);
		disarm();
	}
	unload();
}

static void jump_into_the_middle(void **state)
{
	struct comparer_term t = { .kind = COMPARER_REG, .reg = 0, .value = 8 };
	uint64_t expected;

	(void)state;
	load(short_begin, short_point, short_end);
	expected = run(20);
	arm(&t, 1);
	assert_int_equal(run(20), expected);
	assert_int_equal(seen.middles, 1);
	unload();
}

static void every_byte_of_the_jump_traps(void **state)
{
	(void)state;
	load(cond_begin, cond_point, cond_end);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned n = 0;; n++) {
			uint8_t jump[RELOCATE_JUMP];

			f.c.point = 0x555555555000 + 4095 * i;
			if (!comparer__candidate(f.c.point, n, &f.c.at))
				break;
			assert_int_equal(comparer__jump(&f.c, jump), 0);
			for (unsigned b = 1; b < sizeof(jump); b++) {
				memcpy(f.point,
				       (const uint8_t[]){ jump[b], 0x90, 0x90, 0x90, 0x90 }, 5);
				/* runs that byte; the handler puts the code back and goes on there */
				f.code = f.point;
				f.point -= b;
				seen.middles = 0;
				memcpy(f.original,
				       (const uint8_t[]){ 0x90, 0x90, 0x90, 0x90, 0x90 }, 5);
				f.original[b] = 0xc3;
				run(1);
				assert_int_equal(seen.middles, 1);
				f.point += b;
			}
		}
	munmap((void *)((uint64_t)f.code & ~(PAGE - 1)), PAGE);
}

static void conditional_jump(void **state)
{
	struct comparer_term t[2] = {
		{ .kind = COMPARER_REG, .reg = 1, .value = 77 },
		{ .kind = COMPARER_REG, .reg = 0, .value = 0x7fffffffffffff }
	};
	uint64_t expected;

	(void)state;
	load(cond_begin, cond_point, cond_end);
	expected = run(1001);
	arm(t, 2);
	assert_int_equal(run(1001), expected);
	assert_int_equal(seen.hits, 0);
	arm(t, 1);
	assert_int_equal(run(1001), expected);
	assert_int_equal(seen.hits, 1);
	assert_int_equal(seen.at.rcx, 77);
	unload();
}

static void vector_registers(void **state)
{
	struct comparer_term t[3] = { { .kind = COMPARER_XMM, .reg = 0, .high = 1, .value = 41 },
				      { .kind = COMPARER_XMM, .reg = 0, .value = 41 },
				      { .kind = COMPARER_XMM, .reg = 9, .value = 100 } };
	uint64_t expected;

	(void)state;
	load(vec_begin, vec_point, vec_end);
	expected = run(100);
	assert_int_equal(expected, 100);
	arm(t, 3);
	assert_int_equal(run(100), expected);
	assert_int_equal(seen.hits, 1);
	t[2].value = 99;
	arm(t, 3);
	assert_int_equal(run(100), expected);
	assert_int_equal(seen.hits, 1);
	unload();
}

static void what_cannot_be_moved(void **state)
{
	struct comparer_term t = { .kind = COMPARER_REG, .reg = 1, .value = 5 };
	uint64_t expected;

	(void)state;
	load(called_begin, called_point, called_end);
	expected = run(10);
	arm(&t, 1);
	assert_int_equal(run(10), expected);
	assert_int_equal(seen.leaves, 1);
	assert_int_equal(f.c.plan.len, 3);
	unload();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_round),
		cmocka_unit_test(is_taken_away),
		cmocka_unit_test(words_come_first),
		cmocka_unit_test(stopped_anywhere),
		cmocka_unit_test(jump_into_the_middle),
		cmocka_unit_test(every_byte_of_the_jump_traps),
		cmocka_unit_test(conditional_jump),
		cmocka_unit_test(vector_registers),
		cmocka_unit_test(what_cannot_be_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
