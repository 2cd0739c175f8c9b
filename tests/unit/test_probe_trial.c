/* SPDX-License-Identifier: MIT */
/* test_probe_trial.c: a trial that answers, hangs, crashes, breaks off, or leaves children behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/priv.h"
#include "probe/trial.h"

/* Bound for trials that end by themselves: never reached. */
#define LONG_MS 60000
/* Bound for those that do not. */
#define SHORT_MS 50

static void answer_yes(struct trial *t, void *arg)
{
	trial__yes(t, "saw %d", *(int *)arg);
}

static void answer_no(struct trial *t, void *arg)
{
	(void)arg;
	trial__no(t, "%0*d", 2 * PROBE_WHY_MAX, 7);
}

static void answer_nothing(struct trial *t, void *arg)
{
	(void)t;
	(void)arg;
}

static void hang(struct trial *t, void *arg)
{
	(void)arg;
	trial__yes(t, "said too early");
	for (;;)
		pause();
}

static void crash(struct trial *t, void *arg)
{
	(void)arg;
	trial__yes(t, "said too early");
	raise(SIGSEGV);
}

static void break_off(struct trial *t, void *arg)
{
	(void)arg;
	trial__yes(t, "said too early");
	_exit(0);
}

/* Forks a grandchild that holds the pipe and never ends; then hangs or not. */
static void leave_child(struct trial *t, void *arg)
{
	const int *how = arg;

	if (trial__fork() == 0)
		for (;;)
			pause();
	if (*how)
		hang(t, arg);
	trial__yes(t, "left a child");
}

static void test_answers(void **state)
{
	struct trial t;
	int value = 42;

	(void)state;
	trial__run(answer_yes, &value, LONG_MS, &t);
	assert_int_equal(t.answer, PROBE_YES);
	assert_string_equal(t.why, "saw 42");
	trial__run(answer_no, NULL, LONG_MS, &t);
	assert_int_equal(t.answer, PROBE_NO);
	assert_int_equal(strlen(t.why), PROBE_WHY_MAX - 1);
	trial__run(answer_nothing, NULL, LONG_MS, &t);
	assert_int_equal(t.answer, PROBE_UNKNOWN);
}

/* What a trial said before it went wrong is not believed, and no child stays. */
static void test_failures(void **state)
{
	struct trial t;

	(void)state;
	trial__run(hang, NULL, SHORT_MS, &t);
	assert_int_equal(t.answer, PROBE_UNKNOWN);
	assert_non_null(strstr(t.why, "did not end in 50 ms"));
	trial__run(crash, NULL, LONG_MS, &t);
	assert_int_equal(t.answer, PROBE_UNKNOWN);
	assert_non_null(strstr(t.why, "signal 11"));
	trial__run(break_off, NULL, LONG_MS, &t);
	assert_int_equal(t.answer, PROBE_UNKNOWN);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* A grandchild ends with its trial: the pipe that it inherits is closed. */
static void check_grandchild(int hangs)
{
	struct pollfd pfd;
	struct trial t;
	int fds[2];
	char byte;

	assert_int_equal(pipe(fds), 0);
	trial__run(leave_child, &hangs, hangs ? SHORT_MS : LONG_MS, &t);
	assert_int_equal(t.answer, hangs ? PROBE_UNKNOWN : PROBE_YES);
	close(fds[1]);
	pfd = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	assert_int_equal(poll(&pfd, 1, LONG_MS), 1);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
}

static void test_grandchildren(void **state)
{
	(void)state;
	check_grandchild(0);
	check_grandchild(1);
}

/* EPERM is "unknown" exactly where the capability is missing; other errors are "no". */
static void test_refused(void **state)
{
	const bool may = priv__has(CAP_SYS_ADMIN) && priv__initial_userns();
	struct trial t;

	(void)state;
	trial__refused(&t, CAP_SYS_ADMIN, "load", EPERM);
	assert_int_equal(t.answer, may ? PROBE_NO : PROBE_UNKNOWN);
	assert_non_null(strstr(t.why, "load: EPERM"));
	trial__refused(&t, CAP_SYS_ADMIN, "load", EINVAL);
	assert_int_equal(t.answer, PROBE_NO);
	trial__refused(&t, -1, "load", EPERM);
	assert_int_equal(t.answer, PROBE_NO);
	assert_string_equal(trial__errno(524), "ENOTSUPP");
}

static void refused_as_nobody(struct trial *t, void *arg)
{
	(void)arg;
	if (setuid(65534) < 0)
		return;
	trial__refused(t, CAP_SYS_ADMIN, "load", EPERM);
	if (t->answer == PROBE_UNKNOWN && strstr(t->why, "needs root"))
		trial__yes(t, "as it should be");
}

static void test_refused_as_nobody(void **state)
{
	struct trial t;

	(void)state;
	if (geteuid() != 0)
		skip();
	trial__run(refused_as_nobody, NULL, LONG_MS, &t);
	assert_int_equal(t.answer, PROBE_YES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),		  cmocka_unit_test(test_failures),
		cmocka_unit_test(test_grandchildren),	  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_as_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
