/* SPDX-License-Identifier: MIT */
/*
 * mapping.c: from a mapping of a stopped tracee to its events: EV_OBJECT (once), EV_PAGES (what is not saved yet), EV_MAP,
 * and EV_MEM for pages that are private copies already.
 *
 * The object's identity comes from the kernel where BPF watches (the VMA's own inode: overlayfs, btrfs and SysV shm lie
 * in stat and maps), else from /proc/PID/maps.
 */
#include "record/mapping.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/emit.h"
#include "record/holders.h"
#include "record/maplist.h"
#include "record/object.h"
#include "record/resave.h"
#include "record/sharing.h"
#include "space/space.h"
#include "tracee/calllog.h"

#define PAGES(n) (((n) + BPREC_PAGE_SIZE - 1) / BPREC_PAGE_SIZE)

/** What is known while one space is written down. */
struct walk {
	struct recorder *r;
	struct task *t;
	struct maplist list;
};

static struct object_key key_of(const struct khold *h, const struct tracee_map *m)
{
	if (h)
		return object__key_of_hold(h);
	return (struct object_key){ .inode = m->inode, .dev = m->major << 20 | m->minor };
}

static bool starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/** Neither a file nor a block device: its memory is a device's, or the kernel writes it by itself (rings, maps). */
static bool is_device(const char *link)
{
	struct stat st;

	return !stat(link, &st) && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode);
}

/** Flags of an object by the path that /proc shows; link: a link of /proc that leads to it. */
static uint32_t object_flags(const char *path, const char *link)
{
	if (starts(path, "/memfd:") || starts(path, "/SYSV") || starts(path, "/dev/zero"))
		return OBJECT_ANON_SHM;
	if (starts(path, "socket:") || starts(path, "anon_inode:") ||
	    (starts(path, "/dev/") && !starts(path, "/dev/shm/") && access(link, F_OK)))
		return OBJECT_DEVICE; /* links of map_files can't be followed without privileges */
	return is_device(link) ? OBJECT_DEVICE : 0;
}

static enum map_kind kind_of(const char *path, bool object)
{
	if (object)
		return MAP_KIND_OBJECT;
	if (!strcmp(path, "[stack]"))
		return MAP_KIND_STACK;
	if (!strcmp(path, "[heap]"))
		return MAP_KIND_HEAP;
	if (path[0] == '[' && !starts(path, "[anon"))
		return MAP_KIND_SPECIAL;
	return MAP_KIND_ANON;
}

static int emit_map(struct recorder *r, struct task *t, uint64_t addr, uint64_t len, uint32_t prot,
		    uint32_t flags, uint64_t offset, uint32_t object, enum map_kind kind)
{
	const struct ev_map ev = {
		.addr = addr,
		.len = len,
		.prot = prot,
		.flags = flags,
		.offset = offset,
		.object = object,
		.kind = kind,
	};

	return emit(r, EV_MAP, t, &ev, sizeof(ev), NULL, 0);
}

static int device_gap(struct recorder *r, struct object *o, const char *path)
{
	return emit__gap(r, GAP_DEVICE_MAPPING, CH_KERNEL_SHARED, o->id,
			 "%s is mapped: a device or memory that the kernel writes by itself", path);
}

/* An object is mapped: save its pages, write the mapping, see who else can write it. */
int mapping__of_object(struct recorder *r, struct task *t, struct object *o, const char *path,
		       uint64_t addr, uint64_t len, uint32_t prot, uint32_t flags, uint64_t offset)
{
	const bool shared = (flags & MAP_TYPE) != MAP_PRIVATE, writes = shared && prot & PROT_WRITE;
	int err = 0;

	o->stores_inside |= writes; /* a watched program stores already */
	if (o->device)
		err = device_gap(r, o, path);
	if (!err)
		err = holders__look(r, o);
	if (!err)
		err = holders__pins(r, o, offset / BPREC_PAGE_SIZE, PAGES(len));
	if (!err)
		err = resave__pages(r, o, offset / BPREC_PAGE_SIZE, PAGES(len));
	if (!err)
		err = emit_map(r, t, addr, len, prot, flags, offset, o->id, MAP_KIND_OBJECT);
	o->stores_inside |= writes; /* looks before the event knew of no such mapping */
	if (!err && r->k && !o->key && !o->device)
		err = emit__gap(r, GAP_NOT_OBSERVED, CH_UNKNOWN, o->id, "%s could not be watched",
				path);
	if (!err && o->fd < 0 && !o->device && !r->watch) /* there it matters once it changes */
		err = emit__gap(r, GAP_UNREADABLE, CH_UNKNOWN, o->id,
				"%s could not be opened to save its contents", path);
	if (!err)
		err = sharing__join(r, t, o, shared, prot);
	return err;
}

static int save_private(void *ctx, uint64_t addr, uint64_t n)
{
	struct walk *w = ctx;
	struct space_runs runs = { 0 };
	struct ev_mem ev = { .addr = addr, .npages = n };
	uint64_t lost = 0;
	int err = space__save_memory(w->r->w, w->t->tid, addr, n, &runs, &lost);

	ev.nruns = runs.n;
	if (!err)
		err = emit(w->r, EV_MEM, w->t, &ev, sizeof(ev), runs.v, runs.n * sizeof(*runs.v));
	space_runs__free(&runs);
	return err;
}

int mapping__get_object(struct recorder *r, pid_t pid, const struct tracee_map *m,
			const struct object_key *key, struct object **ret)
{
	int fd = tracee__open_map(pid, m);
	char link[96];
	uint32_t flags;

	snprintf(link, sizeof(link), "/proc/%d/map_files/%lx-%lx", pid, m->start, m->end);
	flags = object_flags(m->path, link);
	if (flags & OBJECT_DEVICE && fd >= 0) {
		close(fd);
		fd = -1;
	}
	return object__get(r, key, m->path, flags, fd < 0 ? -1 : fd, false, ret);
}

static int write_object_map(struct walk *w, const struct tracee_map *m, const struct khold *h)
{
	const struct object_key key = key_of(h, m);
	struct object *o;
	int err = mapping__get_object(w->r, w->t->tid, m, &key, &o);

	if (err)
		return err;
	return mapping__of_object(w->r, w->t, o, m->path, m->start, m->end - m->start, m->prot,
				  m->shared ? MAP_SHARED : MAP_PRIVATE, m->offset);
}

static int write_map(struct walk *w, const struct tracee_map *m)
{
	const struct khold *h = maplist__held_at(&w->list, m->start);
	int err;

	if (!strcmp(m->path, "[vsyscall]"))
		return 0;
	if (m->start == TRACEE_PAGE_ADDR || m->start == CALLLOG_ADDR)
		return emit_map(w->r, w->t, m->start, m->end - m->start, m->prot,
				MAP_PRIVATE | MAP_ANONYMOUS, 0, 0, MAP_KIND_BPREC);
	if (m->inode || h) {
		err = write_object_map(w, m, h);
	} else {
		if (!strcmp(m->path, "[heap]")) {
			struct aspace *s = aspace__get(w->r, w->t->space);

			if (s) {
				s->brk_start = m->start;
				s->brk = m->end;
			}
		}
		err = emit_map(w->r, w->t, m->start, m->end - m->start, m->prot,
			       MAP_PRIVATE | MAP_ANONYMOUS, 0, 0, kind_of(m->path, false));
	}
	if (!err && !m->shared)
		err = tracee__private_pages(w->t->tid, m->start, m->end, save_private, w);
	return err;
}

/** Writes down all mappings, or only the one at an address. */
static int write_maps(struct walk *w, uint64_t only)
{
	int err = maplist__read(&w->list, w->t->tid);

	for (size_t i = 0; i < w->list.nmaps && !err; i++) {
		const struct tracee_map *m = &w->list.maps[i];

		if (!only || (m->start <= only && only < m->end))
			err = write_map(w, m);
	}
	return err;
}

static int walk_space(struct recorder *r, struct task *t, uint64_t only)
{
	struct walk w = { .r = r, .t = t };
	int err = 0;

	if (r->k)
		err = maplist__watch(&w.list, r->k, t->pid);
	if (err && err != -ESRCH && err != -ENOMEM)
		err = emit__gap(r, GAP_RECORDER_ERROR, CH_UNKNOWN, 0,
				"the mappings of pid %d could not be watched: %s", t->pid,
				strerror(-err));
	if (!err)
		err = write_maps(&w, only);
	maplist__free(&w.list);
	return err;
}

int mapping__whole_space(struct recorder *r, struct task *t)
{
	return walk_space(r, t, 0);
}

int mapping__at(struct recorder *r, struct task *t, uint64_t addr)
{
	return walk_space(r, t, addr);
}

int mapping__save_range(struct recorder *r, struct task *t, uint64_t addr, uint64_t len)
{
	const struct model_space *s = model__space(r->m, t->space);
	const struct model_vma *v = s ? model__find_vma(s, addr) : NULL;
	struct object *o = v && v->object ? object__find(r, v->object) : NULL;

	if (!o)
		return 0;
	return resave__pages(r, o, (v->offset + (addr - v->addr)) / BPREC_PAGE_SIZE, PAGES(len));
}

/** Key of the object that mmap's descriptor refers to: from the event that the kernel sent at the call's begin. */
static bool key_from_watch(struct task *t, struct object_key *k)
{
	const struct kevent *ke = &t->watch;

	if (!ke->type)
		return false;
	*k = object__key_of_event(ke);
	t->watch.type = 0;
	return true;
}

static void key_from_fd(int fd, struct object_key *k)
{
	struct stat st;

	memset(k, 0, sizeof(*k));
	if (fd < 0 || fstat(fd, &st))
		return;
	*k = object__key_of_stat(&st);
}

static int map_descriptor(struct recorder *r, struct task *t, uint64_t addr, uint64_t len)
{
	char link[64], path[4096];
	struct object_key key;
	struct object *o;
	bool dup = false;
	int fd = tracee__get_fd(t->pid, (int)t->args[4], &dup);
	uint32_t flags;
	ssize_t n;
	int err;

	if (fd < 0 && t->tid != t->pid) /* the leader may have ended before its threads */
		fd = tracee__get_fd(t->tid, (int)t->args[4], &dup);
	snprintf(link, sizeof(link), "/proc/%d/fd/%d", t->tid, (int)t->args[4]);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (!key_from_watch(t, &key)) {
		if (fd < 0) /* a device: known by its mapping only */
			return mapping__at(r, t, addr);
		key_from_fd(fd, &key);
	}
	flags = object_flags(path, link);
	err = object__get(r, &key, path, flags, fd < 0 ? -1 : fd, dup, &o);
	if (err)
		return err;
	return mapping__of_object(r, t, o, path, addr, len, (uint32_t)t->args[2],
				  (uint32_t)t->args[3], t->args[5]);
}

int mapping__mmap(struct recorder *r, struct task *t, uint64_t addr)
{
	const uint64_t len = PAGES(t->args[1]) * BPREC_PAGE_SIZE;
	const uint32_t flags = (uint32_t)t->args[3];

	if (!(flags & MAP_ANONYMOUS))
		return map_descriptor(r, t, addr, len);
	if ((flags & MAP_TYPE) == MAP_SHARED)
		return mapping__at(r, t, addr);
	return emit_map(r, t, addr, len, (uint32_t)t->args[2], flags, 0, 0,
			flags & MAP_GROWSDOWN ? MAP_KIND_STACK : MAP_KIND_ANON);
}
