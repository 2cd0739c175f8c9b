/* SPDX-License-Identifier: MIT */
/* test_record_object.c: an address_space pointer is a key, not an identity (DESIGN 12, rule 12). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "record/emit.h"
#include "record/object.h"
#include "trace_scratch.h"

#define KEY 0xffff888012345678ull

static char dir[64];

/** A recording that has not begun: a trace and a model. */
static int setup(void **state)
{
	static struct recorder r;
	static const char strings[] = "/cmd\0/";
	static const struct record_opts opts;
	const struct ev_start ev = { .argc = 1, .strings_len = sizeof(strings) };
	char trace[80];

	r = (struct recorder){ .opts = &opts };
	if (scratch_make(dir))
		return -1;
	snprintf(trace, sizeof(trace), "%s/t", dir);
	r.m = model__new();
	*state = &r;
	if (!r.m || writer__new(&r.w, trace))
		return -1;
	return emit(&r, EV_START, NULL, &ev, sizeof(ev), strings, sizeof(strings));
}

static int teardown(void **state)
{
	struct recorder *r = *state;

	object__free_all(r);
	writer__free(r->w);
	model__free(r->m);
	return scratch_remove(dir);
}

static struct object *get(struct recorder *r, uint64_t inode, uint32_t dev, uint32_t generation)
{
	const struct object_key k = {
		.key = KEY,
		.inode = inode,
		.dev = dev,
		.generation = generation,
	};
	struct object *o = NULL;

	assert_int_equal(object__get(r, &k, "/f", 0, -1, false, &o), 0);
	assert_non_null(o);
	return o;
}

static struct object *by_event(struct recorder *r, uint64_t inode, uint32_t dev,
			       uint32_t generation)
{
	const struct kevent ke = {
		.object = KEY,
		.inode = inode,
		.dev = dev,
		.generation = generation,
	};

	return object__by_kevent(r, &ke);
}

static void same_object(void **state)
{
	struct object *o = get(*state, 5, 7, 9);

	assert_ptr_equal(get(*state, 5, 7, 9), o);
	assert_ptr_equal(by_event(*state, 5, 7, 9), o);
}

static void another_inode(void **state)
{
	struct object *o = get(*state, 5, 7, 9);

	assert_null(by_event(*state, 6, 7, 9));
	assert_ptr_not_equal(get(*state, 6, 7, 9), o);
	assert_ptr_equal(by_event(*state, 5, 7, 9), o);
}

static void another_device(void **state)
{
	struct object *o = get(*state, 5, 7, 9);

	assert_null(by_event(*state, 5, 8, 9));
	assert_ptr_not_equal(get(*state, 5, 8, 9), o);
	assert_ptr_equal(by_event(*state, 5, 7, 9), o);
}

static void another_generation(void **state)
{
	struct object *o = get(*state, 5, 7, 9);

	assert_null(by_event(*state, 5, 7, 10));
	assert_ptr_not_equal(get(*state, 5, 7, 10), o);
	assert_ptr_equal(by_event(*state, 5, 7, 9), o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(same_object, setup, teardown),
		cmocka_unit_test_setup_teardown(another_inode, setup, teardown),
		cmocka_unit_test_setup_teardown(another_device, setup, teardown),
		cmocka_unit_test_setup_teardown(another_generation, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
