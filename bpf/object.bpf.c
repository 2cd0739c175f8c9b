// SPDX-License-Identifier: GPL-2.0-only
/*
 * object.bpf.c: from a struct file to the page-cache object it shows, and the table of watched objects.
 *
 * On overlayfs the file that a process opens has an empty mapping of its own; what is mapped and written is the
 * real inode's, in the upper or the lower layer (vma->vm_file is the real file). The type ovl_inode is in the
 * BTF of the kernel or of the module overlay; where it is in neither, no overlay is mounted at the start.
 */
#include "obs.bpf.h"

#define ovl_of(inode, type) \
	((struct type *)((__u64)(inode)-bpf_core_field_offset(struct type, vfs_inode)))

/* The lower layer's inode: the place it is kept at changed in 6.0 and in 6.5. */
static __always_inline struct inode *overlay_lower(struct inode *inode)
{
	if (bpf_core_field_exists(struct ovl_inode___oe, oe)) {
		struct ovl_inode___oe *o = ovl_of(inode, ovl_inode___oe);
		struct ovl_entry___oe *oe = BPF_CORE_READ(o, oe);
		return BPF_CORE_READ(oe, __lowerstack[0].dentry, d_inode);
	}
	if (bpf_core_field_exists(struct ovl_inode___path, lowerpath)) {
		struct ovl_inode___path *o = ovl_of(inode, ovl_inode___path);
		return BPF_CORE_READ(o, lowerpath.dentry, d_inode);
	}
	if (bpf_core_field_exists(struct ovl_inode___lower, lower)) {
		struct ovl_inode___lower *o = ovl_of(inode, ovl_inode___lower);
		return BPF_CORE_READ(o, lower);
	}
	return NULL;
}

/* The real inode's mapping of an overlay's inode, 0 if it can't be found. A file of which only the metadata was copied up
 * (metacopy) has its data in the lower layer all the same; kern__watch_process then enters what is really mapped. */
static __noinline __u64 overlay_object(struct inode *inode)
{
	if (!bpf_core_type_exists(struct ovl_inode))
		return 0;
	struct ovl_inode *ovl = ovl_of(inode, ovl_inode);
	struct inode *real = BPF_CORE_READ(ovl, __upperdentry, d_inode);
	if (!real)
		real = overlay_lower(inode);
	return (__u64)BPF_CORE_READ(real, i_mapping);
}

__noinline __u64 file_object(__u64 file_addr)
{
	struct file *file = (void *)file_addr;
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	if (BPF_CORE_READ(inode, i_sb, s_magic) == OVERLAYFS_MAGIC)
		return overlay_object(inode);
	return (__u64)BPF_CORE_READ(file, f_mapping);
}

/* The thread whose memory a file of procfs is, 0 if it isn't /proc/PID/mem or /proc/PID/task/TID/mem. Not asked of the
 * tree, which doesn't know threads: the recorder does. The caller's own is none. */
static __always_inline __u32 mem_owner(struct file *file, struct inode *inode)
{
	char name[4] = {};
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);

	bpf_probe_read_kernel(name, sizeof(name), BPF_CORE_READ(dentry, d_name.name));
	if (name[0] != 'm' || name[1] != 'e' || name[2] != 'm' || name[3])
		return 0;
	struct proc_inode *proc =
		(void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);
	__u32 pid = BPF_CORE_READ(proc, pid, numbers[0].nr);
	return pid != bpf_get_current_pid_tgid() >> 32 ? pid : 0;
}

/* What a file with this mapping and inode is, whether it may be written or not; w: the entry of the mapping. Sets ret->object and
 * ret->pid. The order of the tests is that of their cost: this runs for every write on the machine. */
static __always_inline int target(struct file *file, __u64 object, struct inode *inode,
				  const struct watch *w, struct target *ret)
{
	if (!w) {
		__u64 magic = BPF_CORE_READ(inode, i_sb, s_magic);
		if (magic == PROC_MAGIC && !is_insider()) {
			ret->pid = mem_owner(file, inode);
			return ret->pid ? TARGET_MEM : TARGET_NONE;
		}
		if (magic != OVERLAYFS_MAGIC)
			return TARGET_NONE;
		object = overlay_object(inode);
		if (!object || !watch_find(object))
			return TARGET_NONE;
	}
	ret->object = object;
	return TARGET_WATCHED;
}

__noinline int opened_target(const struct opened *o, struct target *ret)
{
	int kind;

	if (!o || !ret)
		return TARGET_NONE;
	ret->file = o->file;
	ret->f_flags = o->f_flags;
	kind = target((void *)o->file, o->mapping, (void *)o->inode,
		      watch_find_open(o->mapping, o->inode), ret);
	return kind == TARGET_WATCHED && !(o->f_mode & FMODE_WRITE) ? TARGET_NONE : kind;
}

__noinline int file_target(__u64 file_addr, struct target *ret)
{
	struct file *file = (void *)file_addr;
	int kind;

	if (!file || !ret)
		return TARGET_NONE;
	ret->file = file_addr;
	__u64 object = (__u64)BPF_CORE_READ(file, f_mapping);
	kind = target(file, object, BPF_CORE_READ(file, f_inode), watch_find(object), ret);
	if (kind != TARGET_WATCHED)
		return kind;
	ret->f_flags = BPF_CORE_READ(file, f_flags);
	return BPF_CORE_READ(file, f_mode) & FMODE_WRITE ? kind : TARGET_NONE;
}

__noinline int mem_written(const struct note *range, __u32 pid)
{
	if (!range || bpf_get_current_pid_tgid() >> 32 == own_tgid)
		return 0;
	struct note n = *range;
	n.type = KEV_REMOTE;
	n.channel = CH_PROC_MEM;
	n.aux = pid;
	return emit(&n);
}

/* Page cache of a block device. */
static __always_inline __u64 device_object(struct block_device *dev)
{
	struct block_device___inode *old = (void *)dev;

	if (bpf_core_field_exists(dev->bd_mapping))
		return as_number(BPF_CORE_READ(dev, bd_mapping));
	return as_number(BPF_CORE_READ(old, bd_inode, i_mapping));
}

/* Enters the key that *key is (the caller's, who has little stack to spare). 0, or -1: no room. */
static __always_inline int watch_put(const __u64 *key, __u64 beneath, __u32 hook)
{
	const __u64 object = *key;
	const __u32 bit = maybe_bit(object);
	__sync_fetch_and_or(&maybe_watched[bit / 64], 1ull << bit % 64);
	last_entered = bpf_jiffies64();
	struct address_space *mapping = (void *)object;
	struct inode *host = BPF_CORE_READ(mapping, host);
	struct watch w = {
		.inode = BPF_CORE_READ(host, i_ino),
		.dev = BPF_CORE_READ(host, i_sb, s_dev),
		.generation = BPF_CORE_READ(host, i_generation),
		.entered_ns = bpf_ktime_get_ns(),
		.size = BPF_CORE_READ(host, i_size),
		.others = 1, /* until they are counted */
		.beneath = beneath,
	};

	if (!bpf_map_update_elem(&watched, key, &w, BPF_ANY))
		return 0;
	loss(hook, LOSS_MAP_FULL);
	return -1;
}

/*
 * Whose the shared mappings are that may be written is known only now: nobody inside can have one of an object that wasn't watched, but
 * for those that the caller knows of. Counted when the object is in the table: who maps it from then on is seen, and told by `exposed`;
 * who has gone before the count can't have stored to what the insider sees, as the call that maps it is not over.
 */
static __always_inline void count_others(const __u64 *key, __u32 own)
{
	struct address_space *mapping = (void *)*key;
	struct watch *w = bpf_map_lookup_elem(&watched, key);

	if (w && BPF_CORE_READ(mapping, i_mmap_writable.counter) <= (__s32)own)
		w->others = 0;
}

__noinline int watch_enter(__u64 object, __u32 own, __u32 hook)
{
	struct address_space *mapping = (void *)object;
	struct watch *w;

	if (!object || !BPF_CORE_READ(mapping, host)) {
		loss(hook, LOSS_READ_FAILED);
		return -1;
	}
	w = watch_find_key(&object);
	if (w && !w->beneath)
		return 0;
	if (watch_put(&object, 0, hook))
		return -1;
	count_others(&object, own);
	return 1;
}

__noinline int watch_device(__u64 object, __u32 hook)
{
	struct address_space *mapping = (void *)object;
	struct block_device *dev = BPF_CORE_READ(mapping, host, i_sb, s_bdev);

	if (!dev)
		return 0;
	for (int i = 0; i < 2; i++) {
		object = device_object(dev);
		if (object && !watch_find_key(&object))
			watch_put(&object, 1, hook);
		dev = BPF_CORE_READ(dev, bd_disk, part0);
	}
	return 0;
}

__noinline int watch_below(__u64 object, __u32 hook)
{
	struct address_space *mapping = (void *)object;

	if (!object || !BPF_CORE_READ(mapping, host))
		return -1;
	if (!watch_find_key(&object) && watch_put(&object, 1, hook))
		return -1;
	return watch_device(object, hook);
}

__noinline int holder_add(__u32 flags, __u32 hook)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u32 *old = bpf_map_lookup_elem(&holders, &tgid);

	if (!is_insider())
		want_late();
	if (old) {
		*old |= flags;
		return 0;
	}
	return holder_put(tgid, flags, hook);
}
