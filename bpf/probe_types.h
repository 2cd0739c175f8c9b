/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * probe_types.h: the few kernel types that the probe's trial programs use. They stay apart from vmlinux.h so that
 * a trial fails for the reason it is about, not because of a type another program needs.
 */
#ifndef BPREC_PROBE_TYPES_H
#define BPREC_PROBE_TYPES_H

typedef _Bool bool;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

/* Numbers of the kernel's interface (linux/bpf.h). */
enum { BPF_MAP_TYPE_RINGBUF = 27 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
	unsigned long di;
};

struct task_struct {
	int tgid;
	char comm[16];
};

struct vm_area_struct {
	unsigned long vm_start;
};

struct file;
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
