/* SPDX-License-Identifier: MIT */
/*
 * holders.c: who can write an object.
 *
 * Two counters of the kernel say whether anybody can (i_writecount, i_mmap_writable): for nearly all mapped files nobody
 * may, and then nothing more is done. Otherwise the iterators name the holders; later ones come as events. A writer that
 * the counter knows and no list names is an exposure too ("unattributed"): a loop device, a descriptor on its way through a
 * socket. i_writecount counts open files, so the different files of the list are counted and held against it.
 */
#include "record/holders.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include <Judy.h>

#include "bprec/khook.h"
#include "record/emit.h"
#include "record/exposure.h"
#include "record/look.h"
#include "record/object.h"
#include "record/sharing.h"
#include "record/who.h"

#define VMA_SHARED   0x8 /* VM_SHARED, VM_MAYWRITE of <linux/mm.h> */
#define VMA_MAYWRITE 0x20
#define COUNT_MIN_NS 40000000ull  /* counters are not looked at more often */
#define COUNT_SHARE  20		  /* and not more than one part in so many of the time */
#define ALL_MIN_NS   500000000ull /* those of objects that nobody is known to be able to write */
#define ALL_SHARE    100

#define SETTLE_LOOKS 8 /* while the counters know of more than the lists show */
#define SETTLE_US    1000
#define EVERY_PAGE   (~0ull >> 13) /* as a number of pages: more than a file can have */

/** A sweep over the holders of one object. */
struct sweep {
	struct recorder *r;
	struct object *o;
	size_t insiders, outsiders; /* holders found */
	void *files;		    /* Judy1: files open for writing */
	size_t nfiles;
};

static int note_file(struct sweep *s, uint64_t file)
{
	int is_new = file ? Judy1Set(&s->files, file, PJE0) : 0;

	if (is_new == JERR)
		return -ENOMEM;
	s->nfiles += is_new;
	return 0;
}

/** Can it be stored into, now or after mprotect? Else the mapping only keeps a file open for writing. */
static bool exposes(const struct khold *h)
{
	return (h->vm_flags & (VMA_SHARED | VMA_MAYWRITE)) == (VMA_SHARED | VMA_MAYWRITE);
}

static int expose(struct recorder *r, struct object *o, const struct khold *h)
{
	const bool map = h->end != 0;
	const uint32_t writer = who__id(r, h->tgid, h->tgid, h->uid, h->start_ns, h->comm, h->exe);

	return exposure__add(r, o, map ? EXPOSURE_WRITABLE_MAPPING : EXPOSURE_WRITABLE_DESCRIPTOR,
			     h->tgid, writer, h->start_ns, map ? h->offset : 0,
			     map ? h->end - h->start : ~0ull);
}

static int on_hold(void *ctx, const struct khold *h)
{
	struct sweep *s = ctx;
	const bool map = h->end != 0;

	if (h->inode != s->o->inode || h->dev != s->o->dev)
		return 0;
	if (note_file(s, h->file))
		return -ENOMEM;
	if (h->leaving) /* what it has will be closed, or is somebody's whom no list shows: ask again */
		s->o->recount = s->r->any_recount = true;
	if ((pid_t)h->tgid == getpid() || h->leaving || (map && !exposes(h)))
		return 0;
	if (h->insider || who__is_insider(s->r, h->tgid)) {
		s->insiders++;
		if (!map)
			return sharing__holds_writer(s->r, s->o, h->tgid);
		return 0;
	}
	s->outsiders++;
	return expose(s->r, s->o, h);
}

/** Pages that were pinned are free now: then the exposure is what it would be without. */
static void unpin(struct recorder *r, struct object *o)
{
	struct kpins p;
	struct exposure *e;

	if (kern__pins(r->k, o->key, 0, EVERY_PAGE, &p) || p.pinned)
		return;
	LL_FOREACH (r->exposures, e)
		if (e->obj == o)
			e->pinned = false;
}

static bool any_pinned(const struct recorder *r, const struct object *o)
{
	const struct exposure *e;

	LL_FOREACH (r->exposures, e)
		if (e->obj == o && e->pinned)
			return true;
	return false;
}

/** Only who maps an object shared and writable can pin its pages for storing, and an outsider's mapping exposes it: what was asked
 *  of an object that nobody has mapped so stays as it was. True if it was asked of these pages; else it counts as asked from now on. */
static bool pins_known(struct object *o, uint64_t first, uint64_t n)
{
	const uint64_t end = first + n < first ? ~0ull : first + n;

	if (o->exposed || o->stores_inside || o->mmap_writable > 0)
		o->pins_first = o->pins_end = 0;
	else if (o->pins_first <= first && end <= o->pins_end)
		return true;
	else if (end - first > o->pins_end - o->pins_first) {
		o->pins_first = first;
		o->pins_end = end;
	}
	return false;
}

int holders__pins(struct recorder *r, struct object *o, uint64_t first, uint64_t n)
{
	struct kpins p = { 0 };
	uint32_t writer = 0;

	if (!r->k || !o->key || o->device || pins_known(o, first, n))
		return 0;
	if (kern__pins(r->k, o->key, first, n, &p)) {
		o->pins_first = o->pins_end = 0;
		return 0;
	}
	if (!p.pinned)
		return 0;
	if (p.tgid && who__is_insider(r, p.tgid))
		return 0;
	if (p.tgid)
		writer = who__id(r, p.tgid, p.tgid, p.uid, p.start_ns, p.comm, "");
	return exposure__add_pinned(r, o, writer ? p.tgid : 0, writer);
}

/** A holder that is no more: compares once more, and ends its exposure. A page that was pinned through its mapping stays open to it,
 *  which nothing tells of where the call that pins has no hook. */
static int holder_gone(struct recorder *r, struct exposure *e)
{
	int err = look__holder_gone(r, e);

	if (!err && e->kind == EXPOSURE_WRITABLE_MAPPING)
		err = holders__pins(r, e->obj, 0, EVERY_PAGE);
	return err || e->pinned ? err : exposure__end(r, e);
}

/** Ends what the sweep did not see again. */
static int end_unseen(struct recorder *r, struct object *o)
{
	struct exposure *e, *tmp;
	int err = 0;

	if (any_pinned(r, o))
		unpin(r, o);
	LL_FOREACH_SAFE (r->exposures, e, tmp) {
		if (e->obj != o || e->seen || e->pinned)
			continue;
		err = holder_gone(r, e);
		if (err)
			break;
	}
	return err;
}

static void get_counters(struct recorder *r, struct object *o)
{
	struct kern_counters c;

	if (kern__counters(r->k, o->key, &c))
		return;
	o->writecount = c.writecount;
	o->mmap_writable = c.mmap_writable;
}

/** Lists the holders; *ret_hidden: the counters know of more. 0 or -errno. */
static int list_holders(struct recorder *r, struct object *o, bool *ret_hidden)
{
	struct sweep s = { .r = r, .o = o };
	const int32_t before = o->writecount;
	int err = kern__holders(r->k, o->key, on_hold, &s);

	get_counters(r, o); /* what was closed meanwhile is not hidden */
	*ret_hidden = before > (int32_t)s.nfiles && o->writecount > (int32_t)s.nfiles;
	o->nfiles = s.nfiles;
	if (!s.insiders && !s.outsiders && o->mmap_writable > 0)
		*ret_hidden = true;
	Judy1FreeArray(&s.files, PJE0);
	return err;
}

/** The same, without those that are just being closed: a file that its process has let go of is in no list, and is counted until
 *  that process has run for a moment more. Whom nobody knows of for long is not asked about again. */
static int list_settled(struct recorder *r, struct object *o, bool *ret_hidden)
{
	int err = list_holders(r, o, ret_hidden);

	for (int i = 0; i < SETTLE_LOOKS; i++) {
		if ((err && err != -ESRCH) || !*ret_hidden || exposure__unattributed(r, o))
			break;
		if (i)
			usleep(SETTLE_US);
		err = list_holders(r, o, ret_hidden);
	}
	return err;
}

static int sweep(struct recorder *r, struct object *o)
{
	bool hidden;
	int err;

	err = list_settled(r, o, &hidden);
	if (err < 0 && err != -ESRCH)
		return emit__gap(r, GAP_RECORDER_ERROR, CH_UNKNOWN, o->id,
				 "its holders could not be listed: %s", strerror(-err));
	err = hidden ? exposure__add(r, o, EXPOSURE_UNATTRIBUTED, 0, 0, now_ns(), 0, ~0ull) : 0;
	return err ? err : end_unseen(r, o);
}

static bool may_be_written(const struct object *o)
{
	return o->writecount > 0 || o->mmap_writable > 0;
}

int holders__look(struct recorder *r, struct object *o)
{
	struct exposure *e;

	o->recount = false;
	o->nfiles = 0;
	if (!r->k || !o->key || o->device)
		return 0;
	LL_FOREACH (r->exposures, e)
		if (e->obj == o)
			e->seen = false;
	get_counters(r, o);
	return may_be_written(o) ? sweep(r, o) : end_unseen(r, o);
}

/** Have the counters changed since they were looked at last? */
static bool recount(struct recorder *r, struct object *o)
{
	const int32_t writecount = o->writecount, mmap_writable = o->mmap_writable;

	get_counters(r, o);
	return o->writecount != writecount || o->mmap_writable != mmap_writable;
}

int holders__count(struct recorder *r, struct object *o)
{
	return r->k && o->key && !o->device && recount(r, o) ? holders__look(r, o) : 0;
}

/** What the kernel opens by itself (a swap file, accounting, an export) passes no hook: the counters tell, a moment later. */
static int count_all(struct recorder *r, uint64_t now)
{
	uint64_t took;
	int err = 0;

	for (struct object *o = r->objects; o && !err; o = o->hh.next)
		if (!o->exposed && object__mapped(r, o))
			err = holders__count(r, o);
	took = now_ns() - now;
	r->next_count_all_ns =
		now + took + (ALL_SHARE * took > ALL_MIN_NS ? ALL_SHARE * took : ALL_MIN_NS);
	return err;
}

/* A descriptor that is closed makes no event: the counters tell, a moment later. */
int holders__tick(struct recorder *r, uint64_t now)
{
	uint64_t took;
	int err = 0;

	if (r->k && now >= r->next_count_all_ns)
		err = count_all(r, now);
	if (err || !r->k || (!r->exposures && !r->any_recount) || now < r->next_count_ns)
		return err;
	r->any_recount = false;
	for (struct object *o = r->objects; o && !err; o = o->hh.next)
		if (o->exposed && o->key && (recount(r, o) || o->recount))
			err = holders__look(r, o);
	took = now_ns() - now;
	r->next_count_ns = now + took +
			   (COUNT_SHARE * took > COUNT_MIN_NS ? COUNT_SHARE * took : COUNT_MIN_NS);
	return err;
}

/** The list of what one process holds. */
struct listing {
	struct recorder *r;
	pid_t pid;
};

static int on_held(void *ctx, const struct khold *h)
{
	const struct listing *l = ctx;
	struct object *o = (pid_t)h->tgid == l->pid ? object__by_hold(l->r, h) : NULL;

	if (!o || h->insider || h->leaving || (h->end && !exposes(h)))
		return 0;
	return expose(l->r, o, h);
}

/** Ends the exposures through one process that its list did not show again; compares once more before. */
static int end_unseen_of(struct recorder *r, pid_t pid)
{
	struct exposure *e, *tmp;
	int err = 0;

	LL_FOREACH_SAFE (r->exposures, e, tmp) {
		if (e->pid != pid || e->seen || e->pinned || err)
			continue;
		err = holder_gone(r, e);
	}
	return err;
}

/** A holder forked (its child holds the same) or has unmapped something: look again at all it holds. One list for all
 *  objects, of that process only: a program may map thousands, and unmap often. */
static int look_at_all_of(struct recorder *r, pid_t pid)
{
	struct listing l = { .r = r, .pid = pid };
	struct exposure *e;
	int err;

	LL_FOREACH (r->exposures, e)
		if (e->pid == pid)
			e->seen = false;
	err = kern__held_by(r->k, pid, on_held, &l);
	if (err == -ESRCH) /* its end will come as an event of its own */
		return 0;
	if (err < 0)
		return emit__gap(r, GAP_RECORDER_ERROR, CH_UNKNOWN, 0,
				 "what pid %d holds could not be listed: %s", pid, strerror(-err));
	return end_unseen_of(r, pid);
}

static int on_exit_of(struct recorder *r, const struct kevent *ke)
{
	struct exposure *e, *tmp;
	int err = 0;

	LL_FOREACH_SAFE (r->exposures, e, tmp) {
		if (e->pid != (pid_t)ke->tgid || err)
			continue;
		e->seen = false;
		e->obj->recount = r->any_recount = true; /* it may have passed on what it had */
		if (e->pinned)
			continue; /* only a look at the pages ends this */
		err = holder_gone(r, e);
	}
	return err;
}

static int on_new_holder(struct recorder *r, const struct kevent *ke, struct object *o)
{
	o->writecount = ke->writecount;
	o->mmap_writable = ke->mmap_writable;
	if (ke->flags & KEVF_INSIDER && ke->type == KEV_MAPPED && !(ke->flags & KEVF_READONLY_NOW))
		o->stores_inside = true;
	if (ke->flags & KEVF_INSIDER)
		return ke->type == KEV_MAPPED ? 0 : sharing__holds_writer(r, o, ke->tgid);
	if (exposure__unattributed(r, o)) /* it may be the one that nobody had */
		o->recount = r->any_recount = true;
	return exposure__add_noted(r, o, ke);
}

/** Who has it open may have closed it by the time it is looked at; then what was counted decides. */
static int on_kernel_opened(struct recorder *r, const struct kevent *ke, struct object *o)
{
	int err = holders__look(r, o);

	if (err || exposure__unattributed(r, o) || ke->writecount <= (int32_t)o->nfiles)
		return err;
	o->recount = r->any_recount = true;
	return exposure__add(r, o, EXPOSURE_UNATTRIBUTED, 0, 0, ke->ns, 0, ~0ull);
}

int holders__event(struct recorder *r, const struct kevent *ke)
{
	struct object *o;

	switch (ke->type) {
	case KEV_FORKED:
	case KEV_UNMAPPED:
		if (ke->flags & KEVF_INSIDER)
			return 0;
		return look_at_all_of(r, ke->type == KEV_FORKED ? (pid_t)ke->aux : (pid_t)ke->tgid);
	case KEV_EXITED:
		return ke->flags & KEVF_INSIDER ? 0 : on_exit_of(r, ke);
	}
	o = object__by_kevent(r, ke);
	if (!o)
		return 0; /* watched a moment ago, its mapping is not written down yet: looked at then */
	if (ke->type == KEV_KERNEL_OPENED)
		return on_kernel_opened(r, ke, o);
	if (ke->type == KEV_PINNED)
		return exposure__add_pinned(r, o, ke->tgid, who__from_event(r, ke));
	return on_new_holder(r, ke, o);
}
