/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * choke.bpf.h: what the programs at choke points share. A choke point is a function of the kernel that all ways of making one
 * kind of change pass through, whoever takes it: 64-bit and 32-bit calls, io_uring, kernel threads.
 *
 * At a choke point the object, and mostly the range, is known exactly; whose call it is tells the number in the registers that
 * the kernel was entered with. Files of overlayfs are left out: what changes is the real file, which passes the same
 * function once more (userspace/kern/tier.c has the table of these hooks, and of what they replace).
 *
 * Programs for fentry and fexit must return 0, or the verifier refuses them (check_return_code).
 */
#ifndef BPREC_CHOKE_BPF_H
#define BPREC_CHOKE_BPF_H

#include "sys.bpf.h"

enum { EIOCBQUEUED = 529 };

/** Number of the current thread's call. */
static __always_inline __u32 call_number(void)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	return BPF_CORE_READ(regs, orig_ax);
}

/** True if the current thread is inside the 64-bit or the 32-bit call. */
static __always_inline bool in_call(__u32 nr64, __u32 nr32)
{
	return call_number() == (is_compat_call() ? nr32 : nr64);
}

/** Channel of a thread that makes no call of its own; CH_UNKNOWN: it may make one. */
static __always_inline __u32 thread_channel(void)
{
	__u32 flags = bpf_get_current_task_btf()->flags;

	if (flags & PF_KTHREAD)
		return CH_KERNEL;
	if (flags & PF_IO_WORKER || call_number() == NR_IO_URING_ENTER)
		return CH_IO_URING;
	return CH_UNKNOWN;
}

/** The object that a file of a filesystem with pages of its own shows; 0 for one of overlayfs. */
static __always_inline __u64 real_object(struct file *file)
{
	if (BPF_CORE_READ(file, f_inode, i_sb, s_magic) == OVERLAYFS_MAGIC)
		return 0;
	return (__u64)BPF_CORE_READ(file, f_mapping);
}

/** True if what was announced covers what a note would announce: one is a part of the other. */
static __always_inline bool covers(const struct flight *f, const struct note *n)
{
	__u64 end = n->length == TO_END ? TO_END : n->offset + n->length;
	__u64 known = f->n.length == TO_END ? TO_END : f->n.offset + f->n.length;

	return f->n.object == n->object && f->n.offset <= n->offset && known >= end;
}

/** True if the flight of this key covers the note. */
static __always_inline bool is_part(__u64 who, __u64 slot, const struct note *n)
{
	struct flight_key key = { who, slot };
	const struct flight *f = flight_find(&key);

	return f && covers(f, n);
}

/**
 * Announces a change of a watched object, by f->who (a kiocb) or else by the current thread. What was announced before by the
 * same is a whole of which this is a part, or over: one thread or kiocb makes one change at a time, and not every kind
 * of end is seen (iter_file_splice_write writes in rounds from 6.5 on).
 */
static __always_inline int choke_begin(struct flight *f)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u64 who = f->who ?: thread;

	if (is_part(who, FLIGHT_CHOKE, &f->n) || is_part(thread, FLIGHT_CHOKE, &f->n) ||
	    is_part(thread, 0, &f->n))
		return 0;
	choke_end(who, 0, ANY_HOOK, 1);
	return flight_begin(f, FLIGHT_CHOKE);
}

#endif
