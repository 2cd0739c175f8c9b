/* SPDX-License-Identifier: MIT */
/* test_model_feed.h: makes events for a model in a test, without a trace. Included once by each test program. */
#ifndef TEST_MODEL_FEED_H
#define TEST_MODEL_FEED_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include "model/model.h"

static uint64_t feed_no;

/** Feeds an event of body and tail; the event lives in a buffer of exactly its size, so that asan sees overruns. */
static inline int feed2(struct model *m, uint16_t type, uint32_t pid, uint32_t tid,
			const void *body, size_t len, const void *tail, size_t tail_len)
{
	size_t size = (sizeof(struct event_header) + len + tail_len + 7) & ~7ull;
	struct event_header *ev = calloc(1, size);

	*ev = (struct event_header){ size, type, 0, tid, pid, 1000 + feed_no, 0 };
	memcpy(ev + 1, body, len);
	if (tail_len)
		memcpy((char *)(ev + 1) + len, tail, tail_len);
	int err = model__apply(m, ev, feed_no++);
	free(ev);
	return err;
}

#define FEED(m, type, pid, tid, body) feed2(m, type, pid, tid, &(body), sizeof(body), NULL, 0)

static inline int feed_process(struct model *m, uint32_t pid, uint32_t tid, uint32_t how,
			       uint32_t parent, uint32_t space)
{
	struct ev_process p = { .how = how, .parent_tid = parent, .space = space, .group = space };

	return FEED(m, EV_PROCESS, pid, tid, p);
}

static inline int feed_exec(struct model *m, uint32_t pid, uint32_t former, uint32_t space,
			    const char *path)
{
	struct ev_exec x = { .space = space, .former_tid = former, .path_len = strlen(path) + 1 };

	return feed2(m, EV_EXEC, pid, pid, &x, sizeof(x), path, strlen(path) + 1);
}

static inline int feed_exit(struct model *m, uint32_t pid, uint32_t tid)
{
	struct ev_exit x = { .kind = END_EXITED, .code = 3 };

	return FEED(m, EV_EXIT, pid, tid, x);
}

static inline int feed_object(struct model *m, uint32_t id, uint64_t size)
{
	struct ev_object o = { .object = id, .size = size, .inode = id, .path_len = 5 };

	return feed2(m, EV_OBJECT, 0, 0, &o, sizeof(o), "/obj", 5);
}

static inline int feed_map(struct model *m, uint32_t tid, uint64_t addr, uint64_t len,
			   uint32_t prot, uint32_t object, uint64_t offset)
{
	struct ev_map e = { addr,
			    len,
			    prot,
			    object ? 1 : 0x22,
			    offset,
			    object,
			    object ? MAP_KIND_OBJECT : MAP_KIND_ANON };

	return FEED(m, EV_MAP, tid, tid, e);
}

static inline int feed_pages(struct model *m, uint32_t object, uint64_t first, uint64_t size,
			     const struct page_run *runs, uint32_t nruns)
{
	struct ev_pages e = { .object = object, .first = first, .size = size, .nruns = nruns };

	for (uint32_t i = 0; i < nruns; i++)
		e.npages += runs[i].count;
	return feed2(m, EV_PAGES, 0, 0, &e, sizeof(e), runs, nruns * sizeof(*runs));
}

#endif
