/* SPDX-License-Identifier: MIT */
/*
 * task.c: the recorded threads: made, given a new image, ended.
 *
 * A thread is known by its recorded tid. Its memory is shared with the threads of its space: they are stubs of one mm.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <asm/unistd.h>

#include "replay/state.h"
#include "tracee/tracee.h"
#include "util/err.h"

struct rtask *rtask__get(struct replay *rp, uint32_t tid)
{
	struct rtask *t;

	HASH_FIND_INT(rp->tasks, &tid, t);
	return t;
}

static void leave_space(struct rtask *t)
{
	if (t->space && !--t->space->users) {
		free(t->space->auxv);
		free(t->space);
	}
	t->space = NULL;
}

static void forget(struct replay *rp, struct rtask *t)
{
	stub__kill(t->real);
	leave_space(t);
	HASH_DEL(rp->tasks, t);
	free(t->words);
	free(t->memhash);
	free(t);
}

void rtask__free_all(struct replay *rp)
{
	struct rtask *t, *tmp;

	HASH_ITER (hh, rp->tasks, t, tmp) {
		forget(rp, t);
	}
}

static struct rspace *new_space(uint32_t id)
{
	struct rspace *s = calloc(1, sizeof(*s));

	if (s) {
		s->id = id;
		s->users = 1;
	}
	return s;
}

int rspace__set_auxv(struct rspace *s, const void *auxv, uint32_t len)
{
	s->auxv_len = 0;
	s->auxv = len ? malloc(len) : NULL;
	if (len && !s->auxv)
		return err__set(-ENOMEM, "no memory");
	if (len)
		memcpy(s->auxv, auxv, len);
	s->auxv_len = len;
	return 0;
}

static struct rtask *add(struct replay *rp, uint32_t tid, uint32_t pid)
{
	struct rtask *t = rtask__get(rp, tid);

	if (t) /* the number is used again */
		forget(rp, t);
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->tid = tid;
	t->pid = pid;
	t->dirty = true;
	HASH_ADD_INT(rp->tasks, tid, t);
	return t;
}

/** What the child's registers are when clone returns in it. */
static void child_regs(struct rtask *p, struct rtask *c, uint64_t flags)
{
	uint64_t args[11] = { 0 }; /* struct clone_args */
	uint64_t stack = 0, tls = p->regs.r8;

	c->regs = p->regs;
	if (p->regs.orig_rax == __NR_clone) {
		stack = p->regs.rsi;
	} else if (p->regs.orig_rax == __NR_clone3) {
		mem__read(p, p->regs.rdi, args, 64);
		stack = args[5] ? args[5] + args[6] : 0;
		tls = args[7];
	}
	if (stack)
		c->regs.rsp = stack;
	if ((flags & CLONE_SETTLS) && p->regs.orig_rax != __NR_fork)
		c->regs.fs_base = tls;
	c->regs.rax = 0;
	c->regs.rcx = c->regs.rip;
	c->regs.r11 = c->regs.eflags;
}

static int fork_from(struct replay *rp, struct rtask *p, struct rtask *c,
		     const struct ev_process *ev)
{
	const bool share = ev->clone_flags & CLONE_VM;
	int err = stub__clone(rp, p->real, share, &c->real);
	p->dirty = true;
	if (err)
		return err;
	c->seat = p->seat;
	c->seat.quick = 0;
	child_regs(p, c, ev->clone_flags);
	if (share) {
		c->space = p->space;
		c->space->users++;
	} else {
		c->space = new_space(ev->space);
		if (!c->space)
			return err__set(-ENOMEM, "no memory");
		c->space->kept = p->space->kept;
		return rspace__set_auxv(c->space, p->space->auxv, p->space->auxv_len);
	}
	return c->space ? 0 : err__set(-ENOMEM, "no memory");
}

int rtask__copy_xstate(struct rtask *from, struct rtask *to)
{
	uint8_t x[16384];
	size_t len = sizeof(x);
	int err = tracee__get_xstate(from->real, x, &len);

	return err ? err : tracee__set_xstate(to->real, x, len);
}

int rtask__process(struct replay *rp, const struct event_header *ev)
{
	const struct ev_process *b = (const void *)(ev + 1);
	struct rtask *p = b->how == PROC_ROOT ? NULL : rtask__get(rp, b->parent_tid);
	struct rtask *c;
	int err;

	if (b->how != PROC_ROOT && !p)
		return replay__fail(rp, -REPLAY_E_CANT, "its parent %u is not known",
				    b->parent_tid);
	err = p ? run__to_call(rp, p) : 0;
	if (err)
		return err;
	c = add(rp, ev->tid, ev->pid);
	if (!c)
		return err__set(-ENOMEM, "no memory");
	if (!(b->clone_flags & CLONE_THREAD))
		rp->st.processes++;
	if (rp->opts.only && ev->pid == rp->opts.only)
		rp->root = ev->pid;
	if (p) {
		err = fork_from(rp, p, c, b);
		return err ? err : rtask__copy_xstate(p, c);
	}
	if (!rp->opts.only)
		rp->root = ev->pid;
	c->space = new_space(b->space);
	if (!c->space)
		return err__set(-ENOMEM, "no memory");
	return stub__new(rp, &c->real);
}

/** The thread that called execve takes its process's number. */
static int rename_task(struct replay *rp, struct rtask *t, uint32_t tid)
{
	struct rtask *leader = rtask__get(rp, tid);

	if (leader && leader != t)
		forget(rp, leader);
	HASH_DEL(rp->tasks, t);
	t->tid = t->pid = tid;
	HASH_ADD_INT(rp->tasks, tid, t);
	return 0;
}

int rtask__exec(struct replay *rp, const struct event_header *ev)
{
	const struct ev_exec *b = (const void *)(ev + 1);
	const uint8_t *xstate = (const uint8_t *)(b + 1) + b->auxv_len;
	struct rtask *t = rtask__get(rp, b->former_tid);
	int err;

	if (!t)
		t = rtask__get(rp, ev->tid);
	if (!t)
		return replay__fail(rp, -REPLAY_E_CANT, "the thread is not known");
	if (t->tid != ev->tid)
		rename_task(rp, t, ev->tid);
	leave_space(t);
	stub__kill(t->real);
	t->real = 0;
	t->seat = (struct home_seat){ 0 };
	t->space = new_space(b->space);
	if (!t->space)
		return err__set(-ENOMEM, "no memory");
	err = rspace__set_auxv(t->space, b + 1, b->auxv_len);
	if (!err)
		err = stub__new(rp, &t->real);
	if (err)
		return err;
	t->regs = b->regs;
	t->dirty = true;
	t->restart = t->told = false;
	t->state = RTASK_READY;
	err = tracee__set_xstate(t->real, xstate, b->xsave_len);
	return err ? replay__fail(rp, err, "setting the extended state: %s", strerror(-err)) : 0;
}

int rtask__exit(struct replay *rp, struct rtask *t, const struct event_header *ev)
{
	const struct ev_exit *b = (const void *)(ev + 1);
	const uint32_t zero = 0;
	struct rtask *u;
	int err = 0;

	if (b->clear_child_tid && t->space->users > 1) {
		for (u = rp->tasks; u; u = u->hh.next)
			if (u != t && u->space == t->space && u->state != RTASK_RUNNING)
				break;
		if (u)
			err = mem__write(rp, u, b->clear_child_tid, &zero, sizeof(zero));
	}
	if (ev->tid == rp->root) {
		rp->st.end_kind = b->kind;
		rp->st.end_code = b->code;
	}
	forget(rp, t);
	return err;
}
