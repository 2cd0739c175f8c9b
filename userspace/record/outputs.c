/* SPDX-License-Identifier: MIT */
/*
 * outputs.c: the bytes that a call wrote into its caller's memory.
 *
 * sys/ names the ranges. Small outputs travel inside the EV_SYSCALL, large or many ones in EV_DATA events before it.
 * Where the call wrote to a scratch area (DESIGN 12, rule 6), the bytes are copied to their place here, while the thread
 * is at its exit stop and holds its group's token or is about to queue for it.
 */
#include "record/outputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <asm/unistd.h>

#include "model/regs.h"
#include "record/emit.h"
#include "tracee/tracee.h"

#define MAX_RANGES 8192 /* a recvmmsg of 1,024 messages has some for each */
#define MAX_INLINE 256	/* ranges inside an EV_SYSCALL */
#define PAD8(n)	   (((n) + 7) & ~7ull)

/** The outputs of one call while they are collected. */
struct outputs {
	struct sys_range range[MAX_RANGES];
	size_t n;
	uint64_t total; /* bytes */
	bool overflow;
};

static uint8_t inline_buf[BPREC_DATA_INLINE_MAX + MAX_INLINE * (sizeof(struct buf_ref) + 8)];
static uint8_t chunk[BPREC_DATA_MAX];

long outputs__read(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct task *t = ctx;

	return tracee__read(t->tid, addr, buf, len);
}

struct sys_invocation outputs__invocation(struct task *t, int64_t ret)
{
	/* restart_syscall goes on with the call that was interrupted (man 2 restart_syscall) */
	const uint32_t nr = t->nr == __NR_restart_syscall ? t->restart_nr : t->nr;
	struct sys_invocation in = { .nr = nr, .ret = ret, .read = outputs__read, .ctx = t };

	memcpy(in.args, t->args, sizeof(in.args));
	return in;
}

static int collect(void *ctx, const struct sys_range *range)
{
	struct outputs *o = ctx;

	if (!range->len)
		return 0;
	if (o->n == MAX_RANGES) {
		o->overflow = true;
		return 1;
	}
	o->range[o->n++] = *range;
	o->total += range->len;
	return 0;
}

/** Puts a range of the scratch area where the program expects it. What can't be stored is left: the program's own buffer
 *  was bad, and the range is then found unreadable when it is recorded. */
static int put_back(void *ctx, uint64_t from, const struct sys_range *to)
{
	struct task *t = ctx;

	for (uint64_t at = 0; at < to->len;) {
		size_t len = to->len - at < BPREC_DATA_MAX ? to->len - at : BPREC_DATA_MAX;
		ssize_t n = tracee__read(t->tid, from + at, chunk, len);

		if (n <= 0 || tracee__write(t->tid, to->addr + at, chunk, n))
			break;
		at += n;
	}
	return 0;
}

/** Reads a piece of an output. Bytes read. */
static size_t fetch(struct task *t, uint64_t addr, void *buf, size_t len)
{
	ssize_t n = tracee__read(t->tid, addr, buf, len);

	return n > 0 ? n : 0;
}

static int write_data(struct recorder *r, struct task *t, const struct sys_range *range,
		      uint32_t *flags)
{
	int err = 0;

	for (uint64_t at = 0; at < range->len && !err;) {
		size_t len = range->len - at < BPREC_DATA_MAX ? range->len - at : BPREC_DATA_MAX;
		size_t got = fetch(t, range->addr + at, chunk, len);
		struct ev_data ev = { .addr = range->addr + at, .len = got, .why = DATA_SYSCALL };

		if (got)
			err = emit(r, EV_DATA, t, &ev, sizeof(ev), chunk, got);
		if (got < len) {
			*flags |= SYSCALL_PARTIAL;
			break;
		}
		at += got;
	}
	return err;
}

/** Fills inline_buf with the references and bytes of all ranges; returns its length. */
static size_t pack(struct task *t, const struct outputs *o, uint32_t *ret_n, uint32_t *flags)
{
	struct buf_ref *ref = (struct buf_ref *)inline_buf;
	size_t at = o->n * sizeof(*ref), n = 0;

	for (size_t i = 0; i < o->n; i++) {
		const struct sys_range *range = &o->range[i];
		size_t got = fetch(t, range->addr, inline_buf + at, range->len);

		if (got < range->len)
			*flags |= SYSCALL_PARTIAL;
		ref[n++] = (struct buf_ref){ range->addr, got, range->arg };
		memset(inline_buf + at + got, 0, PAD8(got) - got);
		at += PAD8(got);
	}
	*ret_n = n;
	return at;
}

/** Ranges of the call, and what is not known about them. */
static int find(struct recorder *r, struct task *t, int64_t ret, struct outputs *o)
{
	const struct sys_invocation in = outputs__invocation(t, ret);
	const struct sys_call *c = sys__lookup(in.nr);
	int err;

	o->n = 0;
	o->total = 0;
	o->overflow = false;
	if (!c || !c->rules)
		return 0;
	if (t->plan)
		sys__scratch_back(&in, t->plan, t->scratch, put_back, t);
	err = sys__outputs(&in, collect, o);
	if (err < 0 || o->overflow) {
		if (ret < 0 && ret > -4096 && !o->overflow)
			return 0; /* it failed: an undescribed command wrote nothing we must know */
		return emit__gap(r, GAP_UNRECORDED_CALL, CH_UNKNOWN, 0,
				 "%s(%#llx, %#llx, ...) by pid %d: its outputs are not described",
				 c->name, (unsigned long long)t->args[0],
				 (unsigned long long)t->args[1], t->pid);
	}
	return 0;
}

int outputs__write(struct recorder *r, struct task *t, int64_t ret, uint32_t flags)
{
	static struct outputs o;
	struct ev_syscall ev = { .nr = t->nr, .ret = ret, .entry_ns = t->entry_ns };
	int err = 0;

	o.n = 0;
	if (!(flags & (SYSCALL_SUBSTITUTED | SYSCALL_NO_RETURN)))
		err = find(r, t, ret, &o);
	if (err)
		return err;
	if (t->plan)
		flags |= SYSCALL_SCRATCH;
	if (o.total > BPREC_DATA_INLINE_MAX || o.n > MAX_INLINE) {
		for (size_t i = 0; i < o.n && !err; i++)
			err = write_data(r, t, &o.range[i], &flags);
		o.n = 0;
	}
	if (err)
		return err;
	ev.bufs_len = o.n ? pack(t, &o, &ev.nbufs, &flags) : 0;
	ev.flags = flags;
	memcpy(ev.args, t->args, sizeof(ev.args));
	/* rt_sigreturn's registers come with its EV_REGS */
	if (!(flags & SYSCALL_NO_RETURN) && t->nr != __NR_rt_sigreturn)
		writer__reg_hash(r->w, regs64__hash(&t->exit_regs));
	return emit(r, EV_SYSCALL, t, &ev, sizeof(ev), inline_buf, ev.bufs_len);
}
