// SPDX-License-Identifier: GPL-2.0-only
/*
 * remote.bpf.c: outsiders that write the memory of an insider itself, as their calls begin: process_vm_writev, ptrace, and
 * whoever fills it through a userfaultfd that the insider has made. (/proc/PID/mem: object.bpf.c.)
 */
#include "sys.bpf.h"

enum { PTRACE_POKETEXT = 4, PTRACE_POKEDATA = 5 };
enum {
	UFFDIO_COPY = 3,
	UFFDIO_ZEROPAGE = 4,
	UFFDIO_MOVE = 5,
	UFFDIO_CONTINUE = 7,
	UFFDIO_POISON = 8
};

/* The pid namespace in which the current process gives numbers: its own number, and in the high half how deep it lies; 0: the
 * initial one. */
static __always_inline __u64 number_space(void)
{
	struct pid *pid = BPF_CORE_READ(bpf_get_current_task_btf(), thread_pid);
	__u64 level = BPF_CORE_READ(pid, level);
	struct pid_namespace *ns = NULL;
	__u64 at = (__u64)pid + bpf_core_field_offset(struct pid, numbers) +
		   level * bpf_core_type_size(struct upid) + bpf_core_field_offset(struct upid, ns);

	if (!level)
		return 0;
	bpf_probe_read_kernel(&ns, sizeof(ns), (void *)at);
	return level << 32 | BPF_CORE_READ(ns, ns.inum);
}

/* An outsider may write the memory of an insider. The number may be that of any thread, which the tree doesn't know, and one of
 * another namespace, so that it can't be told whether it is the caller's own: the recorder can. */
static __always_inline bool remote_target(__u32 pid, __u64 space)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return (space || pid != tgid) && tgid != own_tgid && !is_insider();
}

__noinline int remote_vector(__u32 pid, __u64 iov, __u64 count)
{
	struct note n = {
		.type = KEV_REMOTE,
		.channel = CH_REMOTE_MEMORY,
		.aux = pid,
		.ret = number_space(),
		.hook = KHOOK_enter_process_vm_writev,
	};

	if (!remote_target(pid, n.ret))
		return 0;
	if (count > PARTS_MAX && (n.ret || bpf_map_lookup_elem(&tree, &pid)))
		loss(n.hook, LOSS_READ_FAILED);
	for (__u32 i = 0; i < PARTS_MAX && i < count; i++) {
		__u64 pair[2] = {};
		__u64 at = iov + i * sizeof(pair);
		bpf_probe_read_user(pair, sizeof(pair), (void *)at);
		n.offset = pair[0];
		n.length = pair[1];
		emit(&n);
	}
	return 0;
}

/* The same by a 32-bit caller: where in memory isn't looked at. */
__noinline int remote_begin(__u32 pid)
{
	struct note n = {
		.type = KEV_REMOTE,
		.channel = CH_REMOTE_MEMORY,
		.aux = pid,
		.ret = number_space(),
		.length = TO_END,
		.hook = KHOOK_compat_enter,
	};

	return remote_target(pid, n.ret) ? emit(&n) : 0;
}

__noinline int poke_begin(__u32 request, __u32 pid, __u64 addr)
{
	struct note n = {
		.type = KEV_REMOTE,
		.channel = CH_PTRACE,
		.aux = pid,
		.ret = number_space(),
		.offset = addr,
		.length = is_compat_call() ? 4 : 8,
		.hook = KHOOK_enter_ptrace,
	};

	if (request != PTRACE_POKETEXT && request != PTRACE_POKEDATA)
		return 0;
	return remote_target(pid, n.ret) ? emit(&n) : 0;
}

/* Is it a userfaultfd? They have no type, but a name: "[userfaultfd]", here as two numbers. */
static __noinline bool is_uffd(__u64 file_addr)
{
	struct file *file = (void *)file_addr;
	__u64 name[2] = {};

	bpf_probe_read_kernel(name, 14, BPF_CORE_READ(file, f_path.dentry, d_name.name));
	return name[0] == 0x756166726573755b && name[1] == 0x5d6466746c;
}

/* Whose memory it fills; NULL: that can't be told. */
static __always_inline struct mm_struct *uffd_memory(__u64 file_addr)
{
	struct file *file = (void *)file_addr;
	struct userfaultfd_ctx *ctx = BPF_CORE_READ(file, private_data);

	return bpf_core_type_exists(struct userfaultfd_ctx) ? BPF_CORE_READ(ctx, mm) : NULL;
}

__noinline int uffd_begin(__u32 fd, __u32 cmd, __u64 arg)
{
	const __u64 file = fd_file(fd);
	const __u32 what = cmd & 0xff;

	if (what != UFFDIO_COPY && what != UFFDIO_ZEROPAGE && what != UFFDIO_MOVE &&
	    what != UFFDIO_CONTINUE && what != UFFDIO_POISON)
		return 0;
	if (!file || !is_uffd(file))
		return 0;
	struct note n = {
		.type = KEV_REMOTE,
		.channel = CH_USERFAULTFD,
		.aux = remote_owner(uffd_memory(file), KHOOK_enter_ioctl),
		.hook = KHOOK_enter_ioctl,
	};
	if (!n.aux)
		return 0;
	/* struct uffdio_range: start, len; those of COPY and MOVE: dst, src, len */
	bpf_probe_read_user(&n.offset, 2 * sizeof(__u64), (void *)arg);
	if (what == UFFDIO_COPY || what == UFFDIO_MOVE)
		bpf_probe_read_user(&n.length, sizeof(__u64), (void *)(arg + 16));
	return emit(&n);
}
