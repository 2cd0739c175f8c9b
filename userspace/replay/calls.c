/* SPDX-License-Identifier: MIT */
/*
 * calls.c: system calls, answered from the trace.
 *
 * The thread runs to the entry of the call; number and arguments must be the recorded ones. What the call wrote is put into
 * its memory, its result into rax. Few calls do something to the process itself that user code can feel and that no other
 * event tells: these are carried out here.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <asm/unistd.h>

#include "replay/state.h"
#include "sys/sys.h"
#include "util/err.h"

static uint64_t arg_of(const struct regs64 *r, int i)
{
	const uint64_t v[6] = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 };

	return v[i];
}

/** The thread is at the call it was at. */
static int same_call(struct replay *rp, struct rtask *t, uint32_t nr, const uint64_t args[6])
{
	const struct sys_call *c = sys__lookup(nr);
	char where[160];

	if (rp->opts.no_verify)
		return 0;
	rp->st.checks++;
	if ((uint32_t)t->regs.orig_rax != nr)
		return replay__differs(rp, "expected %s (call %u), but %s", c ? c->name : "a call",
				       nr, run__where(t, where, sizeof(where)));
	for (int i = 0; i < 6; i++)
		if (arg_of(&t->regs, i) != args[i])
			return replay__differs(
				rp,
				"argument %d of %s: expected %#llx, found %#llx (call at "
				"%#llx)",
				i + 1, c ? c->name : "the call", (unsigned long long)args[i],
				(unsigned long long)arg_of(&t->regs, i),
				(unsigned long long)t->regs.rip);
	return 0;
}

/** Carries out a call of the program for real, with its own arguments; the recorded result is what it gets. */
static int for_real(struct replay *rp, struct rtask *t, const struct ev_syscall *c)
{
	int64_t ret;

	t->dirty = true;
	return stub__call(rp, t->real, c->nr, c->args, &ret);
}

static int madvise_again(struct replay *rp, struct rtask *t, const struct ev_syscall *c)
{
	switch (c->args[2]) {
	case MADV_DONTFORK:
	case MADV_WIPEONFORK:
		t->space->kept = true;
		return for_real(rp, t, c);
	case MADV_DONTNEED:
	case MADV_REMOVE:
	case MADV_DOFORK:
	case MADV_KEEPONFORK:
		return for_real(rp, t, c);
	default:
		return 0; /* hints */
	}
}

/** What the call did to its own process. */
static int effects(struct replay *rp, struct rtask *t, const struct ev_syscall *c)
{
	if (c->ret || (c->flags & SYSCALL_SUBSTITUTED))
		return 0;
	switch (c->nr) {
	case __NR_madvise:
		return madvise_again(rp, t, c);
	case __NR_arch_prctl:
		if (c->args[0] == ARCH_SET_FS)
			t->regs.fs_base = c->args[1];
		else if (c->args[0] == ARCH_SET_GS)
			t->regs.gs_base = c->args[1];
		return 0;
	default:
		return 0;
	}
}

static int put_outputs(struct replay *rp, struct rtask *t, const struct ev_syscall *c)
{
	const struct buf_ref *ref = (const void *)(c + 1);
	const uint8_t *p = (const uint8_t *)(ref + c->nbufs);
	int err = 0;

	for (uint32_t i = 0; i < c->nbufs && !err; i++) {
		err = mem__write(rp, t, ref[i].addr, p, ref[i].len);
		p += (ref[i].len + 7) & ~7u;
	}
	return err;
}

static void set_result(struct rtask *t, const struct ev_syscall *c)
{
	t->regs.rax = c->ret;
	t->regs.rcx = t->regs.rip;
	t->regs.r11 = t->regs.eflags;
	t->state = RTASK_READY;
	t->dirty = true;
	t->restart = c->flags & SYSCALL_INTERRUPTED;
	t->restart_nr = c->nr;
}

static int on_syscall(struct replay *rp, struct rtask *t, const struct event_header *ev)
{
	const struct ev_syscall *c = (const void *)(ev + 1);
	int err = run__to_call(rp, t);

	if (!err)
		err = same_call(rp, t, c->nr, c->args);
	if (!err)
		err = output__call(rp, t, c);
	if (err || (c->flags & SYSCALL_NO_RETURN))
		return err;
	err = put_outputs(rp, t, c);
	if (!err)
		err = effects(rp, t, c);
	if (err)
		return err;
	set_result(t, c);
	if (c->nr == __NR_rt_sigreturn) /* registers come with the EV_REGS that follows */
		return 0;
	return run__check_regs(rp, t, ev->reg_hash);
}

static int on_enter(struct replay *rp, struct rtask *t, const struct event_header *ev)
{
	const struct ev_syscall_enter *c = (const void *)(ev + 1);
	int err = run__to_call(rp, t);

	return err ? err : same_call(rp, t, c->nr, c->args);
}

static int on_data(struct replay *rp, struct rtask *t, const struct event_header *ev)
{
	const struct ev_data *d = (const void *)(ev + 1);
	int err = d->why == DATA_SYSCALL ? run__to_call(rp, t) : 0;

	return err ? err : mem__write(rp, t, d->addr, d + 1, d->len);
}

int calls__event(struct replay *rp, struct rtask *t, const struct event_header *ev)
{
	switch (ev->type) {
	case EV_SYSCALL:
		return on_syscall(rp, t, ev);
	case EV_SYSCALL_ENTER:
		return on_enter(rp, t, ev);
	default:
		return on_data(rp, t, ev);
	}
}
