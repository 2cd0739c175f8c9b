/* SPDX-License-Identifier: MIT */
/*
 * watch_maps.c: mappings of processes that nobody stops.
 *
 * What is added comes from records: the kernel tells of each mmap at its end, with the address, before the program can use
 * it, and of what exec mapped. What goes is found by listing: a process that unmapped something is stirred (once, until it is
 * listed), and its list is held against the model. The list may be newer than records that wait in the ring; so a mapping
 * that is missing in it is taken out of the model only after those were acted on, and stays if one of them maps there again.
 * Thus the model never has less than the process has; for a moment it may have more, and a change is then reported
 * although the mapping has just gone.
 *
 * Contents are saved when we come to it. A process that has ended by then is known to have mapped the object all the same; if
 * nobody else has a descriptor for it, a change of it counts as lost.
 */
#include "record/watch_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/beneath.h"
#include "record/emit.h"
#include "record/exposure.h"
#include "record/maplist.h"
#include "record/mapping.h"
#include "record/object.h"
#include "record/outside.h"
#include "record/resave.h"

#define VMA_MAYSHARE \
	0x80 /* VM_MAYSHARE of <linux/mm.h>: MAP_SHARED, also of a file that is open read-only */
#define VMA_PROT    7 /* VM_READ, VM_WRITE, VM_EXEC have the values of PROT_* */
#define PAGE_END(n) (((n) + BPREC_PAGE_SIZE - 1) & ~(uint64_t)(BPREC_PAGE_SIZE - 1))
#define LIST_SHARE  10 /* listing one process takes at most one part in so many of the time */

/** Opens a file whose process may have gone, by its path inside its mount, if it is the very file. */
static int open_named(const struct kevent *ke)
{
	int fd = open(ke->exe, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	struct object_key found;
	struct stat st;

	if (fd < 0)
		return -1;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode)) {
		found = object__key_of_stat(&st);
		if (found.inode == ke->inode && found.dev == ke->dev)
			return fd;
	}
	close(fd);
	return -1;
}

/** Makes an object of which only a record is left. */
static int make_unseen(struct recorder *r, const struct task *t, const struct kevent *ke,
		       const struct object_key *key, struct object **ret)
{
	const struct kevent *named = ke->flags & KEVF_IMAGE ? ke : &t->watch;
	const bool is_named = named->object == ke->object && named->exe[0];
	char path[128];

	if (is_named)
		snprintf(path, sizeof(path), "%.64s", named->exe);
	else
		snprintf(path, sizeof(path), "inode %llu of device %u:%u",
			 (unsigned long long)ke->inode, ke->dev >> 20, ke->dev & 0xfffff);
	return object__get(r, key, path, ke->flags & KEVF_SPECIAL ? OBJECT_DEVICE : 0,
			   is_named ? open_named(named) : -1, false, ret);
}

/** An object that was let go (nobody mapped it) is mapped again: the record is of a time when the kernel watched it, unless
 *  the end of the watch came in between. */
static int watched_again(struct recorder *r, struct task *t, struct object *o,
			 const struct kevent *ke)
{
	struct kern_counters c;
	struct maplist l = { 0 };
	int err;

	o->key = ke->object;
	o->generation = ke->generation;
	if (kern__counters(r->k, o->key, &c) != -ENOENT)
		return 0;
	err = maplist__watch(&l, r->k, t->pid);
	maplist__free(&l);
	if (err == -ENOMEM)
		return err;
	return emit__gap(r, GAP_NOT_OBSERVED, CH_UNKNOWN, o->id,
			 "it was mapped again at the moment when its watch was given up");
}

/** The object of a record. */
static int object_of(struct recorder *r, struct task *t, const struct kevent *ke,
		     struct object **ret)
{
	const struct object_key key = object__key_of_event(ke);
	struct object *o = object__by_kevent(r, ke);
	struct maplist l = { 0 };
	const struct tracee_map *m;
	int err = 0;

	if (o && !o->key)
		err = watched_again(r, t, o, ke);
	*ret = o;
	if (err || (o && (o->fd >= 0 || o->device))) {
		if (o) {
			o->writecount = ke->writecount;
			o->mmap_writable = ke->mmap_writable;
		}
		return err;
	}
	m = maplist__map_at(&l, t->pid, ke->aux);
	if (m && m->inode == ke->inode)
		err = mapping__get_object(r, t->pid, m, &key, ret);
	else
		err = make_unseen(r, t, ke, &key, ret);
	maplist__free(&l);
	return err;
}

static const char *path_of(const struct recorder *r, const struct object *o)
{
	const struct model_object *m = model__object(r->m, o->id);

	return m ? m->path : "";
}

/** A mapping is made at [start, end): what a list found gone there is not what is there now. */
static void not_gone(struct aspace *s, uint64_t start, uint64_t end)
{
	size_t n = 0;

	for (size_t i = 0; i < s->ngone; i++)
		if (s->gone[i].end <= start || s->gone[i].start >= end)
			s->gone[n++] = s->gone[i];
	s->ngone = n;
}

/**
 * Is the record the first of its object (or older than the list that showed it first)? Who maps the object later is told by an
 * event; those who did before are found by listing, a moment later, if they still do.
 */
static bool is_first(struct recorder *r, const struct kevent *ke)
{
	const struct object *o = object__by_kevent(r, ke);

	return !o || !o->key || ke->ns < o->listed_ns;
}

/** Somebody else had a mapping through which he could store when the first one of ours was made, or got one before we knew of it
 *  (whose the counted ones were, the kernel's programs have told: ours may have gone, too). If none is left by now, what was
 *  stored meanwhile has no event, and no look finds it. */
static int tell_gone(struct recorder *r, const struct object *o, const struct kevent *ke)
{
	if (!(ke->flags & KEVF_OTHERS) || exposure__by_mapping(r, o))
		return 0;
	return emit__gap(
		r, GAP_HIDDEN_STORES, CH_MMAP_STORE, o->id,
		"somebody had it mapped shared and could store when it was mapped first, and was "
		"gone when that could be looked at");
}

/** shmat doesn't tell how much: its mapping comes by the list. */
static int on_shmat(struct recorder *r, struct task *t, const struct kevent *ke)
{
	const bool first = is_first(r, ke);
	int err = watch_maps__list(r, t);
	const struct object *o = object__by_kevent(r, ke);

	if (err || !first)
		return err;
	if (!o)
		return emit__gap(
			r, GAP_NOT_OBSERVED, CH_UNKNOWN, 0,
			"pid %d attached shared memory that was gone when it could be looked at",
			t->pid);
	return tell_gone(r, o, ke);
}

int watch_maps__mapped(struct recorder *r, struct task *t, const struct kevent *ke)
{
	const uint64_t len = PAGE_END(ke->length);
	const bool first = is_first(r, ke);
	struct aspace *s = aspace__get(r, t->space);
	struct object *o;
	int err;

	if (!ke->aux) { /* the mapping isn't there yet; it comes again, without the file's name */
		t->watch = *ke;
		return 0;
	}
	if (!s)
		return -ENOMEM;
	if (!len)
		return on_shmat(r, t, ke);
	err = object_of(r, t, ke, &o);
	if (err)
		return err;
	not_gone(s, ke->aux, ke->aux + len);
	if (ke->ns <= s->listed_ns || ke->flags & KEVF_IMAGE)
		s->stirred =
			true; /* the list is newer; an image's exact mappings are in a list only */
	err = mapping__of_object(r, t, o, path_of(r, o), ke->aux, len, ke->ret & 0xffffffff,
				 (uint64_t)ke->ret >> 32, ke->offset);
	if (!err)
		err = beneath__mapped(r, o, t->watch.object == ke->object ? t->watch.ns : ke->ns);
	return err || !first ? err : tell_gone(r, o, ke);
}

void watch_maps__stirred(struct recorder *r, const struct task *t)
{
	struct aspace *s = aspace__get(r, t->space);

	if (s)
		s->stirred = true;
}

void watch_maps__inherit(struct recorder *r, const struct task *parent, const struct task *child)
{
	struct aspace *p = aspace__get(r, parent->space), *c = aspace__get(r, child->space);

	if (p && c)
		c->stirred = p->stirred || p->ngone;
}

/** Does the model have all of this mapping, just so? */
static bool is_known(const struct model_space *s, const struct khold *h, uint32_t object)
{
	const bool shared = h->vm_flags & VMA_MAYSHARE;
	uint64_t at = h->start;

	for (size_t i = 0; i < s->nvmas && at < h->end; i++) {
		const struct model_vma *v = &s->vmas[i];

		if (v->end <= at)
			continue;
		if (v->addr > at || v->object != object ||
		    v->offset + (at - v->addr) != h->offset + (at - h->start) ||
		    v->prot != (h->vm_flags & VMA_PROT) ||
		    ((v->flags & MAP_TYPE) != MAP_PRIVATE) != shared)
			return false;
		at = v->end;
	}
	return at >= h->end;
}

/** A mapping of the list that the model may lack. */
static int take_held(struct recorder *r, struct task *t, struct maplist *l, const struct khold *h,
		     uint64_t listing_ns)
{
	const struct object_key key = object__key_of_hold(h);
	const struct model_space *s = model__space(r->m, t->space);
	struct object *o = object__by_hold(r, h);
	const struct tracee_map *m;
	bool first = false;
	int err;

	if (o && o->key && s && (o->fd >= 0 || o->device) && is_known(s, h, o->id))
		return 0;
	if (!o || !o->key || (o->fd < 0 && !o->device)) {
		m = maplist__map_at(l, t->pid, h->start);
		if (!m || m->inode != h->inode) {
			watch_maps__stirred(r, t); /* it has changed since */
			return 0;
		}
		err = mapping__get_object(r, t->pid, m, &key, &o);
		if (err)
			return err;
		o->key = h->object;
		o->listed_ns = now_ns();
		first = true;
		if (s && is_known(s, h, o->id))
			return resave__pages(r, o, h->offset / BPREC_PAGE_SIZE,
					     (h->end - h->start) / BPREC_PAGE_SIZE);
	}
	err = mapping__of_object(r, t, o, path_of(r, o), h->start, h->end - h->start,
				 h->vm_flags & VMA_PROT,
				 h->vm_flags & VMA_MAYSHARE ? MAP_SHARED : MAP_PRIVATE, h->offset);
	if (first) /* who can store was looked at only now */
		o->listed_ns = now_ns();
	return err ? err : beneath__mapped(r, o, listing_ns);
}

static int add_gone(struct aspace *s, uint64_t start, uint64_t end)
{
	struct addr_range *v;

	if (start >= end)
		return 0;
	v = realloc(s->gone, (s->ngone + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->gone = v;
	v[s->ngone++] = (struct addr_range){ start, end };
	return 0;
}

/** Notes what the model has and the list hasn't; both are in order of address. */
static int note_gone(struct recorder *r, const struct task *t, struct aspace *s,
		     const struct maplist *l)
{
	const struct model_space *m = model__space(r->m, t->space);
	size_t k = 0;
	int err = 0;

	s->ngone = 0;
	for (size_t i = 0; m && i < m->nvmas && !err; i++) {
		uint64_t at = m->vmas[i].addr;
		const uint64_t end = m->vmas[i].end;

		while (k && l->held[k - 1].end > at)
			k--;
		for (; !err && k < l->nheld && l->held[k].start < end; k++) {
			if (l->held[k].end <= at)
				continue;
			err = add_gone(s, at, l->held[k].start);
			at = l->held[k].end;
		}
		if (!err)
			err = add_gone(s, at, end);
	}
	return err;
}

int watch_maps__list(struct recorder *r, struct task *t)
{
	struct aspace *s = aspace__get(r, t->space);
	const uint64_t begin = now_ns();
	struct maplist l = { 0 };
	int err;

	if (!s)
		return -ENOMEM;
	s->stirred = false;
	kern__calm(r->k, t->pid);
	err = maplist__watch(&l, r->k, t->pid);
	s->listed_ns = now_ns();
	for (size_t i = 0; i < l.nheld && !err; i++)
		err = take_held(r, t, &l, &l.held[i], begin);
	if (!err && l.nheld) /* without any it is about to end */
		err = note_gone(r, t, s, &l);
	s->next_list_ns = now_ns() + LIST_SHARE * (now_ns() - begin);
	maplist__free(&l);
	return err == -ESRCH ? 0 : err;
}

int watch_maps__list_stirred(struct recorder *r, bool now)
{
	const uint64_t ns = now_ns();
	struct task *t, *tmp;
	int err = 0;

	HASH_ITER (hh, r->tasks, t, tmp) {
		const struct aspace *s = aspace__get(r, t->space);

		if (!err && s && s->stirred && (now || ns >= s->next_list_ns))
			err = watch_maps__list(r, t);
	}
	return err;
}

static int settle(struct recorder *r, struct task *t, struct aspace *s)
{
	int err = 0;

	for (size_t i = 0; i < s->ngone && !err; i++) {
		const struct ev_unmap ev = { s->gone[i].start, s->gone[i].end - s->gone[i].start };

		err = outside__before_unmap(r, t, ev.addr, ev.len, false);
		if (!err)
			err = emit(r, EV_UNMAP, t, &ev, sizeof(ev), NULL, 0);
	}
	s->ngone = 0;
	return err;
}

int watch_maps__settle(struct recorder *r, uint64_t drained_ns)
{
	struct task *t, *tmp;
	int err = 0;

	HASH_ITER (hh, r->tasks, t, tmp) {
		struct aspace *s = aspace__get(r, t->space);

		if (!err && s && s->ngone && s->listed_ns < drained_ns)
			err = settle(r, t, s);
	}
	return err;
}

bool watch_maps__busy(const struct recorder *r)
{
	for (const struct aspace *s = r->spaces; s; s = s->hh.next)
		if (s->stirred || s->ngone)
			return true;
	return false;
}
