/* SPDX-License-Identifier: MIT */
#include "space/space.h"

#include <errno.h>
#include <stdlib.h>

#include "space/read.h"

/* A sink that compares with the model. */
struct comparing {
	struct page_sink sink;
	struct writer *w;
	const struct model *m;
	uint32_t object;
	struct space_diffs *diffs;
};

static int add_diff(struct space_diffs *d, uint64_t index, uint64_t old_id, uint64_t new_id)
{
	if (d->n == d->cap) {
		size_t cap = d->cap ? 2 * d->cap : 16;
		struct space_diff *v = reallocarray(d->v, cap, sizeof(*v));
		if (!v)
			return -ENOMEM;
		d->v = v;
		d->cap = cap;
	}
	d->v[d->n++] = (struct space_diff){ index, old_id, new_id };
	return 0;
}

static int compare_page(struct page_sink *s, uint64_t index, const void *data)
{
	struct comparing *c = (struct comparing *)s;
	const uint64_t old = model__object_page(c->m, c->object, index);
	uint64_t id;

	if (writer__page_is(c->w, old, data))
		return 0;
	int err = writer__page(c->w, data, &id);
	return err || id == old ? err : add_diff(c->diffs, index, old, id);
}

static int compare_same(struct page_sink *s, uint64_t index, uint64_t n, uint64_t id)
{
	struct comparing *c = (struct comparing *)s;
	int err = 0;

	for (uint64_t i = 0; i < n && !err; i++) {
		const uint64_t old = model__object_page(c->m, c->object, index + i);
		if (old != id)
			err = add_diff(c->diffs, index + i, old, id);
	}
	return err;
}

int space__compare_file(struct writer *w, const struct model *m, uint32_t object, int fd,
			uint64_t first, uint64_t npages, struct space_diffs *ret,
			uint64_t *ret_size)
{
	struct comparing c = { .sink = { compare_page, compare_same },
			       .w = w,
			       .m = m,
			       .object = object,
			       .diffs = ret };

	return space_read__file(&c.sink, fd, first, npages, ret_size);
}

void space_diffs__free(struct space_diffs *d)
{
	free(d->v);
	*d = (struct space_diffs){ 0 };
}
