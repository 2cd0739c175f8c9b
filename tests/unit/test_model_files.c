/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>

#include "model/files.h"

static const char *path;

static long read_path(void *ctx, uint32_t tid, uint64_t addr, void *buf, size_t len)
{
	const size_t n = strlen(path) + 1 < len ? strlen(path) + 1 : len;

	(void)ctx;
	(void)tid;
	(void)addr;
	memcpy(buf, path, n);
	return n;
}

static void feed(struct files *f, uint16_t type, uint32_t tid, const void *body, size_t size)
{
	static union {
		struct event_header h;
		char bytes[1024];
	} ev;

	ev.h = (struct event_header){
		.size = sizeof(ev.h) + size, .type = type, .tid = tid, .pid = tid
	};
	memcpy(ev.bytes + sizeof(ev.h), body, size);
	assert_int_equal(files__apply(f, &ev.h, read_path, NULL), 0);
}

static void call(struct files *f, uint32_t tid, uint32_t nr, int64_t ret, uint64_t a, uint64_t b,
		 uint64_t c)
{
	const struct ev_syscall sc = { .nr = nr, .ret = ret, .args = { a, b, c } };

	feed(f, EV_SYSCALL, tid, &sc, sizeof(sc));
}

static void child(struct files *f, uint32_t tid, uint32_t parent, uint64_t flags)
{
	const struct ev_process p = { .how = parent ? PROC_CLONE : PROC_ROOT,
				      .parent_tid = parent,
				      .clone_flags = flags };

	feed(f, EV_PROCESS, tid, &p, sizeof(p));
}

static void exec(struct files *f, uint32_t tid, uint32_t former)
{
	const struct ev_exec e = { .former_tid = former };

	feed(f, EV_EXEC, tid, &e, sizeof(e));
}

static struct files *rooted(void)
{
	struct files *f = files__new();

	assert_non_null(f);
	child(f, 1, 0, 0);
	return f;
}

static void dups_and_closes(void **state)
{
	struct files *f = rooted();

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(files__stream(f, 1, i), i);
	assert_int_equal(files__stream(f, 1, 3), -1);
	call(f, 1, SYS_dup, 5, 1, 0, 0);
	call(f, 1, SYS_fcntl, 10, 2, F_DUPFD, 10);
	call(f, 1, SYS_dup2, 1, 9, 1, 0);
	assert_int_equal(files__stream(f, 1, 5), 1);
	assert_int_equal(files__stream(f, 1, 10), 2);
	assert_int_equal(files__stream(f, 1, 1), -1);
	call(f, 1, SYS_dup2, 1, 5, 1, 0);
	call(f, 1, SYS_close, 0, 5, 0, 0);
	assert_int_equal(files__stream(f, 1, 1), 1);
	assert_int_equal(files__stream(f, 1, 5), -1);
	call(f, 1, SYS_close, -9, 10, 0, 0);
	assert_int_equal(files__stream(f, 1, 10), 2);
	call(f, 1, SYS_close_range, 0, 2, ~0u, 0);
	assert_int_equal(files__stream(f, 1, 10), -1);
	assert_int_equal(files__stream(f, 1, 1), 1);
	files__free(f);
}

static void tables(void **state)
{
	struct files *f = rooted();

	(void)state;
	child(f, 2, 1, CLONE_FILES);
	child(f, 3, 1, 0);
	call(f, 2, SYS_close, 0, 1, 0, 0);
	assert_int_equal(files__stream(f, 1, 1), -1);
	assert_int_equal(files__stream(f, 3, 1), 1);
	call(f, 2, SYS_unshare, 0, CLONE_FILES, 0, 0);
	call(f, 2, SYS_close, 0, 2, 0, 0);
	assert_int_equal(files__stream(f, 1, 2), 2);
	assert_int_equal(files__stream(f, 2, 2), -1);
	files__free(f);
}

static void exec_closes(void **state)
{
	struct files *f = rooted();

	(void)state;
	call(f, 1, SYS_fcntl, 0, 2, F_SETFD, FD_CLOEXEC);
	call(f, 1, SYS_dup3, 7, 1, 7, O_CLOEXEC);
	call(f, 1, SYS_fcntl, 8, 1, F_DUPFD_CLOEXEC, 8);
	call(f, 1, SYS_close_range, 0, 0, 0, CLOSE_RANGE_CLOEXEC);
	child(f, 2, 1, CLONE_FILES | CLONE_THREAD | CLONE_VM);
	exec(f, 1, 2);
	assert_int_equal(files__stream(f, 1, 0), -1);
	assert_int_equal(files__stream(f, 1, 1), 1);
	assert_int_equal(files__stream(f, 1, 2), -1);
	assert_int_equal(files__stream(f, 1, 7), -1);
	assert_int_equal(files__stream(f, 1, 8), -1);
	assert_int_equal(files__stream(f, 2, 1), -1);
	files__free(f);
}

static void opens(void **state)
{
	struct files *f = rooted();

	(void)state;
	path = "/dev/stderr";
	call(f, 1, SYS_openat, 3, 0, 4096, O_WRONLY);
	assert_int_equal(files__stream(f, 1, 3), 2);
	path = "/proc/self/fd/1";
	call(f, 1, SYS_open, 4, 4096, O_WRONLY, 0);
	assert_int_equal(files__stream(f, 1, 4), 1);
	path = "/dev/fd/1x";
	call(f, 1, SYS_open, 5, 4096, O_WRONLY, 0);
	assert_int_equal(files__stream(f, 1, 5), -1);
	call(f, 1, SYS_open, -2, 4096, O_WRONLY, 0);
	files__free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dups_and_closes),
		cmocka_unit_test(tables),
		cmocka_unit_test(exec_closes),
		cmocka_unit_test(opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
