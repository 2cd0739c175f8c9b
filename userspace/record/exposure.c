/* SPDX-License-Identifier: MIT */
/*
 * exposure.c: who could write, as a list.
 *
 * The list of exposures that hold, and their events. Who they are is found by holders.c.
 */
#include "record/exposure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "record/emit.h"
#include "record/who.h"

static struct exposure *find(const struct recorder *r, const struct object *o, pid_t pid,
			     uint32_t kind)
{
	struct exposure *e;

	LL_FOREACH (r->exposures, e)
		if (e->obj == o && e->pid == pid && e->kind == kind)
			return e;
	return NULL;
}

/** Stores through a mapping that no hook shows: named once per object and writer. */
static int tell_hidden(struct recorder *r, struct exposure *e)
{
	if (e->kind == EXPOSURE_WRITABLE_DESCRIPTOR)
		return 0;
	e->obj->hidden = true;
	if (e->pinned && e->pid)
		return emit__gap(
			r, GAP_HIDDEN_STORES, CH_MMAP_STORE, e->obj->id,
			"pid %d (%s) has registered it as a buffer of an io_uring: the kernel stores there "
			"without an event, even when it is mapped no more",
			e->pid, who__comm(r, e->writer));
	if (e->pinned)
		return emit__gap(
			r, GAP_UNATTRIBUTED_WRITER, CH_UNKNOWN, e->obj->id,
			"somebody has pinned pages of it (a registered buffer): the kernel "
			"stores there without an event");
	if (e->kind == EXPOSURE_UNATTRIBUTED)
		return emit__gap(
			r, GAP_UNATTRIBUTED_WRITER, CH_UNKNOWN, e->obj->id,
			"the kernel counts a writer that no process's descriptors or mappings show");
	return emit__gap(
		r, GAP_HIDDEN_STORES, CH_MMAP_STORE, e->obj->id,
		"pid %d (%s) maps it shared and may write it: stores after the first to a page cause no event",
		e->pid, who__comm(r, e->writer));
}

/** Puts one into the list and writes it down; *e is copied but for its id. 0 or -errno. */
static int begin(struct recorder *r, const struct exposure *like, uint64_t since, uint64_t offset,
		 uint64_t length)
{
	struct exposure *e = malloc(sizeof(*e));
	struct ev_exposure ev = { .object = like->obj->id,
				  .kind = like->kind,
				  .writer = like->writer,
				  .since_ns = since,
				  .offset = offset,
				  .length = length };
	int err;

	if (!e)
		return -ENOMEM;
	*e = *like;
	e->id = ev.exposure = ++r->next_exposure;
	e->seen = true;
	LL_PREPEND(r->exposures, e);
	e->obj->exposed = true;
	err = who__write(r, e->writer);
	if (!err)
		err = emit(r, EV_EXPOSURE, NULL, &ev, sizeof(ev), NULL, 0);
	return err ? err : tell_hidden(r, e);
}

int exposure__add(struct recorder *r, struct object *o, uint32_t kind, pid_t pid, uint32_t writer,
		  uint64_t since, uint64_t offset, uint64_t length)
{
	struct exposure *e = find(r, o, pid, kind);
	const struct exposure new = { .kind = kind, .obj = o, .pid = pid, .writer = writer };

	if (!e)
		return begin(r, &new, since, offset, length);
	e->seen = true;
	return 0;
}

int exposure__add_noted(struct recorder *r, struct object *o, const struct kevent *ke)
{
	const bool map = ke->type == KEV_MAPPED;

	return exposure__add(r, o, map ? EXPOSURE_WRITABLE_MAPPING : EXPOSURE_WRITABLE_DESCRIPTOR,
			     (pid_t)ke->tgid, who__from_event(r, ke), ke->ns, map ? ke->offset : 0,
			     map ? ke->length : ~0ull);
}

int exposure__add_pinned(struct recorder *r, struct object *o, pid_t pid, uint32_t writer)
{
	const uint32_t kind = pid ? EXPOSURE_WRITABLE_MAPPING : EXPOSURE_UNATTRIBUTED;
	struct exposure *e = find(r, o, pid, kind);
	const struct exposure new = {
		.kind = kind, .obj = o, .pid = pid, .writer = writer, .pinned = true
	};

	if (!e)
		return begin(r, &new, now_ns(), 0, ~0ull);
	e->seen = true;
	if (e->pinned)
		return 0;
	e->pinned = true;
	return tell_hidden(r, e);
}

int exposure__end(struct recorder *r, struct exposure *e)
{
	const struct ev_exposure_end ev = { .exposure = e->id, .ns = now_ns() };

	LL_DELETE(r->exposures, e);
	free(e);
	return emit(r, EV_EXPOSURE_END, NULL, &ev, sizeof(ev), NULL, 0);
}

bool exposure__by_mapping(const struct recorder *r, const struct object *o)
{
	const struct exposure *e;

	LL_FOREACH (r->exposures, e)
		if (e->obj == o && e->kind != EXPOSURE_WRITABLE_DESCRIPTOR)
			return true;
	return false;
}

bool exposure__unattributed(const struct recorder *r, const struct object *o)
{
	const struct exposure *e;

	LL_FOREACH (r->exposures, e)
		if (e->obj == o && (e->pinned || e->kind == EXPOSURE_UNATTRIBUTED))
			return true;
	return false;
}

const struct exposure *exposure__sole_mapper(const struct recorder *r, const struct object *o)
{
	const struct exposure *e, *mapper = NULL;

	LL_FOREACH (r->exposures, e) {
		if (e->obj != o || e->kind != EXPOSURE_WRITABLE_MAPPING)
			continue;
		if (mapper)
			return NULL;
		mapper = e;
	}
	return mapper;
}

bool exposure__by_others(const struct recorder *r, const struct object *o, pid_t pid)
{
	const struct exposure *e;

	LL_FOREACH (r->exposures, e)
		if (e->obj == o && e->pid != pid)
			return true;
	return false;
}

int exposure__end_all(struct recorder *r)
{
	int err = 0;

	while (r->exposures && !err)
		err = exposure__end(r, r->exposures);
	return err;
}
