/* SPDX-License-Identifier: MIT */
/* test_model_clone.c: a copy of a model is what the model was, whatever comes afterwards. */
#include "test_model_feed.h"

#include <sys/mman.h>

#include "model/files.h"

static void put_map(struct model *m, uint32_t tid, uint64_t addr, uint32_t object)
{
	const struct ev_map map = { .addr = addr,
				    .len = 0x4000,
				    .prot = PROT_READ,
				    .flags = MAP_PRIVATE,
				    .object = object,
				    .kind = object ? MAP_KIND_OBJECT : MAP_KIND_ANON };

	assert_int_equal(FEED(m, EV_MAP, 10, tid, map), 0);
}

/* Two processes, one with two threads; an object; a group that was merged. */
static struct model *make(void)
{
	struct model *m = model__new();
	const struct ev_object o = { .object = 1, .size = 0x4000, .path_len = 5 };
	const struct ev_group g = { .from = 2, .into = 1 };

	assert_int_equal(feed_process(m, 10, 10, PROC_ROOT, 0, 1), 0);
	assert_int_equal(feed_exec(m, 10, 10, 3, "/bin/x"), 0);
	assert_int_equal(feed_process(m, 10, 11, PROC_THREAD, 10, 3), 0);
	assert_int_equal(feed2(m, EV_OBJECT, 10, 10, &o, sizeof(o), "/obj", 5), 0);
	put_map(m, 10, 0x10000, 1);
	assert_int_equal(feed_process(m, 12, 12, PROC_FORK, 10, 2), 0);
	assert_int_equal(FEED(m, EV_GROUP, 0, 0, g), 0);
	return m;
}

static void same_as_made(const struct model *m)
{
	const struct model_task *t = model__task(m, 12);
	const struct model_space *s = model__space(m, 3);

	assert_non_null(t);
	assert_true(t->alive);
	assert_string_equal(t->exe, "/bin/x");
	assert_int_equal(t->group, 1);
	assert_int_equal(model__group(m, 2), 1);
	assert_int_equal(model__root(m)->tid, 10);
	assert_int_equal(s->users, 2);
	assert_int_equal(s->nvmas, 1);
	assert_int_equal(s->vmas[0].addr, 0x10000);
	assert_int_equal(model__space(m, 2)->nvmas, 1);
	assert_string_equal(model__object(m, 1)->path, "/obj");
	assert_int_equal(model__object_page(m, 1, 1), BPREC_PAGE_ZERO);
}

/* Ends a process, unmaps, maps, changes pages. */
static void go_on(struct model *m)
{
	const struct ev_exit gone = { .kind = END_EXITED };
	const struct ev_unmap u = { .addr = 0x10000, .len = 0x4000 };
	struct {
		struct ev_pages p;
		struct page_run r;
	} pages = { { .object = 1, .why = PAGES_MAPPED, .npages = 2, .size = 0x2000, .nruns = 1 },
		    { 7, 2, 1 } };

	assert_int_equal(FEED(m, EV_EXIT, 12, 12, gone), 0);
	assert_int_equal(FEED(m, EV_UNMAP, 10, 11, u), 0);
	put_map(m, 11, 0x50000, 0);
	put_map(m, 11, 0x60000, 0);
	assert_int_equal(FEED(m, EV_PAGES, 10, 10, pages), 0);
	assert_int_equal(model__object_page(m, 1, 1), 8);
	assert_int_equal(model__space(m, 3)->nvmas, 2);
}

static void clone_keeps(void **state)
{
	struct model *m = make(), *c = model__clone(m), *cc;

	(void)state;
	assert_non_null(c);
	same_as_made(c);
	go_on(m);
	same_as_made(c);
	cc = model__clone(c);
	model__free(m);
	same_as_made(c);
	go_on(c);
	same_as_made(cc);
	model__free(c);
	same_as_made(cc);
	model__free(cc);
}

/* Threads share a table of descriptors; so do their copies, and not with the originals. */
static void files_keep(void **state)
{
	struct {
		struct event_header h;
		union {
			struct ev_process p;
			struct ev_syscall s;
		};
	} ev = { .h = { .size = sizeof(ev), .type = EV_PROCESS, .tid = 10, .pid = 10 } };
	struct files *f = files__new(), *c;

	(void)state;
	ev.p = (struct ev_process){ .how = PROC_ROOT };
	assert_int_equal(files__apply(f, &ev.h, NULL, NULL), 0);
	ev.h.tid = 11;
	ev.p = (struct ev_process){ .how = PROC_THREAD, .parent_tid = 10, .clone_flags = 0x10400 };
	assert_int_equal(files__apply(f, &ev.h, NULL, NULL), 0);
	c = files__clone(f);
	assert_non_null(c);
	ev.h.type = EV_SYSCALL;
	ev.s = (struct ev_syscall){ .nr = 3, .args = { 1 } }; /* close(1) */
	assert_int_equal(files__apply(c, &ev.h, NULL, NULL), 0);
	assert_int_equal(files__stream(c, 10, 1), -1);
	assert_int_equal(files__stream(c, 10, 2), 2);
	assert_int_equal(files__stream(f, 10, 1), 1);
	assert_int_equal(files__stream(f, 11, 1), 1);
	files__free(f);
	assert_int_equal(files__stream(c, 11, 2), 2);
	files__free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(clone_keeps),
					    cmocka_unit_test(files_keep) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
