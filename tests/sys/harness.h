/* SPDX-License-Identifier: MIT */
/*
 * harness.h: holds what the table says about a call against what the kernel does.
 *
 * A case makes buffers, each with its end against a page that can't be touched and filled with a pattern, and then one call.
 * It runs several times: with two patterns, carried out directly, and carried out on a scratch area by a plan of
 * sys__scratch. After each run
 * - every byte that changed must lie in a range that sys__outputs passed;
 * - every range must lie within one buffer, and within what sys__touched said before the call;
 * - all buffers must lie within what sys__touched said;
 * and the run on the scratch area must leave the same bytes as the direct one, having left the buffers alone until they
 * were copied back. A case that can't be carried out gives arguments and a result (DO_FAKE) and the ranges it expects.
 */
#ifndef BPREC_TESTS_SYS_HARNESS_H
#define BPREC_TESTS_SYS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/new_nr.h"
#include "sys/rules.h"

enum { MAX_BUFS = 24, MAX_RANGES = 256, MAX_FDS = 16, PAGE = 4096 };

/** Memory that ends against an unmapped page. */
struct buf {
	uint8_t *map;	 /* whole mapping, guard page included */
	size_t map_len;	 /* without the guard page */
	uint8_t *p;	 /* n bytes up to the guard page */
	size_t n;	 /* bytes */
	uint8_t *before; /* all of it before the call */
	uint8_t *direct; /* the n bytes after the direct call with the same pattern */
	bool loose;	 /* the table need not say that the call touches it */
};

/** How the call is carried out. */
enum how { DIRECT, SCRATCH, FAKE };

/** One run of a case. */
struct t {
	const char *key; /* "call" or "call:COMMAND" */
	uint8_t pattern; /* fills outputs */
	enum how how;
	bool varies;	 /* outputs differ from run to run (times, ids) */
	bool in_unknown; /* the row doesn't describe what it reads */
	bool no_plan;	 /* what it writes stays in place: sys__scratch says 0, or that it can't */
	bool pinned;	 /* the call works in place though there is a plan */
	bool absent;	 /* this kernel or machine can't do it: `why` */
	const char *why;
	int calls;   /* made so far, must be 1 in the end */
	int planned; /* plans carried out */
	long ret;    /* of the call, -errno */
	int err;     /* of sys__outputs */
	struct buf buf[MAX_BUFS];
	int nbufs;
	int fd[MAX_FDS];
	int nfds;
	struct sys_range got[MAX_RANGES]; /* from sys__outputs */
	int ngot, expected;
	struct sys_range may[MAX_RANGES]; /* from sys__touched */
	int nmay;
	uint8_t *area; /* scratch */
	size_t area_len;
};

/** A case; `why` says why it isn't carried out (synthetic cases only). */
struct sys_test {
	const char *key;
	void (*fn)(struct t *t);
	const char *why;
};

#define U(x)	((uint64_t)(uintptr_t)(x))
#define S(text) in(t, text, strlen(text) + 1)

/* A buffer of n bytes, all pattern. */
static struct buf *new_buf(struct t *t, size_t n)
{
	size_t len = (n + PAGE - 1) / PAGE * PAGE;
	struct buf *b = &t->buf[t->nbufs++];

	assert_true(t->nbufs <= MAX_BUFS);
	if (!len)
		len = PAGE;
	b->map = mmap(NULL, len + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(b->map, MAP_FAILED);
	assert_int_equal(mprotect(b->map, len, PROT_READ | PROT_WRITE), 0);
	b->map_len = len;
	b->n = n;
	b->p = b->map + len - n;
	memset(b->map, t->pattern, len);
	return b;
}

/* Memory that the call writes. */
static inline uint64_t out(struct t *t, size_t n)
{
	return U(new_buf(t, n)->p);
}

/* Memory that the call reads (and may write). */
static inline uint64_t in(struct t *t, const void *src, size_t n)
{
	struct buf *b = new_buf(t, n);

	memcpy(b->p, src, n);
	return U(b->p);
}

/* The last buffer needn't be touched. */
static inline void loose(struct t *t)
{
	t->buf[t->nbufs - 1].loose = true;
}

/* A descriptor that is closed after the run. */
static inline int fd_of(struct t *t, int fd)
{
	assert_true(fd >= 0);
	assert_true(t->nfds < MAX_FDS);
	return t->fd[t->nfds++] = fd;
}

/* A file with this content, open for reading and writing at its start. */
static inline int file_of(struct t *t, const char *text)
{
	int fd = fd_of(t, memfd_create("sys-test", 0));

	assert_int_equal(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	return fd;
}

/* The memory of this process, as far as the case made it. */
static long case_read(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct t *t = ctx;

	for (int i = 0; i <= t->nbufs; i++) {
		const uint8_t *map = i < t->nbufs ? t->buf[i].map : t->area;
		size_t n = i < t->nbufs ? t->buf[i].map_len : t->area_len;

		if (!map || addr < U(map) || addr >= U(map) + n)
			continue;
		if (len > U(map) + n - addr)
			len = U(map) + n - addr;
		memcpy(buf, (const void *)(uintptr_t)addr, len);
		return (long)len;
	}
	return -EFAULT;
}

static int take_got(void *ctx, const struct sys_range *r)
{
	struct t *t = ctx;

	assert_true(t->ngot < MAX_RANGES);
	t->got[t->ngot++] = *r;
	return 0;
}

static int take_may(void *ctx, const struct sys_range *r)
{
	struct t *t = ctx;

	assert_true(t->nmay < MAX_RANGES);
	t->may[t->nmay++] = *r;
	return 0;
}

static bool covered(const struct sys_range *r, int n, uint64_t addr, uint32_t dir)
{
	for (int i = 0; i < n; i++)
		if (addr >= r[i].addr && addr - r[i].addr < r[i].len && r[i].dir & dir)
			return true;
	return false;
}

/* Every byte that changed was reported. */
static void check_changes(const struct t *t)
{
	for (int i = 0; i < t->nbufs; i++) {
		const struct buf *b = &t->buf[i];

		for (size_t k = 0; k < b->map_len; k++)
			if (b->map[k] != b->before[k] &&
			    !covered(t->got, t->ngot, U(b->map + k), SYS_WRITES))
				fail_msg("%s: byte %td of buffer %d (%zu bytes) changed and "
					 "was not reported (result %ld)",
					 t->key, b->map + k - b->p, i, b->n, t->ret);
	}
}

/* Every range lies within a buffer, and was foretold. */
static void check_ranges(const struct t *t)
{
	for (int i = 0; i < t->ngot; i++) {
		const struct sys_range *r = &t->got[i];
		bool within = false;

		for (int k = 0; k < t->nbufs; k++)
			if (r->addr >= U(t->buf[k].p) &&
			    r->addr + r->len <= U(t->buf[k].p) + t->buf[k].n)
				within = true;
		if (!within)
			fail_msg("%s: range %d (%#lx, %lu bytes) reaches beyond its buffer", t->key,
				 i, r->addr, r->len);
		for (uint64_t k = 0; k < r->len; k++)
			if (!t->in_unknown && !covered(t->may, t->nmay, r->addr + k, SYS_WRITES))
				fail_msg("%s: byte %lu of range %d was not in sys__touched", t->key,
					 k, i);
	}
}

/* What the table said before the call covers all buffers. */
static void check_touched(const struct t *t)
{
	for (int i = 0; i < t->nbufs && !t->in_unknown; i++)
		for (size_t k = 0; k < t->buf[i].n && !t->buf[i].loose; k++)
			if (!covered(t->may, t->nmay, U(t->buf[i].p + k), SYS_READS | SYS_WRITES))
				fail_msg("%s: sys__touched leaves out byte %zu of buffer %d",
					 t->key, k, i);
}

static void keep_before(struct t *t)
{
	for (int i = 0; i < t->nbufs; i++) {
		free(t->buf[i].before);
		t->buf[i].before = malloc(t->buf[i].map_len);
		assert_non_null(t->buf[i].before);
		memcpy(t->buf[i].before, t->buf[i].map, t->buf[i].map_len);
	}
}

static long raw(uint32_t nr, const uint64_t a[6])
{
	long ret = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);

	return ret == -1 ? -errno : ret;
}

static int copy_back(void *ctx, uint64_t from, const struct sys_range *to)
{
	const struct t *t = ctx;

	assert_true(from >= U(t->area) && from + to->len <= U(t->area) + t->area_len);
	memcpy((void *)(uintptr_t)to->addr, (const void *)(uintptr_t)from, to->len);
	return 0;
}

/* Carries the call out on a scratch area. */
static long run_on_scratch(struct t *t, struct sys_invocation *inv, const struct sys_scratch *plan)
{
	uint64_t a[6];

	t->area_len = (plan->bytes + PAGE - 1) / PAGE * PAGE;
	t->area =
		mmap(NULL, t->area_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(t->area, MAP_FAILED);
	memset(t->area, 0xEE, t->area_len);
	memcpy(a, inv->args, sizeof(a));
	for (uint32_t i = 0; i < plan->npieces; i++)
		if (plan->piece[i].dir & SYS_READS)
			memcpy(t->area + plan->piece[i].offset,
			       (const void *)(uintptr_t)plan->piece[i].addr, plan->piece[i].len);
	for (uint32_t i = 0; i < plan->nfixups; i++) {
		uint64_t to = U(t->area) + plan->fixup[i].target;

		if (plan->fixup[i].in_arg)
			a[plan->fixup[i].arg] = to;
		else
			memcpy(t->area + plan->fixup[i].at, &to, sizeof(to));
	}
	inv->ret = raw(inv->nr, a);
	for (int i = 0; i < t->nbufs && !t->pinned; i++)
		assert_memory_equal(t->buf[i].map, t->buf[i].before, t->buf[i].map_len);
	assert_int_equal(sys__scratch_back(inv, plan, U(t->area), copy_back, t), 0);
	t->planned++;
	return inv->ret;
}

static void run_real(struct t *t, struct sys_invocation *inv)
{
	struct sys_scratch plan;
	int n = t->how == SCRATCH ? sys__scratch(inv, &plan) : 0;

	if (n > 0)
		inv->ret = run_on_scratch(t, inv, &plan);
	else
		inv->ret = raw(inv->nr, inv->args);
}

/* The call of a case. */
static void do_call(struct t *t, bool fake, long ret, uint32_t nr, const uint64_t args[6])
{
	struct sys_invocation inv = { .nr = nr, .ret = ret, .read = case_read, .ctx = t };
	int err;

	t->calls++;
	memcpy(inv.args, args, sizeof(inv.args));
	err = sys__touched(&inv, take_may, t);
	if (err && !(t->in_unknown && err == -EOPNOTSUPP))
		fail_msg("%s: sys__touched: %s", t->key, strerror(-err));
	keep_before(t);
	if (!fake)
		run_real(t, &inv);
	t->ret = inv.ret;
	t->err = sys__outputs(&inv, take_got, t);
	if (t->err)
		fail_msg("%s: sys__outputs: %s (result %ld)", t->key, strerror(-t->err), t->ret);
	check_touched(t);
	check_ranges(t);
	if (!fake)
		check_changes(t);
}

/* Makes the call: at most six arguments. Its result is t->ret. */
#define DO(nr, ...) do_call(t, false, 0, nr, (const uint64_t[6]){ __VA_ARGS__ })
/* Says that the call was made and had this result. */
#define DO_FAKE(result, nr, ...) do_call(t, true, result, nr, (const uint64_t[6]){ __VA_ARGS__ })

/* The call went well; where the kernel doesn't have it, the case is left out. */
static inline bool went_well(struct t *t)
{
	if (t->ret == -ENOSYS || t->ret == -EOPNOTSUPP) {
		t->absent = true;
		t->why = strerror((int)-t->ret);
		return false;
	}
	if (t->ret < 0 && t->ret >= -4095)
		fail_msg("%s: %s", t->key, strerror((int)-t->ret));
	return true;
}

/* Leaves the case out: the machine lacks something. */
static inline void leave_out(struct t *t, const char *why)
{
	t->absent = true;
	t->why = why;
}

/* The next range that was reported is this one. */
static inline void expect(struct t *t, uint64_t addr, uint64_t len)
{
	if (t->expected >= t->ngot)
		fail_msg("%s: range %d is missing", t->key, t->expected);
	if (t->got[t->expected].addr != addr || t->got[t->expected].len != len)
		fail_msg("%s: range %d is %#lx, %lu bytes, not %#lx, %lu bytes", t->key,
			 t->expected, t->got[t->expected].addr, t->got[t->expected].len, addr, len);
	t->expected++;
}

/* All ranges were expected. */
static inline void expect_no_more(const struct t *t)
{
	if (t->expected != t->ngot)
		fail_msg("%s: %d ranges reported, not %d", t->key, t->ngot, t->expected);
}

static void end_run(struct t *t)
{
	for (int i = 0; i < t->nfds; i++)
		close(t->fd[i]);
	for (int i = 0; i < t->nbufs; i++) {
		free(t->buf[i].before);
		munmap(t->buf[i].map, t->buf[i].map_len + PAGE);
	}
	if (t->area)
		munmap(t->area, t->area_len);
}

/* Keeps the buffers of a direct run, to hold those of the run on scratch against. */
static void keep_direct(const struct t *t, struct buf kept[MAX_BUFS])
{
	for (int i = 0; i < t->nbufs; i++) {
		kept[i].n = t->buf[i].n;
		kept[i].direct = malloc(t->buf[i].n + 1);
		assert_non_null(kept[i].direct);
		memcpy(kept[i].direct, t->buf[i].p, t->buf[i].n);
	}
}

/* Pointers in buffers differ from run to run, all other bytes must not. */
static bool is_pointer(const struct t *t, const struct buf *b, size_t at)
{
	uint64_t v;

	for (size_t from = at < 7 ? 0 : at - 7; from <= at && from + 8 <= b->n; from++) {
		memcpy(&v, b->p + from, sizeof(v));
		for (int i = 0; i < t->nbufs; i++)
			if (v >= U(t->buf[i].map) && v < U(t->buf[i].map) + t->buf[i].map_len)
				return true;
	}
	return false;
}

static void check_same(const struct t *t, const struct buf kept[MAX_BUFS])
{
	for (int i = 0; i < t->nbufs && !t->varies && !t->absent; i++)
		for (size_t k = 0; k < t->buf[i].n; k++)
			if (t->buf[i].p[k] != kept[i].direct[k] && !is_pointer(t, &t->buf[i], k))
				fail_msg("%s: byte %zu of buffer %d differs between a direct call "
					 "and one on scratch",
					 t->key, k, i);
}

/* One run. */
static void one_run(const struct sys_test *c, uint8_t pattern, enum how how,
		    struct buf kept[MAX_BUFS])
{
	struct t t = { .key = c->key, .pattern = pattern, .how = how };

	c->fn(&t);
	assert_true(t.absent || t.calls == 1);
	if (how == DIRECT)
		keep_direct(&t, kept);
	else if (how == SCRATCH)
		check_same(&t, kept);
	else
		expect_no_more(&t);
	if (t.absent && pattern == 0xA5 && how != SCRATCH)
		print_message("%s: left out: %s\n", c->key, t.why);
	if (how == SCRATCH && !t.absent && !t.planned && !t.no_plan)
		fail_msg("%s: no plan for a scratch area", c->key);
	end_run(&t);
}

/* cmocka's test of a case that is carried out: two patterns, direct and on scratch. */
static void run_case(void **state)
{
	const struct sys_test *c = *state;
	static const uint8_t patterns[2] = { 0xA5, 0x5A };

	for (int i = 0; i < 2; i++) {
		struct buf kept[MAX_BUFS] = { 0 };

		one_run(c, patterns[i], DIRECT, kept);
		one_run(c, patterns[i], SCRATCH, kept);
		for (int k = 0; k < MAX_BUFS; k++)
			free(kept[k].direct);
	}
}

/* cmocka's test of a synthetic case. */
static void run_synthetic(void **state)
{
	const struct sys_test *c = *state;

	assert_non_null(c->why);
	one_run(c, 0xA5, FAKE, NULL);
}

#endif
