/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmlinux.h: the kernel types that bprec's BPF programs rely on, and nothing else; written by hand.
 *
 * Only the fields that are read are listed. Their offsets here mean nothing: libbpf finds the real ones in
 * the BTF of the running kernel (CO-RE, preserve_access_index). Types whose shape changed between kernels
 * have flavours, named after what was different: struct x___flavour.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u8 u8;
typedef __u16 u16;
typedef __s32 s32;
typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
typedef long long loff_t;

enum { false = 0, true = 1 };

/* From the user-space interface of bpf(2): map types and flags that are used here. */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_RB_AVAIL_DATA = 0, BPF_RB_RING_SIZE = 1 };

/* What the programs of classic tracepoints get for syscalls/sys_enter_X and sys_exit_X
 * (/sys/kernel/tracing/events/syscalls/NAME/format): fixed by the interface, so not relocated. Behind nr are the
 * arguments, as many as the call has: a program that reads more of them can't be attached to it (EACCES). */
struct sys_enter {
	__u64 common;
	__s32 nr; /* an int: the four bytes behind it are whatever the stack held */
	__u32 unused;
	__u64 first; /* argument: all calls that are looked at have one */
};
struct sys_exit {
	__u64 common;
	__s32 nr;
	__u32 unused;
	__s64 ret;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;
typedef struct {
	__u32 val;
} kuid_t;

/* Tasks */
struct thread_info {
	__u32 status; /* TS_COMPAT is 2 */
};
struct cred {
	kuid_t uid;
};
struct signal_struct {
	atomic_t live; /* threads that have not begun to exit */
	int group_exit_code;
	unsigned int flags; /* SIGNAL_* */
};
struct mm_struct {
	struct file *exe_file;
	struct task_struct *owner; /* the thread group's leader; only with CONFIG_MEMCG */
	unsigned long start_code;
	unsigned long arg_start, arg_end; /* its arguments */
	unsigned long task_size;	  /* where its addresses end: TASK_SIZE */
	unsigned long flags;		  /* MMF_* */
};
/* since 6.14, with CONFIG_PER_VMA_LOCK: odd while somebody changes mappings, another number afterwards */
typedef struct {
	unsigned int sequence;
} seqcount_t;
struct mm_struct___seq {
	seqcount_t mm_lock_seq;
};
/* since 6.18 */
struct mm_bits {
	unsigned long __mm_flags[1];
};
struct mm_struct___bits {
	struct mm_bits flags;
};
struct ns_common {
	unsigned int inum;
};
struct mnt_namespace {
	struct ns_common ns;
};
struct nsproxy {
	struct mnt_namespace *mnt_ns;
};
struct kernfs_node {
	struct kernfs_node *__parent;
	const char *name;
};
/* before 6.15 */
struct kernfs_node___parent {
	struct kernfs_node___parent *parent;
	const char *name;
};
struct cgroup {
	struct kernfs_node *kn;
};
struct css_set {
	struct cgroup *dfl_cgrp; /* its group in the unified hierarchy */
};
struct task_struct {
	struct thread_info thread_info;
	unsigned int flags; /* PF_* */
	int exit_code;
	int pid, tgid;
	struct task_struct *group_leader;
	__u64 start_boottime;
	const struct cred *cred;
	struct files_struct *files;
	struct signal_struct *signal;
	struct mm_struct *mm;
	__u64 self_exec_id; /* counts execs, its parent's included */
	struct pid *thread_pid;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
	char comm[16];
};
struct pid_namespace {
	struct ns_common ns;
};
struct upid {
	int nr;
	struct pid_namespace *ns;
};
struct pid {
	unsigned int level;	/* of the innermost namespace, 0: the initial one */
	struct upid numbers[1]; /* level + 1 of them */
};

/* Files */
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};
struct files_struct {
	struct fdtable *fdt;
};
struct qstr {
	__u32 len;
	const unsigned char *name;
};
struct super_block {
	__u32 s_dev;
	struct block_device *s_bdev;
	unsigned long s_magic;
};
struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
	struct address_space *i_mapping;
	unsigned long i_ino;
	loff_t i_size;
	__u32 i_generation;
	atomic_t i_writecount;
};
struct xarray {
	void *xa_head; /* an entry, or a node: include/linux/xarray.h */
};
struct xa_node {
	unsigned char shift; /* bits of the index below this node's slots */
	void *slots[64];
};
struct address_space {
	struct inode *host;
	struct xarray i_pages;
	atomic_t i_mmap_writable;
	unsigned long nrpages;
};
struct gendisk {
	struct block_device *part0; /* all of the disk */
};
struct block_device {
	struct gendisk *bd_disk;
	struct address_space *bd_mapping; /* since 6.11 */
};
/* before */
struct block_device___inode {
	struct inode *bd_inode;
};
struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};
struct path {
	struct dentry *dentry;
};
struct file {
	unsigned int f_mode;  /* FMODE_* */
	unsigned int f_flags; /* O_* */
	struct address_space *f_mapping;
	struct inode *f_inode;
	struct path f_path;
	loff_t f_pos;
	void *private_data;
};
struct kiocb {
	struct file *ki_filp;
	loff_t ki_pos;
	void *ki_complete; /* NULL: whoever began it waits for its end */
	int ki_flags;	   /* IOCB_* */
};
struct iov_iter {
	unsigned long count; /* bytes */
};
struct iattr {
	unsigned int ia_valid; /* ATTR_* */
	loff_t ia_size;
};
struct proc_inode {
	struct pid *pid;
	struct inode vfs_inode;
};

/* overlayfs: in the kernel's own BTF or in that of its module */
struct ovl_inode {
	struct inode vfs_inode;
	struct dentry *__upperdentry;
};
struct ovl_path___oe {
	struct dentry *dentry;
};
struct ovl_entry___oe {
	unsigned int __numlower;
	struct ovl_path___oe __lowerstack[1];
};
/* since 6.13; before, private_data is the real file itself */
struct ovl_file {
	struct file *realfile;
};
/* since 6.5 */
struct ovl_inode___oe {
	struct inode vfs_inode;
	struct ovl_entry___oe *oe;
};
/* 6.0 to 6.4 */
struct ovl_inode___path {
	struct inode vfs_inode;
	struct path lowerpath;
};
/* before */
struct ovl_inode___lower {
	struct inode vfs_inode;
	struct inode *lower;
};

/* Memory */
enum pageflags {
	PG_head = 6, /* its number differs between kernels */
};
struct vm_area_struct {
	unsigned long vm_start, vm_end;
	unsigned long vm_flags; /* in an anonymous union since 6.3 */
	unsigned long vm_pgoff;
	struct file *vm_file;
};
struct folio {
	struct address_space *mapping;
	unsigned long index;
	atomic_t _mapcount, _refcount;
	unsigned long _flags_1; /* low byte: order, since 6.6 */
	atomic_t _pincount;	/* of a large one */
};
/* before 6.6 */
struct folio___order {
	unsigned char _folio_order;
};
struct pt_regs {
	unsigned long bx, cx, dx, si, di, bp, r8, r9, r10;
	unsigned long orig_ax; /* number of the call */
	unsigned long ip, sp;
};

struct userfaultfd_ctx {
	struct mm_struct *mm;
};

/* io_uring */
struct io_cqe {
	__s32 res;
	int fd;
};
struct io_rsrc_node {
	unsigned long file_ptr; /* low bits: flags */
};
struct io_rsrc_data {
	struct io_rsrc_node **nodes;
};
struct io_file_table {
	struct io_rsrc_data data; /* since 6.13 */
};
struct io_fixed_file {
	unsigned long file_ptr; /* low bits: flags */
};
struct io_file_table___files {
	struct io_fixed_file *files; /* before */
};
struct io_ring_ctx {
	struct io_file_table file_table;
};
struct io_kiocb {
	struct file *file;
	__u8 opcode;
	__u64 flags; /* REQ_F_* */
	struct io_cqe cqe;
	struct io_ring_ctx *ctx;
};
struct io_rw {
	struct kiocb kiocb;
	__u32 len;
};
struct io_sync {
	loff_t len;
	loff_t off;
	int mode;
};
struct open_how {
	__u64 flags; /* O_* */
};
struct io_open {
	unsigned int
		file_slot; /* where among the registered files, plus 1; ~0: the result tells; 0: a descriptor */
	struct open_how how;
};
struct io_ftrunc { /* since 6.9 */
	loff_t len;
};
struct io_uring_cqe {
	__s32 res;
};

/* Iterators */
struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
};
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};
struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

#endif
