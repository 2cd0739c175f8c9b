/* SPDX-License-Identifier: MIT */
/*
 * faults.c: outsiders' faults, by page.
 *
 * A fault tells who may have stored to a page, from when on, and stays: the stores that follow are silent. When the outsider is
 * gone it explains only differences of pages that were not looked at since. Those of one page are found by it, however many
 * there are; those of more (a folio that became dirty) are few, and in a list.
 */
#include "record/faults.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "record/exposure.h"
#include "record/object.h"
#include "record/stacks.h"
#include "record/who.h"

#define LOOK_AFTER_NS 1000000ull /* the store comes after the event: look a moment later */

/** Can a difference that is found now be this outsider's? Not if the page was looked at since it ended. */
static bool can_be(const struct fault *f, uint64_t looked_ns)
{
	return !f->gone_ns || looked_ns < f->gone_ns;
}

/** The newest fault of a list, from f on, that can have changed the page; NULL: none. */
static const struct fault *newest(const struct fault *f, uint64_t page, uint64_t looked_ns)
{
	while (f && !(page >= f->first && page - f->first < f->n && can_be(f, looked_ns)))
		f = f->next;
	return f;
}

const struct fault *faults__on(const struct object *o, uint64_t page)
{
	const uint64_t looked_ns = object__looked_ns(o, page);
	const struct fault *wide = newest(o->wide, page, looked_ns);
	struct fault *first;
	const struct fault *f;

	HASH_FIND(hh, o->faults, &page, sizeof(page), first);
	f = newest(first, page, looked_ns);
	if (!f || !wide)
		return f ? f : wide;
	return !wide->writer || f->again_ns > wide->again_ns ? f : wide;
}

/** The earlier of a time and of the first faults of a list that can have changed the page. */
static uint64_t earliest(const struct fault *f, uint64_t page, uint64_t looked_ns, uint64_t ns)
{
	while ((f = newest(f, page, looked_ns))) {
		if (f->ns < ns)
			ns = f->ns;
		f = f->next;
	}
	return ns;
}

uint64_t faults__since(const struct object *o, uint64_t page)
{
	const uint64_t looked_ns = object__looked_ns(o, page);
	const struct fault *first;

	HASH_FIND(hh, o->faults, &page, sizeof(page), first);
	return earliest(o->wide, page, looked_ns, earliest(first, page, looked_ns, UINT64_MAX));
}

int faults__each(const struct object *o, int (*fn)(void *ctx, const struct fault *f), void *ctx)
{
	const struct fault *of_page, *f;
	int err = 0;

	for (of_page = o->faults; of_page && !err; of_page = of_page->hh.next)
		for (f = of_page; f && !err; f = f->next)
			err = fn(ctx, f);
	for (f = o->wide; f && !err; f = f->next)
		err = fn(ctx, f);
	return err;
}

/** Search for the one outsider. */
struct near {
	const struct object *o;
	const struct fault *found;
};

static int is_another(void *ctx, const struct fault *f)
{
	struct near *n = ctx;

	if (!f->writer || !can_be(f, n->o->look_ns))
		return 0;
	if (n->found && (f->writer != n->found->writer || f->channel != n->found->channel))
		return 1;
	n->found = f;
	return 0;
}

const struct fault *faults__near(const struct object *o)
{
	struct near n = { .o = o };

	return faults__each(o, is_another, &n) ? NULL : n.found;
}

static int can_have_stored(void *ctx, const struct fault *f)
{
	return can_be(f, ((const struct object *)ctx)->look_ns);
}

bool faults__any(const struct object *o)
{
	return faults__each(o, can_have_stored, (void *)o);
}

static void end_list(struct fault *f, uint32_t writer, uint64_t ns)
{
	for (; f; f = f->next)
		if (f->writer == writer && !f->gone_ns)
			f->gone_ns = ns;
}

void faults__outsider_gone(struct recorder *r, const struct kevent *ke)
{
	const struct outsider *w;
	struct object *o;
	struct fault *f;

	LL_FOREACH (r->outsiders, w) {
		if (w->pid != (pid_t)ke->tgid)
			continue;
		for (o = r->objects; o; o = o->hh.next) {
			for (f = o->faults; f; f = f->hh.next)
				end_list(f, w->id, ke->ns);
			end_list(o->wide, w->id, ke->ns);
		}
	}
}

/** The list without those that explain no difference any more. */
static struct fault *useful(struct fault *list, uint64_t looked_ns)
{
	struct fault *kept = NULL, **end = &kept;

	while (list) {
		struct fault *f = list;

		list = f->next;
		if (!can_be(f, looked_ns)) {
			free(f);
			continue;
		}
		*end = f;
		end = &f->next;
	}
	*end = NULL;
	return kept;
}

/** Puts it at the head of its list; those of outsiders that are gone go from there as soon as they don't matter. */
static void add(struct object *o, struct fault *f)
{
	struct fault *head;

	if (f->n > 1) {
		f->next = useful(o->wide, o->look_ns);
		o->wide = f;
		return;
	}
	HASH_FIND(hh, o->faults, &f->first, sizeof(f->first), head);
	if (head)
		HASH_DEL(o->faults, head);
	f->next = useful(head, object__looked_ns(o, f->first));
	HASH_ADD(hh, o->faults, first, sizeof(f->first), f);
}

/** The writer's own fault of just these pages, now at the head of its list; NULL: it has none. So the list has one for each writer,
 *  however often they take turns. */
static struct fault *bring_forward(struct object *o, uint64_t first, uint64_t n, uint32_t writer)
{
	struct fault *before = o->wide, *f;

	if (n == 1)
		HASH_FIND(hh, o->faults, &first, sizeof(first), before);
	if (before && before->writer == writer && before->first == first && before->n == n &&
	    !before->gone_ns)
		return before;
	for (; before && before->next; before = before->next) {
		f = before->next;
		if (f->writer != writer || f->first != first || f->n != n || f->gone_ns)
			continue;
		before->next = f->next;
		add(o, f);
		return f;
	}
	return NULL;
}

static int note(struct recorder *r, struct object *o, const struct kevent *ke, uint32_t writer,
		uint32_t channel)
{
	const uint64_t first = ke->offset / BPREC_PAGE_SIZE;
	const uint64_t pages = (ke->length + BPREC_PAGE_SIZE - 1) / BPREC_PAGE_SIZE;
	const uint64_t n = pages ? pages : 1;
	struct fault *known = (struct fault *)faults__on(o, first), *f;

	o->exposed = true;
	if (o->next_look_ns > ke->ns + LOOK_AFTER_NS)
		o->next_look_ns = ke->ns + LOOK_AFTER_NS;
	if (known && (known->writer == writer || !writer) && known->n >= n) {
		known->again_ns = ke->ns;
		return 0;
	}
	f = bring_forward(o, first, n, writer);
	if (f) {
		f->again_ns = ke->ns;
		return 0;
	}
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->first = first;
	f->n = n;
	f->writer = writer;
	f->channel = channel;
	f->stack = stacks__of_event(r, ke, writer);
	f->ns = f->again_ns = ke->ns;
	add(o, f);
	return 0;
}

/** Whose event it is isn't who stored: a thread of the kernel's; or whoever has a page written back that it doesn't map, which makes
 *  it dirty once more if somebody has stored to it (mm/page-writeback.c, folio_clear_dirty_for_io). */
static bool is_unnamed(const struct kevent *ke, uint32_t channel)
{
	if (ke->flags & KEVF_KTHREAD)
		return true;
	return ke->type == KEV_DIRTY && channel == CH_MMAP_STORE && ke->channel != CH_MMAP_STORE;
}

int faults__event(struct recorder *r, const struct kevent *ke)
{
	struct object *o = object__by_kevent(r, ke);
	uint32_t channel = CH_MMAP_STORE;

	if (!o || ke->flags & KEVF_INSIDER)
		return 0;
	if (ke->type == KEV_DIRTY && !exposure__by_mapping(r, o) && !o->owed_stores)
		channel = ke->flags & KEVF_KTHREAD ? CH_KERNEL : CH_UNKNOWN;
	return note(r, o, ke, is_unnamed(ke, channel) ? 0 : who__from_event(r, ke), channel);
}
