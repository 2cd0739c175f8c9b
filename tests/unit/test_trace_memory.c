/* SPDX-License-Identifier: MIT */
/* test_trace_memory.c: every single allocation of writer and reader fails once. Either it doesn't matter, or the call says
 * -ENOMEM; nothing crashes, and what has been written stays a right trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "trace/writer.h"
#include "trace_scratch.h"
#include "trace_write.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ARMED 0 /* sanitizers have an allocator of their own */
#else
#define ARMED 1

/* The allocator behind malloc in glibc: the names under which it stays reachable. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
#endif

static long countdown; /* the allocation that fails, 0: none */
static bool fired;

#if ARMED
static bool fails(void)
{
	if (__atomic_load_n(&countdown, __ATOMIC_RELAXED) == 0 ||
	    __atomic_sub_fetch(&countdown, 1, __ATOMIC_RELAXED) != 0)
		return false;
	fired = true;
	return true;
}

void *malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}
#endif

static void arm(long n)
{
	fired = false;
	__atomic_store_n(&countdown, n, __ATOMIC_RELAXED);
}

static bool disarm(void)
{
	__atomic_store_n(&countdown, 0, __ATOMIC_RELAXED);
	return fired;
}

static void reader_of(const char *golden)
{
	long n = 0;
	bool hit = true;

	while (hit) {
		struct walked w;

		arm(++n);
		w = scratch_walk(golden);
		hit = disarm();
		if (w.err && (w.err != -ENOMEM || !hit || !w.why[0]))
			fail_msg("allocation %ld: %d %s", n, w.err, w.why);
		assert_true(n < 100000);
	}
	assert_true(n > 5);
}

static void reader(void **state)
{
	(void)state;
	if (!ARMED)
		skip();
	reader_of("tests/golden/v1-all-events");
	reader_of("tests/golden/v1-many-frames");
	reader_of("tests/golden/v1-clone");
	reader_of("tests/golden/v1-torn-wrong");
}

/* A short recording. The first error. */
static int record(const char *dir)
{
	uint8_t page[BPREC_PAGE_SIZE];
	struct writer *w = NULL;
	uint64_t id;
	int err;

	err = writer__new(&w, dir);
	if (err == 0)
		err = put_start(w);
	for (uint64_t i = 0; err == 0 && i < 300; i++) {
		fill_page(page, i);
		err = writer__page(w, page, &id);
		if (err == 0)
			err = put_note(w, "a note", NULL);
		if (err == 0 && i % 100 == 50)
			err = writer__flush(w, 0);
	}
	if (err == 0)
		err = writer__finish(w, END_EXITED, 0);
	writer__free(w);
	return err;
}

static void writer(void **state)
{
	char dir[64], trace[96];
	bool hit = true;

	(void)state;
	if (!ARMED)
		skip();
	assert_int_equal(scratch_make(dir), 0);
	for (long n = 1; hit; n++) {
		struct walked found;
		int err;

		snprintf(trace, sizeof(trace), "%s/%ld", dir, n);
		arm(n);
		err = record(trace);
		hit = disarm();
		if (err && (err != -ENOMEM || !hit))
			fail_msg("allocation %ld: %d", n, err);
		found = scratch_walk(trace);
		if (found.err && found.err != -ENOENT)
			fail_msg("allocation %ld: %s", n, found.why);
		assert_int_equal(found.complete, err == 0);
		scratch_remove(trace);
		assert_true(n < 10000);
	}
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader),
		cmocka_unit_test(writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
