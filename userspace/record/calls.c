/* SPDX-License-Identifier: MIT */
/*
 * calls.c: the entry and the exit stop of a system call.
 *
 * At the entry: what the table refuses or does not know is replaced by number -1, so that the kernel carries nothing out,
 * and gets its result at the exit stop. Calls that may wait, in a group with other threads, write their outputs to a
 * scratch area (DESIGN 12, rule 6). At the exit: the outputs are written down, then what the call did to the address
 * space or the tree (mm.c, special.c), then the thread is readied.
 */
#include "record/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <asm/unistd.h>

#include "record/affinity.h"
#include "record/checksum.h"
#include "record/emit.h"
#include "record/logged.h"
#include "record/mm.h"
#include "record/order.h"
#include "record/outputs.h"
#include "record/outside.h"
#include "record/sched.h"
#include "record/procmem.h"
#include "record/scratch.h"
#include "record/signals.h"
#include "record/special.h"
#include "record/stores.h"
#include "tracee/tracee.h"

#define ERESTARTNOINTR 513 /* linux/errno.h, kernel only: the call starts over, handler or not */

static bool is_restart(int64_t ret)
{
	return ret == -512 || ret == -ERESTARTNOINTR || ret == -514 ||
	       ret == -516; /* linux/errno.h, kernel only */
}

static void note_args(struct task *t, const struct regs64 *regs)
{
	t->nr = regs->orig_rax;
	t->args[0] = regs->rdi;
	t->args[1] = regs->rsi;
	t->args[2] = regs->rdx;
	t->args[3] = regs->r10;
	t->args[4] = regs->r8;
	t->args[5] = regs->r9;
	t->args_known = true;
}

/** Replaces the call by none; `ret` is put in at the exit stop. */
static int substitute(struct task *t, struct regs64 *regs, int64_t ret)
{
	t->subst_set = true;
	t->subst = ret;
	t->skip_late = t->by_syscall;
	if (t->skip_late)
		return 0; /* its own filter could kill it for a number that it doesn't know */
	regs->orig_rax = ~0ull;
	return tracee__set_regs(t->tid, regs);
}

static int refuse(struct recorder *r, struct task *t, struct regs64 *regs, int error,
		  enum note_kind kind)
{
	const struct sys_call *c = sys__lookup(t->nr);
	char text[160];
	int err;

	snprintf(text, sizeof(text), "%s (number %u) answered with %s", c ? c->name : "a call",
		 t->nr, error == ENOSYS ? "ENOSYS" : strerror(error));
	err = emit__note(r, t, kind, t->nr, text);
	if (err)
		return err;
	if (kind == NOTE_UNKNOWN_SYSCALL || t->nr == __NR_ptrace)
		recorder__warn(r, "pid %d: %s", t->pid,
			       t->nr == __NR_ptrace
				       ? "it wants to trace others, which can't be recorded; "
					 "ptrace is answered with EPERM"
				       : text);
	return substitute(t, regs, -error);
}

/** What the call's class asks for before it is carried out. May change regs in the tracee. */
static int prepare(struct recorder *r, struct task *t, const struct sys_call *c,
		   struct regs64 *regs)
{
	int64_t ret;

	if (!c)
		return refuse(r, t, regs, ENOSYS, NOTE_UNKNOWN_SYSCALL);
	switch (c->sysclass) {
	case SYS_CLASS_REFUSED:
		return refuse(r, t, regs, c->refuse_errno, NOTE_REFUSED);
	case SYS_CLASS_MM:
		if (mm__entry(r, t, &ret))
			return substitute(t, regs, ret);
		return r->err;
	case SYS_CLASS_TREE:
	case SYS_CLASS_SPECIAL:
		if (special__entry(r, t, regs, &ret))
			return substitute(t, regs, ret);
		return r->err;
	default:
		return 0;
	}
}

/** A PTRACE_INTERRUPT that came too late to be seen would make these return EINTR, which the program must not see (DESIGN
 *  12, rule 3): an injected call's stops clear it (kernel/signal.c, ptrace_stop: "any trap clears pending STOP trap"). */
static void clear_interrupt(struct task *t, const struct sys_call *c)
{
	const uint64_t none[6] = { 0 };
	int64_t ret;

	if (!t->interrupt_sent)
		return;
	t->interrupt_sent = false;
	if (c && (c->flags & SYS_EINTR_BOUND) && !t->by_syscall)
		tracee__inject_at_entry(t->tid, __NR_getpid, none, &ret);
}

static void drop_plan(struct task *t)
{
	free(t->plan);
	t->plan = NULL;
}

static int look(struct recorder *r, struct task *t)
{
	const struct sys_call *c;
	struct sys_invocation in;
	struct regs64 regs;
	bool may_wait;
	int err = logged__take(r, t);

	if (!err)
		err = tracee__get_regs(t->tid, &regs);
	if (err)
		return err;
	note_args(t, &regs);
	if (t->nr != __NR_restart_syscall)
		drop_plan(t);
	c = sys__lookup(t->nr);
	clear_interrupt(t, c);
	if (signals__entry(r, t))
		err = substitute(t, &regs, -ERESTARTNOINTR);
	else
		err = prepare(r, t, c, &regs);
	if (err)
		return err;
	in = outputs__invocation(t, 0);
	may_wait = c && !t->subst_set && sys__may_block(&in);
	t->cut = t->subst_set ? 0 : stores__cut(r, t);
	if (t->cut && r->ntasks > 1)
		err = stores__before_cut(r, t);
	if (err)
		return err;
	t->stores = !t->subst_set && !sched__alone(t) && stores__holds(r, t);
	may_wait = may_wait && !t->stores;
	if (may_wait && !t->plan) /* a restarted call still has its own */
		err = scratch__set_up(r, t, &regs, &may_wait);
	if (err)
		return err;
	order__entry(r, t);
	sched__enter_call(r, t, may_wait);
	return 0;
}

int calls__entry(struct recorder *r, struct task *t, bool plain)
{
	t->idle_ns = t->stop_ns;
	t->subst_set = t->skip_late = false;
	t->args_known = t->stores = false;
	t->cut = 0;
	if (!plain || t->held || t->interrupt_sent || !sched__alone(t))
		return look(r, t);
	drop_plan(t);
	sched__enter_call(r, t, false);
	return 0;
}

int calls__filtered(struct task *t)
{
	struct regs64 regs;
	int err = 0;

	if (t->skip_late)
		err = tracee__get_regs(t->tid, &regs);
	if (!err && t->skip_late) {
		regs.orig_rax = ~0ull;
		err = tracee__set_regs(t->tid, &regs);
	}
	t->skip_late = false;
	t->state = TASK_IN_CALL;
	ptrace(PTRACE_SYSCALL, t->tid, 0, 0);
	return err;
}

int calls__foreign(struct recorder *r, struct task *t)
{
	struct regs64 regs;
	int err = tracee__get_regs(t->tid, &regs);

	if (err)
		return err;
	note_args(t, &regs);
	t->idle_ns = t->stop_ns;
	err = refuse(r, t, &regs, ENOSYS, NOTE_32BIT);
	if (!err)
		sched__enter_call(r, t, false);
	return err;
}

static int finish_substituted(struct task *t, struct regs64 *regs)
{
	regs->rax = t->subst;
	/* without a number the kernel starts nothing over, and nobody knows that nothing has run since (preempt__fresh) */
	regs->orig_rax = t->nr;
	t->subst_set = false;
	return tracee__set_regs(t->tid, regs);
}

/** What the call did beside its outputs. */
static int consequences(struct recorder *r, struct task *t, const struct sys_call *c, int64_t ret,
			const struct regs64 *regs)
{
	if (!c)
		return 0;
	switch (c->sysclass) {
	case SYS_CLASS_MM:
		return mm__exit(r, t, ret);
	case SYS_CLASS_SIGNAL:
		return signals__returned(r, t, regs);
	case SYS_CLASS_TREE:
	case SYS_CLASS_SPECIAL:
		return special__exit(r, t, ret);
	default:
		return 0;
	}
}

int calls__exit(struct recorder *r, struct task *t)
{
	const struct sys_call *c;
	struct regs64 regs;
	uint32_t flags = 0;
	int err = tracee__get_regs(t->tid, &regs);
	int64_t ret;

	if (err)
		return err;
	if (!t->args_known)
		note_args(t, &regs);
	c = sys__lookup(t->nr);
	if (t->skip_late)
		t->subst_set = t->skip_late = false; /* its own filter has answered */
	if (t->subst_set) {
		flags |= SYSCALL_SUBSTITUTED;
		err = finish_substituted(t, &regs);
		if (err)
			return err;
	}
	t->exit_regs = regs;
	t->at_point = false;
	signals__count_call(t, &regs);
	ret = regs.rax;
	if (t->nr == __NR_execve && !ret) { /* by_syscall: exec.c has written it */
		sched__ready(r, t);
		return 0;
	}
	if (is_restart(ret)) {
		flags |= SYSCALL_INTERRUPTED;
		if (t->nr != __NR_restart_syscall)
			t->restart_nr = t->nr;
	}
	if (t->plan && t->nr != __NR_restart_syscall)
		err = scratch__restore(t, &regs);
	t->exit_regs = regs;
	affinity__exit(r, t, ret);
	if (!err)
		err = outputs__write(r, t, ret, flags);
	if (!err && !flags)
		err = procmem__exit(r, t, ret);
	if (!err && !(flags & SYSCALL_SUBSTITUTED))
		err = stores__written(r, t, ret);
	if (!err && !(flags & SYSCALL_SUBSTITUTED))
		err = consequences(r, t, c, ret, &regs);
	if (order__end(r, t))
		sched__run(r);
	if (!err)
		err = checksum__call(r, t);
	if (err)
		return err;
	if (c && (c->flags & SYS_YIELDS))
		t->preempt = true;
	sched__ready(r, t);
	return 0;
}

int calls__no_return(struct recorder *r, struct task *t, int64_t ret)
{
	int err = t->args_known ? outputs__write(r, t, ret, SYSCALL_NO_RETURN) : 0;

	return !err && t->args_known && t->nr == __NR_exit_group ? checksum__end(r, t) : err;
}
