// SPDX-License-Identifier: MIT
/* test_tracee_gopclntab.c: tables of Go's functions of each format, and what is no such table. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tracee/gopclntab.h"

#define TEXT   0x401000ull
#define ROOM   256
#define TABLE  80 /* offset of the function table */
#define NFUNCS 3

static const uint64_t starts[NFUNCS + 1] = { TEXT, TEXT + 0x20, TEXT + 0x60, TEXT + 0x1a0 };

static void put(uint8_t *p, uint64_t v, size_t size)
{
	memcpy(p, &v, size);
}

/** A table as Go's linker makes it. Returns its length. text: what its header says. */
static size_t make(uint8_t *t, uint32_t magic, uint64_t text)
{
	const bool old = magic == 0xfffffffa;
	const size_t entry = old ? 8 : 4;

	memset(t, 0, ROOM);
	put(t, magic, 4);
	t[6] = 1;
	t[7] = 8;
	put(t + 8, NFUNCS, 8);
	put(t + (old ? 8 + 6 * 8 : 8 + 7 * 8), TABLE, 8);
	if (!old)
		put(t + 8 + 2 * 8, text, 8);
	for (int i = 0; i <= NFUNCS; i++)
		put(t + TABLE + i * 2 * entry, old ? starts[i] : starts[i] - TEXT, entry);
	return TABLE + NFUNCS * 2 * entry + entry;
}

static void is_read(const uint8_t *t, size_t len, uint64_t text)
{
	uint8_t *exact = malloc(len); /* a byte read behind it is found by asan */
	uint64_t *v = NULL;
	size_t n = 0;

	memcpy(exact, t, len);
	assert_int_equal(gopclntab__functions(exact, len, text, &v, &n), 0);
	assert_int_equal(n, NFUNCS);
	assert_memory_equal(v, starts, sizeof(starts));
	free(v);
	free(exact);
}

static void formats(void **state)
{
	uint8_t t[ROOM];

	(void)state;
	is_read(t, make(t, 0xfffffffa, 0), 0);
	is_read(t, make(t, 0xfffffff0, TEXT), 0);
	is_read(t, make(t, 0xfffffff1, TEXT), 0x1234);
	is_read(t, make(t, 0xfffffff1, 0), TEXT); /* position-independent, or Go 1.26 */
}

static int result(const uint8_t *t, size_t len, uint64_t text)
{
	uint64_t *v = NULL;
	size_t n;
	const int err = gopclntab__functions(t, len, text, &v, &n);

	free(v);
	return err;
}

static void foreign(void **state)
{
	uint8_t t[ROOM];
	size_t len = make(t, 0xfffffff1, TEXT);

	(void)state;
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(result(t, cut, TEXT), -EBADMSG);
	make(t, 0xfffffffb, TEXT); /* Go 1.2 */
	assert_int_equal(result(t, len, TEXT), -EBADMSG);
	make(t, 0xfffffff1, 0); /* nobody knows where the code is */
	assert_int_equal(result(t, len, 0), -EBADMSG);
	for (int at = 4; at < 8; at++) {
		make(t, 0xfffffff1, TEXT);
		t[at] ^= 4;
		assert_int_equal(result(t, len, TEXT), -EBADMSG);
	}
	make(t, 0xfffffff1, TEXT);
	memset(t + 8, 0xff, 8); /* the most functions: their bytes would overflow */
	assert_int_equal(result(t, len, TEXT), -EBADMSG);
	make(t, 0xfffffff1, TEXT);
	put(t + 8, 1ull << 61, 8);
	assert_int_equal(result(t, len, TEXT), -EBADMSG);
	make(t, 0xfffffff1, TEXT);
	put(t + TABLE + 8, 0x100, 4); /* out of order */
	assert_int_equal(result(t, len, TEXT), -EBADMSG);
}

/** Any byte may be wrong: what comes out is in order, or nothing. */
static void flipped(void **state)
{
	static const uint32_t magics[] = { 0xfffffffa, 0xfffffff0, 0xfffffff1 };
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		uint8_t t[ROOM], *exact;
		uint64_t *v = NULL;
		size_t n = 0, len = make(t, magics[round % 3], TEXT);

		for (int flips = 1 + round % 4; flips; flips--) {
			seed = seed * 1664525 + 1013904223;
			t[(seed >> 8) % len] ^= 1u << (seed >> 24) % 8;
		}
		len -= round % 7 ? 0 : (seed >> 16) % len;
		exact = malloc(len);
		memcpy(exact, t, len);
		if (!gopclntab__functions(exact, len, TEXT, &v, &n)) {
			assert_in_range(n, 1, len / 8);
			for (size_t i = 0; i < n; i++)
				assert_true(v[i] < v[i + 1]);
		}
		free(v);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(foreign),
		cmocka_unit_test(flipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
