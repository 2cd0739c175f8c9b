// SPDX-License-Identifier: GPL-2.0-only
/* emit.bpf.c: makes ring buffer records. Global functions: the verifier looks at each once, not once per caller. */
#include "obs.bpf.h"

#define EXE_DEPTH 12  /* directories that are walked up */
#define EXE_END	  63u /* where the path ends while it is built; zeros follow */

/*
 * Puts one more name in front of the path; 1: that was the last, or it doesn't fit. Of memory the verifier assumes nothing: it
 * looks at this once or twice, not once for each directory.
 */
static long exe_prepend(__u32 i, void *ctx)
{
	struct exe_name *dst = *(struct exe_name **)ctx;
	struct exe_scratch *s = &dst->scratch;
	struct dentry *dentry = (void *)s->dentry;
	__u64 parent = as_number(BPF_CORE_READ(dentry, d_parent)), at = s->at;

	if (!dentry || parent == s->dentry)
		return 1;
	__u64 len = BPF_CORE_READ(dentry, d_name.len);
	if (len > 61 || at > EXE_END || at < len + 1)
		return 1;
	at -= len;
	if (at > EXE_END ||
	    bpf_probe_read_kernel(dst->text + at, len, BPF_CORE_READ(dentry, d_name.name)))
		return 1;
	at -= 1;
	if (at > EXE_END)
		return 1;
	dst->text[at] = '/';
	s->at = at;
	s->dentry = parent;
	return 0;
}

/* The path inside the mount, found by walking the names upwards (at most EXE_DEPTH); what doesn't fit is cut off. */
static __always_inline int exe_walk(__u64 dentry, struct exe_name *dst)
{
	dst->scratch.dentry = dentry;
	dst->scratch.at = EXE_END;
	bpf_loop(EXE_DEPTH, exe_prepend, &dst, 0);
	__u64 at = dst->scratch.at;
	if (at > EXE_END)
		return 0;
	/* to the front: the parts overlap, and are copied from low addresses to high ones (copy_from_kernel_nofault) */
	return bpf_probe_read_kernel(dst->text, sizeof(dst->text), dst->text + at);
}

__noinline int exe_path(__u64 dentry, struct exe_name *dst)
{
	return dst ? exe_walk(dentry, dst) : 0;
}

__noinline __u64 user_site(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	__u64 sp = regs->sp, top = 0;

	if (BPF_CORE_READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER))
		return 0;
	bpf_probe_read_user(&top, sizeof(top), (void *)sp);
	return ((regs->ip * 31 + sp) * 0x9e3779b97f4a7c15ull ^ top * 0xc2b2ae3d27d4eb4full) | 1;
}

/* Events that need more than the names of who did it. */
static __always_inline bool needs_stack(__u32 type)
{
	return type == KEV_BEGIN || type == KEV_END || type == KEV_FAULT || type == KEV_MAPPED ||
	       type == KEV_OPENED || type == KEV_DIRTY || type == KEV_REMOTE;
}

/* Who did it. */
static __always_inline void emit_task(struct kevent *ev, __u64 named)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 ids = bpf_get_current_pid_tgid();

	ev->tgid = ids >> 32;
	ev->tid = (__u32)ids;
	ev->uid = (__u32)bpf_get_current_uid_gid();
	ev->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
		ev->flags |= KEVF_KTHREAD;
	else if (is_insider())
		ev->flags |= KEVF_INSIDER;
	else if (needs_stack(ev->type))
		ev->site = user_site();
	if (ev->site)
		who_wanted(ev->site);
	bpf_get_current_comm(ev->comm, sizeof(ev->comm));
	exe_walk(named ?: exe_dentry(task), (struct exe_name *)ev->exe);
}

/* To which object; zeros if there is none. */
static __always_inline void emit_object(struct kevent *ev, __u64 object)
{
	struct address_space *mapping = (void *)object;
	struct inode *host = BPF_CORE_READ(mapping, host);

	ev->object = object;
	ev->inode = BPF_CORE_READ(host, i_ino);
	ev->dev = BPF_CORE_READ(host, i_sb, s_dev);
	ev->generation = BPF_CORE_READ(host, i_generation);
	ev->size = BPF_CORE_READ(host, i_size);
	ev->writecount = BPF_CORE_READ(host, i_writecount.counter);
	ev->mmap_writable = BPF_CORE_READ(mapping, i_mmap_writable.counter);
	ev->fs_magic = BPF_CORE_READ(host, i_sb, s_magic);
}

/* Could somebody else store by a mapping? Asked when the record has its place in the ring: who maps the object and isn't seen
 * here says so in a later record (`exposed` notes it first), when userspace knows the object. */
static __always_inline bool has_others(__u64 object)
{
	const struct watch *w = bpf_map_lookup_elem(&watched, &object);

	return !w || *(volatile __u32 *)&w->others || *(volatile __u32 *)&w->joined;
}

__noinline int emit(const struct note *n)
{
	if (!n)
		return -1;
	struct event_room *room = bpf_ringbuf_reserve(&ring, sizeof(*room), 0);
	if (!room) {
		loss(n->hook, LOSS_RING_FULL);
		return -1;
	}
	struct kevent *ev = &room->ev;
	__builtin_memset(room, 0, sizeof(*room));
	ev->type = n->type;
	ev->flags = n->flags;
	ev->ns = n->ns ?: bpf_ktime_get_ns();
	ev->channel = n->channel;
	ev->offset = n->offset;
	ev->length = n->length;
	ev->ret = n->ret;
	ev->aux = n->aux;
	emit_object(ev, n->object);
	if (n->type == KEV_WATCH && has_others(n->object))
		ev->flags |= KEVF_OTHERS;
	emit_task(ev, n->named);
	bpf_ringbuf_submit(room, 0);
	return 0;
}
