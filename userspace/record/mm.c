/* SPDX-License-Identifier: MIT */
/*
 * mm.c: mmap, munmap, mprotect, mremap, brk, shmat, shmdt, madvise.
 *
 * What goes away is looked at first: an object that somebody outside can write is compared once more before its last pages
 * are unmapped (DESIGN 12, rule 9).
 */
#include "record/mm.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <asm/unistd.h>

#include "record/emit.h"
#include "record/mapping.h"
#include "record/object.h"
#include "record/outside.h"
#include "record/patch.h"
#include "record/stores.h"

#define ROUND(n) (((n) + BPREC_PAGE_SIZE - 1) & ~(uint64_t)(BPREC_PAGE_SIZE - 1))

bool mm__entry(struct recorder *r, struct task *t, int64_t *ret)
{
	t->watch.type = 0;
	switch (t->nr) {
	case __NR_madvise:
		*ret = -EINVAL;
		return t->args[2] ==
		       MADV_FREE; /* when pages go away would depend on memory pressure */
	case __NR_munmap:
		outside__before_unmap(r, t, t->args[0], ROUND(t->args[1]), false);
		return false;
	case __NR_mremap:
		outside__before_unmap(r, t, t->args[0], ROUND(t->args[1]), false);
		if (t->args[3] & MREMAP_FIXED)
			outside__before_unmap(r, t, t->args[4], ROUND(t->args[2]), false);
		return false;
	case __NR_shmat:
		stores__before_map(r, t);
		if (t->args[2] &
		    SHM_REMAP) /* its size isn't known: all that lies above is looked at */
			outside__before_unmap(r, t, t->args[1], 1ull << 46, false);
		return false;
	case __NR_mmap:
		stores__before_map(r, t);
		if (t->args[3] & MAP_FIXED)
			outside__before_unmap(r, t, t->args[0], ROUND(t->args[1]), false);
		return false;
	case __NR_shmdt:
		outside__before_unmap(r, t, t->args[0], BPREC_PAGE_SIZE, false);
		return false;
	default:
		return false;
	}
}

static int emit_unmap(struct recorder *r, struct task *t, uint64_t addr, uint64_t len)
{
	const struct ev_unmap ev = { addr, len };

	return len ? emit(r, EV_UNMAP, t, &ev, sizeof(ev), NULL, 0) : 0;
}

static int on_brk(struct recorder *r, struct task *t, uint64_t ret)
{
	struct aspace *s = aspace__get(r, t->space);
	const uint64_t now = ROUND(ret);
	struct ev_map ev = { .prot = PROT_READ | PROT_WRITE,
			     .flags = MAP_PRIVATE | MAP_ANONYMOUS,
			     .kind = MAP_KIND_HEAP };
	uint64_t old;

	if (!s)
		return -ENOMEM;
	if (!s->brk) {
		s->brk_start = s->brk = now;
		return 0;
	}
	old = s->brk;
	s->brk = now;
	if (now < old)
		return emit_unmap(r, t, now, old - now);
	ev.addr = old;
	ev.len = now - old;
	return ev.len ? emit(r, EV_MAP, t, &ev, sizeof(ev), NULL, 0) : 0;
}

static int on_mremap(struct recorder *r, struct task *t, uint64_t ret)
{
	const struct ev_remap ev = {
		.old_addr = t->args[0],
		.old_len = ROUND(t->args[1]),
		.new_addr = ret,
		.new_len = ROUND(t->args[2]),
		.flags = t->args[3],
	};
	int err = emit(r, EV_REMAP, t, &ev, sizeof(ev), NULL, 0);

	return err ? err : mapping__save_range(r, t, ret, ev.new_len);
}

/** Length of the shared memory that was attached at addr. */
static int on_shmdt(struct recorder *r, struct task *t)
{
	const struct model_space *s = model__space(r->m, t->space);
	const struct model_vma *v = s ? model__find_vma(s, t->args[0]) : NULL;

	return v ? emit_unmap(r, t, v->addr, v->end - v->addr) : 0;
}

/** Shared mappings become writable. */
static void note_stores(struct recorder *r, const struct task *t, uint64_t addr, uint64_t len)
{
	const struct model_space *s = model__space(r->m, t->space);

	for (size_t i = 0; s && i < s->nvmas; i++) {
		const struct model_vma *v = &s->vmas[i];
		struct object *o = v->object ? object__find(r, v->object) : NULL;

		if (o && v->addr < addr + len && v->end > addr &&
		    (v->flags & MAP_TYPE) != MAP_PRIVATE)
			o->stores_inside = true;
	}
}

static int on_mprotect(struct recorder *r, struct task *t)
{
	const struct ev_protect ev = {
		.addr = t->args[0],
		.len = ROUND(t->args[1]),
		.prot = t->args[2],
	};

	if (ev.prot & PROT_WRITE)
		note_stores(r, t, ev.addr, ev.len);
	return ev.len ? emit(r, EV_PROTECT, t, &ev, sizeof(ev), NULL, 0) : 0;
}

static int write_down(struct recorder *r, struct task *t, int64_t ret)
{
	switch (t->nr) {
	case __NR_mmap:
		return mapping__mmap(r, t, ret);
	case __NR_munmap:
		return emit_unmap(r, t, t->args[0], ROUND(t->args[1]));
	case __NR_mprotect:
	case __NR_pkey_mprotect:
		return on_mprotect(r, t);
	case __NR_mremap:
		return on_mremap(r, t, ret);
	case __NR_brk:
		return on_brk(r, t, ret);
	case __NR_shmat:
		return mapping__at(r, t, ret);
	case __NR_shmdt:
		return on_shmdt(r, t);
	default:
		return 0;
	}
}

int mm__exit(struct recorder *r, struct task *t, int64_t ret)
{
	int err;

	if (ret < 0 && ret > -4096)
		return 0;
	err = write_down(r, t, ret);
	return err ? err : patch__call(r, t, ret);
}
