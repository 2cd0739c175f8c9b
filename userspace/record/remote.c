/* SPDX-License-Identifier: MIT */
/*
 * remote.c: outsiders that write the memory of an insider (process_vm_writev, ptrace, /proc/PID/mem).
 *
 * The BPF programs tell the number by which the writer named its target, as a call begins: that of any thread, perhaps in a pid
 * namespace. Whose it is has to be found here, a moment later. Under `bprec watch` the insider may be gone by then, and
 * threads come and go without an event: a number that nobody has any more may have been an insider's.
 */
#include "record/remote.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "record/emit.h"
#include "record/insiders.h"
#include "record/stacks.h"
#include "record/who.h"
#include "space/space.h"
#include "tracee/tracee.h"

#define REMOTE_PAGES_MAX 65536 /* of an insider's memory, saved in one go */

/** A thread's number in the namespace that the event's number is of; 0: it has none, or is gone. */
static pid_t number_of(pid_t tid, const struct kevent *ke)
{
	return tracee__number_in(tid, (uint64_t)ke->ret >> 32, (uint32_t)ke->ret);
}

/** The thread of this process that has the number in the namespace; 0: none. */
static pid_t thread_numbered(pid_t pid, const struct kevent *ke)
{
	char path[64];
	pid_t tid, found = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (!found && (tid = tracee__next_entry(dir)))
		if (number_of(tid, ke) == (pid_t)ke->aux)
			found = tid;
	if (dir)
		closedir(dir);
	return found;
}

static bool is_gone(pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	return access(path, F_OK) != 0;
}

/** Has any thread of this machine the number in the namespace? */
static bool anybody_has(const struct kevent *ke)
{
	DIR *dir = opendir("/proc");
	bool found = false;
	pid_t pid;

	while (!found && (pid = tracee__next_entry(dir)))
		found = thread_numbered(pid, ke) != 0;
	if (dir)
		closedir(dir);
	return found;
}

/** The insider that has the number, which is of the initial namespace. NULL: nobody, or (*ret_unknown) it can't be told any more. */
static struct task *target_here(struct recorder *r, pid_t tid, bool *ret_unknown)
{
	struct task *t = rtask__find(r, tid);

	if (!t)
		t = rtask__find(r, tracee__thread_group(tid));
	*ret_unknown = !t && rtask__was(r, tid) && is_gone(tid);
	return t;
}

/** The same of a number of another. Only those who see the insiders can name one of them. */
static struct task *target_inside(struct recorder *r, const struct kevent *ke, bool *ret_unknown)
{
	bool gone = false, near = false;

	for (struct task *t = r->tasks; t; t = t->hh.next) {
		if (t->tid != t->pid && rtask__find(r, t->pid))
			continue;
		const pid_t tid = thread_numbered(t->pid, ke);
		struct task *exact = tid ? rtask__find(r, tid) : NULL;
		if (tid)
			return exact ? exact : t;
		gone = gone || is_gone(t->pid);
		near = near || number_of(t->pid, ke);
	}
	*ret_unknown = gone || (near && !anybody_has(ke));
	return NULL;
}

/** Saves memory of an insider into the trace: EV_MEM. */
static int save_remote(struct recorder *r, struct task *t, uint64_t at, uint64_t n)
{
	struct space_runs runs = { 0 };
	struct ev_mem mem = { .addr = at, .npages = n };
	int err = space__save_memory(r->w, t->pid, at, n, &runs, NULL);

	mem.nruns = runs.n;
	if (!err)
		err = emit(r, EV_MEM, t, &mem, sizeof(mem), runs.v, runs.n * sizeof(*runs.v));
	space_runs__free(&runs);
	return err;
}

/** Memory of an insider itself was changed. Where that isn't known, or is more than is saved in one go, it is lost. */
static int write_down(struct recorder *r, struct task *t, const struct kevent *ke)
{
	const uint64_t at = ke->offset & ~(uint64_t)(BPREC_PAGE_SIZE - 1);
	const uint64_t n = (ke->offset + ke->length - at + BPREC_PAGE_SIZE - 1) / BPREC_PAGE_SIZE;
	const bool whole = ke->length > ~0ull - BPREC_PAGE_SIZE - ke->offset;
	const bool save = !whole && n <= REMOTE_PAGES_MAX;
	struct change_insider ci = { 0 };
	struct ev_change ev = {
		.channel = ke->channel,
		.flags = CHANGE_REMOTE | CHANGE_IN_FLIGHT | (save ? CHANGE_SAVED : 0),
		.offset = ke->offset,
		.length = ke->length,
		.begin_ns = ke->ns,
		.pages = n,
		.pages_changed = n,
		.pages_event = ~0ull,
		.count = 1,
		.ninsiders = 1,
	};
	int err = 0;

	ev.saved_ns = save ? now_ns() : 0;
	ev.writer = who__from_event(r, ke);
	ev.stack = stacks__of_event(r, ke, ev.writer);
	ev.after_event = writer__events(r->w) - 1;
	ci.tid = t->tid;
	ci.pid = t->pid;
	ci.addr = at;
	ci.state =
		insiders__state(t, at, whole ? ~0ull : at + n * BPREC_PAGE_SIZE, &ci.idle_from_ns);
	if (save) {
		insiders__note_space(r, t->space);
		ev.pages_event = writer__events(r->w);
		err = save_remote(r, t, at, n);
	}
	if (!err)
		err = who__write(r, ev.writer);
	if (!err)
		err = emit(r, EV_CHANGE, NULL, &ev, sizeof(ev), &ci, sizeof(ci));
	if (!err)
		stacks__insiders(r, writer__events(r->w) - 1, &ci, 1);
	return err;
}

int remote__event(struct recorder *r, const struct kevent *ke)
{
	bool unknown = false;
	struct task *t;

	if (!ke->length)
		return 0;
	t = ke->ret ? target_inside(r, ke, &unknown) : target_here(r, (pid_t)ke->aux, &unknown);
	if (t)
		return write_down(r, t, ke);
	if (!unknown)
		return 0;
	return emit__gap(
		r, GAP_NOT_OBSERVED, ke->channel, 0,
		"pid %u (%s) wrote memory of thread %llu%s, which is gone: it may have been a recorded one",
		ke->tgid, ke->comm, (unsigned long long)ke->aux,
		ke->ret ? " of a pid namespace" : "");
}
