/* SPDX-License-Identifier: MIT */
#include "record/beneath.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "record/emit.h"
#include "record/object.h"
#include "record/who.h"

#define BDEVFS_MAGIC 0x62646576 /* <linux/magic.h> of 6.1 hasn't got it */

/** An object of the file system on this device that insiders map; NULL: there is none. */
static struct object *object_on(struct recorder *r, uint32_t dev)
{
	for (struct object *o = r->objects; o; o = o->hh.next)
		if (o->dev == dev && object__mapped(r, o))
			return o;
	return NULL;
}

/** Told once per device and writer. 1: it is new, 0, or -ENOMEM. */
static int is_new(struct recorder *r, uint32_t dev, uint32_t writer)
{
	struct beneath *b;

	LL_FOREACH (r->beneath, b)
		if (b->dev == dev && b->writer == writer)
			return 0;
	b = malloc(sizeof(*b));
	if (!b)
		return -ENOMEM;
	*b = (struct beneath){ .dev = dev, .writer = writer };
	LL_PREPEND(r->beneath, b);
	return 1;
}

/** The device is known by its inode's number, which is its own (bdev_add). It is watched because of a file of some mapped
 *  object's file system, on it or on a part of it. */
static int on_device(struct recorder *r, const struct kevent *ke)
{
	const uint32_t dev = ke->inode;
	const struct object *o;
	struct ksum sum;
	uint32_t writer;
	int err;

	if (ke->flags & KEVF_SUMMED) /* one is enough: the slot is needed for others */
		kern__sum_take(r->k, ke->aux, &sum);
	if (ke->type != KEV_BEGIN && ke->type != KEV_MAPPED)
		return 0;
	writer = who__from_event(r, ke);
	err = is_new(r, dev, writer);
	if (err <= 0)
		return err;
	o = object_on(r, dev);
	return emit__gap(
		r, GAP_CHANNEL_UNSEEN, CH_BLOCK_DEVICE, o ? o->id : 0,
		"pid %u (%.15s) %s the block device %u:%u, on which mapped files lie: what "
		"a page of them holds when it is read again isn't known",
		ke->tgid, ke->comm, ke->type == KEV_MAPPED ? "maps" : "wrote to", dev >> 20,
		dev & 0xfffff);
}

static int on_uprobed(struct recorder *r, const struct kevent *ke)
{
	const int new = is_new(r, 0, ke->tgid);

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
	*ret_taken = true;
	if (ke->type == KEV_UPROBE) {
		r->uprobe = *ke;
		return 0;
	}
	if (ke->type == KEV_UPROBED)
		return on_uprobed(r, ke);
	*ret_taken =
		ke->fs_magic == BDEVFS_MAGIC && ke->type != KEV_WATCH && !object__by_kevent(r, ke);
	return *ret_taken ? on_device(r, ke) : 0;
}

void beneath__free(struct recorder *r)
{
	struct beneath *b, *next;

	LL_FOREACH_SAFE (r->beneath, b, next)
		free(b);
	r->beneath = NULL;
}
