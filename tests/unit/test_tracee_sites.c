// SPDX-License-Identifier: MIT
/* test_tracee_sites.c: the sites of this very program, whose addresses are known by labels. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bprec/format.h"
#include "tracee/sites.h"

extern const char at_cpuid[], at_rdtsc[], at_rdtscp[], at_prefixed[], at_random[];
extern const char in_imm4[], in_imm8[], in_disp[], symbol_only[], by_symbol[], by_nothing[];

/* The first function is in the unwind table, as the compiler would make it; the second has a symbol only; the third
 * place has neither. */
__asm__(".text\n"
	".type all_kinds, @function\n"
	"all_kinds: .cfi_startproc\n"
	"in_imm4: mov $0xa20f310f, %eax\n"
	"at_cpuid: cpuid\n"
	"in_imm8: movabs $0x310f310fa20f310f, %rax\n"
	"at_rdtsc: rdtsc\n"
	"in_disp: mov 0x310f(%rdi), %rax\n"
	"at_rdtscp: rdtscp\n"
	"at_prefixed: .byte 0x48, 0x0f, 0x31\n" /* rdtsc with a REX prefix */
	"at_random: rdrand %rax\n"
	"rdseed %ecx\n"
	"rdpid %rdx\n"
	"ret\n"
	".cfi_endproc\n"
	".size all_kinds, . - all_kinds\n"
	".balign 16\n"
	".type symbol_only, @function\n"
	"symbol_only: mov $0x310f, %ecx\n"
	"by_symbol: rdtsc\n"
	"ret\n"
	".size symbol_only, . - symbol_only\n"
	".balign 16\n"
	".byte 0x0f, 0x0b\n"
	"by_nothing: .byte 0x0f, 0x31\n"
	".balign 16\n");

/** File offset of an address in this program. */
struct where {
	uint64_t addr, offset;
};

static int find_segment(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct where *w = ctx;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const uint64_t start = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type == PT_LOAD && start <= w->addr && w->addr < start + ph->p_memsz)
			w->offset = w->addr - start + ph->p_offset;
	}
	return 1; /* the program itself comes first */
}

static uint64_t offset_of(const char *label)
{
	struct where w = { .addr = (uint64_t)label };

	dl_iterate_phdr(find_segment, &w);
	assert_int_not_equal(w.offset, 0);
	return w.offset;
}

static struct insn_sites self;

static int set_up(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(insn_sites__find(fd, &self), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	close(fd);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	insn_sites__free(&self);
	return 0;
}

static void expect_site(const char *label, enum insn_kind kind, int length)
{
	const struct insn_site *s = insn_sites__at(&self, offset_of(label));

	assert_non_null(s);
	assert_int_equal(s->kind, kind);
	assert_int_equal(s->length, length);
	assert_int_equal(s->first, (uint8_t)*label);
}

static void true_ones(void **state)
{
	(void)state;
	expect_site(at_cpuid, INSN_CPUID, 2);
	expect_site(at_rdtsc, INSN_RDTSC, 2);
	expect_site(at_rdtscp, INSN_RDTSCP, 3);
	expect_site(at_prefixed, INSN_RDTSC, 3);
	expect_site(by_symbol, INSN_RDTSC, 2);
	assert_null(insn_sites__at(&self, offset_of(at_prefixed) + 1));
}

static void none_within(const char *from, int bytes)
{
	for (int i = 0; i < bytes; i++)
		assert_null(insn_sites__at(&self, offset_of(from) + i));
}

static void decoys(void **state)
{
	(void)state;
	none_within(in_imm4, 5);
	none_within(in_imm8, 10);
	none_within(in_disp, 7);
	none_within(symbol_only, 5);
	none_within(at_random, 4);
}

static void counts(void **state)
{
	(void)state;
	assert_true(self.random >= 3);
	assert_true(self.undecided >= 1);
	assert_null(insn_sites__at(&self, offset_of(by_nothing)));
}

static void order(void **state)
{
	(void)state;
	assert_true(self.n >= 5);
	for (size_t i = 1; i < self.n; i++)
		assert_true(self.v[i - 1].offset < self.v[i].offset);
	assert_int_equal(insn_sites__from(&self, 0), 0);
	assert_int_equal(insn_sites__from(&self, self.v[2].offset), 2);
	assert_int_equal(insn_sites__from(&self, self.v[2].offset + 1), 3);
	assert_int_equal(insn_sites__from(&self, ~0ull), self.n);
}

static void find_in(const void *bytes, size_t len, int want, struct insn_sites *ret)
{
	char path[] = "/tmp/bprec-sites-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(insn_sites__find(fd, ret), want);
	close(fd);
}

static void no_elf(void **state)
{
	struct insn_sites s = { 0 };

	(void)state;
	find_in("\x0f\x31\x90\x0f\xa2\x0f", 6, 0, &s);
	assert_int_equal(s.n, 0);
	assert_int_equal(s.undecided, 2);
	find_in("", 0, 0, &s);
	assert_int_equal(s.undecided, 0);
}

/** Code is read in pieces: none may be missed where one ends and the next begins. */
static void any_place(void **state)
{
	static uint8_t buf[600000];
	struct insn_sites s = { 0 };
	size_t n = 0;

	(void)state;
	for (size_t at = 0; at + 2 < sizeof(buf);
	     at += 67, n++) /* 67 has no divisor in common with a power of two */
		memcpy(buf + at, n % 2 ? "\x0f\x31" : "\x0f\x01\xf9", 2 + !(n % 2));
	find_in(buf, sizeof(buf), 0, &s);
	assert_int_equal(s.undecided, n);
	for (size_t len = 1; len < 700; len++) { /* the end */
		memset(buf, 0x90, len);
		memcpy(buf + len, "\x0f\x31\x0f\x01", 4);
		find_in(buf, len + 2, 0, &s);
		assert_int_equal(s.undecided, 1);
		find_in(buf, len + 1, 0, &s);
		assert_int_equal(s.undecided, 0);
		find_in(buf, len + 4, 0, &s);
		assert_int_equal(s.undecided, 1);
	}
}

/** Heads that promise what isn't there. */
static void damaged(void **state)
{
	static uint8_t buf[1 << 16];
	const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf));
	struct insn_sites s = { 0 };

	(void)state;
	close(fd);
	assert_true(n > 4096);
	find_in(buf, 4096, -EIO, &s);
	for (int i = 64; i < 64 + 56 * 12; i++) { /* each byte of the program headers */
		char path[] = "/tmp/bprec-sites-XXXXXX";
		const uint8_t was = buf[i];
		int out = mkstemp(path), err;

		unlink(path);
		buf[i] = 0xff;
		assert_int_equal(write(out, buf, n), n);
		err = insn_sites__find(out, &s);
		assert_true(err <= 0);
		if (!err)
			insn_sites__free(&s);
		buf[i] = was;
		close(out);
	}
}

/** Sections that begin at the end of all addresses: not taken for code in which nothing was found. */
static void wrapped(void **state)
{
	static uint8_t buf[8 << 20];
	const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	const ssize_t n = read(fd, buf, sizeof(buf));
	const Elf64_Ehdr *eh = (void *)buf;
	struct insn_sites s = { 0 };
	Elf64_Shdr *sh;

	(void)state;
	close(fd);
	assert_true(n > 4096 && n < (ssize_t)sizeof(buf));
	sh = (void *)(buf + eh->e_shoff);
	for (int i = 0; i < eh->e_shnum; i++)
		if (sh[i].sh_flags & SHF_EXECINSTR)
			sh[i].sh_addr = ~0ull - 4095;
	find_in(buf, n, -EBADMSG, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(true_ones), cmocka_unit_test(decoys),	cmocka_unit_test(counts),
		cmocka_unit_test(order),     cmocka_unit_test(no_elf),	cmocka_unit_test(damaged),
		cmocka_unit_test(any_place), cmocka_unit_test(wrapped),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
