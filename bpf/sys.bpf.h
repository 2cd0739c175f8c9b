/* SPDX-License-Identifier: GPL-2.0-only */
/* sys.bpf.h: beginnings and ends of system calls, for the native programs and for those of 32-bit callers. */
#ifndef BPREC_SYS_BPF_H
#define BPREC_SYS_BPF_H

#include "nr.bpf.h"
#include "obs.bpf.h"

enum { RWF_APPEND = 0x10 };
enum { TS_COMPAT = 2 };
enum { MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20 };

/** True inside a call by the 32-bit entry, also of a 64-bit process (int $0x80). */
static __always_inline bool is_compat_call(void)
{
	return bpf_get_current_task_btf()->thread_info.status & TS_COMPAT;
}

/** Arguments of a call in order. */
struct args {
	__u64 a[6];
};
/** Those of the 64-bit call that the current task is in: from the registers, which the tracepoint has them from, too. */
static __always_inline struct args native_args(void)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	return (struct args){ { regs->di, regs->si, regs->dx, regs->r10, regs->r8, regs->r9 } };
}

/** Arguments of one write, in the program's own frame. */
struct request {
	__u64 offset, length;
	__u64 iov, iovlen; /* iovlen > 0: the length is that of this vector in user memory */
	__u32 channel, hook;
	bool at_pos; /* through the file position */
	bool append;
};

/* Offset behind a pointer in user memory; without one the file position counts. */
static __always_inline void user_offset(struct request *r, __u64 pointer)
{
	r->at_pos = !pointer;
	if (pointer)
		bpf_probe_read_user(&r->offset, sizeof(r->offset), (void *)pointer);
}

/** The insider whose memory an outsider is about to change; 0: it is none. Where it can't be told whose it is, that is a loss. */
static __always_inline __u32 remote_owner(struct mm_struct *mm, __u32 hook)
{
	__u32 owner = 0;

	if (bpf_get_current_pid_tgid() >> 32 == own_tgid || is_insider())
		return 0;
	if (bpf_core_field_exists(mm->owner))
		owner = BPF_CORE_READ(mm, owner, tgid);
	if (!owner)
		loss(hook, LOSS_READ_FAILED);
	return owner && bpf_map_lookup_elem(&tree, &owner) ? owner : 0;
}

/* All return 0 or a negative number that nobody looks at. */

/** A call writes to an open file. */
int write_to(const struct opened *to, struct request *r);
/** The same to a descriptor. */
int write_fd(__u32 fd, struct request *r);
/** fallocate, with its mode. */
int fallocate_begin(__u32 fd, __u32 mode, __u64 offset, __u64 length);
/** ftruncate to a length in bytes. */
int ftruncate_begin(__u32 fd, __u64 length);
/** truncate(path) to a length in bytes. */
int truncate_begin(__u64 length);
/** A call of the open family with these O_* flags. */
int open_begin(__u32 flags, __u32 hook);
/** ioctl with an argument in user memory. */
int ioctl_begin(__u32 fd, __u32 cmd, __u64 arg);
/** The same for those that aren't known, and may change anything. */
int ioctl_other(__u32 fd, __u32 cmd, __u64 arg);
/** ioctl of a userfaultfd, maybe. */
int uffd_begin(__u32 fd, __u32 cmd, __u64 arg);
/** madvise. */
int madvise_begin(__u64 addr, __u64 length, __u32 advice);
/** io_submit with a list of n pointers of so many bytes each. */
int aio_begin(__u64 list, __u64 n, __u32 pointer_bytes);
/** An io_submit of which nothing was announced is over; it has taken n requests of the list of a 64-bit caller. */
int aio_over(__u64 list, __s64 n);
/** process_vm_writev to a process, where in its memory isn't told. */
int remote_begin(__u32 pid);
/** ptrace, if it stores into memory. */
int poke_begin(__u32 request, __u32 pid, __u64 addr);
/** The same with its vector of so many ranges. */
int remote_vector(__u32 pid, __u64 iov, __u64 count);
/** mmap of the file at an address, 0: none. */
int map_file_begin(__u64 file, __u64 offset, __u64 length, __u32 prot, __u32 flags);
/** mmap of a descriptor. */
int map_begin(__u32 fd, __u64 offset, __u64 length, __u32 prot, __u32 flags);
/** munmap. */
int unmap_begin(__u64 addr, __u64 length);
/** mprotect. */
int protect_begin(__u64 addr, __u64 prot, __u32 hook);
/** The current process has a new descriptor: tells of it if it can write a watched object. */
int opened(__u32 fd);
/** A call of the open family is over: the end of an O_TRUNC, and a new writable descriptor. */
static __always_inline int open_over(__s64 ret)
{
	flight_end(ret);
	return ret < 0 ? 0 : opened(ret);
}
/** shmat or a 32-bit mmap2 made a mapping at this address. */
int attached(__u64 addr, __u32 hook);
/** mremap gave this address. */
int remap_over(__u64 addr);

#endif
