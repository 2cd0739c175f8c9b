// SPDX-License-Identifier: GPL-2.0-only
/*
 * sum.bpf.c: many changes told as one. A million writes to one page in a second are one record in the ring and one slot
 * of the array `sums`, which userspace takes when it comes to it.
 *
 * A slot belongs to one thread, one object, one block of KSUM_PAGES pages, one channel: only that thread adds to it. It is
 * announced by the record of its first change, and open until userspace closes it, by an atomic operation on the same word
 * that a change joins by (the array is mapped there; no system call). So nothing falls between:
 *
 *   a change joins       touched |= its pages; state += 1; and it is part of the sum if that found KSUM_CLOSED unset
 *   its call ends        range and last_ns are set; state -= 1
 *   userspace takes      state |= KSUM_CLOSED; if that found state 0, all that joined is over and in the slot: it is copied,
 *                        owner becomes 0, then KSUM_CLOSED is taken back; only now are the pages read. If not, it tries
 *                        again when the last call under way has ended (which tells: KEV_END)
 *
 * The operations on `state` have one order. A change that joins before the slot is closed is in the copy, with its pages, and
 * has ended before they are read. One that comes between the closing and its taking back finds KSUM_CLOSED; one that comes
 * later finds, by a second look at the owner behind its joining, that the slot isn't its own any more. Both take a step back,
 * and a slot anew, with a record of its own, before their call changes a byte. (x86 keeps loads behind an atomic operation.)
 * Pages that such a change has marked in a slot that isn't its own make that sum wider, never smaller.
 *
 * The window of a sum begins with its first change and ends with its last, so what check makes of it is never better than
 * what it would make of the changes one by one: each of them lies within.
 *
 * Requests of io_uring, and other changes that are known by their kiocb, are joined by the thread that submits them, and end
 * anywhere: several of a thread are under way at a time. So what isn't an atomic operation is done when they begin; their range
 * is what was asked for (one that did less makes it a range of pages), and when the last one ended isn't known (KSUM_ASYNC).
 * Appending ones are told one by one: where each will land can't be foretold.
 *
 * Compiled for BPF version 3 (Linux 5.12): atomic operations that give back the old value.
 */
#include "obs.bpf.h"

#define TRIES \
	4 /* neighbouring slots that are looked at; if all are others', the change is told by itself */

/** One change, as far as it concerns its slot. */
struct change {
	__u64 owner, task, object, block;
	__u32 kind, touched, at;
};

/* Fills c. false: it can't be summed up: too wide, across blocks, or not a plain range. */
static __always_inline bool describe(struct change *c, const struct flight *f, __u32 type)
{
	const struct note *n = &f->n;
	const __u64 first = n->offset >> 12, last = (n->offset + n->length - 1) >> 12;

	if (!sum_up || !n->object || n->flags & ~(KEVF_APPEND | KEVF_DIRECT))
		return false;
	if (f->who && (f->end == END_APPEND || n->flags & KEVF_APPEND))
		return false;
	if (!n->length || n->length > KSUM_PAGES * 4096 || first / KSUM_PAGES != last / KSUM_PAGES)
		return false;
	c->owner = bpf_get_current_pid_tgid();
	c->task = (__u64)bpf_get_current_task();
	c->object = n->object;
	c->block = first / KSUM_PAGES;
	c->kind = type << 16 | n->channel;
	c->at = first % KSUM_PAGES;
	c->touched = (2u << last % KSUM_PAGES) - (1u << c->at);
	return true;
}

static __always_inline __u32 slot_of(const struct change *c, int try)
{
	const __u64 mixed = (c->owner ^ c->object >> 4 ^ c->block << 40) * 0x9e3779b97f4a7c15ull;

	return ((mixed >> 40) + try) % KSUM_SLOTS;
}

static __always_inline bool is_own(volatile struct ksum *s, const struct change *c)
{
	return s->owner == c->owner && s->task == c->task && s->object == c->object &&
	       s->block == c->block && s->kind == c->kind;
}

/* Marks pages; an atomic operation only if one isn't marked yet. Nobody takes a mark away while the slot is its thread's. */
static __always_inline void touch(struct ksum *s, __u32 pages)
{
	if ((*(volatile __u32 *)&s->touched & pages) != pages)
		__sync_fetch_and_or(&s->touched, pages);
}

/* Joins an open sum of the same kind. */
static __always_inline bool join(struct ksum *s, const struct change *c)
{
	if (!is_own(s, c))
		return false;
	touch(s, c->touched);
	if (__sync_fetch_and_add(&s->state, 1) & KSUM_CLOSED || !is_own(s, c)) {
		__sync_fetch_and_add(&s->state, -1);
		return false;
	}
	s->count[c->at % KSUM_PAGES] += 1;
	return true;
}

/* Makes a free slot the thread's, with this change under way. */
static __always_inline bool claim(struct ksum *s, const struct change *c)
{
	if (s->owner || __sync_val_compare_and_swap(&s->owner, 0, 1))
		return false;
	s->task = c->task;
	s->object = c->object;
	s->block = c->block;
	s->first_ns = bpf_ktime_get_ns();
	s->last_ns = s->lo = s->hi = 0;
	s->kind = c->kind;
	s->flags = 0;
	s->touched = c->touched;
	__builtin_memset(s->count, 0, sizeof(s->count));
	s->count[c->at % KSUM_PAGES] = 1;
	__sync_fetch_and_add(&s->state, 1);
	*(volatile __u64 *)&s->owner = c->owner;
	return true;
}

/* Joins or claims; *ret: the slot's number. */
static __always_inline int add(const struct change *c, __u32 *ret)
{
	for (int i = 0; i < TRIES; i++) {
		__u32 slot = slot_of(c, i);
		struct ksum *s = bpf_map_lookup_elem(&sums, &slot);

		*ret = slot;
		if (s && join(s, c))
			return SUM_JOINED;
	}
	if (is_insider())
		return SUM_NONE;
	for (int i = 0; i < TRIES; i++) {
		__u32 slot = slot_of(c, i);
		struct ksum *s = bpf_map_lookup_elem(&sums, &slot);

		*ret = slot;
		if (s && claim(s, c))
			return SUM_FIRST;
	}
	return SUM_NONE;
}

/* Adds the bytes that a call really changed; those may be others than announced (O_APPEND). */
static __always_inline void add_range(struct ksum *s, const struct note *n)
{
	const __u64 end = n->offset + n->length, base = s->block * KSUM_PAGES;
	const __u64 first = (n->offset >> 12) - base, last = ((end - 1) >> 12) - base;

	if (first >= KSUM_PAGES || last >= KSUM_PAGES) {
		__sync_fetch_and_or(&s->flags, KSUM_UNKNOWN);
		return;
	}
	touch(s, (2u << last) - (1u << first));
	if (s->hi && (n->offset > s->hi || end < s->lo))
		__sync_fetch_and_or(&s->flags, KSUM_HOLES);
	if (!s->hi || n->offset < s->lo)
		s->lo = n->offset;
	if (end > s->hi)
		s->hi = end;
}

/* Adds what a request asks for, when it begins: only its thread does that. */
static __always_inline void add_asked(__u32 slot, const struct note *n)
{
	struct ksum *s = bpf_map_lookup_elem(&sums, &slot);

	if (!s)
		return;
	add_range(s, n);
	__sync_fetch_and_or(&s->flags, KSUM_ASYNC);
}

__noinline int sum_begin(struct flight *f)
{
	struct change c;
	__u32 slot = 0;

	if (!f || f->end > END_APPEND || !describe(&c, f, KEV_BEGIN))
		return SUM_NONE;
	const int how = add(&c, &slot);
	if (how == SUM_NONE)
		return how;
	f->sum = slot + 1;
	f->n.flags |= KEVF_SUMMED;
	f->n.aux = slot;
	if (f->end == END_APPEND)
		f->size = f->n.offset;
	if (f->who)
		add_asked(slot, &f->n);
	return how;
}

__noinline int sum_end(const struct flight *f, __u64 asked)
{
	__u32 slot = f ? f->sum - 1 : 0;
	struct ksum *s = bpf_map_lookup_elem(&sums, &slot);

	if (!f || !s)
		return 0;
	if (f->n.flags & KEVF_RANGE_UNKNOWN)
		__sync_fetch_and_or(&s->flags, KSUM_UNKNOWN);
	else if (f->who && f->n.length != asked)
		__sync_fetch_and_or(&s->flags, KSUM_HOLES);
	else if (!f->who && f->n.length)
		add_range(s, &f->n);
	s->last_ns = bpf_ktime_get_ns();
	return __sync_fetch_and_add(&s->state, -1) == (KSUM_CLOSED | 1);
}

__noinline int sum_drop(__u32 slot)
{
	struct ksum *s = bpf_map_lookup_elem(&sums, &slot);

	if (!s)
		return 0;
	__sync_fetch_and_add(&s->state, -1);
	*(volatile __u64 *)&s->owner = 0;
	return 0;
}
