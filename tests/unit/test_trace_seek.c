/* SPDX-License-Identifier: MIT */
/* test_trace_seek.c: a reader goes back to any event that it has handed out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "trace/writer.h"
#include "trace_scratch.h"
#include "trace_write.h"

#define EVENTS 30000u /* several frames */

static int setup(void **state)
{
	static char dir[64];

	*state = dir;
	return scratch_make(dir);
}

static int teardown(void **state)
{
	return scratch_remove(*state);
}

static struct reader *make(void **state)
{
	static char path[96];
	char text[200];
	struct writer *w;
	struct reader *r;

	snprintf(path, sizeof(path), "%s/t", (const char *)*state);
	assert_int_equal(writer__new(&w, path), 0);
	put_start(w);
	for (unsigned int i = 1; i < EVENTS - 1; i++) {
		snprintf(
			text, sizeof(text), "%u %.*s", i, (int)(i % 150),
			"................................"
			"...................................................................................."
			".......................................");
		put_note(w, text, NULL);
	}
	assert_int_equal(writer__finish(w, END_EXITED, 0), 0);
	writer__free(w);
	assert_int_equal(reader__open(&r, path), 0);
	return r;
}

/* The next event must be number `no`, with its own text. */
static void expect(struct reader *r, uint64_t no)
{
	const struct event_header *ev;
	uint64_t found;

	assert_int_equal(reader__next(r, &ev, &found), 1);
	assert_int_equal(found, no);
	if (ev->type == EV_NOTE)
		assert_int_equal(strtoul((const char *)(ev + 1) + sizeof(struct ev_note), NULL, 10),
				 no);
}

static void seeks(void **state)
{
	struct reader *r = make(state);
	const uint64_t n = reader__events(r);
	const struct event_header *ev;
	uint64_t no;

	assert_int_equal(reader__seek(r, 1), -EINVAL);
	for (uint64_t i = 0; i < n; i++)
		expect(r, i);
	for (uint64_t at = n; at-- > 0; at -= at > 611 ? 611 : 0) {
		assert_int_equal(reader__seek(r, at), 0);
		expect(r, at);
		if (at + 1 < n)
			expect(r, at + 1);
	}
	assert_int_equal(reader__seek(r, 5), 0);
	for (uint64_t i = 5; i < n; i++)
		expect(r, i);
	assert_int_equal(reader__next(r, &ev, &no), 0);
	assert_int_equal(reader__seek(r, n), 0);
	assert_int_equal(reader__next(r, &ev, &no), 0);
	assert_int_equal(reader__seek(r, n - 1), 0);
	expect(r, n - 1);
	assert_int_equal(reader__seek(r, n + 1), -EINVAL);
	reader__free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(seeks, setup,
									    teardown) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
