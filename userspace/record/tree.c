/* SPDX-License-Identifier: MIT */
/*
 * tree.c: the recorded tree as ptrace shows it.
 *
 * A child is seen twice: by its parent's PTRACE_EVENT_FORK, VFORK or CLONE, and by its own first stop; the two come in any
 * order (man 2 ptrace). It goes on when both are there. A child starts in its parent's share group if it shares memory with
 * it that somebody may write, else in a new one (DESIGN 8).
 */
#include "record/tree.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <asm/unistd.h>

#include "record/affinity.h"
#include "record/calls.h"
#include "record/emit.h"
#include "record/logged.h"
#include "record/mapping.h"
#include "record/order.h"
#include "record/outside.h"
#include "record/sched.h"
#include "record/stored.h"
#include "record/stores.h"
#include "tracee/tracee.h"

/** How long a child waits for its parent's event before it is taken for an orphan. */
#define ORPHAN_NS 500000000ull

/** Flags of the clone that a thread is in. */
static uint64_t clone_flags(const struct task *t, int event)
{
	uint64_t flags = 0;

	if (t->nr == __NR_clone)
		return t->args[0];
	if (t->nr == __NR_clone3 && tracee__read(t->tid, t->args[0], &flags, 8) == 8)
		return flags;
	return event == PTRACE_EVENT_VFORK ? CLONE_VM | CLONE_VFORK : 0;
}

static uint64_t child_clear_tid(const struct task *t, uint64_t flags)
{
	uint64_t addr = 0;

	if (!(flags & CLONE_CHILD_CLEARTID))
		return 0;
	if (t->nr == __NR_clone)
		return t->args[3];
	tracee__read(t->tid, t->args[0] + 16, &addr, 8); /* struct clone_args.child_tid */
	return addr;
}

/** Does this space show memory to a forked child that either may write? */
static bool shares_memory(struct recorder *r, uint32_t space)
{
	const struct model_space *s = model__space(r->m, space);

	for (size_t i = 0; s && i < s->nvmas; i++)
		if ((s->vmas[i].flags & MAP_SHARED) && (s->vmas[i].prot & PROT_WRITE))
			return true;
	return false;
}

static enum process_how how_of(uint64_t flags, int event)
{
	if (flags & CLONE_THREAD)
		return PROC_THREAD;
	if (event == PTRACE_EVENT_VFORK || (flags & CLONE_VFORK))
		return PROC_VFORK;
	return event == PTRACE_EVENT_FORK ? PROC_FORK : PROC_CLONE;
}

static int copy_aspace(struct recorder *r, uint32_t from, uint32_t to)
{
	struct aspace *a = aspace__get(r, from), *b = aspace__get(r, to);

	if (!a || !b)
		return -ENOMEM;
	b->brk_start = a->brk_start;
	b->brk = a->brk;
	b->next_scratch = a->next_scratch;
	b->code_noted = a->code_noted;
	b->log = a->log;
	b->no_log = a->no_log;
	return 0;
}

/** Fills in what a child inherits. */
static int inherit(struct recorder *r, struct task *t, struct task *c, uint64_t flags)
{
	struct share_group *g = sched__group(t);
	int err = 0;

	c->pid = flags & CLONE_THREAD ? t->pid : c->tid;
	c->by_syscall = t->by_syscall;
	c->holds_writer = t->holds_writer;
	c->clear_tid = child_clear_tid(t, flags);
	c->space = t->space;
	affinity__inherit(t, c);
	if (!(flags & CLONE_VM)) {
		c->space = ++r->next_space;
		err = copy_aspace(r, t->space, c->space);
		if (!t->holds_writer && !shares_memory(r, t->space))
			g = sched__new_group(r);
	}
	if (!g)
		return -ENOMEM;
	if (!err)
		sched__join(c, g);
	return err;
}

static int announce(struct recorder *r, struct task *c, uint32_t parent, enum process_how how,
		    uint64_t flags)
{
	const struct ev_process ev = {
		.how = how,
		.parent_tid = parent,
		.clone_flags = flags,
		.space = c->space,
		.group = sched__group(c)->id,
	};

	c->known = true;
	return emit(r, EV_PROCESS, c, &ev, sizeof(ev), NULL, 0);
}

int tree__clone(struct recorder *r, struct task *t, int event)
{
	const uint64_t flags = clone_flags(t, event);
	unsigned long msg = 0;
	struct task *c;
	int err;

	if (ptrace(PTRACE_GETEVENTMSG, t->tid, 0, &msg))
		return -errno;
	c = rtask__find(r, msg);
	if (!c)
		c = rtask__new(r, msg);
	if (!c)
		return -ENOMEM;
	err = inherit(r, t, c, flags);
	if (!err)
		err = announce(r, c, t->tid, how_of(flags, event), flags);
	if (!err)
		err = stored__by_clone(r, t, c, flags);
	if (err)
		return err;
	t->vfork_child = 0;
	if (how_of(flags, event) == PROC_VFORK) {
		t->blocking = true;
		t->vfork_child = c->tid;
		c->vfork_parent = t->tid;
	}
	t->state = TASK_IN_CALL;
	if (ptrace(PTRACE_SYSCALL, t->tid, 0, 0) && errno != ESRCH)
		return -errno;
	if (c->stop_seen)
		err = tree__started(r, c);
	if (t->blocking)
		sched__run(r);
	return err;
}

int tree__started(struct recorder *r, struct task *t)
{
	const int err = stored__at_start(r, t);

	if (!err)
		sched__ready(r, t);
	return err;
}

/** A thread that stands in for the parent of one whose own is gone. */
static struct task *any_parent(struct recorder *r, pid_t tgid)
{
	struct task *any = NULL;

	for (struct task *t = r->tasks; t; t = t->hh.next) {
		if (!t->known)
			continue;
		if (t->pid == tgid)
			return t;
		if (!any || t->tid == r->root)
			any = t;
	}
	return any;
}

/** A thread stopped for the first time, and its parent's event never came: the parent was killed in the middle of fork
 *  (kernel/fork.c wakes the child before ptrace_event_pid, which a dying parent skips). Its memory is written down whole. */
static int adopt(struct recorder *r, struct task *c)
{
	const pid_t tgid = tracee__thread_group(c->tid);
	struct task *p = any_parent(r, tgid);
	const uint64_t flags = tgid == c->tid ? 0 : CLONE_VM | CLONE_THREAD;
	const struct ev_unmap all = { 0, 1ull << 47 };
	int err;

	if (!p)
		return -ESRCH;
	err = inherit(r, p, c, flags);
	if (!err)
		err = announce(r, c, p->tid, flags ? PROC_THREAD : PROC_CLONE, flags);
	if (!err)
		err = emit__note(r, c, NOTE_TEXT, 0, "its parent was killed while it forked");
	if (!err && !flags)
		err = emit(r, EV_UNMAP, c, &all, sizeof(all), NULL, 0);
	if (!err && !flags)
		err = mapping__whole_space(r, c);
	if (!err)
		sched__ready(r, c);
	return err;
}

int tree__tick(struct recorder *r, uint64_t now)
{
	struct task *t, *tmp;
	int err;

	HASH_ITER (hh, r->tasks, t, tmp) {
		if (t->known || !t->stop_seen || now - t->stop_ns < ORPHAN_NS)
			continue;
		err = adopt(r, t);
		if (err && err != -ESRCH)
			return err;
	}
	return 0;
}

int tree__root(struct recorder *r, pid_t pid)
{
	struct task *t = rtask__new(r, pid);
	struct share_group *g = sched__new_group(r);

	if (!t || !g)
		return -ENOMEM;
	t->stop_seen = true;
	t->state = TASK_STOPPED;
	t->space = ++r->next_space;
	sched__join(t, g);
	g->runner = t;
	r->root = pid;
	return announce(r, t, 0, PROC_ROOT, 0);
}

int tree__exiting(struct recorder *r, struct task *t)
{
	struct share_group *g = sched__group(t);
	int err = 0;

	if (t->args_known && (t->nr == __NR_exit || t->nr == __NR_exit_group))
		err = calls__no_return(r, t, 0);
	if (!err)
		err = outside__before_unmap(r, t, 0, ~0ull, true);
	stored__at_exit(r, t);
	t->state = TASK_DYING;
	order__end(r, t);
	/* a thread's clear_child_tid is stored after this: its group waits until it is gone; a leader may stay as a
	 * zombie as long as other threads live, and nobody can wait for that */
	if (g && g->runner == t && t->tid == t->pid)
		g->runner = NULL;
	if (ptrace(PTRACE_CONT, t->tid, 0, 0) && errno != ESRCH)
		return -errno;
	if (!err && t->tid == t->pid)
		err = stored__leader(r, t);
	sched__run(r);
	return err;
}

static void note_root_end(struct recorder *r, int status)
{
	r->end_kind = WIFEXITED(status) ? END_EXITED : END_SIGNALED;
	r->end_code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

int tree__gone(struct recorder *r, pid_t tid, int status)
{
	struct task *t = rtask__find(r, tid);
	struct ev_exit ev = { 0 };
	int err = 0;

	if (tid == r->root)
		note_root_end(r, status);
	if (!t)
		return 0;
	logged__gone(r, t);
	ev.kind = WIFEXITED(status) ? END_EXITED : END_SIGNALED;
	ev.code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
	ev.clear_child_tid = stored__cleared(r, t) ? t->clear_tid : 0;
	err = stores__gone(r, t);
	if (!err)
		err = stored__robust(r, t);
	if (!err && t->known)
		err = emit(r, EV_EXIT, t, &ev, sizeof(ev), NULL, 0);
	rtask__free(r, t);
	sched__run(r);
	return err;
}

void tree__kill(struct recorder *r)
{
	for (struct task *t = r->tasks; t; t = t->hh.next)
		if (t->tid == t->pid)
			kill(t->pid, SIGKILL);
}
