/* SPDX-License-Identifier: MIT */
/* test_record_words.c: words chosen out of pictures of memory (record/words.h), and what instructions touch (tracee/access.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracee/access.h"
#include "record/words.h"

static void fill(struct picture *p, uint64_t addr, uint32_t len, uint64_t value)
{
	uint8_t *to = picture__room(p, addr, len);

	assert_non_null(to);
	for (uint32_t i = 0; i < len; i += 8)
		memcpy(to + i, &value, 8);
}

static void set(struct picture *p, uint64_t addr, uint64_t value)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (addr >= p->piece[i].addr && addr < p->piece[i].addr + p->piece[i].len)
			memcpy(p->bytes + p->piece[i].at + (addr - p->piece[i].addr), &value, 8);
}

static void changed(void **state)
{
	struct picture *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
	struct words w = { 0 };

	(void)state;
	fill(a, 0x7008, 64, 1); /* the stack was shorter */
	fill(a, 0x4000, 4096, 1);
	fill(b, 0x7000, 72, 1);
	fill(b, 0x4000, 4096, 1);
	fill(b, 0x2000, 4096, 5); /* not in the earlier one */
	set(b, 0x7000, 9);	  /* nor this */
	set(b, 0x7010, 2);
	set(b, 0x7040, 3);
	set(b, 0x4ff8, 4);
	words__add_changed(&w, a, b);
	assert_int_equal(w.n, 3);
	assert_int_equal(w.v[0].addr, 0x7010);
	assert_int_equal(w.v[0].value, 2);
	assert_int_equal(w.v[1].addr, 0x7040);
	assert_int_equal(w.v[2].addr, 0x4ff8);
	assert_int_equal(w.v[2].value, 4);
	free(a);
	free(b);
}

static void full(void **state)
{
	struct picture *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
	struct words w = { 0 };

	(void)state;
	assert_true(words__add(&w, 0x4008, 1));
	assert_false(words__add(&w, 0x4008, 1));
	fill(a, 0x4000, 4096, 1);
	fill(b, 0x4000, 4096, 2);
	assert_null(picture__room(b, 0x4000, 4096));
	words__add_changed(&w, a, b);
	assert_int_equal(w.n, WORDS_MAX);
	assert_int_equal(w.v[0].addr, 0x4008);
	assert_int_equal(w.v[1].addr, 0x4000);
	assert_int_equal(w.v[2].addr, 0x4010);
	assert_false(words__add(&w, 0x9000, 1));
	for (uint64_t i = 1; picture__room(b, 0x10000 * i, 4096); i++)
		assert_true(i < 100);
	assert_true(b->used <= sizeof(b->bytes));
	free(a);
	free(b);
}

static void trail(void **state)
{
	struct words_trail t = { 0 };

	(void)state;
	words_trail__add(&t, 0x1004, 8, false); /* two words */
	words_trail__add(&t, 0x1008, 4, true);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.v[0].addr, 0x1000);
	assert_false(t.v[0].store);
	assert_int_equal(t.v[1].addr, 0x1008);
	assert_true(t.v[1].store);
	words_trail__add(&t, 0x2000, 4096, true); /* as xsave does */
	assert_int_equal(t.n, 10);
	words_trail__add(&t, ~0ull - 3, 8, true);
	assert_int_equal(t.n, 10);
	for (uint64_t i = 0; i < 1000; i++)
		words_trail__add(&t, 0x9000 + 8 * i, 8, true);
	assert_int_equal(t.n, sizeof(t.v) / sizeof(*t.v));
}

static const struct regs64 regs = { .rip = 0x401000,
				    .rsp = 0x7ff0,
				    .rbp = 0x7ff8,
				    .rax = 0x100,
				    .rcx = 3,
				    .fs_base = 0x50000,
				    .rbx = 0xffffffff00000010 };

struct expected {
	const char *code;
	size_t len;
	struct insn_access a;
};

static void accesses(void **state)
{
	static const struct expected table[] = {
		{ "\x48\xff\x45\xf0",
		  4,
		  { .length = 4, .n = 1, .v = { { 0x7fe8, 8, true } } } }, /* inc [rbp-16] */
		{ "\x8b\x04\x88",
		  3,
		  { .length = 3, .n = 1, .v = { { 0x10c, 4, false } } } }, /* mov eax,[rax+rcx*4] */
		{ "\x83\x05\x10\x00\x00\x00\x01",
		  7,
		  { .length = 7, .n = 1, .v = { { 0x401017, 4, true } } } },
		{ "\x64\x48\x89\x04\x25\x28\x00\x00\x00",
		  9,
		  { .length = 9, .n = 1, .v = { { 0x50028, 8, true } } } },
		{ "\x67\x89\x03",
		  3,
		  { .length = 3, .n = 1, .v = { { 0x10, 4, true } } } }, /* mov [ebx],eax */
		{ "\x50", 1, { .length = 1, .n = 1, .v = { { 0x7fe8, 8, true } } } }, /* push rax */
		{ "\x58", 1, { .length = 1, .n = 1, .v = { { 0x7ff0, 8, false } } } }, /* pop rax */
		{ "\xe8\x00\x00\x00\x00",
		  5,
		  { .length = 5, .n = 1, .v = { { 0x7fe8, 8, true } } } }, /* call */
		{ "\x48\x8d\x45\xf0", 4, { .length = 4 } },		   /* lea */
		{ "\xf3\xaa", 2, { .length = 2, .repeats = true } },
		{ "\xf2\xae", 2, { .length = 2, .repeats = true } },
		{ "\xaa", 1, { .length = 1, .n = 1, .v = { { 0, 1, true } } } },
		{ "\x9c", 1, { .length = 1, .flags = true } },
		{ "\x9d", 1, { .length = 1, .flags = true } },
		{ "\x0f\x05", 2, { .length = 2, .enters = true } },
		{ "\xcd\x80", 2, { .length = 2, .enters = true } },
		{ "\xcc", 1, { .length = 1, .traps = true } },
		{ "\xf3\x90", 2, { .length = 2 } }, /* pause */
		{ "\xf3\x0f\x10\x00",
		  4,
		  { .length = 4, .n = 1, .v = { { 0x100, 4, false } } } }, /* movss */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		const struct insn_access *want = &table[i].a;
		struct insn_access got;

		assert_int_equal(insn_access__decode((const uint8_t *)table[i].code, table[i].len,
						     &regs, &got),
				 0);
		assert_int_equal(got.length, want->length);
		assert_int_equal(got.repeats, want->repeats);
		assert_int_equal(got.flags, want->flags);
		assert_int_equal(got.enters, want->enters);
		assert_int_equal(got.traps, want->traps);
		if (!want->flags && !want->enters)
			assert_int_equal(got.n, want->n);
		for (size_t k = 0; k < want->n; k++) {
			assert_int_equal(got.v[k].addr, want->v[k].addr);
			assert_int_equal(got.v[k].len, want->v[k].len);
			assert_int_equal(got.v[k].store, want->v[k].store);
		}
	}
}

static void no_instruction(void **state)
{
	struct insn_access a;

	(void)state;
	assert_true(insn_access__decode((const uint8_t *)"\x06", 1, &regs, &a) < 0);
	assert_true(insn_access__decode((const uint8_t *)"\x48\xff", 2, &regs, &a) < 0);
	assert_true(insn_access__decode((const uint8_t *)"", 0, &regs, &a) < 0);
}

static void static_stores(void **state)
{
	static const uint8_t code[] = {
		0xff, 0xff,			 /* what was before */
		0x90, 0xff, 0x05, 0x10, 0, 0, 0, /* 1002: nop; inc [rip+16] at 1003 */
		0x8b, 0x05, 0x20, 0,	0, 0,	 /* 1009: mov eax,[rip+32] */
		0xff, 0x05, 0x04, 0,	0, 0,	 /* 100f: inc [rip+4]: the same word as the first */
		0xc7, 0x05, 0,	  1,	0, 0, 7, 0, 0, 0, /* 1015: mov dword [rip+256],7 */
	};
	uint64_t v[4];

	(void)state;
	assert_int_equal(insn_access__static_stores(code, sizeof(code), 0x1000, 0x1009, v, 4), 2);
	assert_int_equal(v[0], 0x1019);
	assert_int_equal(v[1], 0x111f);
	assert_int_equal(insn_access__static_stores(code, sizeof(code), 0x1000, 0x1009, v, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changed),	  cmocka_unit_test(full),
		cmocka_unit_test(trail),	  cmocka_unit_test(accesses),
		cmocka_unit_test(no_instruction), cmocka_unit_test(static_stores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
