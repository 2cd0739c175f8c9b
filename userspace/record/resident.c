/* SPDX-License-Identifier: MIT */
/*
 * resident.c: what outsiders' page tables tell.
 *
 * A store needs an entry in the page tables of the one who stores. So a look that is to find stores soon reads the pages
 * that some outsider's page tables show (/proc/PID/pagemap), those that they showed at the look before (they may have
 * been stored to and be gone since), and those with faults. Whether a page is dirty there is of no use: on tmpfs nothing
 * cleans an entry, Linux 6.18 makes clean ones dirty when they are read, and stores through pinned pages leave no mark.
 *
 * This finds stores, it doesn't prove that there were none: pages can be mapped, stored to and unmapped between two
 * looks (MADV_DONTNEED, reclaim, khugepaged), and pinned ones are written with no entry at all. So such a look counts for
 * nothing in check (COMPARE_LIKELY), and the whole is read later, or said not to have been.
 *
 * With r->rearm, soft-dirty bits tell which pages were stored to since they were cleared last. They are cleared for all of a
 * process at once, so they are read for all objects at once. Between reading and clearing, a store leaves no bit only in a
 * page whose bit was clear: that store faulted, and the page is among the faults.
 *
 * /proc/PID is that of the outsider only in a /proc of the first pid namespace, whose numbers the kernel's lists have. Where
 * page tables can't be read, all that the outsider maps is taken.
 */
#include "record/resident.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "record/faults.h"
#include "record/object.h"
#include "record/rearm.h"
#include "record/who.h"
#include "tracee/tracee.h"

#define VMA_SHARED   0x8 /* VM_SHARED, VM_MAYWRITE of <linux/mm.h> */
#define VMA_MAYWRITE 0x20

/** A mapping of an outsider's. */
struct mapper {
	struct object *o;
	pid_t pid;
	uint32_t writer;
	uint64_t start, end, offset; /* addresses, and bytes in the object */
};

/** All of them. */
struct mappers {
	struct recorder *r;
	struct mapper *v; /* malloced */
	size_t n, cap;
};

static int add_mapper(void *ctx, const struct khold *h)
{
	struct mappers *m = ctx;
	const uint64_t both = VMA_SHARED | VMA_MAYWRITE;
	struct object *o = object__by_hold(m->r, h);

	if (!o || (h->vm_flags & both) != both)
		return 0;
	if (h->insider || (pid_t)h->tgid == getpid() || who__is_insider(m->r, h->tgid))
		return 0;
	if (m->n == m->cap) {
		const size_t cap = m->cap ? 2 * m->cap : 8;
		struct mapper *v = reallocarray(m->v, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		m->v = v;
		m->cap = cap;
	}
	m->v[m->n++] = (struct mapper){
		.o = o,
		.pid = h->tgid,
		.writer = who__id(m->r, h->tgid, h->tgid, h->uid, h->start_ns, h->comm, h->exe),
		.start = h->start,
		.end = h->end,
		.offset = h->offset,
	};
	return 0;
}

/** Are the numbers of the kernel's lists, which are ours too (kern__open), those of the /proc that is mounted? */
static bool numbers_fit(void)
{
	char self[16] = "";

	return readlink("/proc/self", self, sizeof(self) - 1) > 0 && atoi(self) == getpid();
}

/** Pages of one mapping, on their way into a set. */
struct adding {
	struct ranges *set;
	const struct mapper *m;
};

static uint64_t page_at(const struct mapper *m, uint64_t addr)
{
	return (m->offset + (addr - m->start)) / BPREC_PAGE_SIZE;
}

static int add_run(void *ctx, uint64_t addr, uint64_t n)
{
	const struct adding *a = ctx;
	const uint64_t first = page_at(a->m, addr);

	return ranges__add(a->set, first, first + n);
}

typedef int (*pages_fn)(pid_t pid, uint64_t addr, uint64_t end,
			int (*fn)(void *ctx, uint64_t addr, uint64_t n), void *ctx);

/** Those of the pages `wanted` that the mapping has and `pages` finds; all that it has, if it finds nothing out. */
static int add_pages_of(const struct mapper *m, const struct ranges *wanted, pages_fn pages,
			struct ranges *ret)
{
	struct range all = { page_at(m, m->start), page_at(m, m->end) };
	const struct ranges of_mapping = { .v = &all, .n = 1 };
	struct adding a = { ret, m };
	struct ranges here = { 0 };
	int err = ranges__both(wanted, &of_mapping, &here);

	for (size_t i = 0; i < here.n && !err; i++) {
		const uint64_t lo = m->start + (here.v[i].first - all.first) * BPREC_PAGE_SIZE;
		const uint64_t hi = m->start + (here.v[i].end - all.first) * BPREC_PAGE_SIZE;

		err = pages ? pages(m->pid, lo, hi, add_run, &a) : -EPERM;
		if (err && err != -ENOMEM)
			err = ranges__add(ret, here.v[i].first, here.v[i].end);
	}
	ranges__free(&here);
	return err;
}

static int list(struct recorder *r, uint64_t key, struct mappers *ret)
{
	ret->r = r;
	return kern__mappers(r->k, key, add_mapper, ret);
}

/** Faults, on their way into a set. */
struct fault_pages {
	struct ranges *set;
	uint64_t since_ns; /* older ones are left out */
};

static int add_fault(void *ctx, const struct fault *f)
{
	const struct fault_pages *p = ctx;

	return f->again_ns < p->since_ns ? 0 : ranges__add(p->set, f->first, f->first + f->n);
}

int resident__pages(struct recorder *r, struct object *o, const struct ranges *wanted,
		    struct ranges *ret)
{
	struct fault_pages faults = { ret, r->rearm ? o->lately_ns : 0 };
	const pages_fn pages = numbers_fit() ? tracee__present_pages : NULL;
	struct mappers m = { 0 };
	int err = r->rearm ? ranges__add_all(ret, &o->stored) : list(r, o->key, &m);

	for (size_t i = 0; i < m.n && !err; i++)
		err = add_pages_of(&m.v[i], wanted, pages, ret);
	if (!err)
		err = faults__each(o, add_fault, &faults);
	if (!err && !r->rearm)
		err = ranges__add_all(ret, &o->lately);
	free(m.v);
	return err;
}

/** Clears the bits of each process once: the mappings of one come one after another. */
static int clear_all(struct recorder *r, const struct mappers *m)
{
	int err = 0;

	for (size_t i = 0; i < m->n && !err; i++)
		if (!i || m->v[i].pid != m->v[i - 1].pid)
			err = rearm__process(r, m->v[i].pid, m->v[i].writer);
	return err;
}

int resident__rearm(struct recorder *r)
{
	const bool fit = numbers_fit();
	struct mappers m = { 0 };
	int err = list(r, 0, &m);

	for (size_t i = 0; i < m.n && !err; i++) {
		err = add_pages_of(&m.v[i], &m.v[i].o->saved, fit ? tracee__stored_pages : NULL,
				   &m.v[i].o->stored);
		ranges__settle(&m.v[i].o->stored);
	}
	if (!err && fit)
		err = clear_all(r, &m);
	free(m.v);
	return err;
}
