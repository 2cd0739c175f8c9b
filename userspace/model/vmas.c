// SPDX-License-Identifier: MIT
/*
 * vmas.c: a sorted array of mappings, edited as the kernel edits an address space.
 *
 * Invariants between calls: entries are not empty, sorted by address, don't overlap, and no two neighbours could be one
 * entry. Each operation reserves all the room it may need before it changes anything, so that it happens as a whole or
 * not at all.
 */
#include "model/vmas.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void vmas__free(struct vmas *s)
{
	free(s->v);
	*s = (struct vmas){ 0 };
}

/** Makes room for `extra` more entries. */
static int reserve(struct vmas *s, size_t extra)
{
	size_t cap = s->cap ? s->cap : 16;

	while (cap < s->n + extra)
		cap *= 2;
	if (cap == s->cap)
		return 0;
	struct model_vma *v = realloc(s->v, cap * sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->v = v;
	s->cap = cap;
	return 0;
}

int vmas__copy(struct vmas *dst, const struct vmas *src)
{
	int err = reserve(dst, src->n);

	if (err)
		return err;
	if (src->n)
		memcpy(dst->v, src->v, src->n * sizeof(*src->v));
	dst->n = src->n;
	return 0;
}

size_t vmas__at(const struct vmas *s, uint64_t addr)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->v[mid].end > addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/** Moves entries from index i on by one and puts vma there. There is room. */
static void put(struct vmas *s, size_t i, const struct model_vma *vma)
{
	memmove(s->v + i + 1, s->v + i, (s->n - i) * sizeof(*s->v));
	s->v[i] = *vma;
	s->n++;
}

/** Removes entries [i, j). */
static void drop(struct vmas *s, size_t i, size_t j)
{
	memmove(s->v + i, s->v + j, (s->n - j) * sizeof(*s->v));
	s->n -= j - i;
}

/** Cuts a mapping so that it begins at addr, which lies within it. */
static struct model_vma tail_from(const struct model_vma *v, uint64_t addr)
{
	struct model_vma t = *v;

	if (t.object)
		t.offset += addr - t.addr;
	t.addr = addr;
	return t;
}

/** Splits the entry that strictly contains addr, if there is one. Returns the index of the first entry at or above addr.
 *  There is room for one more. */
static size_t split(struct vmas *s, uint64_t addr)
{
	size_t i = vmas__at(s, addr);

	if (i == s->n || s->v[i].addr >= addr)
		return i;
	struct model_vma tail = tail_from(&s->v[i], addr);
	s->v[i].end = addr;
	put(s, i + 1, &tail);
	return i + 1;
}

/** True if b continues a. */
static bool continues(const struct model_vma *a, const struct model_vma *b)
{
	return a->end == b->addr && a->object == b->object && a->prot == b->prot &&
	       a->flags == b->flags && a->kind == b->kind &&
	       (!a->object || a->offset + (a->end - a->addr) == b->offset);
}

/** Joins the entries with indices [from - 1, to], as far as they exist, where they continue each other. */
static void join(struct vmas *s, size_t from, size_t to)
{
	size_t i = from ? from - 1 : 0, last = to < s->n ? to : s->n - 1, out = i;

	if (!s->n || i >= s->n)
		return;
	for (size_t k = i + 1; k <= last; k++) {
		if (continues(&s->v[out], &s->v[k]))
			s->v[out].end = s->v[k].end;
		else
			s->v[++out] = s->v[k];
	}
	drop(s, out + 1, last + 1);
}

/** Removes [lo, hi); returns the index where something at lo would go. There is room for one more entry. */
static size_t cut(struct vmas *s, uint64_t lo, uint64_t hi)
{
	size_t i = vmas__at(s, lo);

	if (i < s->n && s->v[i].addr < lo && s->v[i].end > hi) {
		split(s, hi);
		s->v[i].end = lo;
		return i + 1;
	}
	if (i < s->n && s->v[i].addr < lo)
		s->v[i++].end = lo;
	size_t j = i;
	while (j < s->n && s->v[j].end <= hi)
		j++;
	drop(s, i, j);
	if (i < s->n && s->v[i].addr < hi)
		s->v[i] = tail_from(&s->v[i], hi);
	return i;
}

int vmas__map(struct vmas *s, const struct model_vma *vma)
{
	struct model_vma add = *vma;
	int err = reserve(s, 2);

	if (err)
		return err;
	if (!add.object)
		add.offset = 0;
	size_t i = cut(s, add.addr, add.end);
	put(s, i, &add);
	join(s, i, i + 1);
	return 0;
}

int vmas__unmap(struct vmas *s, uint64_t lo, uint64_t hi)
{
	int err = reserve(s, 1);

	if (err)
		return err;
	cut(s, lo, hi);
	return 0;
}

int vmas__protect(struct vmas *s, uint64_t lo, uint64_t hi, uint32_t prot)
{
	int err = reserve(s, 2);

	if (err)
		return err;
	size_t i = split(s, lo), j = split(s, hi);
	for (size_t k = i; k < j; k++)
		s->v[k].prot = prot;
	join(s, i, j);
	return 0;
}

/** Grows or shrinks a mapping without moving it. */
static int resize(struct vmas *s, uint64_t old, uint64_t old_len, uint64_t new_len)
{
	size_t i = vmas__at(s, old + old_len - 1);

	if (new_len <= old_len)
		return new_len == old_len ? 0 : vmas__unmap(s, old + new_len, old + old_len);
	if (i == s->n || s->v[i].addr >= old + old_len || s->v[i].end != old + old_len)
		return -EINVAL; /* what grows must end where it says */
	if (i + 1 < s->n && s->v[i + 1].addr < old + new_len)
		return -EINVAL;
	s->v[i].end = old + new_len;
	join(s, i + 1, i + 1);
	return 0;
}

/** Copies what is mapped in [lo, hi) to ret, as if it began at address `to`. */
static int lift(const struct vmas *s, uint64_t lo, uint64_t hi, uint64_t to, struct vmas *ret)
{
	for (size_t i = vmas__at(s, lo); i < s->n && s->v[i].addr < hi; i++) {
		struct model_vma v = s->v[i].addr < lo ? tail_from(&s->v[i], lo) : s->v[i];
		int err = reserve(ret, 1);

		if (err)
			return err;
		if (v.end > hi)
			v.end = hi;
		v.end = v.end - lo + to;
		v.addr = v.addr - lo + to;
		ret->v[ret->n++] = v;
	}
	return ret->n ? 0 : -EINVAL;
}

/** Fits what was lifted to its new length; it began at `to`. */
static int fit(struct vmas *m, uint64_t to, uint64_t old_len, uint64_t new_len)
{
	if (new_len < old_len)
		return vmas__unmap(m, to + new_len, to + old_len);
	if (new_len > old_len && m->v[m->n - 1].end != to + old_len)
		return -EINVAL;
	if (new_len > old_len)
		m->v[m->n - 1].end = to + new_len;
	return 0;
}

int vmas__remap(struct vmas *s, uint64_t old, uint64_t old_len, uint64_t new_addr, uint64_t new_len,
		bool keep)
{
	struct vmas moved = { 0 };
	uint64_t take = old_len ? old_len : 1;
	int err;

	if (old == new_addr && old_len)
		return keep ? -EINVAL : resize(s, old, old_len, new_len);
	if (old < new_addr + new_len && new_addr < old + take)
		return -EINVAL;
	err = lift(s, old, old + take, new_addr, &moved);
	if (err)
		goto out;
	err = fit(&moved, new_addr, take, new_len);
	if (err)
		goto out;
	err = reserve(s, moved.n + 4);
	if (err)
		goto out;
	if (!keep && old_len)
		cut(s, old, old + old_len);
	cut(s, new_addr, new_addr + new_len);
	for (size_t i = 0; i < moved.n; i++)
		vmas__map(s, &moved.v[i]);
out:
	vmas__free(&moved);
	return err;
}
