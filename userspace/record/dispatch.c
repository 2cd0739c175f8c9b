/* SPDX-License-Identifier: MIT */
/*
 * dispatch.c: one switch over the events; each case is a function here or in the file that owns the matter.
 *
 * Stops are told apart as man 2 ptrace says for PTRACE_SEIZEd tracees: status >> 16 is the PTRACE_EVENT, SIGTRAP | 0x80 a
 * call's stop (PTRACE_O_TRACESYSGOOD), PTRACE_EVENT_STOP with a stopping signal a group stop, everything else a signal.
 */
#include "record/dispatch.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "record/affinity.h"
#include "record/calls.h"
#include "record/exec.h"
#include "record/order.h"
#include "record/outside.h"
#include "record/emit.h"
#include "record/logged.h"
#include "record/patch.h"
#include "record/preempt.h"
#include "record/sched.h"
#include "record/signals.h"
#include "record/stacks.h"
#include "record/telling.h"
#include "record/tree.h"
#include "tracee/tracee.h"

/** A call into the vsyscall page (time, gettimeofday, getcpu): the kernel carries it out in place of the page's code, at a
 *  fault. This stop is its only one, and in a replay it has none (arch/x86/entry/vsyscall/vsyscall_64.c, emulate_vsyscall). */
static int on_vsyscall(struct recorder *r, struct task *t)
{
	struct aspace *a = aspace__get(r, t->space);
	int err = 0;

	if (!a)
		return -ENOMEM;
	if (!a->vsyscall_noted)
		err = emit__note(r, t, NOTE_TEXT, 0,
				 "calls into the vsyscall page, whose results are not recorded: a "
				 "replay gets another time");
	a->vsyscall_noted = true;
	t->stop = STOP_OTHER;
	sched__ready(r, t);
	return err;
}

static int on_seccomp(struct recorder *r, struct task *t)
{
	unsigned long msg = 0;
	bool plain;
	int err = 0;

	if (ptrace(PTRACE_GETEVENTMSG, t->tid, 0, &msg))
		return errno == ESRCH ? 0 : -errno;
	plain = msg == TRACEE_SECCOMP_PLAIN || (msg == TRACEE_SECCOMP_OUTPUT && !order__matters(r));
	if (!plain) /* of a plain one nothing is written before its exit stop */
		err = logged__take(r, t);
	if (err)
		return err;
	if (msg == TRACEE_SECCOMP_VSYSCALL)
		return on_vsyscall(r, t);
	if (t->by_syscall) /* the entry was treated at the stop before the filters ran */
		return calls__filtered(t);
	t->stop = STOP_ENTRY;
	if (msg == TRACEE_SECCOMP_ARCH)
		return calls__foreign(r, t);
	return calls__entry(r, t, plain);
}

static int on_syscall_stop(struct recorder *r, struct task *t, enum task_state before)
{
	bool exit_stop = before == TASK_IN_CALL;

	if (t->by_syscall) {
		struct __ptrace_syscall_info si;

		if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(si), &si) <= 0)
			return errno == ESRCH ? 0 : -errno;
		exit_stop = si.op == PTRACE_SYSCALL_INFO_EXIT;
	}
	if (!exit_stop) {
		t->stop = STOP_ENTRY;
		return calls__entry(r, t, false);
	}
	t->stop = STOP_EXIT;
	return sched__wait_to_exit(r, t) ? 0 : calls__exit(r, t);
}

static bool is_stop_signal(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

/** A thread that ran user code was stopped, by us or with its process. */
static int stopped_in_code(struct recorder *r, struct task *t, bool group)
{
	const bool picture = t->wants_picture && !t->preempt && !group && !sched__held(r, t);
	struct regs64 regs;
	int err;

	t->wants_picture = false;
	t->group_stop |= group;
	if (t->point) { /* it is on the way already */
		preempt__resume(r, t);
		return 0;
	}
	err = tracee__get_regs(t->tid, &regs);
	if (err)
		return err;
	if (preempt__fresh(t, &regs))
		return signals__at_point(r, t);
	if (picture && !signals__due(t, t->stop_ns)) {
		telling__keep(r, t, &regs);
		sched__continue(r, t, PTRACE_CONT);
		return 0;
	}
	err = preempt__begin(r, t);
	return err == 1 ? signals__at_point(r, t) : err;
}

static int group_stop(struct recorder *r, struct task *t)
{
	t->stop = STOP_GROUP;
	t->group_stop = false;
	sched__yield_token(r, t);
	if (ptrace(PTRACE_LISTEN, t->tid, 0, 0) && errno != ESRCH)
		return -errno;
	return 0;
}

/** Is the thread, which ran, in the middle of a piece of code that others must see the end of? */
static bool is_between(struct task *t)
{
	struct regs64 regs;

	return t->point ||
	       (!sched__alone(t) && !tracee__get_regs(t->tid, &regs) && !preempt__fresh(t, &regs));
}

/** PTRACE_EVENT_STOP: a new thread's first stop, our own interrupt, a group stop, or its end. */
static int on_event_stop(struct recorder *r, struct task *t, int sig, enum task_state before)
{
	t->stop = STOP_OTHER;
	if (is_stop_signal(sig)) {
		if (before == TASK_RUNNING && is_between(t))
			return stopped_in_code(r, t, true);
		return group_stop(r, t);
	}
	if (!t->known) {
		t->stop_seen = true;
		return 0;
	}
	t->interrupt_sent = false;
	if (before == TASK_NEW)
		return tree__started(r, t);
	if (before == TASK_RUNNING && patch__pending(r, t)) { /* it runs no user code until then */
		preempt__drop(t);
		sched__continue(r, t, PTRACE_CONT);
		return 0;
	}
	if (before == TASK_RUNNING)
		return stopped_in_code(r, t, false);
	sched__ready(r, t);
	return 0;
}

static int on_ptrace_event(struct recorder *r, struct task *t, int event, int sig,
			   enum task_state before)
{
	int err = 0;

	if (event != PTRACE_EVENT_STOP && event != PTRACE_EVENT_EXIT)
		preempt__drop(t);
	switch (event) {
	case PTRACE_EVENT_SECCOMP:
		return on_seccomp(r, t);
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		return tree__clone(r, t, event);
	case PTRACE_EVENT_EXEC:
		return exec__stop(r, t);
	case PTRACE_EVENT_EXIT:
		if (before == TASK_RUNNING)
			err = preempt__killed(r, t);
		return err ? err : tree__exiting(r, t);
	case PTRACE_EVENT_STOP:
		return on_event_stop(r, t, sig, before);
	default: /* PTRACE_EVENT_VFORK_DONE: still inside vfork */
		t->state = before;
		ptrace(PTRACE_SYSCALL, t->tid, 0, 0);
		return 0;
	}
}

/** What the thread has logged comes before what this stop tells. It may be anywhere but at a call's stops. */
static int take_log(struct recorder *r, struct task *t, int event, int sig)
{
	struct regs64 regs;
	int err;

	if (event == PTRACE_EVENT_SECCOMP)
		return 0; /* on_seccomp */
	if (event != PTRACE_EVENT_STOP && event != PTRACE_EVENT_EXIT &&
	    (event || sig == (SIGTRAP | 0x80)))
		return logged__take(r, t);
	err = tracee__get_regs(t->tid, &regs);
	return err ? err : logged__settle(r, t, &regs, preempt__fresh(t, &regs));
}

static int on_stop(struct recorder *r, const struct rec_event *ev)
{
	const int event = ev->status >> 16, sig = WSTOPSIG(ev->status);
	struct task *t = rtask__find(r, ev->tid);
	enum task_state before;
	int err = 0;
	uint64_t cont_ns; /* when it was stopped before, which is about when it was continued */

	if (event == PTRACE_EVENT_EXEC) {
		t = exec__rename(r, ev->tid);
	} else if (!t) {
		t = rtask__new(r, ev->tid); /* a child whose parent's event has yet to come */
	}
	if (!t)
		return -ENOMEM;
	before = t->state;
	cont_ns = t->stop_ns;
	t->state = TASK_STOPPED;
	t->stop_ns = ev->ns;
	affinity__stopped(r, t, cont_ns);
	affinity__share(r, ev->ns);
	if (before == TASK_RUNNING || before == TASK_NEW)
		t->idle_ns = ev->ns;
	if (t->logged)
		err = take_log(r, t, event, sig);
	if (err)
		return err;
	if (event != PTRACE_EVENT_EXEC)
		stacks__stopped(r, t);
	if (event)
		return on_ptrace_event(r, t, event, sig, before);
	if (sig == (SIGTRAP | 0x80)) {
		preempt__drop(t);
		return on_syscall_stop(r, t, before);
	}
	t->stop = STOP_SIGNAL;
	return signals__stop(r, t, sig);
}

/** A call is over, and the thread maps what was changed meanwhile: the trace tells of that first, if it can be had now. */
static int changes_first(struct recorder *r, pid_t tid)
{
	struct task *t = r->changes ? rtask__find(r, tid) : NULL;

	if (!t || t->state != TASK_IN_CALL || !outside__holds(r, t))
		return 0;
	return outside__progress(r);
}

int dispatch_event(struct recorder *r, const struct rec_event *ev)
{
	struct kevent ke;
	int err = 0;

	switch (ev->type) {
	case REV_STOP:
		err = changes_first(r, ev->tid);
		if (!err)
			err = on_stop(r, ev);
		break;
	case REV_GONE:
		err = tree__gone(r, ev->tid, ev->status);
		break;
	case REV_KERNEL:
		ke = *ev->ke;
		err = outside__event(r, &ke);
		break;
	case REV_TICK:
		events__forward_signals(r);
		affinity__tick(r, now_ns());
		sched__tick(r, now_ns());
		signals__tick(r, now_ns());
		preempt__tick(r, now_ns());
		err = outside__tick(r, now_ns());
		if (!err)
			err = tree__tick(r, now_ns());
		if (!err)
			err = writer__flush(r->w, 100000000ull);
		break;
	case REV_NONE:
		events__forward_signals(r);
		break;
	case REV_END:
		break;
	}
	/* not after each of many records: what is under way is gone through as a whole */
	if (!err && r->changes && (r->kq_at == r->kq_n || r->kq_at % 64 == 0))
		err = outside__progress(r);
	if (err == -ESRCH)
		err = 0; /* killed between its stop and now: REV_GONE follows */
	return err ? recorder__fail(r, err, "recording") : r->err;
}
