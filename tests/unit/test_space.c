/* SPDX-License-Identifier: MIT */
/* Runs, snapshots of files and memory, comparison. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "space/read.h"
#include "space/space.h"
#include "trace_write.h"

#define PAGE 4096ul

/* pread of this program: page `bad_page` of any file can't be read, once it is set. */
static int64_t bad_page = -1;
static int bad_errno;

ssize_t pread(int fd, void *buf, size_t n, off_t at)
{
	off_t bad = (off_t)(bad_page * (int64_t)PAGE);

	if (bad_page >= 0 && at <= bad && at + (off_t)n > bad) {
		if (at == bad) {
			errno = bad_errno;
			return -1;
		}
		n = (size_t)(bad - at);
	}
	return syscall(SYS_pread64, fd, buf, n, at);
}

/* --- fixture: a trace in a directory of its own --- */

struct fixture {
	char dir[64], trace[80];
	struct writer *w;
	struct model *m;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/dev/shm/test_space.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->trace, sizeof(f->trace), "%s/trace", f->dir);
	*state = f;
	f->m = model__new();
	return writer__new(&f->w, f->trace);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { "events", "pages", "manifest" };
	char path[128];

	writer__free(f->w);
	model__free(f->m);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", f->trace, names[i]);
		unlink(path);
	}
	rmdir(f->trace);
	int err = rmdir(f->dir); /* fails if something was left behind */
	free(f);
	return err;
}

/* An unlinked file of `size` bytes; page i holds fill(i), unless it is a hole. */
static int make_file(const struct fixture *f, uint64_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/file", f->dir);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void make_page(char page[PAGE], uint64_t seed)
{
	memset(page, 0, PAGE);
	snprintf(page, PAGE, "page %lu", seed);
	page[PAGE - 1] = 'e';
}

static void put_page(int fd, uint64_t index, uint64_t seed)
{
	char page[PAGE];

	make_page(page, seed);
	assert_int_equal(pwrite(fd, page, PAGE, (off_t)(index * PAGE)), PAGE);
}

static uint64_t run_page(const struct space_runs *r, uint64_t index)
{
	for (uint32_t i = 0; i < r->n; i++) {
		if (index < r->v[i].count)
			return r->v[i].first + index * r->v[i].step;
		index -= r->v[i].count;
	}
	fail_msg("page %lu is in no run", index);
	return 0;
}

static void assert_page(const struct fixture *f, const struct space_runs *r, uint64_t index,
			uint64_t seed)
{
	char page[PAGE];

	make_page(page, seed);
	assert_true(writer__page_is(f->w, run_page(r, index), page));
}

/* --- runs --- */

static void runs_join(void **state)
{
	static const uint64_t ids[] = { 5,
					6,
					7,
					9,
					9,
					9,
					10,
					0,
					0,
					1,
					2,
					BPREC_PAGE_LOST,
					BPREC_PAGE_ABSENT,
					BPREC_PAGE_ABSENT };
	const size_t n = sizeof(ids) / sizeof(*ids);
	struct space_runs r = { 0 };

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(space_runs__add(&r, ids[i]), 0);
	assert_int_equal(r.npages, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(run_page(&r, i), ids[i]);
	assert_int_equal(r.n, 7); /* 5-7, 9s, 10, 0s, 1-2, lost, absents */
	space_runs__free(&r);
	assert_null(r.v);
}

static void runs_are_split_at_32_bits(void **state)
{
	struct space_runs r = { 0 };

	(void)state;
	assert_int_equal(space_runs__add_many(&r, BPREC_PAGE_ZERO, 5), 0);
	assert_int_equal(space_runs__add_many(&r, BPREC_PAGE_ZERO, 0x2ffffffffull), 0);
	assert_int_equal(space_runs__add_many(&r, BPREC_PAGE_ABSENT, 0), 0);
	assert_int_equal(space_runs__add(&r, BPREC_PAGE_ZERO), 0);
	uint64_t sum = 0;
	for (uint32_t i = 0; i < r.n; i++) {
		assert_int_equal(r.v[i].first, BPREC_PAGE_ZERO);
		assert_true(r.v[i].count > 0);
		sum += r.v[i].count;
	}
	assert_int_equal(sum, 0x2ffffffffull + 6);
	assert_int_equal(r.npages, sum);
	assert_int_equal(r.n, 4);
	space_runs__free(&r);
}

/* --- saving --- */

static void partial_page_and_beyond(void **state)
{
	struct fixture *f = *state;
	int fd = make_file(f, 2 * PAGE + 10);
	struct space_runs r = { 0 };
	uint64_t size = 0, lost = 9;
	char page[PAGE] = "0123456789";

	put_page(fd, 0, 1);
	put_page(fd, 1, 2);
	assert_int_equal(pwrite(fd, page, 10, 2 * PAGE), 10);
	lseek(fd, 77, SEEK_SET);
	assert_int_equal(space__save_file(f->w, fd, 0, 5, &r, &size, &lost), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 77);
	assert_int_equal(size, 2 * PAGE + 10);
	assert_int_equal(lost, 0);
	assert_int_equal(r.npages, 5);
	assert_page(f, &r, 0, 1);
	assert_page(f, &r, 1, 2);
	assert_true(writer__page_is(f->w, run_page(&r, 2), page));
	assert_true(run_page(&r, 3) == BPREC_PAGE_ABSENT && run_page(&r, 4) == BPREC_PAGE_ABSENT);
	space_runs__free(&r);
	assert_int_equal(space__save_file(f->w, fd, 1, 1, &r, &size, NULL), 0);
	assert_int_equal(r.npages, 1);
	assert_page(f, &r, 0, 2);
	space_runs__free(&r);
	assert_int_equal(space__save_file(f->w, fd, 100, 3, &r, &size, NULL), 0);
	assert_int_equal(r.n, 1);
	assert_true(run_page(&r, 2) == BPREC_PAGE_ABSENT);
	space_runs__free(&r);
	close(fd);
}

/* A terabyte of nothing must not be read; if it were, this test would not end. */
static void holes_cost_nothing(void **state)
{
	struct fixture *f = *state;
	const uint64_t n = (1ul << 40) / PAGE;
	int fd = make_file(f, n * PAGE);
	struct space_runs r = { 0 };
	uint64_t size;

	put_page(fd, 1000, 1);
	put_page(fd, n / 2, 2);
	put_page(fd, n - 1, 3);
	lseek(fd, 5, SEEK_SET);
	assert_int_equal(space__save_file(f->w, fd, 0, n + 10, &r, &size, NULL), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 5);
	assert_int_equal(r.npages, n + 10);
	assert_page(f, &r, 1000, 1);
	assert_page(f, &r, n / 2, 2);
	assert_page(f, &r, n - 1, 3);
	assert_int_equal(run_page(&r, 0), BPREC_PAGE_ZERO);
	assert_int_equal(run_page(&r, n - 2), BPREC_PAGE_ZERO);
	assert_true(run_page(&r, n) == BPREC_PAGE_ABSENT);
	assert_true(r.n <= 7);
	space_runs__free(&r);
	close(fd);
}

static void bigger_than_the_buffer(void **state)
{
	struct fixture *f = *state;
	const uint64_t n = 1000;
	int fd = make_file(f, n * PAGE);
	struct space_runs r = { 0 };
	uint64_t size;

	for (uint64_t i = 0; i < n; i++)
		put_page(fd, i, i);
	assert_int_equal(space__save_file(f->w, fd, 0, n, &r, &size, NULL), 0);
	assert_int_equal(r.npages, n);
	for (uint64_t i = 0; i < n; i++)
		assert_page(f, &r, i, i);
	close(fd);
	space_runs__free(&r);
}

static void unreadable_pages_are_lost(void **state)
{
	struct fixture *f = *state;
	int fd = make_file(f, 100 * PAGE);
	struct space_runs r = { 0 };
	uint64_t size, lost;

	for (uint64_t i = 0; i < 100; i++)
		put_page(fd, i, i);
	bad_page = 70;
	bad_errno = EIO;
	assert_int_equal(space__save_file(f->w, fd, 0, 100, &r, &size, &lost), 0);
	bad_page = -1;
	assert_int_equal(lost, 1);
	for (uint64_t i = 0; i < 100; i++) {
		if (i == 70)
			assert_true(run_page(&r, i) == BPREC_PAGE_LOST);
		else
			assert_page(f, &r, i, i);
	}
	space_runs__free(&r);
	bad_page = 70;
	bad_errno = EBADF; /* not about a page: the rest is lost */
	assert_int_equal(space__save_file(f->w, fd, 0, 100, &r, &size, &lost), 0);
	bad_page = -1;
	assert_int_equal(lost, 30);
	assert_page(f, &r, 69, 69);
	assert_true(run_page(&r, 99) == BPREC_PAGE_LOST);
	space_runs__free(&r);
	close(fd);
}

/* A sink that makes the file shorter when it sees page `at`. */
struct cutting {
	struct page_sink sink;
	struct space_runs runs;
	int fd;
	uint64_t at, to;
};

static int cut_page(struct page_sink *s, uint64_t index, const void *data)
{
	struct cutting *c = (struct cutting *)s;

	(void)data;
	if (index == c->at)
		assert_int_equal(ftruncate(c->fd, (off_t)c->to), 0);
	return space_runs__add(&c->runs, 1000);
}

static int cut_same(struct page_sink *s, uint64_t index, uint64_t n, uint64_t id)
{
	struct cutting *c = (struct cutting *)s;

	assert_int_equal(index, c->runs.npages);
	return space_runs__add_many(&c->runs, id, n);
}

static void truncated_while_being_read(void **state)
{
	struct fixture *f = *state;

	for (int sparse = 0; sparse < 2; sparse++) {
		int fd = make_file(f, 1000 * PAGE);
		struct cutting c = {
			.sink = { cut_page, cut_same }, .fd = fd, .at = 10, .to = 300 * PAGE + 1
		};
		uint64_t size;
		for (uint64_t i = 0; i < 1000; i++) {
			if (!sparse || i < 250)
				put_page(fd, i, i);
		}
		assert_int_equal(space_read__file(&c.sink, fd, 0, 1000, &size), 0);
		assert_int_equal(c.runs.npages, 1000);
		assert_int_equal(run_page(&c.runs, 249), 1000);
		assert_int_equal(run_page(&c.runs, 300), sparse ? 0 : 1000);
		assert_true(run_page(&c.runs, 301) == BPREC_PAGE_ABSENT);
		assert_true(run_page(&c.runs, 999) == BPREC_PAGE_ABSENT);
		space_runs__free(&c.runs);
		close(fd);
	}
}

static void memory_of_another_process(void **state)
{
	struct fixture *f = *state;
	char *p =
		mmap(NULL, 200 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct space_runs r = { 0 };
	uint64_t lost;

	for (uint64_t i = 0; i < 150; i++)
		make_page(p + i * PAGE, i);
	munmap(p + 70 * PAGE, 2 * PAGE);
	pid_t pid = fork();
	if (pid == 0) {
		for (;;)
			pause();
	}
	int err = space__save_memory(f->w, pid, (uint64_t)p, 200, &r, &lost);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(err, 0);
	assert_int_equal(lost, 2);
	assert_int_equal(r.npages, 200);
	for (uint64_t i = 0; i < 150; i++) {
		if (i == 70 || i == 71)
			assert_true(run_page(&r, i) == BPREC_PAGE_LOST);
		else
			assert_page(f, &r, i, i);
	}
	assert_int_equal(run_page(&r, 199), BPREC_PAGE_ZERO);
	space_runs__free(&r);
	munmap(p, 200 * PAGE);
}

/* --- events and comparison --- */

static int feed_events;

static int feed_writer(void *ctx)
{
	struct fixture *f = ctx;

	feed_events++;
	return model__apply(f->m, writer__last(f->w), writer__events(f->w) - 1);
}

/* Object 1, in the trace and in the model. */
static void emit_object(struct fixture *f, uint64_t size)
{
	const struct ev_object o = { .object = 1, .inode = 7, .size = size, .path_len = 8 };
	const struct iovec body[] = { { (void *)&o, sizeof(o) }, { (void *)"/object", 8 } };

	assert_int_equal(put_start(f->w), 0);
	assert_int_equal(writer__event(f->w, EV_OBJECT, 0, 0, body, 2, NULL), 0);
	assert_int_equal(feed_writer(f), 0);
}

static void emit(struct fixture *f, const struct space_runs *r, uint64_t size)
{
	uint64_t event = ~0ull;

	feed_events = 0;
	assert_int_equal(
		space__emit_pages(f->w, 1, PAGES_MAPPED, 0, r, size, &event, feed_writer, f), 0);
	assert_int_equal(event, writer__events(f->w) - (uint64_t)feed_events);
}

static void long_lists_are_cut(void **state)
{
	struct fixture *f = *state;
	const uint64_t n = 70000;
	struct space_runs r = { 0 };
	char page[PAGE];
	uint64_t id;

	make_page(page, 1);
	assert_int_equal(writer__page(f->w, page, &id), 0);
	emit_object(f, n * PAGE);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(space_runs__add(&r, i & 1 ? id : BPREC_PAGE_ZERO), 0);
	emit(f, &r, n * PAGE);
	assert_true(feed_events > 1);
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(model__object_page(f->m, 1, i), i & 1 ? id : BPREC_PAGE_ZERO);
	space_runs__free(&r);
}

static void compare(struct fixture *f, int fd, uint64_t n, struct space_diffs *d)
{
	uint64_t size;

	space_diffs__free(d);
	assert_int_equal(space__compare_file(f->w, f->m, 1, fd, 0, n, d, &size), 0);
}

static void comparison_finds_every_change(void **state)
{
	struct fixture *f = *state;
	int fd = make_file(f, 20 * PAGE);
	struct space_runs r = { 0 };
	struct space_diffs d = { 0 };
	char page[PAGE];
	uint64_t size;

	for (uint64_t i = 0; i < 10; i++)
		put_page(fd, i, i);
	emit_object(f, 20 * PAGE);
	assert_int_equal(space__save_file(f->w, fd, 0, 22, &r, &size, NULL), 0);
	emit(f, &r, size);
	compare(f, fd, 22, &d);
	assert_int_equal(d.n, 0);
	/* first page, into a hole, one byte, hole punched, contents of another page, grown */
	put_page(fd, 0, 100);
	put_page(fd, 15, 101);
	assert_int_equal(pwrite(fd, "!", 1, 5 * PAGE - 1), 1);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 6 * PAGE, PAGE),
			 0);
	put_page(fd, 7, 8);
	assert_int_equal(pwrite(fd, "x", 1, 20 * PAGE), 1);
	compare(f, fd, 22, &d);
	static const uint64_t where[] = { 0, 4, 6, 7, 15, 20 };
	assert_int_equal(d.n, 6);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(d.v[i].index, where[i]);
		assert_int_equal(d.v[i].old_id, model__object_page(f->m, 1, where[i]));
		assert_int_not_equal(d.v[i].old_id, d.v[i].new_id);
	}
	make_page(page, 100);
	assert_true(writer__page_is(f->w, d.v[0].new_id, page));
	assert_int_equal(d.v[2].new_id, BPREC_PAGE_ZERO);
	assert_int_equal(d.v[3].new_id, model__object_page(f->m, 1, 8));
	assert_true(d.v[5].old_id == BPREC_PAGE_ABSENT);
	/* shrunk */
	assert_int_equal(ftruncate(fd, 9 * PAGE), 0);
	compare(f, fd, 22, &d);
	assert_int_equal(d.v[d.n - 1].index, 19);
	assert_true(d.v[d.n - 1].new_id == BPREC_PAGE_ABSENT);
	/* can't be read */
	bad_page = 2;
	bad_errno = EIO;
	compare(f, fd, 3, &d);
	bad_page = -1;
	assert_int_equal(d.n, 2);
	assert_true(d.v[1].index == 2 && d.v[1].new_id == BPREC_PAGE_LOST);
	space_diffs__free(&d);
	space_runs__free(&r);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_join),
		cmocka_unit_test(runs_are_split_at_32_bits),
		cmocka_unit_test_setup_teardown(partial_page_and_beyond, setup, teardown),
		cmocka_unit_test_setup_teardown(holes_cost_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(bigger_than_the_buffer, setup, teardown),
		cmocka_unit_test_setup_teardown(unreadable_pages_are_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(truncated_while_being_read, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_of_another_process, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lists_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(comparison_finds_every_change, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
