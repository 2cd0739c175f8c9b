/* SPDX-License-Identifier: MIT */
/* test_trace_roundtrip.c: what the writer writes, the reader reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "trace/reader.h"
#include "trace/writer.h"

/* Makes a directory name that doesn't exist, in a scratch directory. */
static int setup(void **state)
{
	static char dir[] = "/tmp/bprec-trace-XXXXXX";

	strcpy(dir, "/tmp/bprec-trace-XXXXXX");
	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", (char *)*state);
	return system(cmd);
}

static void put_start(struct writer *w)
{
	const char strings[] = "cmd\0arg\0A=b\0/cwd";
	const struct ev_start start = { .argc = 2,
					.envc = 1,
					.observed = 1,
					.strings_len = sizeof(strings),
					.release = "6.1",
					.version = "0.1" };
	const struct iovec body[] = { { (void *)&start, sizeof(start) },
				      { (void *)strings, sizeof(strings) } };

	assert_int_equal(writer__event(w, EV_START, 0, 0, body, 2, NULL), 0);
}

static void put_note(struct writer *w, const char *text, uint64_t *ret_no)
{
	const struct ev_note note = { .kind = NOTE_TEXT, .text_len = (uint32_t)strlen(text) + 1 };
	const struct iovec body[] = { { (void *)&note, sizeof(note) },
				      { (void *)text, strlen(text) + 1 } };

	assert_int_equal(writer__event(w, EV_NOTE, 7, 8, body, 2, ret_no), 0);
}

static struct reader *open_trace(const char *dir)
{
	struct reader *r = NULL;
	const int err = reader__open(&r, dir);

	if (err < 0)
		fail_msg("reader__open: %d, %s", err, reader__error(NULL));
	return r;
}

static void many_events(void **state)
{
	char dir[256], text[300], page[4096] = { 0 };
	const struct event_header *ev;
	struct writer *w;
	struct reader *r;
	uint64_t no, id[600];

	snprintf(dir, sizeof(dir), "%s/t", (char *)*state);
	assert_int_equal(writer__new(&w, dir), 0);
	put_start(w);
	for (unsigned int i = 1; i < 20000; i++) {
		memset(text, 'a' + (int)(i % 26), sizeof(text));
		snprintf(text + i % 200, 20, "%u", i);
		put_note(w, text, &no);
		assert_int_equal(no, i);
		assert_string_equal((const char *)(writer__last(w) + 1) + sizeof(struct ev_note),
				    text);
	}
	for (unsigned int i = 0; i < 600; i++) {
		memcpy(page, &i, sizeof(i));
		assert_int_equal(writer__page(w, page, &id[i]), 0);
		assert_int_equal(id[i], i);
	}
	assert_int_equal(writer__finish(w, END_EXITED, 3), 0);
	writer__free(w);

	r = open_trace(dir);
	assert_true(reader__complete(r));
	assert_int_equal(reader__events(r), 20001);
	assert_int_equal(reader__pages(r), 599);
	for (unsigned int i = 0; i < 20001; i++) {
		if (reader__next(r, &ev, &no) != 1)
			fail_msg("event %u: %s", i, reader__error(r));
		assert_int_equal(no, i);
		if (ev->type != EV_NOTE)
			continue;
		assert_int_equal(
			strtoul((const char *)event_tail(ev, sizeof(struct ev_note)) + i % 200,
				NULL, 10),
			i);
		assert_int_equal(ev->pid, 7);
		assert_int_equal(ev->tid, 8);
	}
	assert_int_equal(reader__next(r, &ev, &no), 0);
	for (unsigned int i = 0; i < 600; i++) {
		unsigned int found;

		assert_int_equal(reader__page(r, (i * 7) % 600, page), 0);
		memcpy(&found, page, sizeof(found));
		assert_int_equal(found, (i * 7) % 600);
	}
	assert_int_equal(reader__verify_pages(r), 0);
	assert_int_equal(reader__manifest(r)->end_code, 3);
	reader__free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(many_events, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
