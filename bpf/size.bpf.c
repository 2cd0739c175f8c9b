// SPDX-License-Identifier: GPL-2.0-only
/*
 * size.bpf.c: fallocate, ftruncate, and open: calls that change an object's size or give a writable descriptor of it.
 *
 * What open(O_TRUNC) works on is not known when it begins: the new descriptor tells, and it is announced late, with the time at
 * which the call began. truncate(path) is in cut.bpf.c.
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

__noinline int open_cut(struct flight *f, __u64 object)
{
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
