/* SPDX-License-Identifier: MIT */
/* test_trace_full.c: a full disk, a quota and a limit of file sizes end the recording; what was written stays readable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "trace/writer.h"
#include "trace_scratch.h"
#include "trace_write.h"
#include "util/err.h"

/* Writes events and pages that don't compress until an error comes, at most n rounds. Every event refers to a page. */
static int fill(struct writer *w, uint64_t n)
{
	uint8_t page[BPREC_PAGE_SIZE];
	struct ev_mem mem = { .addr = 0x1000, .npages = 1, .nruns = 1 };
	struct page_run run = { .count = 1 };
	const struct iovec body[] = { { &mem, sizeof(mem) }, { &run, sizeof(run) } };
	int err = put_start(w);

	for (uint64_t i = 1; err == 0 && i <= n; i++) {
		fill_page(page, i);
		err = writer__page(w, page, &run.first);
		if (err == 0)
			err = writer__event(w, EV_MEM, 1, 1, body, 2, NULL);
		if (err == 0 && i % 5 == 0)
			err = writer__flush(w, i % 10 == 0 ? 0 : 1);
	}
	return err;
}

/* After the error: nothing is accepted, and what is on disk is right and ends with a whole frame. Number of events. */
static uint64_t check_dead(struct writer *w, const char *dir, int err, int wanted)
{
	uint8_t page[BPREC_PAGE_SIZE];
	struct walked found;
	uint64_t id;

	if (err != wanted)
		fail_msg("error %d (%s), expected %d", err, err__text(), wanted);
	fill_page(page, 1u << 30);
	assert_int_equal(put_note(w, "more", NULL), wanted);
	assert_int_equal(writer__page(w, page, &id), wanted);
	assert_int_equal(writer__clone(w, 0, 0, NULL, NULL), wanted);
	assert_int_equal(writer__flush(w, 0), wanted);
	assert_int_equal(writer__finish(w, END_FAILED, -wanted), wanted);
	assert_true(strlen(err__text()) > 10);
	writer__free(w);
	found = scratch_walk(dir);
	assert_string_equal(found.why, "");
	assert_false(found.complete);
	assert_int_equal(found.torn, 0);
	return found.events;
}

/* Mounts a tmpfs of so many KiB on dir. */
static int mount_tmpfs(const char *dir, unsigned int kib)
{
	char options[64];

	snprintf(options, sizeof(options), "size=%uk", kib);
	return mount("bprec-test", dir, "tmpfs", 0, options);
}

/* Mounts of this process are seen by nobody else and vanish with it. */
static int own_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		return -1;
	return mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* A tmpfs of each size: the disk is full at the head of a file, in pages, in events, at the manifest. */
static void full_disk(void **state)
{
	char dir[64], trace[96];
	uint64_t last = 0;
	struct writer *w;
	unsigned int starts = 0, grown = 0;

	(void)state;
	if (own_mounts() < 0) {
		print_message("no mount namespace of its own: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(scratch_make(dir), 0);
	snprintf(trace, sizeof(trace), "%s/t", dir);
	for (unsigned int kib = 4; kib <= 400; kib += kib < 64 ? 4 : 36) {
		int err;

		assert_int_equal(mount_tmpfs(dir, kib), 0);
		err = writer__new(&w, trace);
		if (err == 0) {
			const uint64_t n = check_dead(w, trace, fill(w, 1000), -ENOSPC);

			grown += n > last;
			last = n;
			starts++;
		} else {
			assert_int_equal(err, -ENOSPC);
			assert_int_equal(access(trace, F_OK), -1); /* nothing is left behind */
		}
		assert_int_equal(umount(dir), 0);
	}
	assert_true(starts > 15 && grown > 8);
	assert_int_equal(rmdir(dir), 0);
}

/* Room for everything but the manifest. */
static void no_room_for_manifest(void **state)
{
	char dir[64], trace[96], path[128], block[4096] = { 1 };
	struct writer *w;
	int fd;

	(void)state;
	assert_int_equal(scratch_make(dir), 0);
	if (mount_tmpfs(dir, 64) < 0) {
		print_message("can't mount: %s\n", strerror(errno));
		rmdir(dir);
		skip();
	}
	snprintf(trace, sizeof(trace), "%s/t", dir);
	assert_int_equal(writer__new(&w, trace), 0);
	assert_int_equal(fill(w, 3), 0);
	assert_int_equal(writer__flush(w, 0), 0);
	snprintf(path, sizeof(path), "%s/other", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	assert_int_equal(check_dead(w, trace, writer__finish(w, END_EXITED, 0), -ENOSPC), 5);
	snprintf(path, sizeof(path), "%s/manifest", trace);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(umount(dir), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* RLIMIT_FSIZE: EFBIG, and the signal that comes with it kills nobody. */
static void file_size_limit(void **state)
{
	struct rlimit before, limit;
	struct writer *w;
	char dir[64], trace[96];
	uint64_t last = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(scratch_make(dir), 0);
	for (rlim_t size = 40; size < 3000000; size = size * 3 + 1) {
		int err;

		snprintf(trace, sizeof(trace), "%s/%llu", dir, (unsigned long long)size);
		limit = (struct rlimit){ size, before.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		assert_int_equal(writer__new(&w, trace), 0);
		err = fill(w, 2000);
		setrlimit(RLIMIT_FSIZE, &before);
		{
			const uint64_t n = check_dead(w, trace, err, -EFBIG);

			assert_true(n >= last);
			last = n;
		}
	}
	assert_true(last > 100);
	scratch_remove(dir);
}

/* The same while the head is written, by the thread that calls. */
static void no_room_for_head(void **state)
{
	struct rlimit before, limit;
	struct writer *w = NULL;
	char dir[64], trace[96];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(scratch_make(dir), 0);
	snprintf(trace, sizeof(trace), "%s/t", dir);
	limit = (struct rlimit){ 39, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(writer__new(&w, trace), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_null(w);
	assert_int_equal(access(trace, F_OK), -1);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_size_limit),
		cmocka_unit_test(no_room_for_head),
		cmocka_unit_test(full_disk),
		cmocka_unit_test(no_room_for_manifest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
