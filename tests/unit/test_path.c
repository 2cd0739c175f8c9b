/* SPDX-License-Identifier: MIT */
/* Where traces are found and made; the parts about sudo need root and are skipped without it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/cmd.h"
#include "util/err.h"

/** Someone who isn't root and owns nothing. */
#define STRANGER 54321

static char work[PATH_MAX / 4];

/** A path below the test's directory; four can be used at a time. */
static const char *in(const char *name)
{
	static char paths[4][PATH_MAX];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", work, name);
	return path;
}

static int setup(void **state)
{
	(void)state;
	strcpy(work, "/tmp/bprec-test-path.XXXXXX");
	if (!mkdtemp(work) || chmod(work, 0755))
		return -1;
	unsetenv("BPREC_TRACE_DIR");
	unsetenv("XDG_DATA_HOME");
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	return setenv("HOME", in("home"), 1);
}

static int teardown(void **state)
{
	char command[PATH_MAX];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", work);
	return system(command);
}

static void test_operand(void **state)
{
	char buf[PATH_MAX], tiny[4];

	(void)state;
	assert_int_equal(cmd__trace_path("some/where", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "some/where");
	assert_int_equal(cmd__trace_path("some", tiny, sizeof(tiny)), -ENAMETOOLONG);
}

static void test_no_latest(void **state)
{
	char buf[PATH_MAX];

	(void)state;
	err__clear();
	assert_int_equal(cmd__trace_path(NULL, buf, sizeof(buf)), -ENOENT);
	assert_non_null(strstr(err__text(), in("home/.local/share/bprec/latest")));
}

static void test_new_in_home(void **state)
{
	char buf[PATH_MAX];
	struct stat st;

	(void)state;
	assert_int_equal(cmd__new_trace(NULL, "/usr/bin/tool", buf, sizeof(buf)), 0);
	assert_string_equal(buf, in("home/.local/share/bprec/tool-1"));
	assert_int_equal(stat(buf, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(cmd__new_trace(NULL, "tool", buf, sizeof(buf)), 0);
	assert_string_equal(buf, in("home/.local/share/bprec/tool-2"));
	assert_int_equal(cmd__trace_path(NULL, buf, sizeof(buf)), 0);
	assert_string_equal(buf, in("home/.local/share/bprec/tool-2"));
	assert_int_equal(lstat(in("home/.local/share/bprec/latest"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

static void test_numbers(void **state)
{
	char buf[PATH_MAX];

	(void)state;
	setenv("BPREC_TRACE_DIR", in("n"), 1);
	assert_int_equal(mkdir(in("n"), 0700), 0);
	assert_int_equal(mkdir(in("n/a-9"), 0700), 0);
	assert_int_equal(mkdir(in("n/a-b-12"), 0700), 0);
	assert_int_equal(mkdir(in("n/a-77x"), 0700), 0);
	assert_int_equal(cmd__new_trace(NULL, "a", buf, sizeof(buf)), 0);
	assert_string_equal(buf, in("n/a-10"));
	assert_int_equal(cmd__new_trace(NULL, "a-b", buf, sizeof(buf)), 0);
	assert_string_equal(buf, in("n/a-b-13"));
}

static void test_strange_names(void **state)
{
	char buf[PATH_MAX];

	(void)state;
	setenv("BPREC_TRACE_DIR", in("s"), 1);
	assert_int_equal(cmd__new_trace(NULL, "x/.hidden", buf, sizeof(buf)), 0);
	assert_string_equal(buf, in("s/_hidden-1"));
	assert_int_equal(cmd__new_trace(NULL, "a\nb", buf, sizeof(buf)), 0);
	assert_string_equal(buf, in("s/a_b-1"));
	assert_int_equal(cmd__new_trace(NULL, "dir/", buf, sizeof(buf)), 0);
	assert_string_equal(buf, in("s/trace-1"));
}

static void test_order_of_places(void **state)
{
	char buf[PATH_MAX];

	(void)state;
	setenv("XDG_DATA_HOME", in("xdg"), 1);
	assert_int_equal(cmd__new_trace(NULL, "a", buf, sizeof(buf)), 0);
	assert_string_equal(buf, in("xdg/bprec/a-1"));
	setenv("BPREC_TRACE_DIR", in("env"), 1);
	assert_int_equal(cmd__new_trace(NULL, "a", buf, sizeof(buf)), 0);
	assert_string_equal(buf, in("env/a-1"));
	unsetenv("BPREC_TRACE_DIR");
	setenv("XDG_DATA_HOME", "relative", 1);
	assert_int_equal(cmd__new_trace(NULL, "a", buf, sizeof(buf)), 0);
	assert_string_equal(buf, in("home/.local/share/bprec/a-1"));
}

static void test_output(void **state)
{
	char buf[PATH_MAX];
	struct stat st;

	(void)state;
	assert_int_equal(cmd__new_trace(in("out"), "a", buf, sizeof(buf)), 0);
	assert_string_equal(buf, in("out"));
	assert_int_equal(stat(buf, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(cmd__new_trace(in("out"), "a", buf, sizeof(buf)), 0); /* empty */
	assert_int_equal(mkdir(in("out/x"), 0700), 0);
	assert_int_equal(cmd__new_trace(in("out"), "a", buf, sizeof(buf)), -ENOTEMPTY);
	close(open(in("file"), O_CREAT | O_WRONLY, 0600));
	assert_int_equal(cmd__new_trace(in("file"), "a", buf, sizeof(buf)), -ENOTEMPTY);
	assert_int_equal(cmd__new_trace(in("no/such/dir"), "a", buf, sizeof(buf)), -ENOENT);
}

static void test_latest_elsewhere(void **state)
{
	char buf[PATH_MAX];

	(void)state;
	setenv("BPREC_TRACE_DIR", work, 1);
	assert_int_equal(symlink("/some/where", in("latest")), 0);
	assert_int_equal(cmd__trace_path(NULL, buf, sizeof(buf)), 0);
	assert_string_equal(buf, in("latest"));
}

static void as_sudo(void)
{
	if (geteuid())
		skip();
	setenv("SUDO_UID", "54321", 1);
	setenv("SUDO_GID", "54321", 1);
}

static void assert_owner(const char *path, uid_t uid)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, uid);
}

static void test_calling_user(void **state)
{
	struct cmd_user user;

	(void)state;
	assert_int_equal(cmd__calling_user(&user), 0);
	assert_int_equal(user.uid, geteuid());
	assert_string_equal(user.home, in("home"));
	setenv("SUDO_UID", "-1", 1);
	setenv("SUDO_GID", "4294967295", 1);
	assert_int_equal(cmd__calling_user(&user), 0);
	assert_int_equal(user.uid, geteuid());
	as_sudo();
	assert_int_equal(cmd__calling_user(&user), 0);
	assert_int_equal(user.uid, STRANGER);
	assert_string_equal(user.home, ""); /* not root's */
}

static void test_sudo_gives(void **state)
{
	char buf[PATH_MAX];

	(void)state;
	as_sudo();
	setenv("BPREC_TRACE_DIR", in("theirs/traces"), 1);
	assert_int_equal(mkdir(in("theirs"), 0700), 0);
	assert_int_equal(chown(in("theirs"), STRANGER, STRANGER), 0);
	assert_int_equal(cmd__new_trace(NULL, "a", buf, sizeof(buf)), 0);
	assert_owner(in("theirs/traces"), STRANGER);
	assert_owner(in("theirs/traces/a-1"), STRANGER);
	assert_owner(in("theirs/traces/latest"), STRANGER);
	close(open(in("theirs/traces/a-1/events"), O_CREAT | O_WRONLY, 0600));
	assert_owner(in("theirs/traces/a-1/events"), 0);
	assert_int_equal(cmd__give_trace(buf), 0);
	assert_owner(in("theirs/traces/a-1/events"), STRANGER);
	assert_int_equal(geteuid(), 0);
	assert_int_equal(cmd__new_trace(in("out"), "a", buf, sizeof(buf)), 0);
	assert_owner(in("out"), STRANGER);
}

/** Where the user may not write, root makes the directory, but what was there stays root's. */
static void test_sudo_in_roots_place(void **state)
{
	char buf[PATH_MAX];

	(void)state;
	as_sudo();
	assert_int_equal(mkdir(in("roots"), 0700), 0);
	setenv("BPREC_TRACE_DIR", in("roots/traces"), 1);
	assert_int_equal(cmd__new_trace(NULL, "a", buf, sizeof(buf)), 0);
	assert_owner(in("roots"), 0);
	assert_owner(in("roots/traces"), STRANGER);
	assert_owner(buf, STRANGER);
}

/** A link that the user put into his home leads root nowhere. */
static void test_sudo_link(void **state)
{
	char buf[PATH_MAX];

	(void)state;
	as_sudo();
	assert_int_equal(mkdir(in("secret"), 0700), 0);
	close(open(in("secret/file"), O_CREAT | O_WRONLY, 0600));
	assert_int_equal(mkdir(in("trace"), 0700), 0);
	assert_int_equal(symlink(in("secret/file"), in("trace/events")), 0);
	snprintf(buf, sizeof(buf), "%s", in("trace"));
	assert_int_equal(cmd__give_trace(buf), 0);
	assert_owner(in("secret/file"), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_operand),    T(test_no_latest),		 T(test_new_in_home),
		T(test_numbers),    T(test_strange_names),	 T(test_order_of_places),
		T(test_output),	    T(test_latest_elsewhere),	 T(test_calling_user),
		T(test_sudo_gives), T(test_sudo_in_roots_place), T(test_sudo_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
