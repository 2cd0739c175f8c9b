/* SPDX-License-Identifier: MIT */
/*
 * beneath.c: who changes what lies below mapped files, and breakpoints in memory.
 *
 * A recording enters what lies below when something on it is mapped (lower.c): whatever is done to it counts. A watch has entered
 * all that there is, and a change counts if something lies on it that insiders map. Its record may come before we know of a mapping
 * that is older, and a sum goes on after its record; so a change of what nobody maps yet is kept, with the time at which it was
 * over, and counts as soon as a mapping turns out to have begun before that.
 */
#include "record/beneath.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "record/emit.h"
#include "record/lower.h"
#include "record/object.h"
#include "record/who.h"

#define BCACHEFS_MAGIC 0xca451a4e /* fs/bcachefs, BCACHEFS_STATFS_MAGIC */
#define UNDECIDED_MAX  1024	  /* calls under way; some never end (kevent.h) */

/** A change that counts if a mapping proves to be older. */
struct undecided {
	struct kevent ke;
	uint64_t until_ns; /* it was over then; ~0: it isn't known to be over */
	bool lasting;	   /* it stands for others, too, and is never over */
	struct undecided *next;
};

/** An object of the file system on this device that insiders map; NULL: there is none. */
static struct object *object_on(struct recorder *r, uint32_t dev)
{
	for (struct object *o = r->objects; o; o = o->hh.next)
		if (o->dev == dev && object__mapped(r, o))
			return o;
	return NULL;
}

/** Told once per writer of what lies beneath, by its device and inode number. 1: it is new, 0, or -ENOMEM. */
static int is_new(struct recorder *r, uint32_t dev, uint64_t inode, uint32_t writer)
{
	struct beneath *b;

	LL_FOREACH (r->beneath, b)
		if (b->dev == dev && b->inode == inode && b->writer == writer)
			return 0;
	b = malloc(sizeof(*b));
	if (!b)
		return -ENOMEM;
	*b = (struct beneath){ .dev = dev, .inode = inode, .writer = writer };
	LL_PREPEND(r->beneath, b);
	return 1;
}

/** A device is known by its inode's number, which is its own (bdev_add), a file by its key. */
static uint64_t lower_id(const struct kevent *ke)
{
	return ke->fs_magic == BDEVFS_MAGIC ? ke->inode : ke->object;
}

/** Who did what to something below mapped files: once for each that does. */
static int tell_lower(struct recorder *r, const struct kevent *ke)
{
	const bool is_device = ke->fs_magic == BDEVFS_MAGIC;
	const uint32_t dev = ke->inode, writer = who__from_event(r, ke);
	const struct object *above = is_device ? object_on(r, dev) : NULL;
	const char *path = lower__file(r, ke->object, ke->inode);
	const int err = is_new(r, ke->dev, ke->inode, writer);
	char name[320];

	if (err <= 0)
		return err;
	if (is_device)
		snprintf(name, sizeof(name), "the block device %u:%u", dev >> 20, dev & 0xfffff);
	else
		snprintf(name, sizeof(name), "%.256s, the file of a loop device", path ? path : "");
	return emit__gap(
		r, GAP_CHANNEL_UNSEEN, CH_BLOCK_DEVICE, above ? above->id : 0,
		"pid %u (%.15s) %s %s, on which mapped files lie: what a page of them holds when "
		"it is read again isn't known",
		ke->tgid, ke->comm, ke->type == KEV_MAPPED ? "maps" : "wrote to", name);
}

/** Until when it may have changed: ~0 if it goes on. A sum is taken: its slot is needed for others. */
static uint64_t changed_until(struct recorder *r, const struct kevent *ke)
{
	struct ksum sum;

	if (ke->flags & KEVF_SUMMED) {
		if (kern__sum_take(r->k, ke->aux, &sum) != 1)
			return ~0ull;
		return sum.flags & KSUM_ASYNC ? now_ns() : sum.last_ns;
	}
	return ke->type == KEV_END ? ke->ns : ~0ull;
}

/** Is it the same call, or the same process that maps it? */
static bool is_same(const struct kevent *a, const struct kevent *b)
{
	if (a->type == KEV_MAPPED || b->type == KEV_MAPPED)
		return a->type == b->type && a->tgid == b->tgid;
	return a->aux == b->aux;
}

/** Does the new one take the place of this? Of those that are over the last is enough. */
static bool takes_place(const struct undecided *u, const struct kevent *ke, uint64_t until_ns)
{
	if (u->lasting || lower_id(&u->ke) != lower_id(ke))
		return false;
	return is_same(&u->ke, ke) || (until_ns != ~0ull && u->until_ns <= until_ns);
}

/** Are there so many that one of the same thing has to stand for this one, too? */
static bool is_stood_for(struct recorder *r, const struct kevent *ke)
{
	struct undecided *u, *other = NULL;
	size_t n = 0;

	LL_FOREACH (r->undecided, u) {
		n++;
		if (u->until_ns == ~0ull && lower_id(&u->ke) == lower_id(ke))
			other = u;
	}
	if (n < UNDECIDED_MAX || !other)
		return false;
	other->lasting = true;
	return true;
}

/** Nothing is mapped that lies on it, as far as we have come: kept until a mapping shows whether it was made before the change was
 *  over. 0 or -ENOMEM. */
static int keep(struct recorder *r, const struct kevent *ke, uint64_t until_ns)
{
	struct undecided *u, *tmp;

	LL_FOREACH_SAFE (r->undecided, u, tmp)
		if (takes_place(u, ke, until_ns)) {
			LL_DELETE(r->undecided, u);
			free(u);
		}
	if (until_ns == ~0ull && is_stood_for(r, ke))
		return 0;
	u = malloc(sizeof(*u));
	if (!u)
		return -ENOMEM;
	*u = (struct undecided){ .ke = *ke, .until_ns = until_ns };
	LL_PREPEND(r->undecided, u);
	return 0;
}

/** Is the object, or its file system, on this device? Of one that can have several devices, and has a number that is none's, that
 *  isn't known. */
static bool is_on(const struct object *o, uint64_t dev)
{
	if (o->fs_magic == BDEVFS_MAGIC)
		return o->inode == dev;
	return o->dev == dev || !o->fs_magic || o->fs_magic == BTRFS_SUPER_MAGIC ||
	       o->fs_magic == BCACHEFS_MAGIC;
}

/** lower_used_fn: this object lies there. */
static bool holds(struct recorder *r, uint64_t id, const void *ctx)
{
	(void)r;
	return is_on(ctx, id);
}

/** lower_used_fn: some object that is mapped does. */
static bool holds_mapped(struct recorder *r, uint64_t id, const void *ctx)
{
	(void)ctx;
	for (struct object *o = r->objects; o; o = o->hh.next)
		if (is_on(o, id) && object__mapped(r, o))
			return true;
	return false;
}

/** What a loop device itself writes to its file comes from the file system on it: that is no change. */
static int on_lower(struct recorder *r, const struct kevent *ke)
{
	const bool changes = ke->type == KEV_BEGIN || ke->type == KEV_END || ke->type == KEV_MAPPED;
	const uint64_t until_ns = changed_until(r, ke);

	if (!changes || (ke->channel == CH_KERNEL && ke->fs_magic != BDEVFS_MAGIC))
		return 0;
	if (!r->watch || lower__is_below(r, lower_id(ke), holds_mapped, NULL))
		return tell_lower(r, ke);
	return keep(r, ke, until_ns);
}

int beneath__mapped(struct recorder *r, const struct object *o, uint64_t since_ns)
{
	struct undecided *u;
	int err = 0;

	LL_FOREACH (r->undecided, u)
		if (!err && u->until_ns >= since_ns &&
		    lower__is_below(r, lower_id(&u->ke), holds, o))
			err = tell_lower(r, &u->ke);
	return err;
}

static int on_uprobed(struct recorder *r, const struct kevent *ke)
{
	const int new = is_new(r, 0, 0, ke->tgid);

	if (new <= 0)
		return new;
	if (!r->uprobe.tgid)
		return emit__gap(r, GAP_CHANNEL_UNSEEN, CH_UPROBE, 0,
				 "there were breakpoints (uprobes) in files that pid %u maps: its "
				 "code ran as if there were none, but it could read them",
				 ke->tgid);
	return emit__gap(
		r, GAP_CHANNEL_UNSEEN, CH_UPROBE, 0,
		"there were breakpoints (uprobes) in files that pid %u maps, last asked for by "
		"pid %u (%.15s): its code ran as if there were none, but it could read them",
		ke->tgid, r->uprobe.tgid, r->uprobe.comm);
}

int beneath__event(struct recorder *r, const struct kevent *ke, bool *ret_taken)
{
	bool is_lower;

	*ret_taken = true;
	if (ke->type == KEV_UPROBE) {
		r->uprobe = *ke;
		return 0;
	}
	if (ke->type == KEV_UPROBED)
		return on_uprobed(r, ke);
	is_lower = ke->fs_magic == BDEVFS_MAGIC || lower__file(r, ke->object, ke->inode);
	*ret_taken = ke->type != KEV_WATCH && is_lower && !object__by_kevent(r, ke);
	return *ret_taken ? on_lower(r, ke) : 0;
}

void beneath__free(struct recorder *r)
{
	struct beneath *b, *next;
	struct undecided *u, *after;

	LL_FOREACH_SAFE (r->undecided, u, after)
		free(u);
	r->undecided = NULL;
	LL_FOREACH_SAFE (r->beneath, b, next)
		free(b);
	r->beneath = NULL;
}
