/* SPDX-License-Identifier: MIT */
/*
 * resave.c: contents of pages that are mapped once more.
 *
 * Pages of an object that somebody outside can write are read again at each mapping (object__save): nobody watched them while
 * nobody mapped them. So are those of a file whose size or times have moved (stamp.c). Where an insider maps them already,
 * what has changed since they were saved is a change that this insider could see. It mustn't become the contents as if they
 * had been so all the time; so such pages are looked at (compare.c), and only the others are saved.
 */
#include "record/resave.h"

#include "record/compare.h"
#include "record/insiders.h"
#include "record/object.h"
#include "record/stamp.h"

/** Compares pages, and writes down what differs. 0 or -errno. */
static int look_at(struct recorder *r, struct object *o, const struct ranges *pages)
{
	struct space_diffs d = { 0 };
	uint64_t size = object__size(o);
	bool shown = true;
	int err = 0;

	for (size_t i = 0; i < pages->n && !err; i++)
		err = space__compare_file(r->w, r->m, o->id, o->fd, pages->v[i].first,
					  pages->v[i].end - pages->v[i].first, &d, &size);
	if (!err)
		err = object__shown(r, o, &shown);
	if (!err && shown)
		err = compare__found(r, o, &d, size, now_ns());
	space_diffs__free(&d);
	return err;
}

/** What is mapped was compared just now, and what isn't may have changed. 0 or -ENOMEM. */
static int start_anew(struct object *o, const struct ranges *held, const struct file_stamp *now)
{
	o->stamp = *now;
	return object__keep(o, held);
}

int resave__pages(struct recorder *r, struct object *o, uint64_t first, uint64_t n)
{
	struct range v = { first, first + n };
	const struct ranges all = { .v = &v, .n = 1 };
	struct ranges held = { 0 }, rest = { 0 };
	const bool moved = stamp__moved(r, o);
	const struct file_stamp now = moved ? stamp__of(o) : o->stamp;
	int err = 0;

	if (moved)
		err = insiders__mapped_saved(r, o, 0, ~0ull, &held);
	else if (o->exposed && o->fd >= 0)
		err = insiders__mapped_saved(r, o, first, n, &held);
	if (!err && held.n)
		err = look_at(r, o, &held);
	if (!err && moved)
		err = start_anew(o, &held, &now);
	if (!err)
		err = ranges__without(&all, &held, &rest);
	for (size_t i = 0; i < rest.n && !err; i++)
		err = object__save(r, o, rest.v[i].first, rest.v[i].end - rest.v[i].first);
	ranges__free(&held);
	ranges__free(&rest);
	return err;
}
