/* SPDX-License-Identifier: MIT */
/*
 * checksum.c: when the program's memory is hashed, and how much of it.
 *
 * Invariants: it is done only while every other thread of the share group is where its last event left it, and right after
 * the event that tells where this thread is, so that a replay finds the same bytes at the same place. Sparse: seldom, and never for more than a small part
 * of the time that the recording has taken; a big address space is looked at in turns. Stacks are left out (space/hash.c).
 */
#include "record/checksum.h"

#include <errno.h>
#include <stdlib.h>

#include "model/regs.h"
#include "record/emit.h"
#include "record/sched.h"
#include "space/hash.h"
#include "tracee/tracee.h"

#define PAGE	     ((uint64_t)BPREC_PAGE_SIZE)
#define INTERVAL_NS  50000000ull /* between two looks at an address space */
#define COST_PART    66		 /* 1/66 of the time at most: what it does to caches comes on top */
#define SPARSE_PAGES 2048u
#define END_PAGES    4096u /* at the end of a process, if there is time */
#define LATE_PAGES   64u   /* ... and if there isn't, wherever they are */
#define POINT_PAGES  1024u
#define EVENT_PAGES  20000u /* in one event: 24 bytes each at worst */
static_assert(EVENT_PAGES * 24u + 4096 < BPREC_EVENT_MAX, "an event has room for them");

static bool wanted_object(void *ctx, uint32_t id)
{
	struct recorder *r = ctx;
	struct object *o;

	HASH_FIND_INT(r->objects, &id, o);
	return o && !o->device && !o->exposed;
}

/** Can a call that others went on beside change memory before its EV_SYSCALL? */
static bool may_store(const struct task *t)
{
	const struct sys_call *c = sys__lookup(t->nr);

	if (!c || c->sysclass == SYS_CLASS_MM || c->sysclass == SYS_CLASS_TREE ||
	    c->sysclass == SYS_CLASS_SPECIAL)
		return true;
	return c->rules && !t->plan; /* a plan: its outputs go to its scratch area */
}

/** May memory hold what the thread did since its last event, or what the kernel stores at its end? A replay, which goes by
 *  events, has not come to that yet. */
static bool is_ahead(const struct task *t)
{
	switch (t->state) {
	case TASK_RUNNING:
		return true;
	case TASK_IN_CALL:
		return !t->entered || may_store(t);
	case TASK_STOPPED:
		return t->stop == STOP_ENTRY || (t->exit_waits && (!t->entered || may_store(t)));
	case TASK_DYING:
		return t->tid != t->pid || t->nrobust;
	default:
		return false;
	}
}

/** Are all threads of the group but this one where the trace says? */
static bool is_quiet(struct recorder *r, struct task *t)
{
	for (struct task *o = r->tasks; o; o = o->hh.next)
		if (o != t && is_ahead(o) && o->group && sched__group(o) == sched__group(t))
			return false;
	return true;
}

/** Pages around addresses that matter: cut out of what was found, so that nothing is named that isn't there. */
static int choose_near(const struct hash_runs *all, uint64_t addr, uint64_t n,
		       struct hash_runs *ret)
{
	const uint64_t from = addr & ~(PAGE - 1), end = from + n * PAGE;
	int err = 0;

	for (uint32_t i = 0; i < all->n && !err; i++) {
		uint64_t lo = all->v[i].addr, hi = lo + all->v[i].npages * PAGE;

		lo = lo < from ? from : lo;
		hi = hi > end ? end : hi;
		if (lo < hi)
			err = hash_runs__add(ret, lo, (hi - lo) / PAGE);
	}
	return err;
}

static int choose_registers(const struct hash_runs *all, const struct regs64 *regs,
			    struct hash_runs *ret)
{
	const uint64_t v[] = { regs->rax, regs->rbx, regs->rcx, regs->rdx, regs->rsi,
			       regs->rdi, regs->rbp, regs->r8,	regs->r9,  regs->r10,
			       regs->r11, regs->r12, regs->r13, regs->r14, regs->r15 };
	int err = 0;

	for (size_t i = 0; i < sizeof(v) / sizeof(*v) && !err; i++)
		err = choose_near(all, v[i], 1, ret);
	return err;
}

static uint64_t hash_xstate(struct task *t)
{
	static uint8_t xstate[16384];
	size_t len = sizeof(xstate);

	return tracee__get_xstate(t->tid, xstate, &len) ? 0 : xstate__hash(xstate, len);
}

static int write_event(struct recorder *r, struct task *t, const struct hash_runs *runs,
		       uint32_t flags)
{
	static uint32_t hash[EVENT_PAGES];
	const struct ev_memhash ev = {
		.xstate_hash = hash_xstate(t),
		.flags = flags,
		.nruns = runs->n,
		.npages = runs->npages,
	};
	const struct iovec part[3] = {
		{ (void *)&ev, sizeof(ev) },
		{ runs->v, runs->n * sizeof(*runs->v) },
		{ hash, runs->npages * sizeof(*hash) },
	};

	space_hash__runs(t->tid, runs->v, runs->n, hash);
	return emit__parts(r, EV_MEMHASH, t, part, 3);
}

/** Writes all pages, in as many events as it takes. */
static int write_all(struct recorder *r, struct task *t, const struct hash_runs *all,
		     uint32_t flags)
{
	uint64_t left = all->npages, cursor = 0;
	int err = 0;

	if (left > EVENT_PAGES)
		flags |= MEMHASH_PARTIAL;
	do {
		struct hash_runs some = { 0 };
		const uint64_t n = left < EVENT_PAGES ? left : EVENT_PAGES;

		err = space_hash__choose(all, n, &cursor, &some);
		if (!err)
			err = write_event(r, t, &some, flags);
		hash_runs__free(&some);
		left -= n;
	} while (left && !err);
	return err;
}

/** Writes at most `budget` pages: at a point those that registers point to first, then the next ones in turn. */
static int write_some(struct recorder *r, struct task *t, const struct hash_runs *all,
		      uint64_t budget, const struct regs64 *regs, uint32_t flags)
{
	struct aspace *as = aspace__get(r, t->space);
	struct hash_runs some = { 0 };
	int err = as ? 0 : -ENOMEM;

	if (!err && (flags & MEMHASH_POINT))
		err = choose_registers(all, regs, &some);
	if (!err && some.npages < budget)
		err = space_hash__choose(all, budget - some.npages, &as->hash_cursor, &some);
	if (!err)
		err = write_event(r, t, &some, flags | MEMHASH_PARTIAL);
	hash_runs__free(&some);
	return err;
}

static void note_cost(struct recorder *r, struct task *t, uint64_t from)
{
	struct aspace *as = aspace__get(r, t->space);
	const uint64_t now = now_ns();

	if (as)
		as->hash_ns = now;
	r->hash_cost_ns += now - from;
}

/** One look. budget ~0: all pages. MEMHASH_PARTIAL: a sample of so many, wherever they are. */
static int look(struct recorder *r, struct task *t, uint64_t budget, const struct regs64 *regs,
		uint32_t flags)
{
	const struct model_space *s = model__space(r->m, t->space);
	const uint64_t from = now_ns();
	struct hash_runs all = { 0 };
	int err;

	if (!s || !is_quiet(r, t))
		return 0;
	if (flags & MEMHASH_PARTIAL)
		err = space_hash__sample(t->tid, s, wanted_object, r, r->hash_turn++, budget, &all);
	else
		err = space_hash__find(t->tid, s, wanted_object, r, &all);
	if (err && err != -ENOMEM)
		all.n = all.npages = err = 0; /* it is killed, or hides its memory: no hashes */
	else if (!err && all.npages <= budget)
		err = write_all(r, t, &all, flags);
	else if (!err)
		err = write_some(r, t, &all, budget, regs, flags);
	hash_runs__free(&all);
	note_cost(r, t, from);
	return err;
}

static bool has_time(struct recorder *r, uint64_t now)
{
	if (!r->hash_start_ns)
		r->hash_start_ns = now;
	return r->hash_cost_ns * COST_PART <= now - r->hash_start_ns;
}

/** Has this address space's turn come, and is there time for it? */
static bool is_due(struct recorder *r, struct aspace *as, uint64_t now)
{
	if (!as->hash_ns)
		as->hash_ns = now;
	return has_time(r, now) && now - as->hash_ns >= INTERVAL_NS;
}

int checksum__call(struct recorder *r, struct task *t)
{
	struct aspace *as;
	uint64_t now;

	if (r->opts->checksum == CHECKSUM_ALL)
		return look(r, t, ~0ull, &t->exit_regs, 0);
	if (r->opts->checksum == CHECKSUM_NONE)
		return 0;
	now = now_ns();
	as = aspace__get(r, t->space);
	if (!as || !is_due(r, as, now))
		return as ? 0 : -ENOMEM;
	return look(r, t, SPARSE_PAGES, &t->exit_regs, 0);
}

int checksum__end(struct recorder *r, struct task *t)
{
	if (r->opts->checksum == CHECKSUM_NONE)
		return 0;
	if (r->opts->checksum == CHECKSUM_ALL)
		return look(r, t, ~0ull, &t->exit_regs, 0);
	if (has_time(r, now_ns()))
		return look(r, t, END_PAGES, &t->exit_regs, 0);
	return look(r, t, LATE_PAGES, &t->exit_regs, MEMHASH_PARTIAL);
}

int checksum__point(struct recorder *r, struct task *t, const struct regs64 *regs)
{
	if (r->opts->checksum == CHECKSUM_NONE)
		return 0;
	return look(r, t, POINT_PAGES, regs, MEMHASH_POINT);
}
