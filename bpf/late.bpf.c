// SPDX-License-Identifier: GPL-2.0-only
/*
 * late.bpf.c: what matters only once an outsider holds a watched object: calls by which the kernel stores into its mapping
 * (the read and recv families, vmsplice out of a pipe, process_vm_readv into its own memory), and calls that give it a
 * descriptor of another process (SCM_RIGHTS, pidfd_getfd).
 *
 * Such calls are frequent everywhere, so userspace attaches these programs when the first holder is known (want_late). What
 * they would have shown until then isn't lost silently: from such a mapping on the trace has the gap hidden-stores.
 *
 * When the bytes land is known only where the call doesn't wait for somebody: reads of files and block devices and
 * process_vm_readv are announced when they begin. A read of a pipe, socket or terminal may wait for ever, and nobody is to
 * wait for it; it is announced when it is over, with the time at which it began, if anything came.
 */
#include "sys.bpf.h"

#define CMSGS_MAX    4	/* control messages of one message */
#define MMSGHDR_SIZE 64 /* struct mmsghdr of <sys/socket.h> */
enum { SOL_SOCKET = 1, SCM_RIGHTS = 1 };

/** The two pointers of struct msghdr that matter, and their counts. */
struct message {
	__u64 name, namelen, iov, iovlen, control, controllen;
};
struct control_head {
	__u64 len;
	__u32 level, type;
};

/* The kernel stores f->n.length bytes at an address of the current process. 1: it is a mapping of a watched object. What lies
 * in the next mapping isn't looked at: comparing finds it. */
__noinline int into_part(struct flight *f, __u64 addr, __u32 slot)
{
	struct mapping m = {};

	if (!f || !f->n.length || mapping_at(addr, &m, f->n.hook) <= 0)
		return 0;
	if (!mapping_exposes(&m) || !watch_find(m.object))
		return 0;
	f->n.object = m.object;
	f->n.offset = m.offset + (addr - m.start);
	if (f->n.length > m.end - addr)
		f->n.length = m.end - addr;
	f->n.flags = 0;
	f->nslots = slot ? 1 : PARTS_MAX;
	flight_keep(f, slot);
	return 1;
}

/* A vector of buffers. */
__noinline int into_vector(struct flight *f, __u64 iov, __u64 n)
{
	__u64 before = 0;
	__u32 slot = 0;

	if (!f)
		return 0;
	for (__u32 i = 0; i < PARTS_MAX && i < n; i++) {
		__u64 pair[2] = {};
		__u64 at = iov + i * sizeof(pair);

		if (bpf_probe_read_user(pair, sizeof(pair), (void *)at))
			return 0;
		f->file = before;
		f->n.length = pair[1];
		slot += into_part(f, pair[0], slot);
		before += pair[1];
	}
	return 0;
}

/* First buffer of each of several messages; their number is what the call returns. */
static __always_inline int into_messages(struct flight *f, __u64 vec, __u64 n)
{
	__u32 slot = 0;

	f->end = END_LATE;
	for (__u32 i = 0; i < PARTS_MAX && i < n; i++) {
		struct message msg = {};
		__u64 pair[2] = {};
		__u64 at = vec + i * MMSGHDR_SIZE;

		bpf_probe_read_user(&msg, sizeof(msg), (void *)at);
		bpf_probe_read_user(pair, sizeof(pair), (void *)msg.iov);
		f->n.length = pair[1];
		slot += into_part(f, pair[0], slot);
	}
	return 0;
}

static __always_inline int into_message(struct flight *f, __u64 at)
{
	struct message msg = {};

	bpf_probe_read_user(&msg, sizeof(msg), (void *)at);
	return into_vector(f, msg.iov, msg.iovlen);
}

/* An outsider that maps a watched object so that it may store. */
static __always_inline bool is_mapper(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u32 *held = bpf_map_lookup_elem(&holders, &tgid);

	return held && *held & HOLDS_MAP && !bpf_map_lookup_elem(&tree, &tgid);
}

/* Whether a read of this file is over when the disk has answered. */
static __always_inline bool is_prompt(struct file *file)
{
	__u32 type = BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT;

	return type == S_IFREG || type == S_IFBLK;
}

static __always_inline int begin_late(struct sys_enter *ctx)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	struct flight f = { .n = { .channel = CH_READ_INTO_MAPPING, .hook = KHOOK_enter_read } };
	struct file *file;

	if (!is_mapper())
		return 0;
	f.end = END_PART;
	switch (ctx->nr) {
	case NR64_PROCESS_VM_READV:
		return into_vector(&f, regs->si, regs->dx);
	case NR64_RECVMSG:
		f.end = END_LATE_PART;
		return into_message(&f, regs->si);
	case NR64_RECVMMSG:
		return into_messages(&f, regs->si, regs->dx);
	}
	file = (void *)fd_file(regs->di);
	if (!is_prompt(file))
		f.end = END_LATE_PART;
	switch (ctx->nr) {
	case NR64_VMSPLICE:
		f.n.channel = CH_VMSPLICE;
		f.n.hook = KHOOK_enter_vmsplice;
		if (BPF_CORE_READ(file, f_mode) & FMODE_WRITE)
			return 0; /* into the pipe */
		return into_vector(&f, regs->si, regs->dx);
	case NR64_READ:
	case NR64_PREAD64:
	case NR64_RECVFROM:
		f.n.length = regs->dx;
		return into_part(&f, regs->si, 0);
	default:
		return into_vector(&f, regs->si, regs->dx);
	}
}

SEC("bprec_tracepoint/syscalls/sys_enter_read")
int late_begin(struct sys_enter *ctx)
{
	begin_late(ctx);
	return who_tell(WHO_CALL);
}

/* Descriptors that a message brought. */
__noinline int given(__u64 at)
{
	struct message msg = {};
	__u64 end;

	bpf_probe_read_user(&msg, sizeof(msg), (void *)at);
	end = msg.control + msg.controllen;
	at = msg.control;
	for (__u32 i = 0; i < CMSGS_MAX; i++) {
		struct control_head head = {};

		if (!at || at + sizeof(head) > end ||
		    bpf_probe_read_user(&head, sizeof(head), (void *)at) || head.len < sizeof(head))
			return 0;
		if (head.level == SOL_SOCKET && head.type == SCM_RIGHTS) {
			end = at + head.len < end ? at + head.len : end;
			break;
		}
		at += (head.len + 7) & ~7ull;
	}
	/* (if there was none: what is read as numbers of descriptors tells nothing but what is held anyway) */
	for (__u32 i = 0; i < PARTS_MAX; i++) {
		__u32 fd = 0;

		at += i ? sizeof(fd) : sizeof(struct control_head);
		if (at + sizeof(fd) > end || bpf_probe_read_user(&fd, sizeof(fd), (void *)at))
			return 0;
		opened(fd);
	}
	return 0;
}

static __always_inline int end_late(struct sys_exit *ctx)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	if (ctx->nr == NR_PIDFD_GETFD)
		return ctx->ret < 0 ? 0 : opened(ctx->ret);
	if (ctx->nr == NR64_RECVMSG && ctx->ret >= 0)
		given(regs->si);
	return flight_end_change(ctx->ret);
}

SEC("bprec_tracepoint/syscalls/sys_exit_read")
int late_end(struct sys_exit *ctx)
{
	end_late(ctx);
	return who_tell(WHO_CALL);
}
