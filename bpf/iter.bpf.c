// SPDX-License-Identifier: GPL-2.0-only
/*
 * iter.bpf.c: lists made on demand: mappings of one process (and makes their objects watched), who holds watched objects,
 * an object's counters; and entering a process into the tree.
 *
 * The programs' parameters are in `iter_args`, which userspace sets through shared memory before it starts one.
 */
#include "obs.bpf.h"

struct kiter_args iter_args;

/* Passes every task of a whole list, to find 32-bit processes too. */
static __always_inline void compat_task(struct task_struct *task)
{
	if (is_compat_mm(BPF_CORE_READ(task, mm)))
		compat.seen = 1;
}

/* An outsider that has the memory that is asked for as its own (CLONE_VM). */
static __always_inline void sharing_task(struct task_struct *task, __u32 tgid)
{
	if (!iter_args.mm || (__u64)BPF_CORE_READ(task, mm) != iter_args.mm ||
	    bpf_map_lookup_elem(&tree, &tgid))
		return;
	iter_args.sharer = tgid;
	bpf_core_read(iter_args.comm, sizeof(iter_args.comm), &task->comm);
}

SEC("bprec_iter/task")
int iter_tree_add(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (!task)
		return 0;
	__u32 tgid = BPF_CORE_READ(task, tgid);
	__u64 signal = (__u64)BPF_CORE_READ(task, signal);
	compat_task(task);
	if (!iter_args.pid)
		sharing_task(task, tgid);
	if (tgid != iter_args.pid)
		return 0;
	if (BPF_CORE_READ(task, mm)) /* a leader that has ended has none */
		iter_args.mm = (__u64)BPF_CORE_READ(task, mm);
	if (bpf_map_update_elem(&tree, &tgid, &signal, BPF_ANY))
		loss(KHOOK_iter_tree_add, LOSS_MAP_FULL);
	else
		iter_args.found = 1;
	return 0;
}

static __always_inline void hold_task(struct khold *h, struct task_struct *task)
{
	h->tgid = BPF_CORE_READ(task, tgid);
	h->insider = bpf_map_lookup_elem(&tree, &h->tgid) != NULL;
	h->leaving = !BPF_CORE_READ(task, signal, live.counter);
	h->uid = BPF_CORE_READ(task, cred, uid.val);
	h->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	bpf_core_read(h->comm, sizeof(h->comm), &task->comm);
	exe_path(exe_dentry(task), (struct exe_name *)h->exe);
}

static __always_inline void hold_object(struct khold *h, __u64 object)
{
	struct address_space *mapping = (void *)object;
	struct inode *host = BPF_CORE_READ(mapping, host);

	h->object = object;
	h->inode = BPF_CORE_READ(host, i_ino);
	h->dev = BPF_CORE_READ(host, i_sb, s_dev);
	h->generation = BPF_CORE_READ(host, i_generation);
	h->size = BPF_CORE_READ(host, i_size);
	h->fs_magic = BPF_CORE_READ(host, i_sb, s_magic);
	h->writecount = BPF_CORE_READ(host, i_writecount.counter);
	h->mmap_writable = BPF_CORE_READ(mapping, i_mmap_writable.counter);
}

static __always_inline void hold_vma(struct khold *h, struct vm_area_struct *vma)
{
	h->start = BPF_CORE_READ(vma, vm_start);
	h->end = BPF_CORE_READ(vma, vm_end);
	h->offset = BPF_CORE_READ(vma, vm_pgoff) << 12;
	h->vm_flags = BPF_CORE_READ(vma, vm_flags);
}

/* One mapping of the process that is meant; its object becomes watched. */
SEC("bprec_iter/task_vma")
int iter_watch(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct hold_room room = {};
	struct khold *h = &room.h;

	if (!task || !vma || BPF_CORE_READ(task, tgid) != iter_args.pid)
		return 0;
	iter_args.found = 1;
	__u64 object = (__u64)BPF_CORE_READ(vma, vm_file, f_mapping);
	if (!object)
		return 0;
	if (watch_enter(object, 0, KHOOK_iter_watch) > 0)
		watch_device(object, KHOOK_iter_watch);
	hold_task(h, task);
	hold_object(h, object);
	hold_vma(h, vma);
	bpf_seq_write(ctx->meta->seq, h, sizeof(*h));
	return 0;
}

/* Notes in the kernel, too, who holds what. */
static __always_inline void hold_note(__u32 tgid, __u32 flags, __u32 hook)
{
	__u32 *old = bpf_map_lookup_elem(&holders, &tgid);

	if (old)
		flags |= *old;
	if (!bpf_map_lookup_elem(&tree, &tgid) && tgid != own_tgid)
		want_late();
	holder_put(tgid, flags, hook);
}

static __always_inline bool hold_wanted(__u64 object)
{
	return object && (!iter_args.object || iter_args.object == object) && watch_find(object);
}

SEC("bprec_iter/task_vma")
int iter_hold_vma(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct mapping m = {};
	struct hold_room room = {};
	struct khold *h = &room.h;

	if (!task || !vma)
		return 0;
	m.flags = BPF_CORE_READ(vma, vm_flags);
	struct file *file = BPF_CORE_READ(vma, vm_file);
	bool writable = BPF_CORE_READ(file, f_mode) & FMODE_WRITE;
	if (!mapping_exposes(&m) && !writable)
		return 0;
	m.object = (__u64)BPF_CORE_READ(file, f_mapping);
	if (!hold_wanted(m.object))
		return 0;
	h->file = writable ? as_number(file) : 0;
	hold_task(h, task);
	hold_object(h, m.object);
	hold_vma(h, vma);
	if (mapping_exposes(&m))
		hold_note(h->tgid, HOLDS_MAP, KHOOK_iter_hold_vma);
	bpf_seq_write(ctx->meta->seq, h, sizeof(*h));
	return 0;
}

/* The open file that i_writecount counts, and a mapping made through it names: on overlayfs the real one below. */
static __noinline __u64 counted_file(__u64 addr)
{
	struct file *file = (void *)addr;

	if (BPF_CORE_READ(file, f_inode, i_sb, s_magic) != OVERLAYFS_MAGIC)
		return addr;
	void *data = BPF_CORE_READ(file, private_data);
	if (!bpf_core_type_exists(struct ovl_file))
		return as_number(data);
	struct ovl_file *ovl = data;
	return as_number(BPF_CORE_READ(ovl, realfile));
}

SEC("bprec_iter/task_file")
int iter_hold_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct hold_room room = {};
	struct khold *h = &room.h;

	if (!task || !file)
		return 0;
	h->f_mode = BPF_CORE_READ(file, f_mode);
	if (!(h->f_mode & FMODE_WRITE))
		return 0;
	__u64 object = file_object(as_number(file));
	if (!hold_wanted(object))
		return 0;
	h->fd = ctx->fd;
	h->file = counted_file(as_number(file));
	hold_task(h, task);
	hold_object(h, object);
	hold_note(h->tgid, HOLDS_FD, KHOOK_iter_hold_file);
	bpf_seq_write(ctx->meta->seq, h, sizeof(*h));
	return 0;
}

/* Run by bpf(BPF_PROG_RUN): three reads, no list. */
SEC("syscall")
int object_counters(struct kcounters *c)
{
	__u64 object = c->object;
	struct address_space *mapping = (void *)object;

	if (!object) {
		c->shown = file_object(fd_file(c->fd - 1));
		c->error = watch_below(c->shown, KHOOK_object_counters) ? -ENOENT : 0;
		return 0;
	}
	if (!watch_find(object)) {
		c->error = -ENOENT;
		return 0;
	}
	c->error = 0;
	c->shown = c->fd ? file_object(fd_file(c->fd - 1)) : 0;
	c->size = object_size(object);
	c->writecount = BPF_CORE_READ(mapping, host, i_writecount.counter);
	c->mmap_writable = BPF_CORE_READ(mapping, i_mmap_writable.counter);
	return 0;
}
