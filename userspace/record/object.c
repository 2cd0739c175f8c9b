/* SPDX-License-Identifier: MIT */
/*
 * object.c: the objects of the tree.
 *
 * An object's saved pages are reused for a later mapping only while it is watched without a gap: we keep a descriptor of
 * our own, which pins the inode, so that the kernel's key stays valid and every change since is seen (DESIGN 12, rules 8
 * and 12). Where that isn't so (not observed, no descriptor of our own, somebody outside could write it), they are hashed
 * again at each mapping; the page store makes that cost no space.
 */
#include "record/object.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "record/emit.h"
#include "record/fskind.h"
#include "record/lower.h"
#include "record/stamp.h"
#include "space/space.h"

#define PINNED_MAX 4096 /* descriptors kept for objects that nobody maps */

struct object *object__find(struct recorder *r, uint32_t id)
{
	struct object *o;

	HASH_FIND_INT(r->objects, &id, o);
	return o;
}

static bool same(const struct object *o, const struct object_key *k)
{
	if (o->inode != k->inode || o->dev != k->dev)
		return false;
	return !k->key || !o->key || (o->key == k->key && o->generation == k->generation);
}

static struct object *find_key(struct recorder *r, const struct object_key *k)
{
	struct object *o;

	HASH_FIND(hh_inode, r->by_inode, &k->inode, sizeof(k->inode), o);
	while (o && !same(o, k))
		o = o->older;
	return o;
}

static void index_inode(struct recorder *r, struct object *o)
{
	HASH_FIND(hh_inode, r->by_inode, &o->inode, sizeof(o->inode), o->older);
	if (o->older)
		HASH_DELETE(hh_inode, r->by_inode, o->older);
	HASH_ADD(hh_inode, r->by_inode, inode, sizeof(o->inode), o);
}

struct object_key object__key_of_event(const struct kevent *ke)
{
	return (struct object_key){
		.key = ke->object,
		.inode = ke->inode,
		.dev = ke->dev,
		.generation = ke->generation,
		.fs_magic = ke->fs_magic,
		.writecount = ke->writecount,
		.mmap_writable = ke->mmap_writable,
	};
}

struct object_key object__key_of_hold(const struct khold *h)
{
	return (struct object_key){
		.key = h->object,
		.inode = h->inode,
		.dev = h->dev,
		.generation = h->generation,
		.fs_magic = h->fs_magic,
		.writecount = h->writecount,
		.mmap_writable = h->mmap_writable,
	};
}

struct object_key object__key_of_stat(const struct stat *st)
{
	return (struct object_key){
		.inode = st->st_ino,
		.dev = major(st->st_dev) << 20 | minor(st->st_dev),
	};
}

struct object *object__by_kevent(struct recorder *r, const struct kevent *ke)
{
	const struct object_key k = object__key_of_event(ke);

	return find_key(r, &k);
}

struct object *object__by_hold(struct recorder *r, const struct khold *h)
{
	const struct object_key k = object__key_of_hold(h);

	return find_key(r, &k);
}

static int write_object(struct recorder *r, struct object *o, const struct object_key *k,
			const char *path, uint32_t flags)
{
	const struct ev_object ev = {
		.object = o->id,
		.flags = flags,
		.major = k->dev >> 20,
		.minor = k->dev & 0xfffff,
		.inode = k->inode,
		.generation = k->generation,
		.fs_magic = k->fs_magic,
		.size = object__size(o),
		.path_len = strlen(path) + 1,
	};

	return emit(r, EV_OBJECT, NULL, &ev, sizeof(ev), path, ev.path_len);
}

/** 9p only counts where it isn't below an overlay, whose layers nobody may change (Documentation/filesystems/overlayfs). */
static bool is_layer(uint64_t magic, int fd)
{
	struct statfs st;

	return magic == V9FS_MAGIC && fd >= 0 && !fstatfs(fd, &st) && st.f_type != V9FS_MAGIC;
}

/** Contents of such an object change without any call on this machine, or may do so. */
static int tell_served(struct recorder *r, const struct object *o, uint64_t magic)
{
	const enum fskind kind = fskind__of(magic);

	if (kind == FSKIND_UNKNOWN)
		return emit__gap(r, GAP_CHANNEL_UNSEEN, CH_UNKNOWN, o->id,
				 "its file system (magic number %#llx) isn't one that bprec knows: "
				 "its contents may change unseen",
				 (unsigned long long)magic);
	if (kind == FSKIND_LOCAL || is_layer(magic, o->fd))
		return 0;
	return emit__gap(r, GAP_CHANNEL_UNSEEN, CH_UNKNOWN, o->id,
			 "its file system gets contents from a program or another machine, "
			 "which can change them unseen");
}

/** Is the descriptor one of another file system, which passes on what is read (overlayfs; FUSE with passthrough)? magic: the
 *  object's file system, 0: not known. */
static bool is_layered(int fd, uint64_t magic)
{
	struct statfs st;

	if (fstatfs(fd, &st))
		return false;
	return magic ? (uint64_t)st.f_type != magic : st.f_type == OVERLAYFS_SUPER_MAGIC;
}

static void close_fd(struct recorder *r, struct object *o)
{
	close(o->fd);
	o->fd = -1;
	r->open_fds--;
}

/** Gives the object a descriptor, if it has none or a borrowed one. */
static void adopt_fd(struct recorder *r, struct object *o, int fd, bool is_dup, uint64_t magic)
{
	if (fd < 0)
		return;
	if (o->fd >= 0 && (!o->fd_is_dup || is_dup)) {
		close(fd);
		return;
	}
	if (o->fd >= 0)
		close(o->fd);
	else
		r->open_fds++;
	o->fd = fd;
	o->fd_is_dup = is_dup;
	o->layered = is_layered(fd, magic);
}

int object__get(struct recorder *r, const struct object_key *k, const char *path, uint32_t flags,
		int fd, bool fd_is_dup, struct object **ret)
{
	struct object *o = find_key(r, k);
	int err = 0;

	if (!o) {
		o = calloc(1, sizeof(*o));
		if (!o)
			return -ENOMEM;
		o->id = ++r->next_object;
		o->key = k->key;
		o->dev = k->dev;
		o->inode = k->inode;
		o->generation = k->generation;
		o->fd = -1;
		o->device = flags & OBJECT_DEVICE;
		o->fs_magic = k->fs_magic;
		o->memory = k->fs_magic == TMPFS_MAGIC || k->fs_magic == HUGETLBFS_MAGIC;
		adopt_fd(r, o, fd, fd_is_dup, k->fs_magic);
		HASH_ADD_INT(r->objects, id, o);
		index_inode(r, o);
		lower__add(r, k->fs_magic == BDEVFS_MAGIC ? k->inode : k->dev);
		err = write_object(r, o, k, path, flags);
		if (!err)
			err = tell_served(r, o, k->fs_magic);
	} else {
		adopt_fd(r, o, fd, fd_is_dup, k->fs_magic);
	}
	o->writecount = k->writecount;
	o->mmap_writable = k->mmap_writable;
	if (r->open_fds > PINNED_MAX)
		object__trim(r, false);
	*ret = o;
	return err;
}

uint64_t object__size(const struct object *o)
{
	struct stat st;

	return o->fd >= 0 && !fstat(o->fd, &st) ? st.st_size : 0;
}

void object__forget_pages(struct object *o)
{
	ranges__free(&o->saved);
	ranges__free(&o->lately);
	ranges__free(&o->stored);
	o->look_ns = 0;
}

/** What is left of the saved pages, if it could be found out. */
static int set_saved(struct object *o, struct ranges *kept, int err)
{
	ranges__free(err ? kept : &o->saved);
	if (!err)
		o->saved = *kept;
	return err;
}

int object__forget(struct object *o, uint64_t first, uint64_t n)
{
	struct range v = { first, n > ~0ull - first ? ~0ull : first + n };
	const struct ranges gone = { .v = &v, .n = 1 };
	struct ranges kept = { 0 };

	return set_saved(o, &kept, ranges__without(&o->saved, &gone, &kept));
}

int object__keep(struct object *o, const struct ranges *pages)
{
	struct ranges kept = { 0 };

	return set_saved(o, &kept, ranges__both(&o->saved, pages, &kept));
}

/** True if [first, end) is saved and can have changed in no way that we don't know of. */
static bool is_saved(struct recorder *r, const struct object *o, uint64_t first, uint64_t end)
{
	if (!r->k || !o->key || o->fd < 0 || o->fd_is_dup)
		return false;
	if (o->exposed || o->writecount > 0 || o->mmap_writable > 0)
		return false;
	for (size_t i = 0; i < o->saved.n; i++)
		if (first >= o->saved.v[i].first && end <= o->saved.v[i].end)
			return true;
	return false;
}

int object__shown(struct recorder *r, struct object *o, bool *ret)
{
	*ret = !o->layered || !r->k || !o->key || o->fd < 0 || kern__shows(r->k, o->fd, o->key) > 0;
	if (*ret)
		return 0;
	close_fd(r, o);
	return emit__gap(
		r, GAP_UNREADABLE, CH_UNKNOWN, o->id,
		"it was copied up: its contents, in a lower layer of the overlay, can't be "
		"read any more");
}

int object__save(struct recorder *r, struct object *o, uint64_t first, uint64_t n)
{
	struct space_runs runs = { 0 };
	const uint64_t begin = now_ns();
	uint64_t size = 0, lost = 0;
	bool shown = true;
	int err;

	if (o->device || o->fd < 0 || is_saved(r, o, first, first + n))
		return 0;
	if (!o->saved.n)
		o->stamp = stamp__of(o);
	err = space__save_file(r->w, o->fd, first, n, &runs, &size, &lost);
	if (!err)
		err = object__shown(r, o, &shown);
	if (err || !shown)
		goto out;
	err = space__emit_pages(r->w, o->id, PAGES_MAPPED, first, &runs, size, NULL, emit__feed, r);
	if (!err && lost)
		err = emit__gap(r, GAP_UNREADABLE, CH_UNKNOWN, o->id,
				"%llu pages could not be read", (unsigned long long)lost);
	if (!err)
		err = ranges__add(&o->saved, first, first + n);
	ranges__settle(&o->saved);
	if (!o->look_ns)
		o->look_ns = begin;
out:
	space_runs__free(&runs);
	return err;
}

int object__each_saved(struct object *o, uint64_t first, uint64_t n,
		       int (*fn)(struct recorder *r, struct object *o, uint64_t first, uint64_t n,
				 void *ctx),
		       struct recorder *r, void *ctx)
{
	const uint64_t end = n > ~0ull - first ? ~0ull : first + n;
	int err = 0;

	for (size_t i = 0; i < o->saved.n && !err; i++) {
		uint64_t lo = o->saved.v[i].first > first ? o->saved.v[i].first : first;
		uint64_t hi = o->saved.v[i].end < end ? o->saved.v[i].end : end;

		if (lo < hi)
			err = fn(r, o, lo, hi - lo, ctx);
	}
	return err;
}

uint64_t object__looked_ns(const struct object *o, uint64_t page)
{
	return o->lately_ns > o->look_ns && ranges__has(&o->lately, page) ? o->lately_ns
									  : o->look_ns;
}

void object__drop_look(struct object *o)
{
	if (o->look)
		ranges__free(&o->look->todo);
	free(o->look);
	o->look = NULL;
}

static int stop_at_first(void *ctx, const struct model_space *s, const struct model_vma *v)
{
	(void)ctx;
	(void)s;
	(void)v;
	return 1;
}

bool object__mapped_at(struct recorder *r, const struct object *o, uint64_t first, uint64_t n)
{
	return model__each_mapper(r->m, o->id, first, n, stop_at_first, NULL) != 0;
}

bool object__mapped(struct recorder *r, const struct object *o)
{
	return object__mapped_at(r, o, 0, ~0ull);
}

static void release(struct recorder *r, struct object *o)
{
	if (o->fd < 0)
		return;
	close_fd(r, o);
	object__forget_pages(o);
	if (r->k && o->key)
		kern__unwatch(r->k, o->key);
	o->key = 0;
}

void object__trim(struct recorder *r, bool all)
{
	for (struct object *o = r->objects; o; o = o->hh.next) {
		if (!all && r->open_fds <= PINNED_MAX / 2)
			return;
		if (o->fd >= 0 && !object__mapped(r, o))
			release(r, o);
	}
}

static void free_list(struct fault *f)
{
	while (f) {
		struct fault *next = f->next;

		free(f);
		f = next;
	}
}

static void free_faults(struct object *o)
{
	struct fault *f, *tmp;

	HASH_ITER (hh, o->faults, f, tmp) {
		HASH_DEL(o->faults, f);
		free_list(f);
	}
	free_list(o->wide);
}

void object__free_all(struct recorder *r)
{
	struct object *o, *tmp;

	HASH_ITER (hh, r->objects, o, tmp) {
		HASH_DEL(r->objects, o);
		if (o->fd >= 0)
			close(o->fd);
		free_faults(o);
		ranges__free(&o->saved);
		ranges__free(&o->lately);
		ranges__free(&o->stored);
		object__drop_look(o);
		free(o);
	}
}
