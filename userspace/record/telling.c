/* SPDX-License-Identifier: MIT */
/*
 * telling.c: which words of a live thread's memory are written down at a preemption point.
 *
 * Most telling is what the last steps before the point stored: if they are a whole round of a loop, all that the round stores
 * is among it. The counter of a loop around that one isn't; so an earlier picture of the stack and of pages that registers
 * point to is kept, and what differs from it comes next, then what was read on the way, and static variables that the code
 * around stores to.
 *
 * Left out is what a replay may find different though the program does the same: the stack below the stack pointer (but for
 * the 128 bytes that a function without callees may use, AMD64 ABI 3.2.2), shared objects that an outsider can write,
 * devices, bprec's own memory.
 */
#include "record/telling.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tracee/access.h"
#include "tracee/tracee.h"

#define PAGE_OF(a) ((a) & ~(uint64_t)(BPREC_PAGE_SIZE - 1))
#define RED_ZONE   128u
#define DEAD_STACK (64ull << 10) /* below the stack pointer: may have been stack */
#define CODE_NEAR  1024u	 /* bytes of code around that are looked at */
#define STATIC_MAX 16u
#define STORED_MAX 40u /* words stored on the way: leave room for others */

/** The mapping of addr, or for a stack that has grown the one above. */
static const struct model_vma *vma_above(const struct model_space *s, uint64_t addr)
{
	for (size_t i = 0; i < s->nvmas; i++)
		if (s->vmas[i].end > addr)
			return &s->vmas[i];
	return NULL;
}

/** Does memory there hold only what the program stored, and what the trace has? */
static bool is_own(struct recorder *r, const struct model_space *s, uint64_t addr)
{
	const struct model_vma *v = vma_above(s, addr);
	struct object *o = NULL;

	if (!v || (v->addr > addr && v->kind != MAP_KIND_STACK) || v->kind == MAP_KIND_BPREC ||
	    v->kind == MAP_KIND_SPECIAL || !(v->prot & PROT_WRITE))
		return false;
	if (v->object)
		HASH_FIND_INT(r->objects, &v->object, o);
	return !v->object || (o && !o->device && !o->exposed);
}

static void take_stack(struct task *t, const struct model_space *s, uint64_t rsp, struct picture *p)
{
	const struct model_vma *v = vma_above(s, rsp);
	const uint64_t from = rsp & ~7ull;
	uint64_t len = PICTURE_STACK;
	uint8_t *to;
	ssize_t n;

	if (!v || v->kind == MAP_KIND_BPREC)
		return;
	if (v->end - from < len)
		len = v->end - from;
	to = picture__room(p, from, len);
	if (!to)
		return;
	n = tracee__read(t->tid, from, to, len);
	p->piece[0].len = n > 0 ? n & ~7 : 0;
}

/** A page that isn't stack. */
static void take_page(struct recorder *r, struct task *t, const struct model_space *s, uint64_t rsp,
		      uint64_t addr, struct picture *p)
{
	const uint64_t page = PAGE_OF(addr);
	uint8_t *to;

	if (page < rsp + PICTURE_STACK && page + BPREC_PAGE_SIZE > rsp - DEAD_STACK)
		return;
	if (!is_own(r, s, page))
		return;
	to = picture__room(p, page, BPREC_PAGE_SIZE);
	if (!to)
		return;
	if (tracee__read(t->tid, page, to, BPREC_PAGE_SIZE) != BPREC_PAGE_SIZE) {
		p->n--; /* nothing there yet */
		p->used -= BPREC_PAGE_SIZE;
	}
}

/** The pages that registers point to, those that the thread touched, and those of the picture before. */
static void take(struct recorder *r, struct task *t, const struct regs64 *regs,
		 const struct words_trail *trail, struct picture *p)
{
	const struct model_space *s = model__space(r->m, t->space);
	const uint64_t v[] = { regs->rbp, regs->rbx, regs->rdi, regs->rsi, regs->rax,
			       regs->rdx, regs->rcx, regs->r12, regs->r13, regs->r14,
			       regs->r15, regs->r8,  regs->r9,	regs->r10, regs->r11 };

	p->n = p->used = 0;
	if (!s)
		return;
	take_stack(t, s, regs->rsp, p);
	for (uint32_t i = 0; i < trail->n; i++)
		take_page(r, t, s, regs->rsp, trail->v[i].addr, p);
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		take_page(r, t, s, regs->rsp, v[i], p);
	for (uint32_t i = 1; t->picture && i < t->picture->n; i++)
		take_page(r, t, s, regs->rsp, t->picture->piece[i].addr, p);
}

static void keep(struct task *t, struct picture *p)
{
	free(t->picture);
	t->picture = p;
	t->picture_ns = now_ns();
}

/** Static variables that the code around stores to: counters of loops around this one may be among them. */
static void note_static(struct task *t, uint64_t rip, struct words_trail *trail)
{
	static uint8_t code[2 * CODE_NEAR];
	uint64_t start = rip - CODE_NEAR, addr[STATIC_MAX];
	ssize_t len = tracee__read(t->tid, start, code, sizeof(code));
	size_t n = 0;

	if (len <= (ssize_t)CODE_NEAR) { /* it is on the first page of a mapping */
		start = PAGE_OF(rip);
		len = tracee__read(t->tid, start, code, sizeof(code));
	}
	if (len > (ssize_t)(rip - start))
		n = insn_access__static_stores(code, len, start, rip, addr, STATIC_MAX);
	for (size_t i = 0; i < n; i++)
		words_trail__add(trail, addr[i], 8, false);
}

void telling__keep(struct recorder *r, struct task *t, const struct regs64 *regs)
{
	struct picture *p = malloc(sizeof(*p));
	struct words_trail trail = { 0 };

	if (!p)
		return;
	note_static(t, regs->rip, &trail);
	take(r, t, regs, &trail, p);
	keep(t, p);
}

static bool is_dead_stack(const struct regs64 *regs, uint64_t addr)
{
	return addr < regs->rsp - RED_ZONE && addr >= regs->rsp - DEAD_STACK;
}

static void add_touched(struct recorder *r, struct task *t, const struct regs64 *regs,
			const struct words_trail *trail, bool store, struct words *ret)
{
	const struct model_space *s = model__space(r->m, t->space);
	const uint32_t max = store ? STORED_MAX : WORDS_MAX;

	for (uint32_t i = trail->n; s && i-- && ret->n < max;) {
		const uint64_t addr = trail->v[i].addr;
		uint64_t v;

		if (trail->v[i].store != store || is_dead_stack(regs, addr))
			continue;
		if (is_own(r, s, addr) && tracee__read(t->tid, addr, &v, sizeof(v)) == sizeof(v))
			words__add(ret, addr, v);
	}
}

void telling__choose(struct recorder *r, struct task *t, const struct regs64 *regs,
		     struct words_trail *trail, struct words *ret)
{
	struct picture *now = malloc(sizeof(*now));

	note_static(t, regs->rip, trail);

	add_touched(r, t, regs, trail, true, ret);
	if (now) {
		take(r, t, regs, trail, now);
		if (t->picture)
			words__add_changed(ret, t->picture, now);
		keep(t, now);
	}
	add_touched(r, t, regs, trail, false, ret);
}
