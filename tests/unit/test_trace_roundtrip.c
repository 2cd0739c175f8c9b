/* SPDX-License-Identifier: MIT */
/* test_trace_roundtrip.c: what the writer writes, the reader reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "trace/writer.h"
#include "trace_scratch.h"
#include "trace_write.h"
#include "util/err.h"

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

/* Name of the trace in the scratch directory. */
static const char *trace_name(void **state)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/t", (const char *)*state);
	return path;
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
	const char *dir = trace_name(state);
	const struct event_header *ev;
	struct writer *w;
	struct reader *r;
	char text[300];
	uint64_t no;

	assert_int_equal(writer__new(&w, dir), 0);
	put_start(w);
	for (unsigned int i = 1; i < 20000; i++) {
		memset(text, 'a' + (int)(i % 26), sizeof(text));
		snprintf(text + i % 200, 20, "%u", i);
		assert_int_equal(put_note(w, text, &no), 0);
		assert_int_equal(no, i);
		assert_string_equal(event_tail(writer__last(w), sizeof(struct ev_note)), text);
	}
	assert_int_equal(writer__events(w), 20000);
	assert_int_equal(writer__finish(w, END_SIGNALED, 9), 0);
	writer__free(w);

	r = open_trace(dir);
	assert_true(reader__complete(r));
	assert_int_equal(reader__events(r), 20001);
	assert_int_equal(reader__manifest(r)->end_kind, END_SIGNALED);
	assert_int_equal(reader__manifest(r)->end_code, 9);
	for (int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 20001; i++) {
			const char *s;

			if (reader__next(r, &ev, &no) != 1)
				fail_msg("event %u: %s", i, reader__error(r));
			assert_int_equal(no, i);
			if (ev->type != EV_NOTE)
				continue;
			s = event_tail(ev, sizeof(struct ev_note));
			assert_int_equal(strtoul(s + i % 200, NULL, 10), i);
			assert_int_equal(ev->pid, 7);
			assert_int_equal(ev->tid, 8);
		}
		assert_int_equal(reader__next(r, &ev, &no), 0);
		assert_int_equal(reader__rewind(r), 0);
	}
	reader__free(r);
}

/* Every type of event: a golden trace, read, written and read again. */
static void all_types(void **state)
{
	const struct event_header *a, *b;
	struct reader *golden = open_trace("tests/golden/v3-all-events"), *r;
	uint8_t page[BPREC_PAGE_SIZE];
	struct writer *w;
	uint64_t no, types = 0, id;

	assert_int_equal(writer__new(&w, trace_name(state)), 0);
	for (uint64_t i = 1; i <= reader__pages(golden); i++) {
		assert_int_equal(reader__page(golden, i, page), 0);
		assert_int_equal(writer__page(w, page, &id), 0);
		assert_int_equal(id, i);
	}
	while (reader__next(golden, &a, &no) == 1) {
		const struct iovec body = { (void *)(a + 1), a->size - sizeof(*a) };

		if (writer__event(w, a->type, a->pid, a->tid, &body, 1, NULL))
			fail_msg("type %u: %s", a->type, err__text());
		types |= 1ull << a->type;
	}
	assert_int_equal(types, (1ull << EV_MAX) - 2);
	assert_int_equal(writer__finish(w, END_EXITED, 0), 0);
	writer__free(w);

	r = open_trace(trace_name(state));
	reader__rewind(golden);
	while (reader__next(golden, &a, &no) == 1) {
		if (reader__next(r, &b, &no) != 1)
			fail_msg("%s", reader__error(r));
		assert_int_equal(a->size, b->size);
		assert_int_equal(a->type, b->type);
		assert_int_equal(a->tid, b->tid);
		assert_int_equal(a->pid, b->pid);
		assert_memory_equal(a + 1, b + 1, a->size - sizeof(*a));
	}
	assert_int_equal(reader__next(r, &b, &no), 0);
	assert_int_equal(reader__verify_pages(r), 0);
	reader__free(r);
	reader__free(golden);
}

static void pages_once(void **state)
{
	const char *dir = trace_name(state);
	uint8_t page[BPREC_PAGE_SIZE], hash[16];
	struct page_hash wanted;
	struct writer *w;
	struct reader *r;
	uint64_t id;

	assert_int_equal(writer__new(&w, dir), 0);
	put_start(w);
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 700; i++) {
			fill_page(page, i);
			assert_int_equal(writer__page(w, page, &id), 0);
			assert_int_equal(id, i);
			assert_true(writer__page_is(w, id, page));
			assert_false(writer__page_is(w, id + 1, page));
			assert_false(writer__page_is(w, BPREC_PAGE_LOST, page));
			assert_false(writer__page_is(w, BPREC_PAGE_ABSENT, page));
		}
		assert_int_equal(writer__flush(w, 0), 0);
	}
	assert_int_equal(writer__finish(w, END_EXITED, 0), 0);
	writer__free(w);

	r = open_trace(dir);
	assert_int_equal(reader__pages(r), 699); /* page 0 is all zeros */
	for (unsigned int n = 0; n < 2100; n++) {
		uint8_t found[BPREC_PAGE_SIZE];
		const unsigned int i = n * 397 % 700;

		fill_page(page, i);
		assert_int_equal(reader__page(r, i, found), 0);
		assert_memory_equal(page, found, sizeof(page));
		assert_int_equal(reader__page_hash(r, i, hash), 0);
		wanted = hash_page(page);
		assert_memory_equal(hash, &wanted, sizeof(hash));
	}
	assert_int_equal(reader__page(r, BPREC_PAGE_ABSENT, page), -ENODATA);
	assert_int_equal(reader__page(r, BPREC_PAGE_LOST, page), -ENODATA);
	assert_int_equal(reader__page(r, 700, page), -TRACE_E_REFERENCE);
	assert_int_equal(reader__page_hash(r, 700, hash), -TRACE_E_REFERENCE);
	assert_int_equal(reader__verify_pages(r), 0);
	reader__free(r);
}

/* Big events: the largest there is, and one byte more; the last event stays readable when its frame has gone. */
static void big_events(void **state)
{
	const size_t most =
		BPREC_EVENT_MAX - sizeof(struct event_header) - sizeof(struct ev_output);
	uint8_t *data = malloc(most + 1);
	struct ev_output out = { .fd = 1 };
	struct iovec body[] = { { &out, sizeof(out) }, { data, 0 } };
	uint8_t page[BPREC_PAGE_SIZE];
	struct walked found;
	uint64_t id;
	struct writer *w;

	assert_int_equal(writer__new(&w, trace_name(state)), 0);
	assert_null(writer__last(w));
	put_start(w);
	for (unsigned int i = 0; i < 30; i++) {
		memset(data, (int)i, most);
		out.len = (uint32_t)(most - i * 1000);
		body[1].iov_len = out.len;
		assert_int_equal(writer__event(w, EV_OUTPUT, 1, 1, body, 2, NULL), 0);
		assert_int_equal(writer__flush(w, 0), 0);
		fill_page(page, i + 1);
		assert_int_equal(writer__page(w, page, &id), 0); /* takes the buffer again */
		assert_int_equal(writer__last(w)->type, EV_OUTPUT);
		assert_memory_equal(event_tail(writer__last(w), sizeof(out)), data, out.len);
	}
	body[1].iov_len = out.len = (uint32_t)most + 1;
	assert_int_equal(writer__event(w, EV_OUTPUT, 1, 1, body, 2, NULL), -EMSGSIZE);
	assert_int_equal(put_note(w, "it goes on", NULL), 0);
	assert_int_equal(writer__finish(w, END_EXITED, 0), 0);
	writer__free(w);
	free(data);
	found = scratch_walk(trace_name(state));
	assert_string_equal(found.why, "");
	assert_int_equal(found.events, 33);
}

/* An event that breaks a rule is not taken, and the trace stays right. */
static void refuses_bad_events(void **state)
{
	const struct ev_note note = { .kind = 99, .text_len = 0 };
	const struct ev_pages pages = { .object = 1, .why = PAGES_MAPPED };
	const struct iovec bad_note = { (void *)&note, sizeof(note) };
	const struct iovec bad_pages = { (void *)&pages, sizeof(pages) };
	struct walked found;
	struct writer *w;

	assert_int_equal(writer__new(&w, trace_name(state)), 0);
	assert_int_equal(put_note(w, "before the start", NULL), -EINVAL);
	put_start(w);
	assert_int_equal(writer__event(w, EV_NOTE, 1, 1, &bad_note, 1, NULL), -EINVAL);
	assert_int_equal(writer__event(w, EV_PAGES, 1, 1, &bad_pages, 1, NULL), -EINVAL);
	assert_non_null(strstr(err__text(), "object 1"));
	assert_int_equal(writer__event(w, EV_MAX, 1, 1, NULL, 0, NULL), -EINVAL);
	assert_int_equal(put_note(w, "right", NULL), 0);
	assert_int_equal(writer__finish(w, END_EXITED, 0), 0);
	assert_int_equal(put_note(w, "after the end", NULL), -EBADF);
	assert_int_equal(writer__finish(w, END_EXITED, 0), -EBADF);
	writer__free(w);
	found = scratch_walk(trace_name(state));
	assert_string_equal(found.why, "");
	assert_int_equal(found.events, 3);
}

/* Without writer__finish there is no manifest, but all that was written. */
static void unfinished(void **state)
{
	struct walked found;
	struct writer *w;

	assert_int_equal(writer__new(&w, trace_name(state)), 0);
	found = scratch_walk(trace_name(state));
	assert_string_equal(found.why, "");
	put_start(w);
	assert_int_equal(writer__flush(w, 1ull << 60), 0); /* not that old */
	assert_int_equal(scratch_walk(trace_name(state)).events, 0);
	assert_int_equal(writer__flush(w, 0), 0);
	found = scratch_walk(trace_name(state)); /* while it is being written */
	assert_string_equal(found.why, "");
	assert_int_equal(found.events, 1);
	assert_int_equal(put_note(w, "buffered", NULL), 0);
	writer__free(w);
	found = scratch_walk(trace_name(state));
	assert_string_equal(found.why, "");
	assert_int_equal(found.events, 2);
	assert_false(found.complete);
	assert_int_equal(found.torn, 0);
}

static mode_t mode_of(const char *dir, const char *name)
{
	char path[200];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return lstat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

/* The directory: readable by its owner alone, and nothing that is there is touched. */
static void directory(void **state)
{
	const char *dir = trace_name(state);
	const mode_t before = umask(0);
	struct writer *w = NULL;
	char other[128];

	assert_int_equal(writer__new(&w, dir), 0);
	assert_int_equal(mode_of(dir, "."), 0700);
	assert_int_equal(mode_of(dir, "events"), 0600);
	assert_int_equal(mode_of(dir, "pages"), 0600);
	put_start(w);
	assert_int_equal(writer__finish(w, END_EXITED, 0), 0);
	assert_int_equal(mode_of(dir, "manifest"), 0600);
	writer__free(w);
	w = NULL;
	assert_int_equal(writer__new(&w, dir), -ENOTEMPTY);
	assert_null(w);
	assert_true(scratch_walk(dir).complete);

	snprintf(other, sizeof(other), "%s/link", (const char *)*state);
	assert_int_equal(symlink(".", other), 0);
	assert_true(writer__new(&w, other) < 0);
	snprintf(other, sizeof(other), "%s/no/such", (const char *)*state);
	assert_int_equal(writer__new(&w, other), -ENOENT);
	snprintf(other, sizeof(other), "%s/empty", (const char *)*state);
	assert_int_equal(mkdir(other, 0777), 0);
	assert_int_equal(writer__new(&w, other), 0);
	assert_int_equal(mode_of(other, "."), 0700);
	writer__free(w);
	umask(before);
}

/* For somebody else (needs root): all of it is theirs, and their empty directory may be used. */
static void owner(void **state)
{
	const char *dir = trace_name(state);
	struct writer *w;
	struct stat st;
	char path[128];

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(chown(dir, 4242, 4243), 0);
	assert_int_equal(chmod(*state, 0755), 0);
	assert_int_equal(seteuid(4244), 0); /* somebody else's directory */
	assert_int_equal(writer__new(&w, dir), -EACCES);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(writer__new(&w, dir), 0); /* root's trace in a user's directory */
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_uid, 4242);
	snprintf(path, sizeof(path), "%s/events", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
	writer__free(w);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/pages", dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(writer__new_for(&w, dir, 4242, 4243), 0);
	put_start(w);
	assert_int_equal(writer__finish(w, END_EXITED, 0), 0);
	writer__free(w);
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir,
			 (const char *[]){ "events", "pages", "manifest" }[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_uid, 4242);
		assert_int_equal(st.st_gid, 4243);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(many_events, setup, teardown),
		cmocka_unit_test_setup_teardown(all_types, setup, teardown),
		cmocka_unit_test_setup_teardown(pages_once, setup, teardown),
		cmocka_unit_test_setup_teardown(big_events, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_bad_events, setup, teardown),
		cmocka_unit_test_setup_teardown(unfinished, setup, teardown),
		cmocka_unit_test_setup_teardown(directory, setup, teardown),
		cmocka_unit_test_setup_teardown(owner, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
