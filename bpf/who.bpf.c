// SPDX-License-Identifier: GPL-2.0-only
/*
 * who.bpf.c: more of an outsider than its name: process, stack, and the code that its stack leads to, in records of kwho.h.
 *
 * They are made where the outsider runs, at the end of the program that had an event of it: a process that writes and ends
 * within a millisecond is gone before userspace looks. Each site of a process is told once, so that a loop costs one look
 * into a table. Unwinding and names are userspace's: most code has no frame pointers.
 *
 * Which files the code is from, bpf_find_vma tells, asked for the addresses on the stack. While interrupts are off (in the
 * programs of page faults) it can be used once, and has been; then what was told at the mmap of that memory must do. The program
 * of page faults in the kernel must not cause one itself: it would be skipped for that (recursion_misses), and a loss counted.
 *
 * Nothing here is an event that could be missed: what doesn't fit isn't told, and the stack is unknown.
 */
#include "obs.bpf.h"

#define STACKS_MAX 64	/* of one image of a process */
#define PIECE	   512u /* of a stack, copied at once */
#define WORDS_MAX  513u /* looked at: the instruction pointer, and 4 KiB of the stack */
#define LOOKS_MAX  24u	/* calls of bpf_find_vma */
#define NAMES_MAX  20	/* directories */
#define NAME_MAX   256u /* bytes of a name, NUL included */

static __always_inline struct who_room *who_room(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&who_rooms, &zero);
}

__noinline int who_wanted(__u64 site)
{
	struct who_room *room = who_room();

	if (!room)
		return 0;
	room->wanted = bpf_get_current_pid_tgid();
	room->site = site;
	return 0;
}

static __always_inline void told_key(struct told_key *key, __u64 what)
{
	struct task_struct *task = bpf_get_current_task_btf();

	key->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	key->who = BPF_CORE_READ(task, self_exec_id) << 32 | (bpf_get_current_pid_tgid() >> 32);
	key->what = what;
}

/* Whether something of the current process is told for the first time. */
static __always_inline bool first_time(__u64 what)
{
	struct told_key key;
	__u32 one = 1;

	told_key(&key, what);
	if (bpf_map_lookup_elem(&told, &key))
		return false;
	bpf_map_update_elem(&told, &key, &one, BPF_ANY);
	return true;
}

/* Counts a stack of the current process; false: it has had its share. */
static __always_inline bool may_have_more(void)
{
	struct told_key key;
	__u32 one = 1;

	told_key(&key, TOLD_STACKS);
	__u32 *n = bpf_map_lookup_elem(&told, &key);
	if (!n)
		bpf_map_update_elem(&told, &key, &one, BPF_ANY);
	else if (*n >= STACKS_MAX)
		return false;
	else
		*n += 1;
	return true;
}

static __always_inline void who_head(struct kwho *who, __u32 type)
{
	struct task_struct *task = bpf_get_current_task_btf();

	who->type = type;
	who->tgid = bpf_get_current_pid_tgid() >> 32;
	who->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	who->image = BPF_CORE_READ(task, self_exec_id);
}

/*
 * Names are put together in the room of the processor, then copied. Where the walk is, is kept there too, and each loop is a
 * callback of bpf_loop: of memory of a map the verifier assumes nothing, and so it looks at each step once.
 */
#define NO_ROOM ((__u64)KWHO_NAMES)

/* Adds a name and goes on to the parent. (Unsigned, and 64 bits wide, for the verifier of 6.1.) 1: that was the last. */
static __always_inline long name_add(struct who_room *room, const void *name, __u64 parent)
{
	__u64 at = room->walk_at;

	room->walk_at = NO_ROOM;
	if (at > KWHO_NAMES - NAME_MAX - 1)
		return 1;
	__u64 n = bpf_probe_read_kernel_str(room->names + at, NAME_MAX, name);
	if (n < 2 || n > NAME_MAX)
		return 1;
	room->walk_at = at + n;
	room->walk = parent;
	return 0;
}

static long name_of_dentry(__u32 i, void *ctx)
{
	struct who_room *room = who_room();

	if (!room || !room->walk)
		return 1;
	struct dentry *dentry = (void *)room->walk;
	struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
	if (parent == dentry) {
		room->walk = 0;
		return 1;
	}
	return name_add(room, BPF_CORE_READ(dentry, d_name.name), as_number(parent));
}

static __always_inline __u64 kernfs_parent(__u64 node)
{
	if (bpf_core_field_exists(struct kernfs_node___parent, parent)) {
		struct kernfs_node___parent *old = (void *)node;
		return (__u64)BPF_CORE_READ(old, parent);
	}
	struct kernfs_node *kn = (void *)node;
	return (__u64)BPF_CORE_READ(kn, __parent);
}

static long name_of_node(__u32 i, void *ctx)
{
	struct who_room *room = who_room();

	if (!room || !room->walk)
		return 1;
	__u64 parent = kernfs_parent(room->walk);
	if (!parent) {
		room->walk = 0;
		return 1;
	}
	struct kernfs_node *kn = (void *)room->walk;
	return name_add(room, BPF_CORE_READ(kn, name), parent);
}

/* Ends the list of names. */
static __always_inline int names_end(struct who_room *room)
{
	__u64 at = room->walk_at;

	if (at < NO_ROOM)
		room->names[at] = 0;
	room->names[KWHO_NAMES - 1] = at < NO_ROOM && !room->walk ? 0 : 1; /* not all */
	return 0;
}

/* Leaves the names from a node up to the root in the room; step: adds one and goes on. */
static __always_inline int names_from(__u64 node, long (*step)(__u32 i, void *ctx))
{
	struct who_room *room = who_room();

	if (!room)
		return 0;
	room->walk = node;
	room->walk_at = 0;
	bpf_loop(NAMES_MAX, step, NULL, 0);
	return names_end(room);
}

/* Of a dentry, given by its address. */
__noinline int names_of_file(__u64 dentry)
{
	return names_from(dentry, name_of_dentry);
}

/* Of a node of kernfs. */
__noinline int names_of_node(__u64 node)
{
	return names_from(node, name_of_node);
}

static __always_inline void file_told(struct who_room *room, struct kfile *dst, struct file *file)
{
	dst->inode = BPF_CORE_READ(file, f_inode, i_ino);
	dst->dev = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	dst->generation = BPF_CORE_READ(file, f_inode, i_generation);
	names_of_file(as_number(BPF_CORE_READ(file, f_path.dentry)));
	bpf_probe_read_kernel(dst->names, sizeof(dst->names), room->names);
}

static __always_inline void put(const void *record, __u64 len)
{
	bpf_ringbuf_output(&ring, (void *)record, len, 0);
}

/* Id in the innermost namespace; numbers is an array with an element for each. */
static __always_inline __u32 inner_pid(struct pid *pid)
{
	__u64 at = (__u64)pid + bpf_core_field_offset(struct pid, numbers);
	__u32 level = BPF_CORE_READ(pid, level), nr = 0;

	at += (__u64)level * bpf_core_type_size(struct upid);
	bpf_probe_read_kernel(&nr, sizeof(nr),
			      (void *)(at + bpf_core_field_offset(struct upid, nr)));
	return nr;
}

static __noinline int tell_proc(__u32 context)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct who_room *room = who_room();

	if (!room || !first_time(TOLD_PROC))
		return 0;
	struct kproc *p = &room->proc;
	who_head(&p->who, KEV_PROC);
	p->mnt_ns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	p->ns_pid = inner_pid(BPF_CORE_READ(task, group_leader, thread_pid));
	file_told(room, &p->exe, BPF_CORE_READ(task, mm, exe_file));
	names_of_node(as_number(BPF_CORE_READ(task, cgroups, dfl_cgrp, kn)));
	bpf_probe_read_kernel(p->cgroup, sizeof(p->cgroup), room->names);
	__u64 from = BPF_CORE_READ(task, mm, arg_start);
	__u64 len = BPF_CORE_READ(task, mm, arg_end) - from;
	if (len > KWHO_ARGS)
		len = KWHO_ARGS;
	p->args_len = 0;
	if (context != WHO_KERNEL_FAULT)
		p->args_len = bpf_probe_read_user(p->args, len, (void *)from) ? 0 : len;
	put(p, sizeof(*p));
	return 0;
}

/* A mapping that was looked up. */
struct looked {
	__u64 start, end, offset, flags, file;
};

static long look(struct task_struct *task, struct vm_area_struct *vma, struct looked *l)
{
	l->start = BPF_CORE_READ(vma, vm_start);
	l->end = BPF_CORE_READ(vma, vm_end);
	l->offset = BPF_CORE_READ(vma, vm_pgoff) << 12;
	l->flags = BPF_CORE_READ(vma, vm_flags);
	l->file = as_number(BPF_CORE_READ(vma, vm_file));
	return 0;
}

static __noinline int tell_code(const struct looked *l)
{
	struct who_room *room = who_room();

	if (!room || !l || !first_time(l->start))
		return 0;
	struct kcode *c = &room->code;
	who_head(&c->who, KEV_CODE);
	c->start = l->start;
	c->end = l->end;
	c->offset = l->offset;
	file_told(room, &c->file, (void *)l->file);
	c->head_len = bpf_probe_read_user(c->head, KWHO_HEAD, (void *)(l->start - l->offset))
			      ? 0
			      : KWHO_HEAD;
	put(c, sizeof(*c));
	return 0;
}

static __always_inline void seen(struct who_room *room, __u64 start, __u64 len)
{
	struct seen_range *s = &room->seen[room->nseen++ % SEEN_MAX];

	s->start = start;
	s->len = len;
}

/* One word: if it may be an address, what is mapped there? 1: enough. */
static long look_at_word(__u32 i, void *ctx)
{
	struct who_room *room = who_room();
	struct looked l = {};

	if (!room || room->nseen >= LOOKS_MAX)
		return 1;
	__u64 word =
		i ? ((__u64 *)room->stack.bytes)[(i - 1) % (KWHO_STACK / 8)] : room->stack.regs[16];
	if (i * 8 > room->stack.len)
		return 1;
	if (word < 4096 || word >> 47)
		return 0;
	for (int j = 0; j < SEEN_MAX; j++)
		if (word - room->seen[j].start < room->seen[j].len)
			return 0;
	long err = bpf_find_vma(bpf_get_current_task_btf(), word, look, &l, 0);
	if (err == -EBUSY)
		return 1;
	if (err)
		seen(room, word & ~4095ull, 4096);
	else
		seen(room, l.start, l.end - l.start);
	if (!err && l.flags & VM_EXEC && l.file)
		tell_code(&l);
	return 0;
}

static __noinline int look_at_stack(void)
{
	struct who_room *room = who_room();

	if (!room)
		return 0;
	__builtin_memset(room->seen, 0, sizeof(room->seen));
	room->nseen = 0;
	bpf_loop(WORDS_MAX, look_at_word, NULL, 0);
	return 0;
}

/* One more piece of the stack; ctx: the context. */
static long copy_piece(__u32 i, void *ctx)
{
	struct who_room *room = who_room();
	const __u32 *context = ctx;

	if (!room)
		return 1;
	struct kstack *s = &room->stack;
	__u64 sp = s->regs[19], len = s->len;
	__u64 n = PIECE - ((sp + len) & (PIECE - 1));
	if (n > PIECE || len > KWHO_STACK - PIECE)
		return 1;
	if (bpf_probe_read_user(s->bytes + len, n, (void *)(sp + len)))
		return 1;
	s->len = len + n;
	return *context == WHO_KERNEL_FAULT && !((sp + len + n) & 4095);
}

/* Registers, and as much of the stack as can be read; in a fault of the kernel, of its top page: a call has just begun there. */
static __noinline int copy_stack(__u32 context)
{
	struct who_room *room = who_room();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	if (!room)
		return 0;
	bpf_probe_read_kernel(room->stack.regs, sizeof(room->stack.regs), regs);
	room->stack.len = 0;
	bpf_loop(KWHO_STACK / PIECE, copy_piece, &context, 0);
	return 0;
}

static __always_inline void take(struct who_room *room, __u32 context)
{
	__u64 site = room->site;

	/* not at the cost of events */
	if (2 * bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >
	    bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE))
		return;
	if (!first_time(site) || !may_have_more())
		return;
	tell_proc(context);
	copy_stack(context);
	if (context == WHO_CALL)
		look_at_stack();
	struct kstack *s = &room->stack;
	who_head(&s->who, KEV_STACK);
	s->site = site;
	s->tid = (__u32)bpf_get_current_pid_tgid();
	__u64 len = __builtin_offsetof(struct kstack, bytes) + s->len;
	if (len <= sizeof(*s))
		put(s, len);
}

__noinline int who_tell_wanted(__u32 context)
{
	struct who_room *room = who_room();

	if (!room || !room->wanted)
		return 0;
	/* a program that doesn't end with this may have left what it wanted: only if nothing has moved since is it ours */
	bool mine = room->wanted == bpf_get_current_pid_tgid() && room->site == user_site();
	room->wanted = 0;
	if (!mine || room->busy)
		return 0;
	room->busy = 1;
	take(room, context);
	room->busy = 0;
	return 0;
}
