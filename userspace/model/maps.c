// SPDX-License-Identifier: MIT
/*
 * maps.c: what is mapped where: events that change an address space, objects, and the pages these hold.
 *
 * Invariant: pages are kept only up to the end of an object, and none that is BPREC_PAGE_ABSENT beyond it, so that an
 * object which grows later shows zeros there until it is told otherwise.
 */
#include "model/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <Judy.h>

/** Pages that `bytes` bytes fill, the last one in part. */
static uint64_t pages_of(uint64_t bytes)
{
	return bytes / BPREC_PAGE_SIZE + (bytes % BPREC_PAGE_SIZE != 0);
}

static bool good_range(uint64_t addr, uint64_t len)
{
	return len && !((addr | len) % BPREC_PAGE_SIZE) && addr + len > addr;
}

/** The space an event changes, after a check of the range; NULL after model__refuse. */
static struct space *space_of(struct model *m, const struct event_header *ev, uint64_t addr,
			      uint64_t len)
{
	const struct task *t = task__living(m, ev);

	if (!t)
		return NULL;
	if (!good_range(addr, len)) {
		model__refuse(m, "range 0x%llx+0x%llx", (unsigned long long)addr,
			      (unsigned long long)len);
		return NULL;
	}
	struct space *s = model__get(m->spaces, t->pub.space);
	if (s->maps.n >= MODEL_SPACE_VMAS_MAX || m->nvmas >= MODEL_VMAS_MAX) {
		model__refuse(m, "too many mappings");
		return NULL;
	}
	return s;
}

/** Brings the totals and what callers see up to date after a change; passes err on. */
static int changed(struct model *m, struct space *s, int err)
{
	m->nvmas += s->maps.n - s->pub.nvmas;
	s->pub.vmas = s->maps.v;
	s->pub.nvmas = s->maps.n;
	return err;
}

int apply__map(struct model *m, const struct event_header *ev)
{
	const struct ev_map *e = (const void *)(ev + 1);
	struct space *s = space_of(m, ev, e->addr, e->len);

	if (!s)
		return -EBADMSG;
	if (e->kind < MAP_KIND_OBJECT || e->kind > MAP_KIND_BPREC ||
	    (e->kind == MAP_KIND_OBJECT) != (e->object != 0))
		return model__refuse(m, "mapping of kind %u with object %u", e->kind, e->object);
	if (e->object && !model__get(m->objects, e->object))
		return model__refuse(m, "object %u is not known", e->object);
	if (e->object && (e->offset % BPREC_PAGE_SIZE || e->offset > MODEL_OBJECT_SIZE_MAX ||
			  e->len > MODEL_OBJECT_SIZE_MAX - e->offset))
		return model__refuse(m, "offset 0x%llx in object %u", (unsigned long long)e->offset,
				     e->object);
	struct model_vma v = { e->addr, e->addr + e->len, e->offset, e->object,
			       e->prot, e->flags,	  e->kind };
	return changed(m, s, vmas__map(&s->maps, &v));
}

int apply__unmap(struct model *m, const struct event_header *ev)
{
	const struct ev_unmap *e = (const void *)(ev + 1);
	struct space *s = space_of(m, ev, e->addr, e->len);

	return s ? changed(m, s, vmas__unmap(&s->maps, e->addr, e->addr + e->len)) : -EBADMSG;
}

int apply__protect(struct model *m, const struct event_header *ev)
{
	const struct ev_protect *e = (const void *)(ev + 1);
	struct space *s = space_of(m, ev, e->addr, e->len);

	return s ? changed(m, s, vmas__protect(&s->maps, e->addr, e->addr + e->len, e->prot))
		 : -EBADMSG;
}

int apply__remap(struct model *m, const struct event_header *ev)
{
	const struct ev_remap *e = (const void *)(ev + 1);
	struct space *s = space_of(m, ev, e->new_addr, e->new_len);

	if (!s)
		return -EBADMSG;
	if (e->old_addr % BPREC_PAGE_SIZE || (e->old_len && !good_range(e->old_addr, e->old_len)))
		return model__refuse(m, "range 0x%llx+0x%llx", (unsigned long long)e->old_addr,
				     (unsigned long long)e->old_len);
	/* what grows may not reach beyond the largest object */
	size_t i = vmas__at(&s->maps, e->old_addr + (e->old_len ? e->old_len - 1 : 0));
	if (i < s->maps.n && s->maps.v[i].object &&
	    e->new_len > MODEL_OBJECT_SIZE_MAX - s->maps.v[i].offset)
		return model__refuse(m, "mapping of 0x%llx bytes", (unsigned long long)e->new_len);
	int err = vmas__remap(&s->maps, e->old_addr, e->old_len, e->new_addr, e->new_len,
			      e->flags & MREMAP_DONTUNMAP);
	if (err == -EINVAL)
		return model__refuse(m, "mremap from 0x%llx to 0x%llx can't be",
				     (unsigned long long)e->old_addr,
				     (unsigned long long)e->new_addr);
	return changed(m, s, err);
}

int apply__object(struct model *m, const struct event_header *ev)
{
	const struct ev_object *e = (const void *)(ev + 1);

	if (!e->object || model__get(m->objects, e->object))
		return model__refuse(m, "object %u is not new", e->object);
	if (e->size > MODEL_OBJECT_SIZE_MAX || !e->path_len || e->path_len > MODEL_PATH_MAX)
		return model__refuse(m, "object %u of %llu bytes, path of %u", e->object,
				     (unsigned long long)e->size, e->path_len);
	if (m->nobjects >= MODEL_OBJECTS_MAX)
		return model__refuse(m, "too many objects");
	struct object *o = calloc(1, sizeof(*o));
	char *path = o ? strndup((const char *)(e + 1), e->path_len) : NULL;
	if (!path || model__put(&m->objects, e->object, o)) {
		free(path);
		free(o);
		return -ENOMEM;
	}
	o->pub = (struct model_object){ e->object,   e->flags, e->major, e->minor, e->generation,
					e->fs_magic, e->inode, e->size,	 path };
	m->nobjects++;
	return 0;
}

/** Checks the runs of an EV_PAGES. */
static int check_pages(struct model *m, const struct ev_pages *e)
{
	const struct page_run *r = (const void *)(e + 1);
	const uint64_t most = MODEL_OBJECT_SIZE_MAX / BPREC_PAGE_SIZE;
	uint64_t sum = 0;

	if (e->size > MODEL_OBJECT_SIZE_MAX || e->first > most || e->npages > most - e->first)
		return model__refuse(m, "pages %llu+%llu of object %u, size %llu",
				     (unsigned long long)e->first, (unsigned long long)e->npages,
				     e->object, (unsigned long long)e->size);
	for (uint32_t i = 0; i < e->nruns; i++) {
		uint64_t last = r[i].first + (uint64_t)r[i].step * (r[i].count - 1ull);
		bool special = r[i].first >= BPREC_PAGE_LOST || r[i].first == BPREC_PAGE_ZERO;

		if (!r[i].count || r[i].step > 1 || last < r[i].first ||
		    (special ? r[i].step : last >= BPREC_PAGE_LOST))
			return model__refuse(m, "run %u of pages of object %u", i, e->object);
		sum += r[i].count;
	}
	if (sum != e->npages)
		return model__refuse(m, "%llu pages of object %u in runs, %llu told",
				     (unsigned long long)sum, e->object,
				     (unsigned long long)e->npages);
	return 0;
}

/** Enters a run that begins at page `at` of an object whose first page beyond the end is `end`. */
static int set_run(struct pagemap *p, uint64_t at, const struct page_run *r, uint64_t end)
{
	uint64_t n = r->count;

	if (r->first == BPREC_PAGE_ABSENT && at + n > end) {
		uint64_t from = at > end ? at : end;
		int err = pagemap__clear(p, from, at + n - from);

		if (err || from == at)
			return err;
		n = from - at;
	}
	return pagemap__set(p, at, n, r->first, r->step);
}

int apply__pages(struct model *m, const struct event_header *ev)
{
	const struct ev_pages *e = (const void *)(ev + 1);
	const struct page_run *r = (const void *)(e + 1);
	struct object *o = model__get(m->objects, e->object);
	int err = 0;

	if (!o)
		return model__refuse(m, "object %u is not known", e->object);
	err = check_pages(m, e);
	if (err)
		return err;
	if (m->nruns + e->nruns > MODEL_RUNS_MAX)
		return model__refuse(m, "too many runs of pages");
	size_t had = o->pages.n;
	uint64_t end = pages_of(e->size), at = e->first;
	if (e->size < o->pub.size)
		err = pagemap__clear(&o->pages, end, UINT64_MAX - end);
	for (uint32_t i = 0; !err && i < e->nruns; at += r[i++].count)
		err = set_run(&o->pages, at, &r[i], end);
	o->pub.size = e->size;
	m->nruns += o->pages.n - had;
	return err;
}

uint64_t model__object_page(const struct model *m, uint32_t object, uint64_t index)
{
	const struct object *o = model__get(m->objects, object);
	uint64_t id;

	if (!o)
		return BPREC_PAGE_ABSENT;
	if (pagemap__get(&o->pages, index, &id))
		return id;
	return index < pages_of(o->pub.size) ? BPREC_PAGE_ZERO : BPREC_PAGE_ABSENT;
}

int model__each_run(const struct model *m, uint32_t object, model_run_fn fn, void *ctx)
{
	const struct object *o = model__get(m->objects, object);

	return o ? pagemap__each(&o->pages, fn, ctx) : 0;
}

const struct model_object *model__object(const struct model *m, uint32_t id)
{
	const struct object *o = model__get(m->objects, id);

	return o ? &o->pub : NULL;
}

int model__each_object(const struct model *m, model_object_fn fn, void *ctx)
{
	Word_t id = 0;

	for (void **v = JudyLFirst(m->objects, &id, NULL); v;
	     v = JudyLNext(m->objects, &id, NULL)) {
		const struct object *o = *v;
		int ret = fn(ctx, &o->pub);

		if (ret)
			return ret;
	}
	return 0;
}

const struct model_space *model__space(const struct model *m, uint32_t id)
{
	const struct space *s = model__get(m->spaces, id);

	return s ? &s->pub : NULL;
}

const struct model_vma *model__find_vma(const struct model_space *s, uint64_t addr)
{
	const struct vmas maps = { (struct model_vma *)s->vmas, s->nvmas, 0 };
	size_t i = vmas__at(&maps, addr);

	return i < s->nvmas && s->vmas[i].addr <= addr ? &s->vmas[i] : NULL;
}

/** True if v shows one of the pages [first, first + n) of an object; n ~0: any. */
static bool shows(const struct model_vma *v, uint32_t object, uint64_t first, uint64_t n)
{
	uint64_t lo = v->offset / BPREC_PAGE_SIZE;
	uint64_t hi = lo + (v->end - v->addr) / BPREC_PAGE_SIZE;

	if (v->object != object)
		return false;
	return n == UINT64_MAX || (first < hi && (n > UINT64_MAX - first || first + n > lo));
}

int model__each_mapper(const struct model *m, uint32_t object, uint64_t first, uint64_t n,
		       model_vma_fn fn, void *ctx)
{
	Word_t id = 0;

	if (!object)
		return 0;
	for (void **v = JudyLFirst(m->spaces, &id, NULL); v; v = JudyLNext(m->spaces, &id, NULL)) {
		const struct space *s = *v;

		for (size_t i = 0; i < s->maps.n; i++) {
			if (!shows(&s->maps.v[i], object, first, n))
				continue;
			int ret = fn(ctx, &s->pub, &s->maps.v[i]);

			if (ret)
				return ret;
		}
	}
	return 0;
}
