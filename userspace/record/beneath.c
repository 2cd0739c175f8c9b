/* SPDX-License-Identifier: MIT */
#include "record/beneath.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "record/emit.h"
#include "record/lower.h"
#include "record/object.h"
#include "record/who.h"

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

/** Who did what to something below mapped files: once for each that does. */
static int on_lower(struct recorder *r, const struct kevent *ke, const struct object *above,
		    const char *name)
{
	struct ksum sum;
	uint32_t writer;
	int err;

	if (ke->flags & KEVF_SUMMED) /* one is enough: the slot is needed for others */
		kern__sum_take(r->k, ke->aux, &sum);
	if (ke->type != KEV_BEGIN && ke->type != KEV_MAPPED)
		return 0;
	writer = who__from_event(r, ke);
	err = is_new(r, ke->dev, ke->inode, writer);
	if (err <= 0)
		return err;
	return emit__gap(
		r, GAP_CHANNEL_UNSEEN, CH_BLOCK_DEVICE, above ? above->id : 0,
		"pid %u (%.15s) %s %s, on which mapped files lie: what a page of them holds when "
		"it is read again isn't known",
		ke->tgid, ke->comm, ke->type == KEV_MAPPED ? "maps" : "wrote to", name);
}

/** The device is known by its inode's number, which is its own (bdev_add). It is watched because of a file of some mapped
 *  object's file system, on it or on a part of it. */
static int on_device(struct recorder *r, const struct kevent *ke)
{
	const uint32_t dev = ke->inode;
	char name[64];

	snprintf(name, sizeof(name), "the block device %u:%u", dev >> 20, dev & 0xfffff);
	return on_lower(r, ke, object_on(r, dev), name);
}

/** The file of a loop device. What the device itself writes there comes from the file system on it: that is no change. */
static int on_file(struct recorder *r, const struct kevent *ke, const char *path)
{
	char name[320];

	if (ke->channel == CH_KERNEL)
		return 0;
	snprintf(name, sizeof(name), "%.256s, the file of a loop device", path);
	return on_lower(r, ke, NULL, name);
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
	const char *file;

	*ret_taken = true;
	if (ke->type == KEV_UPROBE) {
		r->uprobe = *ke;
		return 0;
	}
	if (ke->type == KEV_UPROBED)
		return on_uprobed(r, ke);
	file = lower__file(r, ke->object);
	*ret_taken = ke->type != KEV_WATCH && (file || ke->fs_magic == BDEVFS_MAGIC) &&
		     !object__by_kevent(r, ke);
	if (!*ret_taken)
		return 0;
	return file ? on_file(r, ke, file) : on_device(r, ke);
}

void beneath__free(struct recorder *r)
{
	struct beneath *b, *next;

	LL_FOREACH_SAFE (r->beneath, b, next)
		free(b);
	r->beneath = NULL;
}
