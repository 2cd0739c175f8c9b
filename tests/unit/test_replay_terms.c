// SPDX-License-Identifier: MIT
/* test_replay_terms.c: what is compared in line, and in which order. The thread looked at is this one. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "replay/terms.h"

#define XSAVE 832
#define POINT 0x401000ull

static uint64_t memory[4] __attribute__((aligned(8)));

static struct rtask here(uint64_t rax, uint64_t rbx)
{
	return (struct rtask){ .real = getpid(), .regs = { .rip = POINT, .rax = rax, .rbx = rbx } };
}

static void look(struct terms *ts, uint64_t rax, uint64_t rbx, const uint8_t *xstate)
{
	struct rtask t = here(rax, rbx);

	terms__look(ts, &t, xstate, xstate ? XSAVE : 0);
}

/** rbx always differs and moves, rax differs once: rbx, rax, then the others. */
static void what_tells_most_comes_first(void **state)
{
	const struct regs64 want = { .rip = POINT, .rax = 7, .rbx = 7 };
	struct comparer_term order[COMPARER_TERMS];
	struct terms ts;

	(void)state;
	terms__init(&ts, &want, NULL, 0, NULL, 0);
	look(&ts, 7, 1, NULL);
	look(&ts, 8, 2, NULL);
	look(&ts, 7, 3, NULL);
	assert_int_equal(terms__order(&ts, order), 16);
	assert_int_equal(order[0].reg, 3);
	assert_int_equal(order[1].reg, 0);
	assert_int_equal(order[0].value, 7);
}

static void words_before_registers_that_are_equal(void **state)
{
	const struct mem_word words[2] = { { (uintptr_t)&memory[0], 5 },
					   { (uintptr_t)&memory[1], 5 } };
	const struct regs64 want = { .rip = POINT };
	struct comparer_term order[COMPARER_TERMS];
	struct terms ts;

	(void)state;
	memory[0] = 5;
	terms__init(&ts, &want, NULL, 0, words, 2);
	for (memory[1] = 1; memory[1] < 4; memory[1]++)
		look(&ts, 0, 0, NULL);
	assert_int_equal(terms__order(&ts, order), 18);
	assert_int_equal(order[0].kind, COMPARER_WORD);
	assert_int_equal(order[0].addr, (uintptr_t)&memory[1]);
	assert_int_equal(order[17].addr, (uintptr_t)&memory[0]);
}

/** A word that isn't there, and words that hold bytes of the jump. */
static void words_that_cannot_be_compared(void **state)
{
	void *gone = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uint64_t at = (uintptr_t)&memory[1];
	const struct mem_word words[4] = {
		{ (uintptr_t)gone, 0 }, { at, 0 }, { at + 8, 0 }, { at + 16, 0 }
	};
	const struct regs64 want = { .rip = at + 7 }; /* its jump is in two words */
	struct comparer_term order[COMPARER_TERMS];
	struct terms ts;

	(void)state;
	terms__init(&ts, &want, NULL, 0, words, 4);
	look(&ts, 1, 1, NULL);
	assert_int_equal(terms__order(&ts, order), 17);
	for (int i = 0; i < 17; i++)
		assert_true(order[i].kind == COMPARER_REG || order[i].addr == at + 16);
	munmap(gone, 4096);
}

static void halves_once_they_differ(void **state)
{
	const struct regs64 want = { .rip = POINT };
	struct comparer_term order[COMPARER_TERMS];
	uint8_t expected[XSAVE] = { 0 }, found[XSAVE] = { 0 };
	struct rtask t = here(0, 0);
	struct terms ts;

	(void)state;
	terms__init(&ts, &want, expected, XSAVE, NULL, 0);
	assert_false(terms__look(&ts, &t, found, XSAVE));
	assert_int_equal(terms__order(&ts, order), 16);
	found[160 + 16 * 9 + 8] = 1; /* xmm9, upper half */
	assert_true(terms__look(&ts, &t, found, XSAVE));
	assert_int_equal(terms__order(&ts, order), 17);
	assert_int_equal(order[0].kind, COMPARER_XMM);
	assert_int_equal(order[0].reg, 9);
	assert_int_equal(order[0].high, 1);
	assert_int_equal(order[0].value, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_tells_most_comes_first),
		cmocka_unit_test(words_before_registers_that_are_equal),
		cmocka_unit_test(words_that_cannot_be_compared),
		cmocka_unit_test(halves_once_they_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
