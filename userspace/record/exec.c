/* SPDX-License-Identifier: MIT */
/*
 * exec.c: the address space of a new image, whole, at its first instruction.
 *
 * Order matters: the objects become watched before their contents are read, so that a change after the reading is seen.
 */
#include "record/exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <unistd.h>

#include "record/calls.h"
#include "record/emit.h"
#include "record/mapping.h"
#include "record/patch.h"
#include "record/sched.h"
#include "tracee/tracee.h"

struct task *exec__rename(struct recorder *r, pid_t tid)
{
	unsigned long former = tid;
	struct task *t, *leader;

	ptrace(PTRACE_GETEVENTMSG, tid, 0, &former);
	t = rtask__find(r, former);
	if ((pid_t)former == tid || !t)
		return t ? t : rtask__new(r, tid);
	leader = rtask__find(r, tid);
	if (leader) {
		struct ev_exit ev = { .kind = END_EXITED };

		if (leader->known)
			emit(r, EV_EXIT, leader, &ev, sizeof(ev), NULL, 0);
		rtask__free(r, leader);
	}
	HASH_DEL(r->tasks, t);
	t->tid = t->pid = tid;
	HASH_ADD_INT(r->tasks, tid, t);
	return t;
}

/** Start of the heap: field 47 of /proc/PID/stat (man 5 proc_pid_stat). 0: unknown. */
static uint64_t heap_start(const struct task *t)
{
	char path[64], line[1024] = "", *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", t->pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	at = strrchr(line, ')');
	for (int field = 2; at && field < 47; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

/** The heap is empty until the first brk, or [heap] is found among the mappings. */
static int note_heap(struct recorder *r, uint32_t space, uint64_t brk)
{
	struct aspace *s = aspace__get(r, space);

	if (!s)
		return -ENOMEM;
	s->brk_start = s->brk = (brk + BPREC_PAGE_SIZE - 1) & ~(uint64_t)(BPREC_PAGE_SIZE - 1);
	return 0;
}

static int write_exec(struct recorder *r, struct task *t, uint32_t former)
{
	static uint8_t auxv[2048], xstate[16384];
	char path[4096], link[64];
	struct ev_exec ev = { .space = ++r->next_space, .former_tid = former };
	size_t alen = sizeof(auxv), xlen = sizeof(xstate);
	uint64_t at;
	int err = tracee__get_regs(t->tid, &ev.regs);
	ssize_t n;

	if (!err)
		err = tracee__auxv(t->tid, auxv, &alen, &at);
	if (!err)
		err = tracee__get_xstate(t->tid, xstate, &xlen);
	if (err)
		return err;
	snprintf(link, sizeof(link), "/proc/%d/exe", t->pid);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	ev.auxv_len = alen;
	ev.xsave_len = xlen;
	ev.path_len = strlen(path) + 1;
	t->space = ev.space;
	ev.brk = heap_start(t);
	err = note_heap(r, ev.space, ev.brk);
	if (err)
		return err;
	const struct iovec part[4] = {
		{ &ev, sizeof(ev) },
		{ auxv, alen },
		{ xstate, xlen },
		{ path, ev.path_len },
	};
	return emit__hashed(r, EV_EXEC, t, &ev.regs, part, 4);
}

/** The stack's limit bounds its growth. */
static int write_limit(struct recorder *r, struct task *t)
{
	struct ev_limit ev = { .resource = RLIMIT_STACK };
	struct rlimit rl;

	if (prlimit(t->pid, RLIMIT_STACK, NULL, &rl))
		return errno == ESRCH ? -ESRCH : 0;
	ev.soft = rl.rlim_cur;
	return emit(r, EV_LIMIT, t, &ev, sizeof(ev), NULL, 0);
}

/** A 32-bit image: it can't be recorded, so it must not run. */
static int refuse_image(struct recorder *r, struct task *t)
{
	int err = emit__note(r, t, NOTE_32BIT, 0, "a 32-bit program can't be recorded; killed");

	recorder__warn(r,
		       "pid %d: it executes a 32-bit program, which can't be recorded; "
		       "it was killed (wanted: an x86-64 program)",
		       t->pid);
	kill(t->pid, SIGKILL);
	t->state = TASK_DYING;
	return err;
}

int exec__stop(struct recorder *r, struct task *t)
{
	unsigned long former = t->tid;
	int err;

	ptrace(PTRACE_GETEVENTMSG, t->tid, 0, &former);
	t->stop = STOP_OTHER;
	t->scratch = t->scratch_len = t->clear_tid = 0;
	free(t->plan);
	t->plan = NULL;
	err = calls__no_return(r, t, 0);
	if (err)
		return err;
	err = tracee__prepare_exec(t->tid);
	if (err == -ENOEXEC)
		return refuse_image(r, t);
	if (!err)
		err = write_exec(r, t, former);
	if (!err)
		err = write_limit(r, t);
	if (!err)
		err = mapping__whole_space(r, t);
	if (!err)
		err = patch__image(r, t);
	if (!err)
		err = sched__split(r, t);
	if (err)
		return err;
	t->args_known = false;
	sched__ready(r, t);
	return 0;
}
