/* SPDX-License-Identifier: MIT */
/* test_check_build.h: small traces for tests of check and show. Included once by each test program. */
#ifndef TEST_CHECK_BUILD_H
#define TEST_CHECK_BUILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "check/check.h"
#include "trace/reader.h"
#include "trace/writer.h"
#include "util/err.h"

/** A trace that is being made: one process, pid 10, that maps pages 0 to 3 of object 1. */
struct build {
	char dir[64]; /* of the trace, below a scratch directory */
	char top[48]; /* the scratch directory */
	struct writer *w;
	uint64_t pages_no; /* number of the first EV_PAGES */
};

#define PUT(b, type, tid, body) put2(b, type, tid, &(body), sizeof(body), NULL, 0)

static inline uint64_t put2(struct build *b, enum event_type type, uint32_t tid, const void *body,
			    size_t len, const void *tail, size_t tail_len)
{
	const struct iovec v[] = { { (void *)body, len }, { (void *)tail, tail_len } };
	uint64_t no = 0;
	int err = writer__event(b->w, type, tid, tid, v, tail_len ? 2 : 1, &no);

	if (err)
		fail_msg("writer__event: %s: %s", strerror(-err), err__text());
	return no;
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static inline void put_start(struct build *b, uint32_t observed)
{
	static const char strings[] = "./cmd\0arg\0/";
	struct ev_start s = { .argc = 2,
			      .observed = observed,
			      .strings_len = sizeof(strings),
			      .release = "6.1",
			      .version = "0" };

	put2(b, EV_START, 0, &s, sizeof(s), strings, sizeof(strings));
}

static inline void put_hook(struct build *b, enum hook_state state, const char *serves)
{
	struct ev_hook h = { .state = state,
			     .error = state == HOOK_FAILED ? 1 : 0,
			     .name = "tp_btf/page_fault_user" };

	snprintf(h.serves, sizeof(h.serves), "%s", serves);
	PUT(b, EV_HOOK, 0, h);
}

static inline void put_object(struct build *b, uint32_t id, uint32_t flags, const char *path)
{
	struct ev_object o = { .object = id,
			       .flags = flags,
			       .minor = 26,
			       .inode = 600 + id,
			       .size = 4 * 4096,
			       .path_len = strlen(path) + 1 };

	put2(b, EV_OBJECT, 0, &o, sizeof(o), path, o.path_len);
}

static inline uint64_t put_pages(struct build *b, uint32_t object, enum pages_why why,
				 uint64_t first, uint64_t id)
{
	struct ev_pages e = { .object = object,
			      .why = why,
			      .first = first,
			      .npages = 1,
			      .size = 4 * 4096,
			      .read_ns = now_ns(),
			      .nruns = 1 };
	struct page_run r = { id, 1, 0 };

	return put2(b, EV_PAGES, 0, &e, sizeof(e), &r, sizeof(r));
}

static inline void put_process(struct build *b, uint32_t pid, uint32_t tid, uint32_t how,
			       uint32_t parent, uint32_t space)
{
	struct ev_process p = { .how = how, .parent_tid = parent, .space = space, .group = 1 };
	const struct iovec v = { &p, sizeof(p) };

	assert_int_equal(writer__event(b->w, EV_PROCESS, pid, tid, &v, 1, NULL), 0);
}

static inline void put_map(struct build *b, uint32_t tid, uint64_t addr, uint32_t object,
			   uint64_t offset, uint64_t len, uint32_t sharing)
{
	struct ev_map m = { .addr = addr,
			    .len = len,
			    .prot = PROT_READ,
			    .flags = sharing,
			    .offset = offset,
			    .object = object,
			    .kind = MAP_KIND_OBJECT };

	PUT(b, EV_MAP, tid, m);
}

static inline uint64_t put_syscall(struct build *b, uint32_t tid)
{
	struct ev_syscall s = { .nr = 39, .ret = tid, .entry_ns = now_ns() };

	return PUT(b, EV_SYSCALL, tid, s);
}

static inline void put_writer(struct build *b, uint32_t id, uint32_t pid)
{
	static const char strings[] = "/usr/bin/writer\0/slice\0writer -x";
	struct ev_writer w = { .writer = id,
			       .pid = pid,
			       .tid = pid,
			       .strings_len = sizeof(strings),
			       .comm = "writer" };

	put2(b, EV_WRITER, 0, &w, sizeof(w), strings, sizeof(strings));
}

static inline void put_exit(struct build *b, uint32_t tid)
{
	struct ev_exit x = { .kind = END_EXITED };

	PUT(b, EV_EXIT, tid, x);
}

/** An empty trace in a scratch directory. */
static inline void build_new(struct build *b)
{
	/* in memory where possible: a finished trace is synced to its disk */
	strcpy(b->top, "/dev/shm/bprec-check-XXXXXX");
	if (!mkdtemp(b->top)) {
		strcpy(b->top, "/tmp/bprec-check-XXXXXX");
		assert_non_null(mkdtemp(b->top));
	}
	snprintf(b->dir, sizeof(b->dir), "%s/t", b->top);
	assert_int_equal(writer__new(&b->w, b->dir), 0);
}

/** Begins the usual trace: a process that maps object 1, whose pages are saved, and an outsider, 99. */
static inline void build_begin_as(struct build *b, enum observed how)
{
	char page[4096] = "contents";
	uint64_t id;

	build_new(b);
	put_start(b, how);
	put_hook(b, HOOK_ATTACHED, "mmap-store");
	put_process(b, 10, 10, PROC_ROOT, 0, 1);
	put_object(b, 1, 0, "/dev/shm/x");
	put_map(b, 10, 0x10000, 1, 0, 4 * 4096, MAP_SHARED);
	assert_int_equal(writer__page(b->w, page, &id), 0);
	b->pages_no = put_pages(b, 1, PAGES_MAPPED, 2, id);
	put_syscall(b, 10);
	put_writer(b, 1, 99);
}

static inline void build_begin(struct build *b)
{
	build_begin_as(b, OBSERVED_YES);
}

static inline void build_remove(struct build *b)
{
	char cmd[100];

	writer__free(b->w);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", b->top);
	assert_int_equal(system(cmd), 0);
}

/** Opens what has been built, or fails the test. */
static inline struct reader *build_open(struct build *b)
{
	struct reader *r = NULL;

	if (reader__open(&r, b->dir))
		fail_msg("reader__open: %s", reader__error(NULL));
	return r;
}

/** Ends the trace and checks it; removes it. *ret_rep may be NULL after an error, which is returned. */
static inline int build_check(struct build *b, struct check_report **ret_rep)
{
	assert_int_equal(writer__finish(b->w, END_EXITED, 0), 0);
	struct reader *r = build_open(b);
	int err;

	*ret_rep = NULL;
	err = check__run(r, NULL, ret_rep);
	reader__free(r);
	build_remove(b);
	return err;
}

#endif
