/* SPDX-License-Identifier: MIT */
/* object.h: page-cache objects that the tree maps: identity, our descriptor, saved pages. */
#ifndef BPREC_RECORD_OBJECT_H
#define BPREC_RECORD_OBJECT_H

#include <sys/stat.h>

#include "record/recorder.h"

/** What tells one object from another. key and generation are 0 when BPF doesn't watch. */
struct object_key {
	uint64_t key, inode, fs_magic;
	uint32_t dev, generation; /* dev: major << 20 | minor */
	int32_t writecount, mmap_writable;
};

/** Of the object that a record is about. */
struct object_key object__key_of_event(const struct kevent *ke);
/** Of a line of the kernel's lists. */
struct object_key object__key_of_hold(const struct khold *h);
/** Of a file that BPF doesn't watch: inode and device only. */
struct object_key object__key_of_stat(const struct stat *st);

/** Is the record about this object, as far as inode and device tell? */
static inline bool object__is_of(const struct object *o, const struct kevent *ke)
{
	return ke->inode == o->inode && ke->dev == o->dev;
}

/** Finds or makes the object (EV_OBJECT is written for a new one). fd: a read-only descriptor of ours that becomes the
 *  object's, or -1; fd_is_dup: it shares the program's open file description and is used once. 0 or -errno. */
int object__get(struct recorder *r, const struct object_key *key, const char *path, uint32_t flags,
		int fd, bool fd_is_dup, struct object **ret);
/** By id; NULL if there is none. */
struct object *object__find(struct recorder *r, uint32_t id);
/** By the kernel's key, with identity checked (DESIGN 12, rule 12); NULL if it is none of ours. */
struct object *object__by_kevent(struct recorder *r, const struct kevent *ke);
/** The same of a line of the kernel's lists. */
struct object *object__by_hold(struct recorder *r, const struct khold *h);
/** To be asked when contents were read from our descriptor: are they the object's? On an overlay they are those of another file after
 *  a copy-up, whatever was mapped before. Then the descriptor is closed, a gap is written, and *ret is false. 0 or -errno. */
int object__shown(struct recorder *r, struct object *o, bool *ret);
/** Makes sure that pages [first, first + n) are saved and up to date (EV_PAGES). 0 or -errno. */
int object__save(struct recorder *r, struct object *o, uint64_t first, uint64_t n);
/** Calls fn with each saved range that meets [first, first + n). 0, -errno or fn's value. */
int object__each_saved(struct object *o, uint64_t first, uint64_t n,
		       int (*fn)(struct recorder *r, struct object *o, uint64_t first, uint64_t n,
				 void *ctx),
		       struct recorder *r, void *ctx);
/** When the page, which is saved, was saved or compared last (CLOCK_MONOTONIC ns): at this time or later. */
uint64_t object__looked_ns(const struct object *o, uint64_t page);
/** Ends a look that is under way, as if it had not begun. */
void object__drop_look(struct object *o);
/** The saved pages are no longer to be trusted: nobody maps them. */
void object__forget_pages(struct object *o);
/** The same of pages [first, first + n). 0 or -ENOMEM. */
int object__forget(struct object *o, uint64_t first, uint64_t n);
/** The same of all but these, which are in order. 0 or -ENOMEM. */
int object__keep(struct object *o, const struct ranges *pages);
/** True if a living insider maps one of pages [first, first + n). */
bool object__mapped_at(struct recorder *r, const struct object *o, uint64_t first, uint64_t n);
/** True if a living insider maps it. */
bool object__mapped(struct recorder *r, const struct object *o);
/** Size in bytes now, by our descriptor; 0 if there is none. */
uint64_t object__size(const struct object *o);
/** Releases descriptors of objects that nobody maps (all: regardless of how many there are). */
void object__trim(struct recorder *r, bool all);
/** Frees every object. */
void object__free_all(struct recorder *r);

#endif
