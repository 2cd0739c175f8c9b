/* SPDX-License-Identifier: MIT */
/* test_trace_damage.c: damaged traces give a clean error, at every bit and every length; never a crash, never a loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "trace_scratch.h"

#define GOLDEN "tests/golden/"

static const char *const names[] = { "events", "pages", "manifest", "clone-0" };
#define NFILES 4u

/** A golden trace in memory, and a copy on disk that is damaged again and again. */
struct copy {
	struct blob files[NFILES];
	char dir[64];
};

static void copy_open(struct copy *c, const char *golden)
{
	char path[256];

	snprintf(path, sizeof(path), GOLDEN "%s", golden);
	assert_int_equal(scratch_make(c->dir), 0);
	for (unsigned int i = 0; i < NFILES; i++) {
		c->files[i] = blob_read(path, names[i]);
		if (c->files[i].data)
			assert_int_equal(
				blob_write(c->dir, names[i], c->files[i].data, c->files[i].len), 0);
	}
	assert_non_null(c->files[0].data);
	assert_int_equal(scratch_walk(c->dir).err, 0);
}

static void copy_close(struct copy *c)
{
	for (unsigned int i = 0; i < NFILES; i++)
		free(c->files[i].data);
	scratch_remove(c->dir);
}

static void copy_put(const struct copy *c, unsigned int i, size_t len)
{
	assert_int_equal(blob_write(c->dir, names[i], c->files[i].data, len), 0);
}

/* The error must be one of the reader's own, with a line that names a file. */
static void must_fail(const struct walked *w, const char *what, const char *name, size_t at)
{
	if (w->err > -TRACE_E_NOT_A_TRACE || w->err < -TRACE_E_REFERENCE)
		fail_msg("%s at %zu of %s: %d %s", what, at, name, w->err, w->why);
	if (!strstr(w->why, ", byte ") || strchr(w->why, '\n'))
		fail_msg("%s at %zu of %s: unclear error: %s", what, at, name, w->why);
}

/* Which bits are tried: all of the first 200 bytes, one of each byte after them, fewer of a clone. */
static bool is_tried(unsigned int file, size_t at, unsigned int bit)
{
	if (file == 3) /* its page 3 belongs to nobody */
		return at % 64 == 0 && at / BPREC_PAGE_SIZE != 3;
	return at < 200 || bit == at % 8;
}

static void flip_one(struct copy *c, unsigned int i, size_t at, unsigned int bit)
{
	struct walked w;

	c->files[i].data[at] ^= (uint8_t)(1u << bit);
	copy_put(c, i, c->files[i].len);
	w = scratch_walk(c->dir);
	must_fail(&w, "bit flip", names[i], at);
	c->files[i].data[at] ^= (uint8_t)(1u << bit);
}

/* Bits of a complete trace: always an error. */
static void flip_bits(const char *golden)
{
	struct copy c;

	copy_open(&c, golden);
	for (unsigned int i = 0; i < NFILES; i++) {
		for (size_t n = 0; n < c.files[i].len * 8; n++)
			if (is_tried(i, n / 8, n % 8))
				flip_one(&c, i, n / 8, n % 8);
		if (c.files[i].data)
			copy_put(&c, i, c.files[i].len);
	}
	assert_int_equal(scratch_walk(c.dir).err, 0);
	copy_close(&c);
}

static void bits_of_events(void **state)
{
	(void)state;
	flip_bits("v1-all-events");
}

static void bits_of_clone(void **state)
{
	(void)state;
	flip_bits("v1-clone");
}

/* Every length of each file of a complete trace: always an error. */
static void cut_complete(void **state)
{
	struct copy c;

	(void)state;
	copy_open(&c, "v1-clone");
	for (unsigned int i = 0; i < NFILES; i++) {
		for (size_t len = 0; len < c.files[i].len; len++) {
			struct walked w;

			if (i == 3 && len % 512 != 0)
				continue;
			copy_put(&c, i, len);
			w = scratch_walk(c.dir);
			must_fail(&w, "cut", names[i], len);
		}
		copy_put(&c, i, c.files[i].len);
	}
	copy_close(&c);
}

/* Without a manifest: read up to the last whole frame. */
static void cut_incomplete(void **state)
{
	char path[128];
	struct copy c;
	uint64_t last = 0;

	(void)state;
	copy_open(&c, "v1-many-frames");
	snprintf(path, sizeof(path), "%s/manifest", c.dir);
	assert_int_equal(unlink(path), 0);
	for (size_t len = 0; len <= c.files[0].len; len++) {
		struct walked w;

		copy_put(&c, 0, len);
		w = scratch_walk(c.dir);
		if (len < sizeof(struct file_header)) {
			must_fail(&w, "cut", "events", len);
			continue;
		}
		if (w.err)
			fail_msg("cut at %zu: %s", len, w.why);
		assert_false(w.complete);
		assert_true(w.events >= last && w.torn < len);
		last = w.events;
	}
	assert_int_equal(last, 52);
	for (size_t len = sizeof(struct file_header); len <= c.files[1].len; len++) {
		copy_put(&c, 1, len);
		assert_int_equal(scratch_walk(c.dir).err, 0);
	}
	copy_close(&c);
}

/* Flips a bit and puts the hashes right; true if that is an error. */
static bool flip_deep(struct copy *c, unsigned int file, size_t at, unsigned int bit)
{
	struct blob changed = { malloc(c->files[file].len), c->files[file].len };
	struct walked w;

	memcpy(changed.data, c->files[file].data, changed.len);
	changed.data[at] ^= (uint8_t)(1u << bit);
	blob_rehash(&changed);
	assert_int_equal(blob_write(c->dir, names[file], changed.data, changed.len), 0);
	free(changed.data);
	w = scratch_walk(c->dir);
	if (w.err)
		must_fail(&w, "deep flip", names[file], at);
	return w.err != 0;
}

/* Damage with hashes put right again reaches the checks behind them. Whatever comes out, it comes out cleanly. */
static void deep_damage(const char *golden, unsigned int file)
{
	struct copy c;
	unsigned int errors = 0, tries = 0;

	copy_open(&c, golden);
	for (size_t n = 0; n < c.files[file].len * 8; n++) {
		if (n > 3200 && n % 8 != n / 8 % 8)
			continue;
		tries++;
		errors += flip_deep(&c, file, n / 8, n % 8);
	}
	if (errors < 300 || errors == tries)
		fail_msg("%u of %u changes are errors", errors, tries);
	copy_close(&c);
}

static void deep_events(void **state)
{
	(void)state;
	deep_damage("v1-plain-incomplete", 0);
}

static void deep_pages(void **state)
{
	(void)state;
	deep_damage("v1-plain-incomplete", 1);
	deep_damage("v1-clone", 1);
}

static void deep_compressed(void **state)
{
	(void)state;
	deep_damage("v1-incomplete", 0);
	deep_damage("v1-incomplete", 1);
}

/* What is no trace at all. */
static void no_trace(void **state)
{
	struct reader *r = NULL;
	char dir[64];
	struct walked w;

	(void)state;
	assert_int_equal(reader__open(&r, "/nonexistent/trace"), -2 /* ENOENT */);
	assert_non_null(strstr(reader__error(NULL), "/nonexistent/trace"));
	assert_int_equal(scratch_make(dir), 0);
	assert_int_equal(scratch_walk(dir).err, -TRACE_E_NOT_A_TRACE);
	assert_int_equal(
		blob_write(dir, "events", "hello, this is a text of more than forty bytes", 46), 0);
	w = scratch_walk(dir);
	assert_int_equal(w.err, -TRACE_E_NOT_A_TRACE);
	assert_non_null(strstr(w.why, "events, byte 0: "));
	scratch_remove(dir);
}

/* A FIFO must not block the open; a directory and a device are refused too. */
static void no_regular_file(void **state)
{
	char path[128];
	struct copy c;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		copy_open(&c, "v1-all-events");
		snprintf(path, sizeof(path), "%s/%s", c.dir, names[i]);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(mkfifo(path, 0600), 0);
		assert_int_equal(scratch_walk(c.dir).err, -TRACE_E_NOT_A_TRACE);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(mkdir(path, 0700), 0);
		assert_int_equal(scratch_walk(c.dir).err, -TRACE_E_NOT_A_TRACE);
		assert_int_equal(rmdir(path), 0);
		assert_int_equal(symlink("/etc/passwd", path), 0);
		assert_int_equal(scratch_walk(c.dir).err, -TRACE_E_NOT_A_TRACE);
		copy_close(&c);
	}
	copy_open(&c, "v1-clone");
	snprintf(path, sizeof(path), "%s/clone-0", c.dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(scratch_walk(c.dir).err, -TRACE_E_DAMAGED);
	copy_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_trace),	   cmocka_unit_test(no_regular_file),
		cmocka_unit_test(bits_of_events),  cmocka_unit_test(bits_of_clone),
		cmocka_unit_test(cut_complete),	   cmocka_unit_test(cut_incomplete),
		cmocka_unit_test(deep_events),	   cmocka_unit_test(deep_pages),
		cmocka_unit_test(deep_compressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
