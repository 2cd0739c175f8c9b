/* SPDX-License-Identifier: MIT */
/* test_trace_kill.c: a writer killed at any moment leaves a trace that is readable to its last whole frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "trace/writer.h"
#include "trace_scratch.h"
#include "trace_write.h"

/* Writes without end, pages before the events that refer to them; ends some traces to be killed in that too. */
static void write_for_ever(const char *dir, unsigned int rounds)
{
	struct ev_mem mem = { .addr = 0x1000, .npages = 1, .nruns = 1 };
	struct page_run run = { .count = 1 };
	const struct iovec body[] = { { &mem, sizeof(mem) }, { &run, sizeof(run) } };
	uint8_t page[BPREC_PAGE_SIZE];
	struct writer *w;

	if (writer__new(&w, dir) < 0 || put_start(w) < 0)
		_exit(1);
	for (unsigned int i = 1; i <= rounds; i++) {
		fill_page(page, i);
		if (writer__page(w, page, &run.first) < 0 ||
		    writer__event(w, EV_MEM, 1, 1, body, 2, NULL) < 0 ||
		    (i % 50 == 0 && writer__flush(w, 1) < 0))
			_exit(1);
	}
	if (writer__finish(w, END_EXITED, 0) < 0)
		_exit(1);
	_exit(0);
}

static uint64_t size_of(const char *dir, const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Kills the child as soon as the file has grown to size (or when it has ended). True if it was killed. */
static bool kill_at(pid_t pid, const char *dir, const char *name, uint64_t size)
{
	int status = 0;

	while (size_of(dir, name) < size) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return false;
		sched_yield();
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status);
}

/* One trace; true if it was cut short. */
static bool run_one(const char *dir, const char *name, uint64_t size, unsigned int rounds)
{
	struct walked found;
	const pid_t pid = fork();
	bool killed;

	assert_true(pid >= 0);
	if (pid == 0)
		write_for_ever(dir, rounds);
	killed = kill_at(pid, dir, name, size);
	found = scratch_walk(dir);
	if ((found.err == -TRACE_E_NOT_A_TRACE || found.err == -ENOENT) && killed &&
	    size_of(dir, "events") == 0)
		return true; /* killed before there was one */
	if (found.err)
		fail_msg("%s of %llu bytes: %s", name, (unsigned long long)size, found.why);
	assert_true(killed || found.complete);
	return !found.complete;
}

static void killed(void **state)
{
	unsigned int cut = 0;
	char dir[64], trace[96];

	(void)state;
	assert_int_equal(scratch_make(dir), 0);
	for (unsigned int i = 0; i < 40; i++) {
		snprintf(trace, sizeof(trace), "%s/%u", dir, i);
		cut += run_one(trace, i % 2 ? "pages" : "events",
			       i < 4 ? i * 20 : i * i * 977ull / (i % 2 ? 1 : 300), 1000000);
		assert_int_equal(scratch_remove(trace), 0);
	}
	assert_int_equal(cut, 40);
	for (unsigned int i = 0; i < 10; i++) { /* at its end */
		snprintf(trace, sizeof(trace), "%s/end%u", dir, i);
		run_one(trace, i % 2 ? "manifest.new" : "manifest", i * 20, 300);
	}
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(killed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
