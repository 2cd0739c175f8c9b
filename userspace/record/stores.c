/* SPDX-License-Identifier: MIT */
/*
 * stores.c: an insider's write, truncate and kin on an object that insiders map.
 *
 * The kernel tells of such a call when it is over, before the thread's exit stop. Its pages are written down after its
 * EV_SYSCALL and not before: a replay runs the thread's code up to the call when that event comes, and what the code stores
 * until then lies under what the call wrote.
 *
 * While the call is under way nobody else of the group may run: they would see its bytes land. Calls on regular files don't
 * wait for other threads, so they keep the token (stores__holds). Where that can't be had the trace gets a gap, and the verdict
 * is uncertain: a splice that waits for a pipe; an open with O_TRUNC by the only thread of a group that shared nothing until
 * then, which isn't looked at before.
 */
#include "record/stores.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <asm/unistd.h>

#include "record/compare.h"
#include "record/emit.h"
#include "record/object.h"
#include "record/outputs.h"
#include "record/sched.h"
#include "tracee/tracee.h"

static bool stat_fd(const struct task *t, int fd, struct stat *st)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", t->tid, fd);
	return !stat(path, st);
}

static bool is_regular(const struct task *t, int fd)
{
	struct stat st;

	return stat_fd(t, fd, &st) && S_ISREG(st.st_mode);
}

/** The file that a path of the program names. */
static bool stat_path(const struct task *t, int dirfd, uint64_t addr, struct stat *st)
{
	char name[4096], path[4200];
	const ssize_t n = tracee__read_string(t->tid, addr, name, sizeof(name));

	if (n <= 0)
		return false;
	if (name[0] == '/')
		snprintf(path, sizeof(path), "/proc/%d/root%s", t->tid, name);
	else if (dirfd == AT_FDCWD)
		snprintf(path, sizeof(path), "/proc/%d/cwd/%s", t->tid, name);
	else
		snprintf(path, sizeof(path), "/proc/%d/fd/%d/%s", t->tid, dirfd, name);
	return !stat(path, st) && S_ISREG(st->st_mode);
}

/** Objects of this number that are mapped. Device numbers aren't compared: overlayfs and btrfs show others in stat. */
static bool is_mapped(struct recorder *r, uint64_t inode)
{
	struct object *o;

	HASH_FIND(hh_inode, r->by_inode, &inode, sizeof(inode), o);
	for (; o; o = o->older)
		if (object__mapped(r, o))
			return true;
	return false;
}

/** Does the call move bytes from a descriptor that it may have to wait for? */
static bool waits_for_source(const struct task *t)
{
	switch (t->nr) {
	case __NR_sendfile:
		return !is_regular(t, (int)t->args[1]);
	case __NR_splice:
	case __NR_vmsplice:
		return true; /* one end is a pipe */
	default:
		return false;
	}
}

uint64_t stores__cut(struct recorder *r, const struct task *t)
{
	uint64_t flags = t->nr == __NR_openat2 ? 0 : O_TRUNC;
	int dirfd = AT_FDCWD, path = 0;
	struct stat st;

	switch (t->nr) {
	case __NR_truncate:
	case __NR_creat:
		break;
	case __NR_open:
		flags = t->args[1];
		break;
	case __NR_openat2:
		tracee__read(t->tid, t->args[2], &flags, sizeof(flags));
		dirfd = (int)t->args[0];
		path = 1;
		break;
	case __NR_openat:
		flags = t->args[2];
		dirfd = (int)t->args[0];
		path = 1;
		break;
	default:
		return 0;
	}
	if (!(flags & O_TRUNC) || !stat_path(t, dirfd, t->args[path], &st))
		return 0;
	return is_mapped(r, st.st_ino) ? st.st_ino : 0;
}

bool stores__holds(struct recorder *r, const struct task *t)
{
	const struct sys_invocation in = outputs__invocation((struct task *)t, 0);
	const int fd = sys__write_fd(&in);

	if (fd < 0)
		return t->cut != 0;
	return (t->holds_writer || !r->k) && is_regular(t, fd) && !waits_for_source(t);
}

/** Inode number of what is about to be mapped; 0: nothing that can be known. */
static uint64_t mapped_inode(const struct task *t)
{
	struct stat st;

	if (t->nr == __NR_shmat)
		return t->args[0]; /* ipc/shm.c, newseg: "shmid is used as inode number" */
	if (t->args[3] & MAP_ANONYMOUS || !stat_fd(t, (int)t->args[4], &st))
		return 0;
	return st.st_ino;
}

static bool may_change(const struct object *o, const struct task *t)
{
	if (o->writecount > 0 || o->mmap_writable > 0)
		return true;
	return t->nr == __NR_shmat ||
	       ((t->args[2] & PROT_WRITE) && (t->args[3] & MAP_TYPE) != MAP_PRIVATE);
}

static bool space_maps(struct recorder *r, uint32_t space, uint32_t object)
{
	const struct model_space *s = model__space(r->m, space);

	for (size_t i = 0; s && i < s->nvmas; i++)
		if (s->vmas[i].object == object)
			return true;
	return false;
}

static bool is_elsewhere(struct recorder *r, struct task *u, struct task *t, const struct object *o)
{
	return u != t && u->known && u->state != TASK_DYING && sched__group(u) != sched__group(t) &&
	       space_maps(r, u->space, o->id);
}

/** Has a thread of another group, which maps the object, run user code since the call began? */
static bool ran_elsewhere(struct recorder *r, struct task *t, const struct object *o)
{
	for (struct task *u = r->tasks; u; u = u->hh.next)
		if (is_elsewhere(r, u, t, o) && u->idle_ns > t->entry_ns)
			return true;
	return false;
}

/** Makes one group of all that map the object and the thread's; the thread's events come after those of who runs now. */
static int join_mappers(struct recorder *r, struct task *t, const struct object *o)
{
	int err = 0;

	for (struct task *u = r->tasks; u && !err; u = u->hh.next)
		if (is_elsewhere(r, u, t, o))
			err = sched__merge(r, sched__group(u), sched__group(t));
	return err;
}

int stores__before_map(struct recorder *r, struct task *t)
{
	const uint64_t inode = r->ntasks > 1 ? mapped_inode(t) : 0;
	struct object *o = NULL;
	int err = 0;

	if (inode)
		HASH_FIND(hh_inode, r->by_inode, &inode, sizeof(inode), o);
	for (; o && !err; o = o->older)
		if (may_change(o, t))
			err = join_mappers(r, t, o);
	return err;
}

int stores__before_cut(struct recorder *r, struct task *t)
{
	const uint64_t inode = t->cut;
	struct object *o = NULL;
	int err = 0;

	if (inode)
		HASH_FIND(hh_inode, r->by_inode, &inode, sizeof(inode), o);
	for (; o && !err; o = o->older)
		err = join_mappers(r, t, o);
	return err;
}

/** The end of a change takes the place of its beginning. */
static int keep(struct task *t, const struct kevent *ke)
{
	struct kevent *v;

	for (size_t i = 0; i < t->nstored; i++)
		if (t->stored[i].type == KEV_BEGIN && t->stored[i].aux == ke->aux) {
			t->stored[i] = *ke;
			return 0;
		}
	v = realloc(t->stored, (t->nstored + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	v[t->nstored++] = *ke;
	t->stored = v;
	return 0;
}

int stores__event(struct recorder *r, const struct kevent *ke)
{
	struct object *o = object__by_kevent(r, ke);
	struct task *t = rtask__find(r, ke->tid);

	if (!o)
		return 0;
	if (t && t->state != TASK_DYING) {
		if (ke->type == KEV_END)
			t->lent = t->lent || ran_elsewhere(r, t, o);
		return keep(t, ke);
	}
	return ke->type == KEV_BEGIN ? 0 : compare__insider(r, o, ke);
}

/** Could somebody see the bytes land, whose events are not in order with this call? */
static int tell_unordered(struct recorder *r, struct task *t, const struct object *o)
{
	const int err = join_mappers(r, t, o);

	if (err || !t->lent)
		return err;
	return emit__gap(
		r, GAP_RECORDER_ERROR, CH_UNKNOWN, o->id,
		"pid %d changed it by a system call while others that map it ran: in what order isn't known",
		t->pid);
}

static int write_kept(struct recorder *r, struct task *t)
{
	int err = 0;

	for (size_t i = 0; i < t->nstored && !err; i++) {
		struct object *o = object__by_kevent(r, &t->stored[i]);

		if (!o || t->stored[i].type == KEV_BEGIN)
			continue;
		if (object__mapped(r, o))
			err = tell_unordered(r, t, o);
		if (!err)
			err = compare__insider(r, o, &t->stored[i]);
	}
	stores__drop(t);
	return err;
}

/** Nobody watches: the object is found by the descriptor, and all of it compared. */
static int look_by_descriptor(struct recorder *r, struct task *t)
{
	const struct sys_invocation in = outputs__invocation(t, 0);
	const int fd = sys__write_fd(&in);
	struct kevent ke = { .tid = t->tid, .flags = KEVF_RANGE_UNKNOWN, .channel = CH_UNKNOWN };
	struct object *o = NULL;
	struct stat st;
	int err = 0;

	if (fd < 0 || !stat_fd(t, fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	ke.inode = st.st_ino;
	HASH_FIND(hh_inode, r->by_inode, &ke.inode, sizeof(ke.inode), o);
	for (; o && !err; o = o->older)
		err = compare__insider(r, o, &ke);
	return err;
}

int stores__written(struct recorder *r, struct task *t, int64_t ret)
{
	if (t->nstored)
		return write_kept(r, t);
	return r->k || (ret < 0 && ret > -4096) ? 0 : look_by_descriptor(r, t);
}

int stores__gone(struct recorder *r, struct task *t)
{
	return t->nstored ? write_kept(r, t) : 0;
}

void stores__drop(struct task *t)
{
	free(t->stored);
	t->stored = NULL;
	t->nstored = 0;
}
