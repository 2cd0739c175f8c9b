/* SPDX-License-Identifier: MIT */
/*
 * watch_tree.c: the watched tree. A task stands for a whole process here, and always runs; its pid is its tid. Threads are
 * not told apart.
 *
 * Invariant: the kernel counts a process as an insider before it can map anything, so what is here may lag behind and is
 * never what decides who is an outsider. Records come in the order in which things happened; one that is lost is counted by
 * the kernel side, and the process is entered when the next record names it.
 *
 * Attaching: a process is first made an insider in the kernel (its later forks are followed there), then /proc is read for its
 * children; this is done again until a whole pass finds nobody new. A child whose parent has ended before it was listed is
 * not found.
 */
#include "record/watch_tree.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/emit.h"
#include "record/outside.h"
#include "record/watch_calls.h"
#include "record/watch_maps.h"
#include "tracee/tracee.h"

#define PASSES_MAX 100

/** The image of a process, as far as it concerns a watch. */
static int write_exec(struct recorder *r, struct task *t, const char *known)
{
	char link[64], path[4096];
	struct ev_exec ev = { .former_tid = t->tid };
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", t->pid);
	n = readlink(link, path, sizeof(path) - 1);
	if (n > 0)
		path[n] = '\0';
	else
		snprintf(path, sizeof(path), "%s", known);
	t->space = ++r->next_space;
	ev.space = t->space;
	ev.path_len = strlen(path) + 1;
	return emit(r, EV_EXEC, t, &ev, sizeof(ev), path, ev.path_len);
}

/** Enters a process. space 0: one of its own. */
static int enter(struct recorder *r, pid_t pid, pid_t parent, enum process_how how, uint32_t space)
{
	struct task *t = rtask__new(r, pid);
	struct ev_process ev = { .how = how, .parent_tid = parent };

	if (!t)
		return -ENOMEM;
	t->known = true;
	t->state = TASK_RUNNING;
	t->idle_ns = ~0ull;
	t->space = space ? space : ++r->next_space;
	ev.space = t->space;
	ev.group = t->space;
	ev.clone_flags = space ? CLONE_VM : 0;
	return emit(r, EV_PROCESS, t, &ev, sizeof(ev), NULL, 0);
}

int watch_tree__root(struct recorder *r, pid_t pid)
{
	r->root = pid;
	return enter(r, pid, 0, PROC_ROOT, 0);
}

void watch_tree__status(int status, uint32_t *ret_kind, int32_t *ret_code)
{
	*ret_kind = WIFSIGNALED(status) ? END_SIGNALED : END_EXITED;
	*ret_code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

/** A process lets go of its memory: what is under way on it is marked, and its list goes with the last that uses it. */
static int leave_space(struct recorder *r, struct task *t)
{
	return outside__before_unmap(r, t, 0, ~0ull, true);
}

static void forget_space(struct recorder *r, uint32_t id)
{
	struct aspace *s;

	if (model__space(r->m, id))
		return;
	HASH_FIND_INT(r->spaces, &id, s);
	if (!s)
		return;
	HASH_DEL(r->spaces, s);
	free(s->gone);
	free(s);
}

static int end(struct recorder *r, struct task *t, uint32_t kind, int32_t code)
{
	const struct ev_exit ev = { .kind = kind, .code = code };
	const uint32_t space = t->space;
	int err = leave_space(r, t);

	if (t->pid == r->root && r->opts->attach) {
		r->end_kind = kind;
		r->end_code = code;
	}
	if (!err)
		err = emit(r, EV_EXIT, t, &ev, sizeof(ev), NULL, 0);
	watch_calls__drop(r, t->pid);
	rtask__free(r, t);
	forget_space(r, space);
	return err;
}

/** Someone alive to be the parent of a process whose own isn't known. */
static pid_t any_parent(const struct recorder *r)
{
	const struct task *t = r->tasks;

	return t ? t->pid : 0;
}

struct task *watch_tree__insider(struct recorder *r, pid_t pid)
{
	struct task *t = rtask__find(r, pid);
	const pid_t parent = any_parent(r);

	if (t || !parent || enter(r, pid, parent, PROC_CLONE, 0))
		return t;
	t = rtask__find(r, pid);
	if (t)
		watch_maps__stirred(r, t);
	return t;
}

static int on_fork(struct recorder *r, const struct kevent *ke)
{
	struct task *p = watch_tree__insider(r, ke->tgid), *c = rtask__find(r, ke->aux);
	const bool shares = ke->length;
	int err = 0;

	if (!p)
		return 0;
	if (ke->aux == ke->tgid)
		return rtask__note(r, (pid_t)ke->ret);
	if (c && ke->ns <= r->attached_ns)
		return 0; /* found by its parent in /proc before this record was read */
	if (c)
		err = end(r, c, END_EXITED, 0); /* its end was lost, and the number is used again */
	if (!err)
		err = enter(r, ke->aux, p->pid, shares ? PROC_VFORK : PROC_FORK,
			    shares ? p->space : 0);
	c = rtask__find(r, ke->aux);
	if (!err && c && !shares)
		watch_maps__inherit(r, p, c);
	return err;
}

static int on_exec(struct recorder *r, const struct kevent *ke)
{
	struct task *t = watch_tree__insider(r, ke->tgid);
	uint32_t space;
	int err;

	if (!t)
		return 0;
	space = t->space;
	err = leave_space(r, t);
	if (!err)
		err = write_exec(r, t, ke->exe);
	forget_space(r, space);
	if (!err)
		watch_maps__stirred(r, t);
	return err;
}

int watch_tree__event(struct recorder *r, const struct kevent *ke)
{
	struct task *t;
	uint32_t kind;
	int32_t code;

	if (ke->type == KEV_TREE_FORK)
		return on_fork(r, ke);
	if (ke->type == KEV_TREE_EXEC)
		return on_exec(r, ke);
	t = rtask__find(r, ke->tgid);
	if (!t)
		return 0;
	watch_tree__status(ke->ret, &kind, &code);
	return end(r, t, kind, code);
}

int watch_tree__reap(struct recorder *r, uint64_t drained_ns)
{
	const uint64_t now = now_ns();
	struct task *t, *tmp;
	int err = 0;

	HASH_ITER (hh, r->tasks, t, tmp) {
		if (!kill(t->pid, 0) || errno != ESRCH)
			t->stop_ns = 0;
		else if (!t->stop_ns)
			t->stop_ns = now; /* what it did at last may still be in the ring */
		else if (!err && t->stop_ns < drained_ns)
			err = end(r, t, END_EXITED, 0);
	}
	return err;
}

/** Parent of a process, 0 if it is gone or a zombie. */
static pid_t parent_of(pid_t pid)
{
	char path[64], line[512], state;
	int parent = 0;
	const char *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	if (!p || sscanf(p, ") %c %d", &state, &parent) != 2 || state == 'Z' || state == 'X')
		parent = 0;
	fclose(f);
	return parent;
}

/** Notes the numbers of the threads that a process has. 0 or -errno. */
static int note_threads(struct recorder *r, pid_t pid)
{
	char path[64];
	DIR *dir;
	pid_t tid;
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (!err && (tid = tracee__next_entry(dir)))
		err = rtask__note(r, tid);
	if (dir)
		closedir(dir);
	return err;
}

/** A running process becomes an insider. 1: it is one now, 0: it has ended meanwhile, or -errno. */
static int adopt(struct recorder *r, pid_t pid, pid_t parent)
{
	int err = kern__tree_add(r->k, pid);
	struct task *t;

	if (err)
		return err == -ESRCH ? 0 : err;
	err = enter(r, pid, parent, parent ? PROC_CLONE : PROC_ROOT, 0);
	t = rtask__find(r, pid);
	if (!err && t) /* now, too: by the time that the tree is whole it may have ended */
		t->sharer = kern__sharer(r->k, pid, t->sharer_comm);
	if (!err && t && t->sharer < 0 && t->sharer != -ESRCH)
		err = t->sharer;
	if (!err && t)
		err = note_threads(r, pid);
	if (!err && t)
		err = write_exec(r, t, "");
	if (!err && t)
		err = watch_maps__list(r, t);
	return err ? err : 1;
}

/** One pass over /proc: children of insiders become insiders. How many, or -errno. */
static int adopt_children(struct recorder *r)
{
	DIR *dir = opendir("/proc");
	int n = 0, err = 0;
	pid_t pid;

	if (!dir)
		return -errno;
	while (err >= 0 && (pid = tracee__next_entry(dir))) {
		const pid_t parent = parent_of(pid);

		if (!parent || !rtask__find(r, parent) || rtask__find(r, pid))
			continue;
		err = adopt(r, pid, parent);
		n += err > 0;
	}
	closedir(dir);
	return err < 0 ? err : n;
}

/** Outsiders that have the same memory as somebody in the tree (CLONE_VM): what they store there, and what they map, comes by no
 *  record. An insider that is forked later shares with insiders only. */
static int tell_sharers(struct recorder *r)
{
	int err = 0;

	for (struct task *t = r->tasks; t && !err; t = t->hh.next) {
		char comm[16] = "";
		int sharer = kern__sharer(r->k, t->pid, comm);

		if ((!sharer || sharer == -ESRCH) && t->sharer > 0 && !rtask__find(r, t->sharer)) {
			/* it has ended meanwhile, and was there when we began to look */
			sharer = t->sharer;
			memcpy(comm, t->sharer_comm, sizeof(comm));
		}
		if (sharer == -ESRCH)
			continue; /* the insider has ended meanwhile */
		err = sharer < 0 ? sharer : 0;
		if (sharer > 0)
			err = emit__gap(
				r, GAP_HIDDEN_STORES, CH_MMAP_STORE, 0,
				"pid %d (%.15s) has the same memory as pid %d and isn't watched: "
				"what it stores there, and what it maps, isn't seen",
				sharer, comm, t->pid);
	}
	return err;
}

int watch_tree__attach(struct recorder *r, pid_t pid)
{
	int n = parent_of(pid) ? adopt(r, pid, 0) : 0;

	if (n <= 0)
		return n ? n : -ESRCH;
	r->root = pid;
	for (int i = 0; n > 0 && i < PASSES_MAX; i++)
		n = adopt_children(r);
	r->attached_ns = now_ns();
	return n < 0 ? n : tell_sharers(r);
}
