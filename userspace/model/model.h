/* SPDX-License-Identifier: MIT */
/* model.h: who maps what, as a pure function of the events of a trace. The recorder feeds it the events it writes, check
 * and replay those they read. No ptrace, no files. It distrusts its input: an event that contradicts what came before is
 * refused with -EBADMSG and a reason, and changes nothing. */
#ifndef BPREC_MODEL_H
#define BPREC_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bprec/format.h"

/** All state. Opaque. */
struct model;

/** A mapping in an address space. */
struct model_vma {
	uint64_t addr, end;   /* bytes, end exclusive */
	uint64_t offset;      /* bytes in the object of addr */
	uint32_t object;      /* 0: none */
	uint32_t prot, flags; /* PROT_*, MAP_* */
	uint32_t kind;	      /* enum map_kind */
};

/** An address space. VMAs are sorted and don't overlap. Owned by the model, pointers valid until the next apply. */
struct model_space {
	uint32_t id;
	uint32_t users; /* threads alive in it */
	const struct model_vma *vmas;
	size_t nvmas;
};

/** A thread. */
struct model_task {
	uint32_t tid, pid;     /* pid: thread group */
	uint32_t parent;       /* tid of the thread that made it, 0 for the root */
	uint32_t space, group; /* group: share group, merges followed */
	bool alive;
	uint32_t end_kind; /* enum end_kind once it is dead */
	int32_t end_code;
	uint64_t start_ns, end_ns;
	const char *exe; /* path of its last exec, inherited by children; "" before */
};

/** A page-cache object. */
struct model_object {
	uint32_t id, flags; /* flags: enum object_flags */
	uint32_t major, minor, generation, fs_magic;
	uint64_t inode,
		size; /* size: bytes, as last told by EV_OBJECT or EV_PAGES (which may have no pages) */
	const char *path;
};

/** New empty model; NULL if there is no memory. */
struct model *model__new(void);
/** A copy that lives on its own; NULL if there is no memory. */
struct model *model__clone(const struct model *m);
/** NULL is allowed. */
void model__free(struct model *m);
/** Takes one event (event_no: its number). Unknown references, overlaps that can't be, sizes out of range: -EBADMSG.
 *  -ENOMEM. Events that don't concern the model are accepted. Assumes reader__next's checks of sizes and strings. */
int model__apply(struct model *m, const struct event_header *ev, uint64_t event_no);
/** Why the last apply failed; never NULL. */
const char *model__error(const struct model *m);

/** A thread; NULL if there is none. Dead ones stay known until their tid is used again. Owned by the model, as all that follow. */
const struct model_task *model__task(const struct model *m, uint32_t tid);
/** An address space by its number; NULL if there is none. */
const struct model_space *model__space(const struct model *m, uint32_t id);
/** An object by its number; NULL if there is none. */
const struct model_object *model__object(const struct model *m, uint32_t id);
/** Root task; NULL before it. */
const struct model_task *model__root(const struct model *m);
/** Mapping that contains addr, NULL if none. */
const struct model_vma *model__find_vma(const struct model_space *s, uint64_t addr);
/** Page id that page `index` of an object holds now; pages never told of: BPREC_PAGE_ZERO within the size,
 *  BPREC_PAGE_ABSENT beyond it. */
uint64_t model__object_page(const struct model *m, uint32_t object, uint64_t index);
/** Takes a run of pages that were told of: pages [first, first + n) hold ids id, id + step, ... Nonzero stops. */
typedef int (*model_run_fn)(void *ctx, uint64_t first, uint64_t n, uint64_t id, uint32_t step);
/** Every run of an object's pages in order; those never told of are left out. Returns what fn returned, or 0. */
int model__each_run(const struct model *m, uint32_t object, model_run_fn fn, void *ctx);
/** Resolves merges: the share group that `group` is part of now. */
uint32_t model__group(const struct model *m, uint32_t group);

/** Callbacks return nonzero to stop; the functions return that value, else 0. */
typedef int (*model_task_fn)(void *ctx, const struct model_task *t);
typedef int (*model_vma_fn)(void *ctx, const struct model_space *s, const struct model_vma *v);
typedef int (*model_object_fn)(void *ctx, const struct model_object *o);
/** Every thread, dead ones too, in order of tid. */
int model__each_task(const struct model *m, model_task_fn fn, void *ctx);
/** Every living thread of an address space. */
int model__each_task_of(const struct model *m, uint32_t space, model_task_fn fn, void *ctx);
/** Every mapping, in every living address space, that shows one of the pages [first, first + n) of an object;
 *  n ~0: any page. */
int model__each_mapper(const struct model *m, uint32_t object, uint64_t first, uint64_t n,
		       model_vma_fn fn, void *ctx);
/** Every object. */
int model__each_object(const struct model *m, model_object_fn fn, void *ctx);

#endif
