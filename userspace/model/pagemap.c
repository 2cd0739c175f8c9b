// SPDX-License-Identifier: MIT
/*
 * pagemap.c: runs of pages in a JudyL array, keyed by their first page.
 *
 * Invariants: runs are not empty and don't overlap. A run is split where a new one begins or ends inside it; those that
 * the new one covers are removed, each of which was inserted once, so that a call costs a constant number of look-ups on
 * average. New runs that continue the one before are joined to it.
 */
#include "model/pagemap.h"

#include <errno.h>
#include <stdlib.h>

#include <Judy.h>

/** Pages from its key up to end (exclusive): ids id, id + step, ... */
struct run {
	uint64_t end, id;
	uint32_t step;
};

void pagemap__free(struct pagemap *p)
{
	Word_t key = 0;

	for (void **v = JudyLFirst(p->runs, &key, NULL); v; v = JudyLNext(p->runs, &key, NULL))
		free(*v);
	JudyLFreeArray(&p->runs, NULL);
	*p = (struct pagemap){ 0 };
}

/** Enters a run at `first`, where none begins. */
static int enter(struct pagemap *p, uint64_t first, const struct run *run)
{
	struct run *r = malloc(sizeof(*r));

	if (!r)
		return -ENOMEM;
	void **v = JudyLIns(&p->runs, first, NULL);
	if (v == PJERR) {
		free(r);
		return -ENOMEM;
	}
	*r = *run;
	*v = r;
	p->n++;
	return 0;
}

/** The run with the greatest key <= *key; *key gets it. NULL if none. */
static struct run *before(const struct pagemap *p, Word_t *key)
{
	void **v = JudyLLast(p->runs, key, NULL);

	return v ? *v : NULL;
}

/** Makes sure that no run goes across the border before page `at`. */
static int split(struct pagemap *p, uint64_t at)
{
	Word_t key = at - 1;
	struct run *r = at ? before(p, &key) : NULL;

	if (!r || r->end <= at)
		return 0;
	struct run tail = { r->end, r->id + (at - key) * r->step, r->step };
	int err = enter(p, at, &tail);
	if (!err)
		r->end = at;
	return err;
}

int pagemap__clear(struct pagemap *p, uint64_t first, uint64_t n)
{
	uint64_t end = first + n;
	Word_t key = first;
	int err = split(p, first);

	if (!err)
		err = split(p, end);
	if (err)
		return err;
	for (void **v = JudyLFirst(p->runs, &key, NULL); v && key < end;
	     v = JudyLFirst(p->runs, &key, NULL)) {
		free(*v);
		JudyLDel(&p->runs, key, NULL);
		p->n--;
	}
	return 0;
}

int pagemap__set(struct pagemap *p, uint64_t first, uint64_t n, uint64_t id, uint32_t step)
{
	int err = pagemap__clear(p, first, n);
	Word_t key = first;

	if (err)
		return err;
	struct run *r = before(p, &key);
	if (r && r->end == first) {
		uint64_t len = first - key;

		/* a run of one page takes the step of what follows it */
		if (len == 1 && n == 1)
			step = r->step = id == r->id + 1;
		else if (len == 1)
			r->step = step;
		else if (n == 1)
			step = r->step;
		if (r->step == step && id == r->id + len * step) {
			r->end = first + n;
			return 0;
		}
	}
	struct run run = { first + n, id, step };
	return enter(p, first, &run);
}

bool pagemap__get(const struct pagemap *p, uint64_t index, uint64_t *ret_id)
{
	Word_t key = index;
	const struct run *r = before(p, &key);

	if (!r || r->end <= index)
		return false;
	*ret_id = r->id + (index - key) * r->step;
	return true;
}

int pagemap__each(const struct pagemap *p,
		  int (*fn)(void *ctx, uint64_t first, uint64_t n, uint64_t id, uint32_t step),
		  void *ctx)
{
	Word_t key = 0;

	for (void **v = JudyLFirst(p->runs, &key, NULL); v; v = JudyLNext(p->runs, &key, NULL)) {
		const struct run *r = *v;
		int ret = fn(ctx, key, r->end - key, r->id, r->step);

		if (ret)
			return ret;
	}
	return 0;
}
