/* SPDX-License-Identifier: MIT */
#include "record/special.h"

#include <errno.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <asm/unistd.h>

#include "record/emit.h"
#include "record/moved.h"
#include "record/object.h"
#include "tracee/tracee.h"

/** A child that asks not to be traced would escape the recording. */
static void strip_untraced(struct task *t, struct regs64 *regs)
{
	uint64_t flags;

	if (t->nr == __NR_clone && (t->args[0] & CLONE_UNTRACED)) {
		regs->rdi &= ~(uint64_t)CLONE_UNTRACED;
		tracee__set_regs(t->tid, regs);
	} else if (t->nr == __NR_clone3 && tracee__read(t->tid, t->args[0], &flags, 8) == 8 &&
		   (flags & CLONE_UNTRACED)) {
		flags &= ~(uint64_t)CLONE_UNTRACED;
		tracee__write(t->tid, t->args[0], &flags, 8);
	}
}

/** Whether the program may execute rdtsc is ours to say (patch.c): it is told that it may, and can't forbid it to itself. */
static bool tsc_call(struct recorder *r, struct task *t, int64_t *ret)
{
	const uint32_t may = PR_TSC_ENABLE;
	const struct ev_data ev = { .addr = t->args[1], .len = sizeof(may), .why = DATA_SYSCALL };

	if (t->args[0] == PR_GET_TSC) {
		*ret = tracee__write(t->tid, t->args[1], &may, sizeof(may)) ? -EFAULT : 0;
		if (!*ret)
			r->err = emit(r, EV_DATA, t, &ev, sizeof(ev), &may, sizeof(may));
		return true;
	}
	if (t->args[0] != PR_SET_TSC)
		return false;
	*ret = t->args[1] == PR_TSC_ENABLE ? 0 : -EINVAL;
	if (t->args[1] == PR_TSC_SIGSEGV)
		r->err = emit__note(r, t, NOTE_REFUSED, t->nr,
				    "rdtsc can't be forbidden by the program in a recording");
	return true;
}

bool special__entry(struct recorder *r, struct task *t, struct regs64 *regs, int64_t *ret)
{
	switch (t->nr) {
	case __NR_clone:
	case __NR_clone3:
		strip_untraced(t, regs);
		return false;
	case __NR_umount2:
		object__trim(r, true); /* our descriptors would make the file system busy */
		return false;
	case __NR_sendfile:
	case __NR_splice:
	case __NR_tee:
	case __NR_vmsplice:
	case __NR_copy_file_range:
		return moved__entry(r, t, ret);
	case __NR_prctl:
		return tsc_call(r, t, ret);
	default:
		return false;
	}
}

static bool installs_filter(const struct task *t)
{
	if (t->nr == __NR_seccomp)
		return t->args[0] == SECCOMP_SET_MODE_FILTER ||
		       t->args[0] == SECCOMP_SET_MODE_STRICT;
	return t->nr == __NR_prctl && t->args[0] == PR_SET_SECCOMP;
}

/** From now on its own filter may hide calls from ours (DESIGN 12, rule 7). */
static void stop_by_syscall(struct recorder *r, struct task *t)
{
	const bool all = t->nr == __NR_seccomp && (t->args[1] & SECCOMP_FILTER_FLAG_TSYNC);

	for (struct task *u = r->tasks; u; u = u->hh.next)
		if (u == t || (all && u->pid == t->pid))
			u->by_syscall = true;
}

/** The strict mode can't be entered by a thread that has a filter, and each insider has ours. */
static bool wants_strict_mode(const struct task *t)
{
	if (t->nr == __NR_seccomp)
		return t->args[0] == SECCOMP_SET_MODE_STRICT;
	return t->nr == __NR_prctl && t->args[0] == PR_SET_SECCOMP &&
	       t->args[1] == SECCOMP_MODE_STRICT;
}

static int tell_strict_mode(struct recorder *r, struct task *t)
{
	recorder__warn(r,
		       "pid %d: it asked for seccomp's strict mode, which a recording can't give; "
		       "the call failed with EINVAL and nothing restrains it",
		       t->pid);
	return emit__note(r, t, NOTE_REFUSED, t->nr,
			  "seccomp's strict mode can't be entered in a recording");
}

int special__exit(struct recorder *r, struct task *t, int64_t ret)
{
	if (ret == -EINVAL && wants_strict_mode(t))
		return tell_strict_mode(r, t);
	if (installs_filter(t) && ret >= 0) {
		stop_by_syscall(r, t);
	} else if (t->nr == __NR_set_tid_address) {
		t->clear_tid = t->args[0];
	} else {
		return moved__exit(r, t, ret);
	}
	return 0;
}
