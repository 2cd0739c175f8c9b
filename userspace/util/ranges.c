/* SPDX-License-Identifier: MIT */
#include "util/ranges.h"

#include <errno.h>
#include <stdlib.h>

int ranges__add(struct ranges *s, uint64_t first, uint64_t end)
{
	struct range *last = s->n ? &s->v[s->n - 1] : NULL;

	if (first >= end)
		return 0;
	if (last && first >= last->first && first <= last->end) {
		last->end = end > last->end ? end : last->end;
		return 0;
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 8;
		struct range *v = reallocarray(s->v, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		s->v = v;
		s->cap = cap;
		last = s->n ? &s->v[s->n - 1] : NULL;
	}
	s->unsettled |= last && first < last->first;
	s->v[s->n++] = (struct range){ first, end };
	return 0;
}

int ranges__add_all(struct ranges *s, const struct ranges *more)
{
	int err = 0;

	for (size_t i = 0; i < more->n && !err; i++)
		err = ranges__add(s, more->v[i].first, more->v[i].end);
	return err;
}

static int by_first(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

void ranges__settle(struct ranges *s)
{
	size_t n = 0;

	if (!s->unsettled)
		return;
	qsort(s->v, s->n, sizeof(*s->v), by_first);
	for (size_t i = 1; i < s->n; i++) {
		if (s->v[i].first > s->v[n].end)
			s->v[++n] = s->v[i];
		else if (s->v[i].end > s->v[n].end)
			s->v[n].end = s->v[i].end;
	}
	s->n = n + 1;
	s->unsettled = false;
}

bool ranges__has(const struct ranges *s, uint64_t number)
{
	size_t lo = 0, hi = s->n; /* the last range that begins at or before it is in [lo, hi) */

	while (hi - lo > 1) {
		const size_t mid = lo + (hi - lo) / 2;

		if (s->v[mid].first <= number)
			lo = mid;
		else
			hi = mid;
	}
	return lo < hi && s->v[lo].first <= number && number < s->v[lo].end;
}

uint64_t ranges__count(const struct ranges *s)
{
	uint64_t count = 0;

	for (size_t i = 0; i < s->n; i++)
		count += s->v[i].end - s->v[i].first;
	return count;
}

int ranges__both(const struct ranges *a, const struct ranges *b, struct ranges *ret)
{
	size_t i = 0, j = 0;
	int err = 0;

	while (i < a->n && j < b->n && !err) {
		const struct range *x = &a->v[i], *y = &b->v[j];

		err = ranges__add(ret, x->first > y->first ? x->first : y->first,
				  x->end < y->end ? x->end : y->end);
		if (x->end < y->end)
			i++;
		else
			j++;
	}
	return err;
}

int ranges__without(const struct ranges *a, const struct ranges *b, struct ranges *ret)
{
	size_t j = 0;
	int err = 0;

	for (size_t i = 0; i < a->n && !err; i++) {
		uint64_t at = a->v[i].first;
		const uint64_t end = a->v[i].end;

		while (j < b->n && b->v[j].end <= at)
			j++;
		for (size_t k = j; k < b->n && b->v[k].first < end && !err; k++) {
			err = ranges__add(ret, at, b->v[k].first);
			at = b->v[k].end;
		}
		if (!err)
			err = ranges__add(ret, at, end);
	}
	return err;
}

void ranges__free(struct ranges *s)
{
	free(s->v);
	*s = (struct ranges){ 0 };
}
