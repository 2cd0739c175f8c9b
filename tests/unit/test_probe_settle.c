/* SPDX-License-Identifier: MIT */
/* test_probe_settle.c: from what was tried to the cells of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/channels.h"

/** An observation as a test wants it, and the table made of it. */
struct fixture {
	struct observed obs;
	struct probe_report *report;
	struct probe_feature features[2];
};

static void add_hook(struct fixture *f, const char *name, const char *serves, enum hook_state state,
		     int error)
{
	struct observed_hook *h = &f->obs.hooks[f->obs.nhooks++];

	snprintf(h->name, sizeof(h->name), "%s", name);
	snprintf(h->serves, sizeof(h->serves), "%s", serves);
	h->state = state;
	h->error = error;
}

static struct attempt *attempt_on(struct fixture *f, size_t scratch, enum channel ch)
{
	return &f->obs.scratch[scratch].attempts[ch];
}

/* All is well: tmpfs and ext4 were tried, the call came with its range, the store as a page on ext4 alone. */
static int setup(void **state)
{
	static const char *const names[] = { "tmpfs", "ext4" };
	struct fixture *f = calloc(1, sizeof(*f));

	f->features[0] = (struct probe_feature){ .name = "ptrace_seize", .answer = PROBE_YES };
	f->features[1] = (struct probe_feature){ .name = "seccomp_trace", .answer = PROBE_YES };
	add_hook(f, "tracepoint/syscalls/sys_enter_pwrite64", "pwrite direct-write", HOOK_ATTACHED,
		 0);
	add_hook(f, "tracepoint/syscalls/sys_exit_pwrite64", "pwrite", HOOK_ATTACHED, 0);
	add_hook(f, "tp_btf/page_fault_user", "mmap-store", HOOK_ATTACHED, 0);
	add_hook(f, "tracepoint/syscalls/sys_enter_ioctl", "clone dedupe", HOOK_ATTACHED, 0);
	add_hook(f, "tp_btf/io_uring_submit_req", "io_uring", HOOK_ATTACHED, 0);
	add_hook(f, "tp_btf/io_uring_submit_sqe", "io_uring", HOOK_ABSENT, ENOENT);
	f->obs.nscratch = 2;
	for (size_t i = 0; i < 2; i++) {
		f->obs.scratch[i].filesystem = names[i];
		f->obs.scratch[i].held_fd = f->obs.scratch[i].held_map = true;
		*attempt_on(f, i, CH_PWRITE) =
			(struct attempt){ .tried = true, .seen = SEEN_EXACT };
		*attempt_on(f, i, CH_IO_URING) =
			(struct attempt){ .tried = true, .seen = SEEN_EXACT };
		*attempt_on(f, i, CH_MMAP_STORE) =
			(struct attempt){ .tried = true, .seen = i ? SEEN_PAGE : SEEN_NO };
		*attempt_on(f, i, CH_CLONE) =
			(struct attempt){ .tried = true, .refused = EOPNOTSUPP };
	}
	*state = f;
	return 0;
}

static void end_report(struct fixture *f)
{
	for (char **name = f->report ? f->report->hook_names : NULL; name && *name; name++)
		free(*name);
	if (f->report) {
		free(f->report->hook_names);
		free(f->report->cells);
	}
	free(f->report);
	f->report = NULL;
}

static int teardown(void **state)
{
	end_report(*state);
	free(*state);
	return 0;
}

static const struct probe_cell *cell(struct fixture *f, enum channel ch, const char *fs)
{
	if (!f->report) {
		f->report = calloc(1, sizeof(*f->report));
		f->report->features = f->features;
		f->report->nfeatures = 2;
		assert_int_equal(channels__make(&f->obs, f->report), 0);
	}
	for (size_t i = 0; i < f->report->ncells; i++)
		if (f->report->cells[i].channel == ch &&
		    !strcmp(f->report->cells[i].filesystem, fs))
			return &f->report->cells[i];
	fail_msg("no cell for channel %d on %s", ch, fs);
	return NULL;
}

static void test_tried(void **state)
{
	const struct probe_cell *c = cell(*state, CH_PWRITE, "ext4");

	assert_int_equal(c->seen, SEEN_EXACT);
	assert_true(c->tried && c->possible);
	assert_int_equal(c->nhooks, 2);
	assert_string_equal(c->hooks[1], "tracepoint/syscalls/sys_exit_pwrite64");
	assert_int_equal(cell(*state, CH_MMAP_STORE, "ext4")->seen, SEEN_PAGE);
	assert_int_equal(cell(*state, CH_MMAP_STORE, "tmpfs")->seen, SEEN_COMPARE);
}

/* What was not tried is not known, whatever is known of other filesystems, and counts as not seen. */
static void test_untried(void **state)
{
	struct fixture *f = *state;
	const struct probe_cell *c = cell(f, CH_MMAP_STORE, "xfs");

	assert_int_equal(c->seen, SEEN_NO);
	assert_false(c->tried || c->known);
	assert_true(c->possible);
	assert_non_null(strstr(c->why, "not tried"));
	end_report(f);
	f->obs.nscratch = 3;
	f->obs.scratch[2] = (struct observed_scratch){ .filesystem = "xfs", .why = "no mkfs.xfs" };
	assert_non_null(strstr(cell(f, CH_CLONE, "xfs")->why, "no mkfs.xfs"));
	/* A filesystem that the kernel has not can't be written to. */
	end_report(f);
	f->obs.scratch[2].absent = true;
	c = cell(f, CH_CLONE, "xfs");
	assert_true(c->known);
	assert_false(c->possible);
}

/* A call that returned success and changed nothing proves nothing. */
static void test_idle(void **state)
{
	attempt_on(*state, 1, CH_PWRITE)->idle = true;
	assert_false(cell(*state, CH_PWRITE, "ext4")->known);
	assert_int_equal(cell(*state, CH_PWRITE, "ext4")->seen, SEEN_NO);
}

/* A loop device is compared because the kernel counts a writer, not because of a descriptor of ours. */
static void test_hidden_writer(void **state)
{
	struct fixture *f = *state;

	attempt_on(f, 0, CH_KERNEL)->tried = true;
	assert_int_equal(cell(f, CH_KERNEL, "tmpfs")->seen, SEEN_NO);
	end_report(f);
	attempt_on(f, 0, CH_KERNEL)->hidden = true;
	assert_int_equal(cell(f, CH_KERNEL, "tmpfs")->seen, SEEN_COMPARE);
}

static void test_impossible(void **state)
{
	const struct probe_cell *c = cell(*state, CH_CLONE, "ext4");

	assert_false(c->possible);
	assert_true(c->tried);
	assert_int_equal(c->seen, SEEN_NO);
	assert_non_null(strstr(c->why, "EOPNOTSUPP"));
}

/* An error of another kind says nothing about the filesystem. */
static void test_went_wrong(void **state)
{
	attempt_on(*state, 1, CH_CLONE)->refused = ENOSPC;
	assert_true(cell(*state, CH_CLONE, "ext4")->possible);
	assert_false(cell(*state, CH_CLONE, "ext4")->known);
	assert_non_null(strstr(cell(*state, CH_CLONE, "ext4")->why, "ENOSPC"));
}

static void test_missing_hook(void **state)
{
	struct fixture *f = *state;
	const struct probe_cell *c;

	f->obs.hooks[1].state = HOOK_FAILED;
	f->obs.hooks[1].error = EPERM;
	c = cell(f, CH_PWRITE, "ext4");
	assert_int_equal(c->seen, SEEN_COMPARE);
	assert_non_null(strstr(c->why, "sys_exit_pwrite64 is not attached (EPERM)"));
	assert_int_equal(c->nhooks, 1);
	/* Without the list of holders nothing is compared either. */
	end_report(f);
	f->obs.scratch[0].held_fd = f->obs.scratch[1].held_fd = false;
	assert_int_equal(cell(f, CH_PWRITE, "ext4")->seen, SEEN_NO);
	assert_int_equal(cell(f, CH_MMAP_STORE, "tmpfs")->seen, SEEN_COMPARE);
}

/* Of the two names of one tracepoint one is enough; none is not. */
static void test_renamed_hook(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(cell(f, CH_IO_URING, "tmpfs")->seen, SEEN_EXACT);
	end_report(f);
	f->obs.hooks[4].state = HOOK_ABSENT;
	assert_int_equal(cell(f, CH_IO_URING, "tmpfs")->seen, SEEN_COMPARE);
}

static void test_no_observation(void **state)
{
	struct fixture *f = *state;

	f->obs.error = -EPERM;
	f->obs.nhooks = f->obs.nscratch = 0;
	snprintf(f->obs.why, sizeof(f->obs.why), "needs root");
	assert_int_equal(cell(f, CH_PWRITE, "tmpfs")->seen, SEEN_NO);
	assert_string_equal(cell(f, CH_MMAP_STORE, "ext4")->why, "needs root");
	assert_false(f->report->usable || f->report->observes);
}

/* Every change that can be tried was seen. */
static void see_all(struct fixture *f)
{
	for (size_t i = 0; i < 2; i++)
		for (unsigned int ch = 0; ch < CH_MAX; ch++)
			*attempt_on(f, i, ch) =
				(struct attempt){ .tried = true, .seen = SEEN_EXACT };
}

static const struct probe_report *report_of(struct fixture *f)
{
	end_report(f);
	cell(f, CH_PWRITE, "tmpfs");
	return f->report;
}

/* Usable: nothing that has hooks goes unseen, and the reason names the first that does. */
static void test_usable(void **state)
{
	struct fixture *f = *state;

	see_all(f);
	assert_true(report_of(f)->usable && f->report->observes);
	attempt_on(f, 0, CH_TRUNCATE)->seen = SEEN_NO;
	assert_false(report_of(f)->usable);
	assert_true(f->report->observes);
	assert_non_null(strstr(f->report->why, "truncate on tmpfs"));
}

static void test_not_traceable(void **state)
{
	struct fixture *f = *state;

	see_all(f);
	f->features[1].answer = PROBE_NO;
	assert_false(report_of(f)->usable);
	assert_true(f->report->observes);
}

/* A scratch directory on a filesystem beyond the five gets a column of its own. */
static void test_other_filesystem(void **state)
{
	struct fixture *f = *state;

	f->obs.scratch[1].filesystem = "9p";
	f->obs.scratch[1].used = true;
	assert_true(cell(f, CH_PWRITE, "9p")->tried);
	assert_false(cell(f, CH_PWRITE, "ext4")->tried);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tried),	  TEST(test_untried),	   TEST(test_idle),
		TEST(test_hidden_writer), TEST(test_impossible),   TEST(test_went_wrong),
		TEST(test_missing_hook),  TEST(test_renamed_hook), TEST(test_no_observation),
		TEST(test_not_traceable), TEST(test_usable),	   TEST(test_other_filesystem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
