/* SPDX-License-Identifier: MIT */
/* cpuid that is answered from a table: which places can be replaced, and the code, run in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "bprec/format.h"
#include "tracee/cpuids.h"

/* a section as a file holds it: two places that can be replaced, and four that can't */
#define AT_PLAIN  8
#define AT_JUMPED 32
#define AT_NEAR	  64
#define AT_BRANCH 96
#define AT_SHORT  128
#define AT_LONG	  160
#define SECTION	  192
static const struct {
	size_t at, n;
	uint8_t code[32];
} parts[] = {
	/* cpuid; mov %eax,%edx; and $0x1f,%edx; ret */
	{ AT_PLAIN, 8, { 0x0f, 0xa2, 0x89, 0xc2, 0x83, 0xe2, 0x1f, 0xc3 } },
	/* cpuid; mov %eax,%edx; and $0x1f,%edx; jmp to the and */
	{ AT_JUMPED, 9, { 0x0f, 0xa2, 0x89, 0xc2, 0x83, 0xe2, 0x1f, 0xeb, 0xfb } },
	/* cpuid; mov %eax,0(%rip) */
	{ AT_NEAR, 8, { 0x0f, 0xa2, 0x89, 0x05, 0, 0, 0, 0 } },
	/* cpuid; cmp $1,%r10d; je */
	{ AT_BRANCH, 8, { 0x0f, 0xa2, 0x41, 0x83, 0xfa, 0x01, 0x74, 0x00 } },
	/* cpuid; ret */
	{ AT_SHORT, 3, { 0x0f, 0xa2, 0xc3 } },
	/* cpuid; mov %edx,%r14d; mov %ecx,%r13d; jmp to the cpuid */
	{ AT_LONG, 10, { 0x0f, 0xa2, 0x41, 0x89, 0xd6, 0x41, 0x89, 0xcd, 0xeb, 0xf6 } },
};
#define NPARTS (sizeof(parts) / sizeof(*parts))

/** A file with that section at offset 100, and its sites. */
static int file_of(struct insn_site *v, struct insn_sites *ret)
{
	uint8_t code[SECTION];
	int fd = memfd_create("section", MFD_CLOEXEC);

	memset(code, 0x90, sizeof(code));
	for (size_t i = 0; i < NPARTS; i++) {
		memcpy(code + parts[i].at, parts[i].code, parts[i].n);
		v[i] = (struct insn_site){ .offset = 100 + parts[i].at,
					   .part = 100,
					   .part_len = SECTION,
					   .kind = INSN_CPUID,
					   .length = 2,
					   .first = 0x0f,
					   .trapped = true };
	}
	assert_true(fd >= 0 && pwrite(fd, code, sizeof(code), 100) == sizeof(code));
	*ret = (struct insn_sites){ .v = v, .n = NPARTS };
	return fd;
}

static void test_plan(void **state)
{
	struct insn_site v[NPARTS];
	struct insn_sites s;
	int fd = file_of(v, &s);

	(void)state;
	v[5].trapped = false;
	cpuids__plan(fd, &s);
	assert_int_equal(v[0].window, 7);
	assert_memory_equal(v[0].code, parts[0].code, 7);
	for (size_t i = 1; i < NPARTS; i++)
		assert_int_equal(v[i].window, 0);
	assert_false(v[5].planned);
	v[5].trapped = true;
	cpuids__plan(fd, &s);
	assert_int_equal(v[5].window, 8);
	close(fd);
}

static void test_unreadable(void **state)
{
	struct insn_site v[NPARTS];
	struct insn_sites s;
	int fd = file_of(v, &s);

	(void)state;
	for (size_t i = 0; i < NPARTS; i++)
		v[i].part_len = i & 1 ? ~0ull : SECTION + 1; /* longer than the file */
	cpuids__plan(fd, &s);
	for (size_t i = 0; i < NPARTS; i++)
		assert_true(v[i].planned && !v[i].window);
	close(fd);
}

struct regs {
	uint64_t a, b, c, d;
};

/** Runs code with eax, ecx and the carry set; what is below rsp is the caller's. */
static struct regs run(const void *code, uint32_t leaf, uint32_t sub, bool *ret_carry,
		       bool *ret_kept)
{
	struct regs r = { .a = leaf, .c = sub };
	uint8_t carry, kept;

	__asm__ volatile("lea -256(%%rsp), %%rsp\n"
			 "movq $77, 120(%%rsp)\n"
			 "stc\n"
			 "call *%[code]\n"
			 "setc %[carry]\n"
			 "cmpq $77, 120(%%rsp)\n"
			 "sete %[kept]\n"
			 "lea 256(%%rsp), %%rsp\n"
			 : "+a"(r.a), "=b"(r.b), "+c"(r.c),
			   "=d"(r.d), [carry] "=&r"(carry), [kept] "=&r"(kept)
			 : [code] "r"(code)
			 : "memory", "cc");
	*ret_carry = carry;
	*ret_kept = kept;
	return r;
}

static void test_code(void **state)
{
	static const struct cpuid_answer v[] = {
		{ 0, 0, 1, 2, 3, 4 },
		{ 4, 0, 0x11, 0x12, 0x13, 0x14 },
		{ 4, 1, 0x8000003f, 0xffffffff, 0x23, 0x24 },
	};
	/* cpuid; lea 1(%rdi),%edi... : what is behind must run, once; then ret */
	static const struct insn_site site = {
		.kind = INSN_CPUID,
		.length = 2,
		.window = 7,
		.code = { 0x0f, 0xa2, 0x48, 0x8d, 0x72, 0x05, 0x90 }, /* lea 5(%rdx),%rsi; nop */
	};
	const int prot = PROT_READ | PROT_WRITE | PROT_EXEC;
	uint8_t *page = mmap((void *)TRACEE_PAGE_ADDR, BPREC_PAGE_SIZE, prot,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	uint8_t *far = mmap(NULL, BPREC_PAGE_SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct cpuids c;
	struct regs got;
	bool carry, kept;

	(void)state;
	assert_ptr_equal(page, (void *)TRACEE_PAGE_ADDR);
	cpuids__begin(&c, v, 3);
	assert_true(cpuids__add(&c, &site, (uint64_t)far, far));
	far[7] = 0xc3; /* ret */
	assert_int_equal(c.places, 1);
	memcpy((void *)CPUIDS_ADDR, c.bytes, c.used);
	assert_true(cpuids__inside(cpuids__trap()) && !cpuids__inside(CPUIDS_ADDR - 1) &&
		    !cpuids__inside(CALLLOG_ADDR));
	assert_int_equal(*(uint8_t *)cpuids__trap(), 0xcc);
	for (size_t i = 0; i < 3; i++) {
		got = run(far, v[i].leaf, v[i].sub, &carry, &kept);
		assert_true(got.a == v[i].a && got.b == v[i].b && got.c == v[i].c &&
			    got.d == v[i].d);
		assert_true(carry && kept);
	}
	/* what isn't in the table goes to the trap, with its question */
	*(uint16_t *)cpuids__trap() = 0x04b0; /* mov $4,%al */
	got = run(far, 0x1200, 9, &carry, &kept);
	assert_true(got.a == 0x1204 && got.c == 9 && carry && kept);
	munmap(page, BPREC_PAGE_SIZE);
	munmap(far, BPREC_PAGE_SIZE);
}

/** The page is filled and no further. */
static void test_full(void **state)
{
	static const struct insn_site site = {
		.kind = INSN_CPUID,
		.length = 2,
		.window = 7,
		.code = { 0x0f, 0xa2, 0x89, 0xc2, 0x83, 0xe2, 0x1f },
	};
	static struct cpuid_answer v[CPUIDS_ANSWERS];
	uint8_t jump[INSN_WINDOW_MAX] = { 0 };
	struct cpuids c;
	size_t n = 0;

	(void)state;
	cpuids__begin(&c, v, CPUIDS_ANSWERS);
	while (cpuids__add(&c, &site, 0x7ffff7fde000 + 16 * n, jump))
		n++;
	assert_true(n >= 16 && n < 64 && c.places == n && c.used <= sizeof(c.bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_code),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
