// SPDX-License-Identifier: MIT
/* test_check_verdict.c: what makes a trace clean, uncertain or trouble, besides the outcomes of changes. */
#include "test_check_build.h"

/** Puts something into the usual trace, which is clean without it. */
typedef void (*add_fn)(struct build *b);

static void nothing(struct build *b)
{
	(void)b;
}

static void add_gap(struct build *b)
{
	struct ev_gap g = {
		.kind = GAP_HIDDEN_STORES, .channel = CH_MMAP_STORE, .object = 1, .reason_len = 4
	};

	put2(b, EV_GAP, 0, &g, sizeof(g), "why", 4);
}

static void add_loss(struct build *b)
{
	struct ev_loss l = { .kind = LOSS_RING_FULL, .count = 3, .hook = "h" };

	PUT(b, EV_LOSS, 0, l);
}

static void add_failed_hook(struct build *b)
{
	put_hook(b, HOOK_FAILED, "write pwrite");
}

static void add_absent_hook(struct build *b)
{
	put_hook(b, HOOK_ABSENT, "aio");
}

static void add_helper_hook(struct build *b)
{
	put_hook(b, HOOK_FAILED, "");
}

static void add_device(struct build *b)
{
	put_object(b, 7, OBJECT_DEVICE, "/dev/fb0");
	put_map(b, 10, 0x90000, 7, 0, 4096, MAP_SHARED);
}

static void add_unmapped_device(struct build *b)
{
	put_object(b, 7, OBJECT_DEVICE, "/dev/fb0");
}

static void add_lost_page(struct build *b)
{
	put_pages(b, 1, PAGES_MAPPED, 0, BPREC_PAGE_LOST);
}

static void expose(struct build *b, enum exposure_kind kind)
{
	struct ev_exposure e = {
		.exposure = 1, .object = 1, .kind = kind, .writer = 1, .length = UINT64_MAX
	};

	PUT(b, EV_EXPOSURE, 0, e);
}

static void unexpose(struct build *b)
{
	struct ev_exposure_end e = { .exposure = 1, .ns = now_ns() };

	PUT(b, EV_EXPOSURE_END, 0, e);
}

static void compare(struct build *b)
{
	struct ev_compare c = { .object = 1, .to_ns = now_ns(), .pages = 4 };

	PUT(b, EV_COMPARE, 0, c);
}

static void unmap(struct build *b)
{
	struct ev_unmap u = { 0x10000, 4 * 4096 };

	put_syscall(b, 10);
	PUT(b, EV_UNMAP, 10, u);
}

static void never_compared(struct build *b)
{
	expose(b, EXPOSURE_WRITABLE_MAPPING);
}

static void compared_at_end(struct build *b)
{
	expose(b, EXPOSURE_WRITABLE_MAPPING);
	put_syscall(b, 10);
	compare(b);
	put_exit(b, 10);
}

static void compared_too_early(struct build *b)
{
	expose(b, EXPOSURE_UNATTRIBUTED);
	compare(b);
	put_syscall(b, 10);
	put_syscall(b, 10);
	put_exit(b, 10);
}

static void compared_before_unmap(struct build *b)
{
	expose(b, EXPOSURE_WRITABLE_MAPPING);
	put_syscall(b, 10);
	compare(b);
	unmap(b);
	put_syscall(b, 10);
	put_syscall(b, 10);
}

static void unmapped_unlooked(struct build *b)
{
	expose(b, EXPOSURE_WRITABLE_MAPPING);
	put_syscall(b, 10);
	unmap(b);
}

static void unmapped_then_compared(struct build *b)
{
	expose(b, EXPOSURE_WRITABLE_MAPPING);
	put_syscall(b, 10);
	unmap(b);
	compare(b);
}

static void exposure_over_and_compared(struct build *b)
{
	expose(b, EXPOSURE_WRITABLE_MAPPING);
	put_syscall(b, 10);
	unexpose(b);
	compare(b);
	for (int i = 0; i < 5; i++)
		put_syscall(b, 10);
	put_exit(b, 10);
}

static void exposure_over_uncompared(struct build *b)
{
	expose(b, EXPOSURE_WRITABLE_MAPPING);
	unexpose(b);
	put_syscall(b, 10);
	put_syscall(b, 10);
}

static void descriptor(struct build *b)
{
	expose(b, EXPOSURE_WRITABLE_DESCRIPTOR);
}

/** What is put in, and the verdict. */
static const struct {
	add_fn add;
	enum verdict verdict;
	const char *name;
} cases[] = {
#define CASE(fn, verdict)                  \
	{                                  \
		fn, VERDICT_##verdict, #fn \
	}
	CASE(nothing, CLEAN),
	CASE(add_gap, UNCERTAIN),
	CASE(add_loss, UNCERTAIN),
	CASE(add_failed_hook, UNCERTAIN),
	CASE(add_absent_hook, UNCERTAIN),
	CASE(add_helper_hook, CLEAN),
	CASE(add_device, UNCERTAIN),
	CASE(add_unmapped_device, CLEAN),
	CASE(add_lost_page, UNCERTAIN),
	CASE(never_compared, UNCERTAIN),
	CASE(compared_at_end, CLEAN),
	CASE(compared_too_early, UNCERTAIN),
	CASE(compared_before_unmap, CLEAN),
	CASE(unmapped_unlooked, UNCERTAIN),
	CASE(unmapped_then_compared, CLEAN),
	CASE(exposure_over_and_compared, CLEAN),
	CASE(exposure_over_uncompared, UNCERTAIN),
	CASE(descriptor, CLEAN),
};

static void all_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct check_report *rep;
		struct build b;

		build_begin(&b);
		cases[i].add(&b);
		if (build_check(&b, &rep))
			fail_msg("%s: %s", cases[i].name, err__text());
		if (rep->verdict != cases[i].verdict)
			fail_msg("%s: verdict %d", cases[i].name, rep->verdict);
		assert_int_equal(rep->end_kind, END_EXITED);
		assert_int_equal(rep->argc, 2);
		assert_string_equal(rep->argv[1], "arg");
		check_report__free(rep);
	}
}

static void gaps_are_named(void **state)
{
	struct check_report *rep;
	struct build b;

	(void)state;
	build_begin(&b);
	add_failed_hook(&b);
	add_device(&b);
	for (int i = 0; i < 5; i++)
		add_gap(&b);
	assert_int_equal(build_check(&b, &rep), 0);
	assert_int_equal(rep->ngaps, 4); /* device, 5 equal ones, write, pwrite */
	assert_string_equal(rep->gaps[0].object->path, "/dev/fb0");
	assert_int_equal(rep->gaps[0].kind, GAP_DEVICE_MAPPING);
	assert_int_equal(rep->gaps[1].count, 5);
	assert_int_equal(rep->gaps[2].channel, CH_WRITE);
	assert_int_equal(rep->gaps[3].channel, CH_PWRITE);
	check_report__free(rep);
}

static void without_observation(void **state)
{
	struct check_report *rep;
	struct build b;

	(void)state;
	for (uint32_t observed = 0; observed < 2; observed++) { /* 1: observed, but by no hook */
		build_new(&b);
		put_start(&b, observed);
		put_process(&b, 10, 10, PROC_ROOT, 0, 1);
		assert_int_equal(build_check(&b, &rep), 0);
		assert_int_equal(rep->verdict, VERDICT_UNCERTAIN);
		check_report__free(rep);
	}
}

static void cut_short(void **state)
{
	struct check_report *rep = NULL;
	struct build b;

	(void)state;
	build_begin(&b);
	assert_int_equal(writer__flush(b.w, 0), 0);
	writer__free(b.w);
	b.w = NULL;
	struct reader *r = build_open(&b);
	assert_int_equal(check__run(r, NULL, &rep), 0);
	reader__free(r);
	build_remove(&b);
	assert_false(rep->complete);
	assert_int_equal(rep->verdict, VERDICT_UNCERTAIN);
	assert_int_equal(rep->end_kind, 0);
	check_report__free(rep);
}

static void recorder_failed(void **state)
{
	struct check_report *rep = NULL;
	struct build b;

	(void)state;
	build_begin(&b);
	assert_int_equal(writer__finish(b.w, END_FAILED, 28), 0);
	struct reader *r = build_open(&b);
	assert_int_equal(check__run(r, NULL, &rep), 0);
	reader__free(r);
	build_remove(&b);
	assert_int_equal(rep->verdict, VERDICT_UNCERTAIN);
	check_report__free(rep);
}

static void bad_exit_of_nobody(struct build *b)
{
	put_exit(b, 77);
}

static void bad_map_of_nobody(struct build *b)
{
	put_map(b, 77, 0x90000, 1, 0, 4096, MAP_SHARED);
}

static void bad_second_end(struct build *b)
{
	expose(b, EXPOSURE_WRITABLE_MAPPING);
	unexpose(b);
	unexpose(b);
}

static void bad_change(struct build *b, uint64_t pages_event)
{
	struct ev_change f = {
		.object = 1, .flags = CHANGE_SAVED, .pages_event = pages_event, .pages = 1
	};

	PUT(b, EV_CHANGE, 0, f);
}

static void bad_pages_event(struct build *b)
{
	bad_change(b, b->pages_no - 1);
}

static void bad_pages_of_another(struct build *b)
{
	put_object(b, 2, 0, "/y");
	bad_change(b, put_pages(b, 2, PAGES_MAPPED, 0, 1));
}

/** Contradictions that the writer lets pass end the check as trouble, with a line of text. */
static void contradictions(void **state)
{
	static const add_fn bad[] = { bad_exit_of_nobody, bad_map_of_nobody, bad_second_end,
				      bad_pages_event, bad_pages_of_another };
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct check_report *rep;
		struct build b;

		build_begin(&b);
		bad[i](&b);
		err__clear();
		assert_int_equal(build_check(&b, &rep), -TRACE_E_EVENT);
		assert_null(rep);
		assert_non_null(strstr(err__text(), "event"));
	}
}

static void put_named(struct build *b, uint32_t pid, const char *strings, size_t len)
{
	struct ev_writer w = {
		.writer = 9, .pid = pid, .tid = pid, .strings_len = len, .comm = "gone"
	};

	put2(b, EV_WRITER, 0, &w, sizeof(w), strings, len);
}

/** What was learned of a writer later counts; another process under its number is a contradiction. */
static void writer_named_again(void **state)
{
	static const char before[] = "/bin/gone\0\0\0",
			  later[] = "/bin/gone\0/slice\0gone -x\0abcd";

	(void)state;
	for (uint32_t pid = 70; pid <= 71; pid++) {
		struct check_report *rep;
		struct build b;

		build_begin(&b);
		put_named(&b, 70, before, sizeof(before));
		put_named(&b, pid, later, sizeof(later));
		err__clear();
		assert_int_equal(build_check(&b, &rep), pid == 70 ? 0 : -TRACE_E_EVENT);
		if (pid != 70)
			continue;
		const struct check_writer *w = rep->writers[rep->nwriters - 1];
		assert_string_equal(w->build_id, "abcd");
		assert_string_equal(w->args, "gone -x");
		check_report__free(rep);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_cases),	       cmocka_unit_test(gaps_are_named),
		cmocka_unit_test(without_observation), cmocka_unit_test(cut_short),
		cmocka_unit_test(recorder_failed),     cmocka_unit_test(contradictions),
		cmocka_unit_test(writer_named_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
