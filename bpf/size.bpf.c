// SPDX-License-Identifier: GPL-2.0-only
/*
 * size.bpf.c: fallocate, ftruncate, truncate, and open: calls that change an object's size or give a writable
 * descriptor of it.
 *
 * What truncate(path) and open(O_TRUNC) work on is not known when they begin. After open the new descriptor tells; after
 * truncate every watched object is looked at whose size is now the one asked for and was not before. Both are
 * announced late, with the time at which the call began. An object may have got that size before the call, by what no
 * hook shows (FUSE and network file systems take sizes from elsewhere): when the call begins, such objects are marked, and
 * the call isn't said to have changed them.
 */
#include "sys.bpf.h"

enum { FALLOC_COLLAPSE = 0x08, FALLOC_INSERT = 0x20 };

__noinline int fallocate_begin(__u32 fd, __u32 mode, __u64 offset, __u64 length)
{
	struct target t = {};

	if (fd_target(fd, &t) != TARGET_WATCHED)
		return 0;
	struct flight f = {
		.n = {
			.object = t.object,
			.offset = offset,
			.length = length,
			.channel = CH_FALLOCATE,
			.hook = KHOOK_enter_fallocate,
		},
	};
	if (mode & (FALLOC_COLLAPSE | FALLOC_INSERT))
		f.n.length = TO_END;
	if (mode & FALLOC_COLLAPSE)
		f.n.flags |= KEVF_SHRINK;
	return flight_begin(&f, 0);
}

__noinline int ftruncate_begin(__u32 fd, __u64 length)
{
	struct target t = {};

	if (fd_target(fd, &t) != TARGET_WATCHED)
		return 0;
	struct flight f = { .n = { .object = t.object, .hook = KHOOK_enter_ftruncate } };
	f.n.channel = CH_TRUNCATE;
	truncate_range(&f.n, object_size(t.object), length);
	return flight_begin(&f, 0);
}

/* For each watched object: has it the length already that a truncate(path) is going to set? */
static long mark_untold(void *map, const __u64 *key, struct watch *w, const __u64 *length)
{
	__u64 now = object_size(*key);

	if (now != *length) {
		if (w->untold == *length)
			w->untold_ns = 0;
	} else if (now != w->size && (!w->untold_ns || w->untold != now)) {
		w->untold = now;
		w->untold_ns = bpf_ktime_get_ns();
	}
	return 0;
}

__noinline int truncate_begin(__u64 length)
{
	struct flight f = { .end = END_BY_SIZE };

	bpf_for_each_map_elem(&watched, mark_untold, &length, 0);
	f.n.hook = KHOOK_enter_truncate;
	f.n.length = length;
	return flight_begin(&f, 0);
}

/** A truncate(path) that is over: what a look at one object needs of it. */
struct truncation {
	__u64 ns, length;
	__u32 hook;
	bool found,
		crowded; /* an object has the length since then; another such call to it is under way */
};

/* Has the object a length that is new, and the one of the call? Not if it had it when the call began. */
static __always_inline bool may_be_cut(__u64 object, const struct watch *w,
				       const struct truncation *call)
{
	__u64 now = object_size(object);

	if (now == w->size || now != call->length)
		return false;
	return !w->untold_ns || w->untold != now || w->untold_ns > call->ns;
}

static long find_cut(void *map, const __u64 *key, struct watch *w, struct truncation *call)
{
	call->found = may_be_cut(*key, w, call);
	return call->found;
}

static long find_other(void *map, const struct flight_key *key, struct flight *f,
		       struct truncation *call)
{
	call->crowded = f->end == END_BY_SIZE && f->n.length == call->length;
	return call->crowded;
}

/* For each watched object: was it what a truncate(path) changed? If it may have been another that is under way, too, each of them
 * is named, and none for certain. */
static long truncated(void *map, const __u64 *key, struct watch *w, struct truncation *call)
{
	__u64 object = *key, old = w->size;

	if (!may_be_cut(object, w, call))
		return 0;
	bool doubtful = call->crowded || (w->untold_ns && w->untold == call->length);
	struct flight f = { .n = { .object = object, .ns = call->ns, .hook = call->hook } };
	f.n.channel = CH_TRUNCATE;
	truncate_range(&f.n, old, call->length);
	if (doubtful)
		f.n.flags |= KEVF_RANGE_UNKNOWN;
	flight_late(&f, 0);
	if (doubtful) {
		w->size = old;
		w->untold = call->length;
		w->untold_ns = bpf_ktime_get_ns();
	}
	return 0;
}

__noinline int truncate_end(struct flight *f, __s64 ret)
{
	if (!f || ret < 0)
		return 0;
	struct truncation call = { f->n.ns, f->n.length, f->n.hook };
	bpf_for_each_map_elem(&watched, find_cut, &call, 0);
	if (!call.found)
		return 0;
	bpf_for_each_map_elem(&flights, find_other, &call, 0);
	bpf_for_each_map_elem(&watched, truncated, &call, 0);
	return 0;
}

/* For each watched object: it is open for writing. By whom the lists tell, or else it is the kernel. */
static long open_for_writing(void *map, const __u64 *key, struct watch *w, __u32 *hook)
{
	struct note n = { .type = KEV_KERNEL_OPENED, .object = *key, .hook = *hook };
	struct address_space *mapping = (void *)n.object;

	if (!w->beneath && BPF_CORE_READ(mapping, host, i_writecount.counter) > 0)
		emit(&n);
	return 0;
}

__noinline int kernel_opened(__u32 hook)
{
	bpf_for_each_map_elem(&watched, open_for_writing, &hook, 0);
	return 0;
}

/* open with O_TRUNC begins; others need nothing of their entry. */
__noinline int open_begin(__u32 flags, __u32 hook)
{
	struct flight f = { .end = END_BY_FD };

	if (!(flags & O_TRUNC))
		return 0;
	f.n.hook = hook;
	return flight_begin(&f, 0);
}

__noinline int open_end(struct flight *f, __s64 ret)
{
	/* not fd_target: O_RDONLY | O_TRUNC truncates too (seen on tmpfs and ext4, 6.18) */
	__u64 object = f && ret >= 0 ? file_object(fd_file(ret)) : 0;
	struct watch *w = watch_find(object);

	if (!f || !w || (!w->size && !object_size(object)))
		return 0;
	f->n.object = object;
	f->n.offset = 0;
	f->n.length = TO_END;
	f->n.channel = CH_OPEN_TRUNC;
	f->n.flags = KEVF_SHRINK;
	f->end = END_AS_BEGUN;
	return flight_late(f, 0);
}

/* A function of its own: what it needs of the stack isn't there for those below flight_end. */
__noinline int opened(__u32 fd)
{
	struct target t = {};

	if (fd_target(fd, &t) != TARGET_WATCHED)
		return 0;
	struct note n = { .type = KEV_OPENED, .object = t.object, .aux = fd };
	n.hook = KHOOK_exit_openat;
	holder_add(HOLDS_FD, n.hook);
	return emit(&n);
}

__noinline int open_over(__s64 ret)
{
	flight_end(ret);
	return ret < 0 ? 0 : opened(ret);
}
