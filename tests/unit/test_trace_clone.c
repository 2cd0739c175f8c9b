/* SPDX-License-Identifier: MIT */
/* test_trace_clone.c: pages by reference to a clone of their file, on xfs and btrfs in a file of this test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include "trace/writer.h"
#include "trace_scratch.h"
#include "trace_write.h"
#include "util/err.h"

#define FILE_PAGES 1000u /* and 100 bytes */
#define ALL_PAGES  (FILE_PAGES + 3u)

/* Runs a command with its output thrown away; true if it worked. */
static bool run(const char *fmt, const char *a, const char *b)
{
	char cmd[512], full[600];

	snprintf(cmd, sizeof(cmd), fmt, a, b);
	snprintf(full, sizeof(full), "PATH=$PATH:/usr/sbin:/sbin; (%s) >/dev/null 2>&1", cmd);
	return system(full) == 0;
}

/* A file system of this kind on dir, seen by this process alone. The reason why not in *ret_why. */
static bool mount_fs(const char *kind, const char *dir, const char **ret_why)
{
	char image[80], mkfs[128];

	*ret_why = "mkfs is not installed";
	snprintf(mkfs, sizeof(mkfs), "command -v mkfs.%s", kind);
	if (!run(mkfs, "", ""))
		return false;
	*ret_why = "no mount namespace of its own";
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	snprintf(image, sizeof(image), "%s.img", dir);
	*ret_why = "can't make or mount a file system here";
	if (!run("truncate -s 320M %s", image, "") || !run("mkfs.%s %s", kind, image))
		return false;
	return run("mount -o loop %s %s", image, dir);
}

static void umount_fs(const char *dir)
{
	char image[80];

	umount(dir);
	snprintf(image, sizeof(image), "%s.img", dir);
	unlink(image);
	rmdir(dir);
}

/* Page i of the file: a third zeros, a third new, a third the same as one before. */
static void file_page(uint8_t page[BPREC_PAGE_SIZE], uint64_t i)
{
	fill_page(page, i % 3 == 0 ? 0 : i % 3 == 1 ? i : i / 100 * 100 + 1);
	if (i >= FILE_PAGES)
		memset(page + (i == FILE_PAGES ? 100 : 0), 0,
		       BPREC_PAGE_SIZE - (i == FILE_PAGES ? 100 : 0));
}

static int make_file(const char *dir)
{
	uint8_t page[BPREC_PAGE_SIZE];
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	for (unsigned int i = 0; i <= FILE_PAGES; i++) {
		const size_t len = i == FILE_PAGES ? 100 : BPREC_PAGE_SIZE;

		file_page(page, i);
		assert_int_equal(pwrite(fd, page, len, (off_t)i * BPREC_PAGE_SIZE), len);
	}
	return fd;
}

/* The ids lead to the contents that the file had, whatever becomes of it later. */
static void check_ids(struct reader *r, const uint64_t *ids)
{
	uint8_t page[BPREC_PAGE_SIZE], found[BPREC_PAGE_SIZE];

	for (unsigned int i = 0; i < ALL_PAGES; i++) {
		if (i > FILE_PAGES) {
			assert_true(ids[i] == BPREC_PAGE_ABSENT);
			continue;
		}
		file_page(page, i);
		if (reader__page(r, ids[i], found))
			fail_msg("page %u: %s", i, reader__error(r));
		assert_memory_equal(page, found, sizeof(page));
		assert_int_equal(ids[i] == BPREC_PAGE_ZERO, i % 3 == 0 && i != FILE_PAGES);
	}
}

static void clone_twice(const char *dir)
{
	uint64_t ids[ALL_PAGES], again[ALL_PAGES], size, id;
	const int fd = make_file(dir);
	uint8_t page[BPREC_PAGE_SIZE];
	char trace[96], path[128];
	struct writer *w;
	struct reader *r;
	struct walked found;

	snprintf(trace, sizeof(trace), "%s/t", dir);
	assert_int_equal(writer__new(&w, trace), 0);
	assert_int_equal(put_start(w), 0);
	fill_page(page, 7); /* known before the clone */
	assert_int_equal(writer__page(w, page, &id), 0);
	if (writer__clone(w, fd, ALL_PAGES, ids, &size))
		fail_msg("%s", err__text());
	assert_int_equal(size, FILE_PAGES * BPREC_PAGE_SIZE + 100);
	assert_int_equal(ids[7], id);
	assert_int_equal(writer__clone(w, fd, ALL_PAGES, again, &size), 0);
	assert_memory_equal(ids, again, sizeof(ids));
	fill_page(page, 1u << 20);
	assert_int_equal(writer__page(w, page, &id), 0);
	memset(page, 0xee, sizeof(page)); /* the file changes after it was cloned */
	for (unsigned int i = 0; i < FILE_PAGES; i++)
		assert_int_equal(pwrite(fd, page, sizeof(page), (off_t)i * 4096), 4096);
	assert_int_equal(writer__clone(w, fd, 2, again, &size), 0);
	assert_int_equal(again[0], id + 1);
	assert_int_equal(again[1], id + 1);
	assert_int_equal(writer__finish(w, END_EXITED, 0), 0);
	writer__free(w);
	close(fd);

	found = scratch_walk(trace);
	assert_string_equal(found.why, "");
	assert_int_equal(reader__open(&r, trace), 0);
	assert_int_equal(reader__manifest(r)->clones, 2); /* the second one held nothing new */
	check_ids(r, ids);
	reader__free(r);
	snprintf(path, sizeof(path), "%s/clone-1", trace); /* somebody changes a clone */
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(scratch_walk(trace).err, -TRACE_E_DAMAGED);
}

static void on_fs(const char *kind)
{
	const char *why;
	char dir[64];

	strcpy(dir, "/tmp/bprec-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	if (mount_fs(kind, dir, &why)) {
		clone_twice(dir);
		umount_fs(dir);
		return;
	}
	umount_fs(dir);
	print_message("%s: %s\n", kind, why);
	skip();
}

static void on_xfs(void **state)
{
	(void)state;
	on_fs("xfs");
}

static void on_btrfs(void **state)
{
	(void)state;
	on_fs("btrfs");
}

/* Where the file system can't, nothing has happened. */
static void refused(void **state)
{
	struct writer *w;
	struct walked found;
	char dir[64], trace[96], path[128];
	uint64_t ids[3], size = 77;
	int fd, err;

	(void)state;
	assert_int_equal(scratch_make(dir), 0);
	snprintf(trace, sizeof(trace), "%s/t", dir);
	assert_int_equal(writer__new(&w, trace), 0);
	assert_int_equal(put_start(w), 0);
	fd = open("/proc/self/exe", O_RDONLY);
	err = writer__clone(w, fd, 3, ids, &size);
	assert_true(err == -EXDEV || err == -EOPNOTSUPP || err == -EINVAL);
	assert_int_equal(size, 77);
	snprintf(path, sizeof(path), "%s/clone-0", trace);
	assert_int_equal(access(path, F_OK), -1);
	err = writer__clone(w, -1, 3, ids, &size);
	assert_true(err == -EXDEV || err == -EOPNOTSUPP || err == -EINVAL);
	assert_int_equal(put_note(w, "it goes on", NULL), 0);
	assert_int_equal(writer__finish(w, END_EXITED, 0), 0);
	writer__free(w);
	close(fd);
	found = scratch_walk(trace);
	assert_string_equal(found.why, "");
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),
		cmocka_unit_test(on_xfs),
		cmocka_unit_test(on_btrfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
