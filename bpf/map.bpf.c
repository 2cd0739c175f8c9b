// SPDX-License-Identifier: GPL-2.0-only
/*
 * map.bpf.c: mappings: an insider's makes the object watched, before it is there; anybody's that is shared and may be
 * written exposes a watched object (DESIGN 12, rule 13).
 *
 * At the entry of mmap the descriptor tells the object without any lock; bpf_find_vma at the exit was busy in 7455 of
 * 9409 cases with two threads mapping. Where there is no descriptor (shmat, mprotect, munmap) it is all there is, and
 * busy is counted.
 *
 * A shared mapping of an outsider is kept from entry to exit even if nobody watches the object yet: an insider may make it
 * watched meanwhile, and the recorder's list of holders may have been made before the mapping is in place.
 *
 * Not seen here: a descriptor that is passed on (dup, SCM_RIGHTS, pidfd_getfd) makes no new struct file, so
 * i_writecount stays as it is and what is done with it is seen when it is done.
 */
#include "sys.bpf.h"

enum { MAP_SHARED = 1, MAP_SHARED_VALIDATE = 3, MAP_TYPE = 0xf, PROT_WRITE = 2 };
#define IMAGE_PROT (2ull << 32 | 5) /* MAP_PRIVATE; PROT_READ | PROT_EXEC */

static long look(struct task_struct *task, struct vm_area_struct *vma, struct mapping *m)
{
	m->object = (__u64)BPF_CORE_READ(vma, vm_file, f_mapping);
	m->start = BPF_CORE_READ(vma, vm_start);
	m->end = BPF_CORE_READ(vma, vm_end);
	m->flags = BPF_CORE_READ(vma, vm_flags);
	m->offset = BPF_CORE_READ(vma, vm_pgoff) << 12;
	return 0;
}

__noinline int mapping_at(__u64 addr, struct mapping *ret, __u32 hook)
{
	struct mapping m = {};
	long err;

	if (!ret)
		return 0;
	err = bpf_find_vma(bpf_get_current_task_btf(), addr, look, &m, 0);
	*ret = m;
	if (err == -EBUSY) {
		loss(hook, LOSS_VMA_BUSY);
		return -1;
	}
	return err == 0;
}

static __always_inline bool is_holder(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u32 *held = bpf_map_lookup_elem(&holders, &tgid);

	return held && *held & HOLDS_MAP;
}

/* Neither a regular file nor a block device. */
static __always_inline bool is_special(__u64 object)
{
	struct address_space *mapping = (void *)object;
	__u32 type = BPF_CORE_READ(mapping, host, i_mode) & S_IFMT;

	return type != S_IFREG && type != S_IFBLK;
}

__noinline int watch_noted(struct note *n)
{
	if (!n)
		return 0;
	n->type = KEV_WATCH;
	int entered = watch_enter(n->object, 0, n->hook);
	if (entered > 0)
		watch_device(n->object, n->hook);
	if (entered < 0)
		n->type = KEV_WATCH_FAILED;
	else if (is_special(n->object))
		n->flags |= KEVF_SPECIAL;
	return emit(n);
}

/* An insider maps an object. Not in line: those who call it have little stack to spare (scripts/lint-bpf-stack.py). */
static __noinline int watch(__u64 object, __u64 offset, __u64 addr, __u32 hook)
{
	struct note n = { .object = object, .offset = offset, .aux = addr, .hook = hook };

	return watch_noted(&n);
}

__noinline int stir(__u32 hook)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, one = 1;
	struct note n = { .type = KEV_STIRRED, .hook = hook };

	if (bpf_map_lookup_elem(&stirred, &tgid))
		return 0;
	if (bpf_map_update_elem(&stirred, &tgid, &one, BPF_ANY))
		loss(hook, LOSS_MAP_FULL);
	return emit(&n);
}

/* Mappings that execve made: the executable, and the interpreter, which is where the program begins to run. */
__noinline int exec_told(__u32 hook)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	struct note n = { .type = KEV_TREE_EXEC, .hook = hook };
	struct mapping m = {};

	emit(&n);
	n.object = file_object((__u64)BPF_CORE_READ(task, mm, exe_file));
	n.length = object_size(n.object);
	n.aux = BPF_CORE_READ(task, mm, start_code) & ~4095ull;
	n.ret = IMAGE_PROT;
	n.flags = KEVF_IMAGE;
	watch_noted(&n);
	if (mapping_at(regs->ip, &m, hook) <= 0 || !m.object || m.object == n.object)
		return 0;
	struct note lib = {
		.object = m.object,
		.offset = m.offset,
		.length = m.end - m.start,
		.aux = m.start,
		.ret = IMAGE_PROT,
		.hook = hook,
	};
	return watch_noted(&lib);
}

/* An outsider may store to the object from now on. Before the record of it: an insider's that comes before that one says so then. */
static __always_inline void note_other(__u64 object)
{
	struct watch *w = is_insider() ? NULL : watch_find(object);

	if (w)
		*(volatile __u32 *)&w->joined = 1;
}

/* A shared mapping that may be written is there. */
static __noinline int exposed(const struct mapping *m, __u64 length, __u64 addr, __u32 hook)
{
	struct note n = {
		.type = KEV_MAPPED,
		.channel = CH_MMAP_STORE,
		.object = m->object,
		.offset = m->offset + (addr - m->start),
		.length = length,
		.aux = addr,
		.hook = hook,
	};

	if (!(m->flags & VM_WRITE))
		n.flags |= KEVF_READONLY_NOW;
	note_other(m->object);
	holder_add(HOLDS_MAP, hook);
	return emit(&n);
}

__noinline int map_file_begin(__u64 file, __u64 offset, __u64 length, __u32 prot, __u32 flags)
{
	__u32 type = flags & MAP_TYPE;
	bool over = flags & MAP_FIXED && is_holder();
	struct flight f = { .end = END_MAPPING, .nslots = over };
	__u64 object = file_object(file);
	struct file *fp = (void *)file;

	if (object && is_insider()) {
		struct note n = {
			.object = object,
			.offset = offset,
			.length = length,
			.named = (__u64)BPF_CORE_READ(fp, f_path.dentry),
			.hook = KHOOK_enter_mmap,
		};
		watch_noted(&n);
		f.size = tell_tree ? object : 0;
	}
	if (type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		object = 0;
	if (object && !(BPF_CORE_READ(fp, f_mode) & FMODE_WRITE))
		object = 0;
	if (!object && !over && !f.size)
		return 0;
	f.n.hook = KHOOK_enter_mmap;
	f.n.ret = prot & PROT_WRITE ? VM_WRITE : 0;
	f.n.channel = prot;
	f.n.flags = flags;
	f.n.offset = offset;
	f.n.length = length;
	f.file = object;
	return flight_begin(&f, 0);
}

__noinline int map_begin(__u32 fd, __u64 offset, __u64 length, __u32 prot, __u32 flags)
{
	return map_file_begin(flags & MAP_ANONYMOUS ? 0 : fd_file(fd), offset, length, prot, flags);
}

/* The object can only be told while it is mapped; a mapping that exposes nothing doesn't matter. */
__noinline int unmap_begin(__u64 addr, __u64 length)
{
	struct flight f = { .end = END_MAPPING, .nslots = 1 };
	struct mapping m = {};

	if (!is_holder())
		return 0;
	/* one call can unmap several mappings: the first one tells only if it is all that goes */
	if (mapping_at(addr, &m, NO_LOSS) > 0 && !mapping_exposes(&m) && addr + length <= m.end)
		return 0;
	f.n.hook = KHOOK_enter_munmap;
	f.n.offset = addr;
	f.n.length = length;
	return flight_begin(&f, 0);
}

/* What was at an address is no longer; the object isn't told where it is one of several. */
static __always_inline void unmapped(__u64 addr, __u64 length, __u32 hook)
{
	struct note n = { .type = KEV_UNMAPPED, .aux = addr, .length = length, .hook = hook };

	emit(&n);
}

/* An insider's mapping is there: flags are those of mmap, channel is its prot. */
static __noinline int mapped(struct flight *f, __u64 addr)
{
	if (!f)
		return 0;
	struct note n = {
		.object = f->size,
		.offset = f->n.offset,
		.length = f->n.length,
		.aux = addr,
		.ret = (__u64)f->n.flags << 32 | f->n.channel,
		.hook = f->n.hook,
	};
	return watch_noted(&n);
}

/* End of mmap and munmap: file is the object that is exposed, size that which an insider maps (tell_tree); nslots tells
 * that something was unmapped. */
__noinline int mapping_end(struct flight *f, __s64 ret)
{
	if (!f || (ret < 0 && ret > -4096))
		return 0;
	if (f->size)
		mapped(f, ret);
	if (f->nslots)
		unmapped(ret ?: f->n.offset, f->n.length, f->n.hook);
	if (!f->file || !watch_find(f->file))
		return 0;
	struct mapping m = {
		.object = f->file,
		.flags = f->n.ret,
		.start = ret,
		.offset = f->n.offset,
	};
	return exposed(&m, f->n.length, ret, f->n.hook);
}

static __always_inline void expose(const struct mapping *m, __u64 addr, __u32 hook)
{
	if (mapping_exposes(m) && watch_find(m->object))
		exposed(m, 0, addr, hook);
}

__noinline int attached(__u64 addr, __u32 hook)
{
	struct mapping m = {};
	int found = mapping_at(addr, &m, hook);

	if (found > 0 && is_insider())
		watch_enter(m.object, mapping_exposes(&m), hook); /* no device below */
	if (found && is_insider())
		watch(found > 0 ? m.object : 0, m.offset, addr, hook);
	if (found > 0)
		expose(&m, addr, hook);
	return 0;
}

/* The mapping at an address, after a call that moved it or made it writable. */
static __noinline int remapped(__u64 addr, __u32 hook)
{
	struct mapping m = {};

	if (mapping_at(addr, &m, hook) > 0)
		expose(&m, addr, hook);
	return 0;
}

__noinline int remap_over(__u64 addr)
{
	return is_holder() ? remapped(addr, KHOOK_exit_mremap) : 0;
}

/* mprotect: only what becomes writable matters; the address is kept in `offset`. */
__noinline int protect_begin(__u64 addr, __u64 prot, __u32 hook)
{
	struct flight f = { .end = END_PROTECT };

	if (!(prot & PROT_WRITE) || !is_holder())
		return 0;
	f.n.hook = hook;
	f.n.offset = addr;
	return flight_begin(&f, 0);
}

__noinline int protect_end(struct flight *f, __s64 ret)
{
	if (!f || ret)
		return 0;
	return remapped(f->n.offset, f->n.hook);
}
