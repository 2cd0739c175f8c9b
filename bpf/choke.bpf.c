// SPDX-License-Identifier: GPL-2.0-only
/*
 * choke.bpf.c: writes at their choke point, generic_write_checks, and the ends of what was announced there.
 *
 * All filesystems with a page cache call it in their write_iter, with the final offset (O_APPEND) and length, before a byte
 * has changed; what calls write_iter is where the write is over: vfs_write and its likes for a kiocb that is waited for
 * (ki_complete is NULL), the completion for others. Block devices don't call it (blkdev_write_iter): a choke point of its own.
 * Not seen: btrfs's encoded writes, which are ioctls.
 *
 * loop calls write_iter itself (since 6.5 or so); there the end of the piece of work is the end. With direct I/O it
 * has none that is seen, and counts as under way.
 */
#include "choke.bpf.h"

enum { IOCB_APPEND = 0x10, IOCB_DIRECT = 1 << 17, IOCB_WRITE = 1 << 18 };

/* Only the end of the same function ends it: notify_change is called inside of writes, too, to drop privileges. */
__noinline int choke_end(__u64 who, __s64 ret, __u32 hook, __u32 as_begun)
{
	struct flight_key key = { who, FLIGHT_CHOKE };
	struct flight *kept = bpf_map_lookup_elem(&flights, &key);

	if (!kept || (hook != ANY_HOOK && kept->n.hook != hook))
		return 0;
	struct flight f = *kept;
	bpf_map_delete_elem(&flights, &key);
	if (as_begun)
		f.end = END_AS_BEGUN;
	flight_finish(&f, ret);
	return 1;
}

/* The channel of a write by a 64-bit or 32-bit call. */
static __always_inline __u32 call_channel(void)
{
	bool compat = is_compat_call();
	__u32 nr = call_number();

	if (nr == (compat ? NR32_WRITE : NR64_WRITE))
		return CH_WRITE;
	if (nr == (compat ? NR32_PWRITE64 : NR64_PWRITE64))
		return CH_PWRITE;
	if (nr == (compat ? NR32_WRITEV : NR64_WRITEV))
		return CH_WRITEV;
	if (nr == (compat ? NR32_PWRITEV : NR64_PWRITEV) ||
	    nr == (compat ? NR32_PWRITEV2 : NR64_PWRITEV2))
		return CH_PWRITEV;
	if (compat ? nr == NR32_SENDFILE || nr == NR32_SENDFILE64 : nr == NR64_SENDFILE)
		return CH_SENDFILE;
	if (nr == (compat ? NR32_SPLICE : NR64_SPLICE))
		return CH_SPLICE;
	if (nr == (compat ? NR32_COPY_FILE_RANGE : NR64_COPY_FILE_RANGE))
		return CH_COPY_FILE_RANGE;
	if (nr == (compat ? NR32_IO_SUBMIT : NR64_IO_SUBMIT))
		return CH_AIO;
	return CH_UNKNOWN;
}

/* Not static, and looked at once: who makes a write. */
__noinline int write_channel(__u32 direct)
{
	__u32 channel = thread_channel() ?: call_channel();

	if (direct && channel >= CH_WRITE && channel <= CH_PWRITEV)
		return CH_DIRECT_WRITE;
	return channel;
}

/* What the kiocb is known by when its write ends. A kernel thread that doesn't go on before that needs none. */
static __always_inline __u64 kiocb_owner(struct kiocb *iocb, int ki_flags)
{
	if (!BPF_CORE_READ(iocb, ki_complete))
		return 0;
	if (bpf_get_current_task_btf()->flags & PF_KTHREAD && !(ki_flags & IOCB_DIRECT))
		return 0;
	return as_number(iocb);
}

/* So many bytes are about to be written. */
static __always_inline int write_begin(struct kiocb *iocb, __s64 count)
{
	struct file *file = BPF_CORE_READ(iocb, ki_filp);
	__u64 object = (__u64)BPF_CORE_READ(file, f_mapping);
	int ki_flags = BPF_CORE_READ(iocb, ki_flags);

	if (count <= 0 || !watch_find(object))
		return 0;
	struct flight f = {
		.end = END_GIVEN_POS,
		.who = kiocb_owner(iocb, ki_flags),
		.n = {
			.object = object,
			.offset = BPF_CORE_READ(iocb, ki_pos),
			.length = count,
			.channel = write_channel(ki_flags & IOCB_DIRECT),
			.hook = KHOOK_choke_write_checks,
		},
	};
	if (ki_flags & IOCB_APPEND)
		f.n.flags |= KEVF_APPEND;
	if (ki_flags & IOCB_DIRECT)
		f.n.flags |= KEVF_DIRECT;
	choke_begin(&f);
	who_tell(WHO_CALL);
	return 0;
}

SEC("bprec_fexit/generic_write_checks")
int BPF_PROG(choke_write_checks, struct kiocb *iocb, void *from, __s64 count)
{
	return write_begin(iocb, count);
}

SEC("bprec_fentry/blkdev_write_iter")
int BPF_PROG(choke_device_write, struct kiocb *iocb, struct iov_iter *from)
{
	return write_begin(iocb, BPF_CORE_READ(from, count));
}

/* Nothing of the current thread's is under way, of which this could be a part. */
static __always_inline bool is_idle(void)
{
	struct flight_key key = { bpf_get_current_pid_tgid(), FLIGHT_CHOKE };

	if (flight_find(&key))
		return false;
	key.slot = 0;
	return !flight_find(&key);
}

/* A write to a file is over. */
static __always_inline void write_end(struct file *file, __s64 ret)
{
	struct opened to = {};

	if (choke_end(bpf_get_current_pid_tgid(), ret, KHOOK_choke_write_checks, 0) || ret <= 0 ||
	    !entered_lately())
		return;
	if (opened_watched(as_number(file), &to) && is_idle())
		begun_before(&to, ret, KHOOK_choke_write_checks, CH_UNKNOWN);
}

SEC("bprec_fexit/vfs_write")
int BPF_PROG(choke_vfs_write, struct file *file, void *buf, __u64 count, void *pos, __s64 ret)
{
	write_end(file, ret);
	return 0;
}

SEC("bprec_fexit/vfs_writev")
int BPF_PROG(choke_vfs_writev, struct file *file, void *vec, __u64 n, void *pos, int flags,
	     __s64 ret)
{
	write_end(file, ret);
	return 0;
}

SEC("bprec_fexit/vfs_iter_write")
int BPF_PROG(choke_iter_write, struct file *file, void *iter, void *pos, int flags, __s64 ret)
{
	write_end(file, ret);
	return 0;
}

/* 5.19 and later. */
SEC("bprec_fexit/__kernel_write_iter")
int BPF_PROG(choke_kernel_write, struct file *file, void *from, void *pos, __s64 ret)
{
	write_end(file, ret);
	return 0;
}

/* ret is the sum of all rounds; what is under way is the last one. */
SEC("bprec_fexit/iter_file_splice_write")
int BPF_PROG(choke_splice_write, void *pipe, void *out, void *ppos, __u64 len, int flags, __s64 ret)
{
	choke_end(bpf_get_current_pid_tgid(), ret < 0 ? ret : 0, KHOOK_choke_write_checks, 1);
	return 0;
}

/* What a stacked filesystem does with an asynchronous request: its kiocb is a new one. */
SEC("bprec_fexit/vfs_iocb_iter_write")
int BPF_PROG(choke_iocb_write, void *file, struct kiocb *iocb, void *iter, __s64 ret)
{
	if (ret == -EIOCBQUEUED)
		return 0;
	choke_end(as_number(iocb), ret, KHOOK_choke_write_checks, 0);
	return 0;
}

/* A request of io_submit is over of which nothing was announced. One that is done at once, that is: the end of others comes in
 * whatever thread there is. */
static __always_inline void aio_unseen(struct kiocb *iocb, __s64 res)
{
	const int ki_flags = BPF_CORE_READ(iocb, ki_flags);
	struct opened to = {};

	if (res <= 0 || !(ki_flags & IOCB_WRITE) || ki_flags & IOCB_DIRECT ||
	    !in_call(NR64_IO_SUBMIT, NR32_IO_SUBMIT))
		return;
	if (opened_watched((__u64)BPF_CORE_READ(iocb, ki_filp), &to))
		begun_before(&to, res, KHOOK_choke_write_checks, CH_AIO);
}

/* Whether it was done at once or not. */
SEC("bprec_fentry/aio_complete_rw")
int BPF_PROG(choke_aio_complete, struct kiocb *iocb, __s64 res)
{
	if (choke_end(as_number(iocb), res, KHOOK_choke_write_checks, 0) || !entered_lately())
		return 0;
	aio_unseen(iocb, res);
	who_tell(WHO_CALL);
	return 0;
}

/* For writes of kernel threads whose end is nowhere else. */
SEC("bprec_tp/workqueue_execute_end")
int BPF_PROG(choke_work_end, void *work, void *function)
{
	choke_end(bpf_get_current_pid_tgid(), 0, KHOOK_choke_write_checks, 1);
	return 0;
}
