// SPDX-License-Identifier: MIT
/*
 * scratch.c: lets a call that may wait write into a scratch area, and says afterwards what to copy where (DESIGN 12,
 * rule 6).
 *
 * A plan is made from the same spans as sys__touched. Every span that may be written becomes a piece of the scratch area,
 * and so does every struct that holds pointers to such spans (a box: msghdr, iovec array ...), copied there with its
 * pointers turned to the scratch area. Memory that is only read stays where it is.
 *
 * Invariants:
 * - a piece of which the kernel may write less than all is copied in first, so that copying back never stores bytes that
 *   were in neither;
 * - the pointers of a box are never copied back: what goes back is exactly what sys__outputs reports;
 * - futex words and thread ids that other threads look at (SPAN_PINNED) are never moved: the kernel works on them in place.
 */
#include "sys/run.h"

#include <errno.h>
#include <string.h>

#define PIECE_ALIGN 16u

/* A plan that is being made. */
struct planner {
	const struct sys_invocation *in;
	struct sys_scratch *plan;
};

static bool piece_holds(const struct sys_piece *p, uint64_t addr, uint64_t len)
{
	return addr >= p->addr && addr - p->addr <= p->len && len <= p->len - (addr - p->addr);
}

/* The piece made last that holds these bytes. */
static struct sys_piece *find_piece(struct sys_scratch *plan, uint64_t addr, uint64_t len)
{
	for (uint32_t i = plan->npieces; i > 0; i--)
		if (piece_holds(&plan->piece[i - 1], addr, len))
			return &plan->piece[i - 1];
	return NULL;
}

/* Turns the pointer to a new piece, which is an argument or lies in a box. */
static int add_fixup(struct planner *p, const struct span *s, uint64_t target)
{
	struct sys_fixup *f = &p->plan->fixup[p->plan->nfixups];
	const struct sys_piece *box;

	*f = (struct sys_fixup){ .in_arg = 1, .arg = s->arg, .target = target };
	if (s->flags & SPAN_IN_MEM) {
		box = find_piece(p->plan, s->ptr_at, sizeof(uint64_t));
		if (!box)
			return -EOPNOTSUPP;
		f->in_arg = 0;
		f->at = box->offset + (s->ptr_at - box->addr);
	} else if (p->in->args[s->arg] != s->addr) {
		return -EOPNOTSUPP;
	}
	p->plan->nfixups++;
	return 0;
}

static int add_piece(struct planner *p, const struct span *s)
{
	struct sys_scratch *plan = p->plan;
	struct sys_piece *piece = &plan->piece[plan->npieces];
	int err;

	if (plan->npieces == SYS_SCRATCH_PIECES || s->len > SYS_SCRATCH_BYTES ||
	    plan->bytes + s->len > SYS_SCRATCH_BYTES)
		return -E2BIG;
	err = add_fixup(p, s, plan->bytes);
	if (err)
		return err;
	*piece = (struct sys_piece){
		.addr = s->addr, .len = s->len, .offset = plan->bytes, .dir = s->dir, .arg = s->arg
	};
	if (s->flags & (SPAN_WEAK | SPAN_BOX))
		piece->dir |= SYS_READS;
	plan->bytes += (s->len + PIECE_ALIGN - 1) / PIECE_ALIGN * PIECE_ALIGN;
	plan->npieces++;
	return 0;
}

static int plan_span(void *ctx, const struct span *s)
{
	struct planner *p = ctx;
	struct sys_piece *box;

	if (s->flags & SPAN_PINNED)
		return 0;
	if (s->flags & SPAN_FIELD) {
		box = find_piece(p->plan, s->addr, s->len);
		if (!box)
			return -EOPNOTSUPP;
		box->dir |= SYS_WRITES;
		return 0;
	}
	return s->flags & SPAN_BOX || s->dir & SYS_WRITES ? add_piece(p, s) : 0;
}

int sys__scratch(const struct sys_invocation *in, struct sys_scratch *ret_plan)
{
	struct sys_scratch plan = { 0 };
	struct planner p = { in, &plan };
	struct run r = { .in = in, .mode = RUN_TOUCH, .sink = plan_span, .ctx = &p };
	int err = run__call(&r);

	if (err)
		return err;
	for (uint32_t i = 0; i < plan.npieces; i++) {
		if (plan.piece[i].dir & SYS_WRITES) {
			*ret_plan = plan;
			return 1;
		}
	}
	return 0;
}

/* Copying back. */
struct back {
	const struct sys_invocation *in;  /* as the program made it */
	const struct sys_scratch *plan;	  /* made at its entry */
	uint64_t base;			  /* where the scratch area was */
	sys_copy_fn fn;			  /* takes the ranges */
	void *ctx;			  /* for fn */
	uint8_t used[SYS_SCRATCH_PIECES]; /* pieces already copied */
};

/* Puts the program's own pointers back into a copy of [offset, offset + len) of the scratch area. */
static void unfix(const struct sys_scratch *plan, uint64_t offset, uint8_t *buf, size_t len)
{
	for (uint32_t i = 0; i < plan->nfixups; i++) {
		const struct sys_fixup *f = &plan->fixup[i];
		uint8_t own[sizeof(uint64_t)];

		if (f->in_arg)
			continue;
		for (uint32_t k = 0; k < plan->npieces; k++)
			if (plan->piece[k].offset == f->target)
				memcpy(own, &plan->piece[k].addr, sizeof(own));
		for (size_t k = 0; k < sizeof(own); k++)
			if (f->at + k >= offset && f->at + k - offset < len)
				buf[f->at + k - offset] = own[k];
	}
}

/* Reads memory as it would be if the call had written in place. */
static long back_read(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct back *b = ctx;

	for (uint32_t i = 0; i < b->plan->npieces; i++) {
		const struct sys_piece *p = &b->plan->piece[i];
		uint64_t offset = p->offset + (addr - p->addr);
		long n;

		if (!piece_holds(p, addr, len))
			continue;
		n = b->in->read(b->in->ctx, b->base + offset, buf, len);
		if (n > 0)
			unfix(b->plan, offset, buf, (size_t)n);
		return n;
	}
	return b->in->read(b->in->ctx, addr, buf, len);
}

/* The piece of a span: the first unused one that begins there, else one that holds it. */
static const struct sys_piece *back_piece(struct back *b, const struct span *s)
{
	const struct sys_scratch *plan = b->plan;

	for (uint32_t i = 0; !(s->flags & SPAN_FIELD) && i < plan->npieces; i++) {
		if (b->used[i] || plan->piece[i].addr != s->addr || plan->piece[i].arg != s->arg)
			continue;
		b->used[i] = 1;
		return &plan->piece[i];
	}
	for (uint32_t i = 0; i < plan->npieces; i++)
		if (piece_holds(&plan->piece[i], s->addr, 0))
			return &plan->piece[i];
	return NULL;
}

static int back_span(void *ctx, const struct span *s)
{
	struct back *b = ctx;
	const struct sys_piece *p;
	struct sys_range to = { .addr = s->addr, .len = s->len, .arg = s->arg, .dir = s->dir };
	uint64_t room;

	if (s->flags & SPAN_PINNED)
		return 0;
	p = back_piece(b, s);
	/* After -EFAULT nobody knows how much of a piece was written: only one that was copied in is whole. */
	if (!p || (b->in->ret == -EFAULT && !(p->dir & SYS_READS)))
		return 0;
	room = p->len - (s->addr - p->addr);
	to.len = s->len < room ? s->len : room;
	return b->fn(b->ctx, b->base + p->offset + (s->addr - p->addr), &to);
}

int sys__scratch_back(const struct sys_invocation *in, const struct sys_scratch *plan,
		      uint64_t base, sys_copy_fn fn, void *ctx)
{
	struct back b = { .in = in, .plan = plan, .base = base, .fn = fn, .ctx = ctx };
	struct sys_invocation view = *in;
	struct run r = { .in = &view,
			 .mode = in->ret == -EFAULT ? RUN_FAULT : RUN_OUT,
			 .sink = back_span,
			 .ctx = &b };

	view.read = back_read;
	view.ctx = &b;
	return run__call(&r);
}
