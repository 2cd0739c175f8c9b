// SPDX-License-Identifier: MIT
#include "test_model_feed.h"

static int count_task(void *ctx, const struct model_task *t)
{
	(void)t;
	++*(int *)ctx;
	return 0;
}

static int tasks_in(const struct model *m, uint32_t space)
{
	int n = 0;

	model__each_task_of(m, space, count_task, &n);
	return n;
}

static struct model *with_root(void)
{
	struct model *m = model__new();

	assert_int_equal(feed_process(m, 10, 10, PROC_ROOT, 0, 1), 0);
	assert_int_equal(feed_map(m, 10, 0x1000, 0x2000, 3, 0, 0), 0);
	return m;
}

static void fork_copies(void **state)
{
	struct model *m = with_root();

	(void)state;
	assert_int_equal(feed_process(m, 11, 11, PROC_FORK, 10, 2), 0);
	assert_int_equal(model__space(m, 2)->nvmas, 1);
	struct ev_unmap u = { 0x1000, 0x1000 };
	assert_int_equal(FEED(m, EV_UNMAP, 11, 11, u), 0);
	assert_int_equal(model__space(m, 2)->vmas[0].addr, 0x2000);
	assert_int_equal(model__space(m, 1)->vmas[0].addr, 0x1000);
	assert_int_equal(feed_exit(m, 11, 11), 0);
	assert_null(model__space(m, 2));
	assert_false(model__task(m, 11)->alive);
	assert_int_equal(model__task(m, 11)->end_code, 3);
	assert_int_equal(model__root(m)->tid, 10);
	model__free(m);
}

static void vfork_shares_until_exec(void **state)
{
	struct model *m = with_root();

	(void)state;
	assert_int_equal(feed_process(m, 11, 11, PROC_VFORK, 10, 1), 0);
	assert_int_equal(tasks_in(m, 1), 2);
	assert_int_equal(feed_exec(m, 11, 11, 2, "/bin/x"), 0);
	assert_int_equal(tasks_in(m, 1), 1);
	assert_int_equal(model__space(m, 2)->nvmas, 0);
	assert_string_equal(model__task(m, 11)->exe, "/bin/x");
	assert_string_equal(model__task(m, 10)->exe, "");
	assert_int_equal(feed_process(m, 12, 12, PROC_FORK, 11, 3), 0);
	assert_string_equal(model__task(m, 12)->exe, "/bin/x");
	model__free(m);
}

static void dead_leader_lives_on(void **state)
{
	struct model *m = with_root();

	(void)state;
	assert_int_equal(feed_process(m, 10, 11, PROC_THREAD, 10, 1), 0);
	assert_int_equal(feed_exit(m, 10, 10), 0);
	assert_non_null(model__space(m, 1));
	assert_int_equal(feed_map(m, 11, 0x8000, 0x1000, 1, 0, 0), 0);
	assert_int_equal(feed_map(m, 10, 0x8000, 0x1000, 1, 0, 0), -EBADMSG);
	/* the other thread execs and takes the dead leader's number */
	assert_int_equal(feed_exec(m, 10, 11, 2, "/bin/y"), 0);
	assert_true(model__task(m, 10)->alive);
	assert_false(model__task(m, 11)->alive);
	assert_null(model__space(m, 1));
	assert_int_equal(feed_exit(m, 10, 11), 0); /* told late, once */
	assert_int_equal(feed_exit(m, 10, 11), -EBADMSG);
	assert_int_equal(tasks_in(m, 2), 1);
	model__free(m);
}

static void exec_by_thread_ends_others(void **state)
{
	struct model *m = with_root();

	(void)state;
	for (uint32_t tid = 11; tid < 15; tid++)
		assert_int_equal(feed_process(m, 10, tid, PROC_THREAD, 10, 1), 0);
	assert_int_equal(feed_process(m, 20, 20, PROC_CLONE, 12, 1), 0); /* CLONE_VM */
	assert_int_equal(feed_exec(m, 10, 13, 2, "/bin/z"), 0);
	assert_int_equal(tasks_in(m, 2), 1);
	assert_int_equal(tasks_in(m, 1), 1); /* the process that only shares memory lives on */
	assert_true(model__task(m, 10)->alive);
	assert_int_equal(feed_exit(m, 20, 20), 0);
	assert_null(model__space(m, 1));
	model__free(m);
}

static void tid_used_again(void **state)
{
	struct model *m = with_root();
	int n = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(feed_process(m, 11, 11, PROC_FORK, 10, 2), 0);
		assert_int_equal(feed_process(m, 11, 11, PROC_FORK, 10, 3), -EBADMSG);
		assert_int_equal(feed_exit(m, 11, 11), 0);
	}
	model__each_task(m, count_task, &n);
	assert_int_equal(n, 2);
	model__free(m);
}

static void groups_merge(void **state)
{
	struct model *m = with_root();

	(void)state;
	for (uint32_t g = 1; g < 1000; g++) {
		struct ev_group e = { g, g + 1 };
		assert_int_equal(FEED(m, EV_GROUP, 0, 0, e), 0);
	}
	struct ev_group back = { 1000, 5 };
	assert_int_equal(FEED(m, EV_GROUP, 0, 0, back), 0); /* one already: no circle */
	assert_int_equal(model__group(m, 1), 1000);
	assert_int_equal(model__group(m, 500), 1000);
	assert_int_equal(model__group(m, 2000), 2000);
	assert_int_equal(model__task(m, 10)->group, 1000);
	assert_int_equal(feed_process(m, 11, 11, PROC_FORK, 10, 2), 0);
	struct ev_group moves = { 2, 5000 };
	assert_int_equal(FEED(m, EV_GROUP, 11, 11, moves), 0);
	assert_int_equal(FEED(m, EV_GROUP, 77, 77, moves), -EBADMSG);
	assert_int_equal(model__task(m, 11)->group, 5000);
	assert_int_equal(model__group(m, 2), 1000);
	model__free(m);
}

static void refuses(void **state)
{
	struct model *m = with_root();

	(void)state;
	assert_int_equal(feed_process(m, 11, 11, PROC_ROOT, 0, 7), -EBADMSG);
	assert_int_equal(feed_process(m, 11, 11, PROC_FORK, 99, 7), -EBADMSG);
	assert_int_equal(feed_process(m, 11, 11, PROC_FORK, 10, 0), -EBADMSG);
	assert_int_equal(feed_process(m, 11, 11, 77, 10, 7), -EBADMSG);
	assert_int_equal(feed_process(m, 11, 11, PROC_THREAD, 10, 1), -EBADMSG);
	assert_int_equal(feed_process(m, 10, 11, PROC_THREAD, 10, 7), -EBADMSG);
	assert_int_equal(feed_process(m, 0, 0, PROC_FORK, 10, 7), -EBADMSG);
	assert_int_equal(feed_process(m, 1u << 31, 1u << 31, PROC_FORK, 10, 7), -EBADMSG);
	assert_int_equal(feed_exit(m, 11, 11), -EBADMSG);
	assert_int_equal(feed_exec(m, 11, 11, 9, "/x"), -EBADMSG);
	assert_int_equal(feed_exec(m, 10, 12, 9, "/x"), -EBADMSG);
	assert_int_equal(feed_exec(m, 10, 10, 1, "/x"), -EBADMSG);
	assert_non_null(strstr(model__error(m), "not new"));
	assert_null(model__task(m, 11));
	assert_null(model__space(m, 7));
	assert_int_equal(tasks_in(m, 1), 1);
	model__free(m);
	model__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fork_copies),
		cmocka_unit_test(vfork_shares_until_exec),
		cmocka_unit_test(dead_leader_lives_on),
		cmocka_unit_test(exec_by_thread_ends_others),
		cmocka_unit_test(tid_used_again),
		cmocka_unit_test(groups_merge),
		cmocka_unit_test(refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
