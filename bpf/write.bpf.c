// SPDX-License-Identifier: GPL-2.0-only
/*
 * write.bpf.c: changes by calls that write through a descriptor: the write family, sendfile, splice, copy_file_range.
 *
 * Offset and length at the beginning are what the call asks for. Through the file position (shared by every duplicate
 * of the descriptor) it is a guess that the end of the call proves or gives up (KEVF_RANGE_UNKNOWN).
 *
 * An object may come to be watched while a write to it is under way. That write is told when it is over, as one of unknown range that
 * began when the object was entered. The end of each write is looked at for that (of io_uring and aio, too), but only for a while after
 * an object was entered: 10 s or more; what takes longer is found by comparing, as far as somebody is known to hold the object. So are
 * aio requests that are over after their call (O_DIRECT), and those of 32-bit callers.
 */
#include "sys.bpf.h"

#define IOV_MAX_READ 16 /* vectors whose lengths are summed up; with more of them: to the end */

static __always_inline int begin(const struct target *t, const struct request *r)
{
	struct flight f = {
		.file = t->file,
		.end = r->at_pos ? END_FILE_POS : END_GIVEN_POS,
		.n = {
			.object = t->object,
			.offset = r->offset,
			.length = r->length,
			.channel = r->channel,
			.hook = r->hook,
		},
	};

	if (t->f_flags & O_APPEND || r->append) {
		f.end = END_APPEND;
		f.n.flags |= KEVF_APPEND;
		f.n.offset = object_size(t->object);
	}
	if (t->f_flags & O_DIRECT) {
		f.n.flags |= KEVF_DIRECT;
		if (r->channel <= CH_PWRITEV)
			f.n.channel = CH_DIRECT_WRITE;
	}
	return quick_begin(&f);
}

/* Sum of the lengths of a vector in user memory. */
static __noinline __u64 iov_length(__u64 iov, __u64 n)
{
	__u64 pair[2], sum = 0;

	if (n > IOV_MAX_READ)
		return TO_END;
	for (int i = 0; i < IOV_MAX_READ; i++) {
		if (i >= n)
			break;
		if (bpf_probe_read_user(pair, sizeof(pair), (void *)(iov + i * sizeof(pair))))
			return TO_END;
		sum += pair[1];
	}
	return sum;
}

__noinline int write_to(const struct opened *to, struct request *r)
{
	struct target t = {};
	int kind = opened_target(to, &t);

	if (!r || kind == TARGET_NONE)
		return 0;
	if (r->iovlen)
		r->length = iov_length(r->iov, r->iovlen);
	if (r->at_pos) {
		struct file *file = (void *)t.file;
		r->offset = BPF_CORE_READ(file, f_pos);
	}
	if (kind == TARGET_WATCHED)
		return begin(&t, r);
	struct note n = { .offset = r->offset, .length = r->length, .hook = r->hook };
	return mem_written(&n, t.pid);
}

__noinline int write_fd(__u32 fd, struct request *r)
{
	struct opened to = {};
	__u64 file = fd_file(fd);

	if (!file)
		return 0;
	read_opened(file, &to);
	return write_to(&to, r);
}

__noinline int begun_before(const struct opened *to, __s64 ret, __u32 hook, __u32 channel)
{
	struct target t = {};

	if (ret <= 0 || opened_target(to, &t) != TARGET_WATCHED)
		return 0;
	const __u64 object = t.object;
	const struct watch *w = bpf_map_lookup_elem(&watched, &object);
	if (!w)
		return 0;
	struct flight f = { .end = END_AS_BEGUN, .n = { .object = object, .hook = hook } };
	f.n.ns = w->entered_ns;
	f.n.length = TO_END;
	f.n.flags = KEVF_RANGE_UNKNOWN;
	f.n.channel = channel ?: write_channel(t.f_flags & O_DIRECT);
	return flight_late(&f, ret);
}
