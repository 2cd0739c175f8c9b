// SPDX-License-Identifier: GPL-2.0-only
/*
 * choke_size.bpf.c: choke points of changes that are no writes: of size, of space, and by sharing blocks.
 *
 * Each function is both: the change begins with it and is over when it returns. A filesystem that cuts a file by itself when
 * it is opened with O_TRUNC (FUSE, NFS) doesn't come by notify_change: fd_install then finds the object empty that wasn't.
 */
#include "choke.bpf.h"

enum { ATTR_SIZE = 1 << 3, ATTR_OPEN = 1 << 15 };
enum { FALLOC_COLLAPSE = 0x08, FALLOC_INSERT = 0x20 };

/* The current thread's own way, or that of a function which is only called for one. */
static __always_inline __u32 channel_or(__u32 channel)
{
	return thread_channel() ?: channel;
}

static __always_inline int thread_end(__s64 ret, __u32 hook)
{
	return choke_end(bpf_get_current_pid_tgid(), ret, hook, 0);
}

SEC("bprec_fentry/vfs_fallocate")
int BPF_PROG(choke_fallocate, struct file *file, int mode, __u64 offset, __u64 length)
{
	__u64 object = real_object(file);

	if (!watch_find(object))
		return 0;
	struct flight f = {
		.n = {
			.object = object,
			.offset = offset,
			.length = mode & (FALLOC_COLLAPSE | FALLOC_INSERT) ? TO_END : length,
			.flags = mode & FALLOC_COLLAPSE ? KEVF_SHRINK : 0,
			.channel = channel_or(CH_FALLOCATE),
			.hook = KHOOK_choke_fallocate,
		},
	};
	if (f.n.channel == CH_FALLOCATE &&
	    (in_call(NR64_MADVISE, NR32_MADVISE) || call_number() == NR_PROCESS_MADVISE))
		f.n.channel = CH_MADVISE_REMOVE;
	choke_begin(&f);
	who_tell(WHO_CALL);
	return 0;
}

SEC("bprec_fexit/vfs_fallocate")
int BPF_PROG(choke_fallocate_end, void *file, int mode, __u64 offset, __u64 length, int ret)
{
	thread_end(ret, KHOOK_choke_fallocate);
	return 0;
}

/* Calls that change files in a way of their own: exchange of extents and the like. */
SEC("bprec_fentry/__x64_sys_ioctl")
int BPF_PROG(choke_ioctl, struct pt_regs *regs)
{
	ioctl_other(BPF_CORE_READ(regs, di), BPF_CORE_READ(regs, si), BPF_CORE_READ(regs, dx));
	return 0;
}

SEC("bprec_fexit/__x64_sys_ioctl")
int BPF_PROG(choke_ioctl_end, struct pt_regs *regs, long ret)
{
	flight_end(ret);
	return 0;
}

SEC("bprec_fentry/__ia32_compat_sys_ioctl")
int BPF_PROG(choke_ioctl32, struct pt_regs *regs)
{
	ioctl_other(BPF_CORE_READ(regs, bx), BPF_CORE_READ(regs, cx), BPF_CORE_READ(regs, dx));
	return 0;
}

SEC("bprec_fexit/__ia32_compat_sys_ioctl")
int BPF_PROG(choke_ioctl32_end, struct pt_regs *regs, long ret)
{
	flight_end(ret);
	return 0;
}

/* overlayfs takes ATTR_OPEN away before it passes the change on (ovl_setattr, since 4.19): the call tells, too. */
static __always_inline bool is_open(unsigned int valid)
{
	if (valid & ATTR_OPEN || call_number() == NR_OPENAT2)
		return true;
	return in_call(NR64_OPEN, NR32_OPEN) || in_call(NR64_OPENAT, NR32_OPENAT) ||
	       in_call(NR64_CREAT, NR32_CREAT) ||
	       in_call(NR64_OPEN_BY_HANDLE_AT, NR32_OPEN_BY_HANDLE_AT);
}

/* The dentry is the second argument since 5.12. */
SEC("bprec_fentry/notify_change")
int BPF_PROG(choke_setattr, void *idmap, struct dentry *dentry, struct iattr *attr, void *inode)
{
	unsigned int valid = BPF_CORE_READ(attr, ia_valid);

	if (!(valid & ATTR_SIZE) ||
	    BPF_CORE_READ(dentry, d_inode, i_sb, s_magic) == OVERLAYFS_MAGIC)
		return 0;
	__u64 object = (__u64)BPF_CORE_READ(dentry, d_inode, i_mapping);
	if (!watch_find(object))
		return 0;
	__u64 old = object_size(object), now = BPF_CORE_READ(attr, ia_size);
	struct flight f = { .n = { .object = object, .hook = KHOOK_choke_setattr } };
	bool opens = is_open(valid);
	if (opens && !old)
		return 0;
	f.n.channel = opens ? CH_OPEN_TRUNC : channel_or(CH_TRUNCATE);
	f.n.flags = now < old || opens ? KEVF_SHRINK : 0;
	f.n.offset = f.n.flags ? now : old;
	f.n.length = f.n.flags ? TO_END : now - old;
	choke_begin(&f);
	who_tell(WHO_CALL);
	return 0;
}

SEC("bprec_fexit/notify_change")
int BPF_PROG(choke_setattr_end, void *idmap, void *dentry, void *attr, void *inode, int ret)
{
	thread_end(ret, KHOOK_choke_setattr);
	return 0;
}

/* Bytes of another file come to be those of `out`. */
static __always_inline int shared(struct file *out, __u64 offset, __u64 length, __u32 channel,
				  __u32 hook)
{
	__u64 object = real_object(out);

	if (!watch_find(object))
		return 0;
	struct flight f = {
		.end = channel == CH_COPY_FILE_RANGE ? END_GIVEN_POS : END_AS_BEGUN,
		.n = {
			.object = object,
			.offset = offset,
			.length = length ?: TO_END,
			.channel = channel_or(channel),
			.hook = hook,
		},
	};
	return choke_begin(&f);
}

SEC("bprec_fentry/vfs_copy_file_range")
int BPF_PROG(choke_copy, void *in, __s64 pos_in, struct file *out, __s64 pos_out, __u64 len,
	     unsigned int flags)
{
	if (len)
		shared(out, pos_out, len, CH_COPY_FILE_RANGE, KHOOK_choke_copy);
	return 0;
}

SEC("bprec_fexit/vfs_copy_file_range")
int BPF_PROG(choke_copy_end, void *in, __s64 pos_in, void *out, __s64 pos_out, __u64 len,
	     unsigned int flags, __s64 ret)
{
	thread_end(ret, KHOOK_choke_copy);
	return 0;
}

SEC("bprec_fentry/vfs_clone_file_range")
int BPF_PROG(choke_clone, void *in, __s64 pos_in, struct file *out, __s64 pos_out, __s64 len,
	     unsigned int flags)
{
	shared(out, pos_out, len, CH_CLONE, KHOOK_choke_clone);
	return 0;
}

SEC("bprec_fexit/vfs_clone_file_range")
int BPF_PROG(choke_clone_end, void *in, __s64 pos_in, void *out, __s64 pos_out, __s64 len,
	     unsigned int flags, __s64 ret)
{
	thread_end(ret, KHOOK_choke_clone);
	return 0;
}

SEC("bprec_fentry/vfs_dedupe_file_range_one")
int BPF_PROG(choke_dedupe, void *src, __s64 src_pos, struct file *dst, __s64 dst_pos, __s64 len,
	     unsigned int flags)
{
	shared(dst, dst_pos, len, CH_DEDUPE, KHOOK_choke_dedupe);
	return 0;
}

SEC("bprec_fexit/vfs_dedupe_file_range_one")
int BPF_PROG(choke_dedupe_end, void *src, __s64 src_pos, void *dst, __s64 dst_pos, __s64 len,
	     unsigned int flags, __s64 ret)
{
	thread_end(ret, KHOOK_choke_dedupe);
	return 0;
}

/* A file that lost its bytes while it was opened, without notify_change. */
static __noinline int emptied(__u64 object)
{
	struct watch *w = watch_find(object);

	if (!w || !w->size || object_size(object))
		return 0;
	struct flight f = {
		.n = {
			.object = object,
			.ns = bpf_ktime_get_ns(),
			.length = TO_END,
			.channel = CH_OPEN_TRUNC,
			.flags = KEVF_SHRINK,
			.hook = KHOOK_choke_fd,
		},
	};
	return flight_late(&f, 0);
}

/* Every new descriptor: opened, duplicated, received, of whichever process. */
SEC("bprec_fentry/fd_install")
int BPF_PROG(choke_fd, unsigned int fd, struct file *file)
{
	if (!(BPF_CORE_READ(file, f_mode) & FMODE_WRITE))
		return 0;
	__u64 object = file_object(as_number(file));
	if (!object || !watch_find(object))
		return 0;
	struct note n = { .type = KEV_OPENED, .object = object, .aux = fd, .hook = KHOOK_choke_fd };
	emptied(object);
	holder_add(HOLDS_FD, n.hook);
	emit(&n);
	who_tell(WHO_CALL);
	return 0;
}
