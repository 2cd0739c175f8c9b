/* SPDX-License-Identifier: MIT */
/*
 * stored.c: words that the kernel stores when threads come and go.
 *
 * CLONE_PARENT_SETTID and CLONE_PIDFD are stored before the child runs (kernel_clone and copy_process, 6.18), so they are there
 * at the parent's event; CLONE_CHILD_SETTID by the child itself on its way to its first stop (schedule_tail). At the end of a
 * thread, after PTRACE_EVENT_EXIT, the kernel sets FUTEX_OWNER_DIED in the robust futexes that it holds and clears the word
 * at clear_child_tid if others use the memory (mm_release): the words are read again, from another thread of the address
 * space or from a process that maps the same object, when the thread is gone.
 */
#include "record/stored.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "record/emit.h"
#include "tracee/tracee.h"

#define CLONE3_PIDFD  8 /* offsets in struct clone_args (linux/sched.h) */
#define CLONE3_CHILD  16
#define CLONE3_PARENT 24
#define LEADER_WAITS \
	50000 /* times 100 us for a leader to become a zombie: it is on its way, but others may have the processor */

/** A futex word that a thread may hold when it dies. */
struct robust_word {
	uint64_t addr;
	uint32_t before;
};

static int write_word(struct recorder *r, struct task *t, uint64_t addr, uint32_t word)
{
	const struct ev_data ev = { .addr = addr, .len = sizeof(word), .why = DATA_KERNEL };

	return emit(r, EV_DATA, t, &ev, sizeof(ev), &word, sizeof(word));
}

/** Writes down the 4 bytes at addr as they are. */
static int write_as_read(struct recorder *r, struct task *t, uint64_t addr)
{
	uint32_t word;

	if (!addr || tracee__read(t->tid, addr, &word, sizeof(word)) != sizeof(word))
		return 0;
	return write_word(r, t, addr, word);
}

/** Address that the clone was given; `arg`: number of clone's argument, offset: of clone3's field. */
static uint64_t clone_address(const struct task *t, int arg, uint64_t offset)
{
	uint64_t addr = 0;

	if (t->nr == __NR_clone)
		return t->args[arg];
	if (t->nr == __NR_clone3)
		tracee__read(t->tid, t->args[0] + offset, &addr, sizeof(addr));
	return addr;
}

int stored__by_clone(struct recorder *r, struct task *t, struct task *child, uint64_t flags)
{
	int err = 0;

	child->set_tid = flags & CLONE_CHILD_SETTID ? clone_address(t, 3, CLONE3_CHILD) : 0;
	if (flags & CLONE_PARENT_SETTID)
		err = write_as_read(r, t, clone_address(t, 2, CLONE3_PARENT));
	if (!err && (flags & CLONE_PIDFD)) /* clone stores it where it would store the tid */
		err = write_as_read(r, t, clone_address(t, 2, CLONE3_PIDFD));
	return err;
}

int stored__at_start(struct recorder *r, struct task *t)
{
	const uint64_t addr = t->set_tid;

	t->set_tid = 0;
	return write_as_read(r, t, addr);
}

static bool read8(const struct task *t, uint64_t addr, uint64_t *ret)
{
	return tracee__read(t->tid, addr, ret, sizeof(*ret)) == sizeof(*ret);
}

/** Takes one entry of the list, if its word names the thread. */
static void note_word(struct task *t, uint64_t entry, int64_t offset)
{
	const uint64_t addr = (entry & ~1ull) + offset; /* bit 0: PI futex */
	struct robust_word *v;
	uint32_t word;

	if (tracee__read(t->tid, addr, &word, sizeof(word)) != sizeof(word) ||
	    !(word & FUTEX_TID_MASK))
		return;
	v = realloc(t->robust, (t->nrobust + 1) * sizeof(*v));
	if (!v)
		return;
	v[t->nrobust++] = (struct robust_word){ addr, word };
	t->robust = v;
}

void stored__at_exit(struct recorder *r, struct task *t)
{
	uint64_t head = 0, entry, offset, pending;
	size_t len = 0;

	if (r->ntasks < 2 || syscall(SYS_get_robust_list, t->tid, &head, &len) || !head)
		return; /* the last thread of the tree: nobody sees it */
	if (!read8(t, head, &entry) || !read8(t, head + 8, &offset) ||
	    !read8(t, head + 16, &pending))
		return;
	for (int n = 0; (entry & ~1ull) != head && n < ROBUST_LIST_LIMIT; n++) {
		note_word(t, entry, offset);
		if (!read8(t, entry & ~1ull, &entry))
			break;
	}
	if (pending)
		note_word(t, pending, offset);
}

/** Another thread that lives in the address space. */
static struct task *neighbour(struct recorder *r, const struct task *t)
{
	for (struct task *u = r->tasks; u; u = u->hh.next)
		if (u != t && u->space == t->space && u->known && u->state != TASK_DYING)
			return u;
	return NULL;
}

/** Somebody else's view of a word in shared memory. */
struct view {
	struct recorder *r;
	const struct task *but;
	uint64_t offset; /* in the object */
	struct task *t;
	uint64_t addr;
};

static int find_view(void *ctx, const struct model_space *s, const struct model_vma *v)
{
	struct view *w = ctx;

	if ((v->flags & MAP_TYPE) == MAP_PRIVATE || w->offset < v->offset ||
	    w->offset - v->offset >= v->end - v->addr)
		return 0;
	for (struct task *u = w->r->tasks; u; u = u->hh.next) {
		if (u == w->but || u->space != s->id || !u->known || u->state == TASK_DYING)
			continue;
		w->t = u;
		w->addr = v->addr + (w->offset - v->offset);
		return 1;
	}
	return 0;
}

/** A thread that sees the word at addr of t's address space, and where. NULL: nobody does. */
static struct task *viewer(struct recorder *r, struct task *t, uint64_t addr, uint64_t *ret_addr)
{
	const struct model_space *s = model__space(r->m, t->space);
	const struct model_vma *v = s ? model__find_vma(s, addr) : NULL;
	struct view w = { .r = r, .but = t };
	struct task *u = neighbour(r, t);

	*ret_addr = addr;
	if (u || !v || !v->object || (v->flags & MAP_TYPE) == MAP_PRIVATE)
		return u;
	w.offset = v->offset + (addr - v->addr);
	model__each_mapper(r->m, v->object, w.offset / BPREC_PAGE_SIZE, 1, find_view, &w);
	*ret_addr = w.addr;
	return w.t;
}

int stored__robust(struct recorder *r, struct task *t)
{
	int err = 0;

	for (size_t i = 0; i < t->nrobust && !err; i++) {
		uint64_t addr;
		uint32_t word;
		struct task *u = viewer(r, t, t->robust[i].addr, &addr);

		if (u && tracee__read(u->tid, addr, &word, sizeof(word)) == sizeof(word) &&
		    word != t->robust[i].before)
			err = write_word(r, u, addr, word);
	}
	free(t->robust);
	t->robust = NULL;
	t->nrobust = 0;
	return err;
}

bool stored__cleared(struct recorder *r, struct task *t)
{
	const struct task *u = t->clear_tid ? neighbour(r, t) : NULL;
	uint32_t word;

	return u && tracee__read(u->tid, t->clear_tid, &word, sizeof(word)) == sizeof(word) &&
	       !word;
}

/** Has the thread left its memory? Its state in /proc is Z or X then (man 5 proc_pid_stat). */
static bool is_zombie(const struct task *t)
{
	char path[64], line[256] = "";
	const char *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", t->pid, t->tid);
	f = fopen(path, "re");
	if (!f)
		return true;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	end = strrchr(line, ')');
	return !end || end[2] == 'Z' || end[2] == 'X';
}

/** Does anybody see what the kernel stores at the end of a leader? */
static bool is_seen(struct recorder *r, struct task *t)
{
	uint64_t addr;

	if (t->clear_tid && neighbour(r, t))
		return true;
	for (size_t i = 0; i < t->nrobust; i++)
		if (viewer(r, t, t->robust[i].addr, &addr))
			return true;
	return false;
}

int stored__leader(struct recorder *r, struct task *t)
{
	struct task *u = neighbour(r, t);
	int err;

	if (!is_seen(r, t))
		return 0;
	for (int i = 0; i < LEADER_WAITS && !is_zombie(t); i++)
		usleep(100);
	err = stored__robust(r, t);
	if (!err && u && stored__cleared(r, t))
		err = write_word(r, u, t->clear_tid, 0);
	t->clear_tid = 0;
	return err;
}
