/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * kwho.h: records of the ring buffer that tell more of an outsider than a struct kevent: its process, code that it runs, and
 * its stack. They are made in the outsider's own context, because it may be gone before anybody looks, and once only.
 * Included after kevent.h, by bpf/ and by userspace.
 */
#ifndef BPREC_KWHO_H
#define BPREC_KWHO_H

#include "bprec/kevent.h"

#define KWHO_NAMES 512u	 /* bytes of names, see struct kfile */
#define KWHO_ARGS  1024u /* bytes of arguments */
#define KWHO_HEAD  1024u /* bytes of the beginning of an ELF file */
#define KWHO_STACK 8192u /* bytes of a stack */
#define KWHO_REGS  21u	 /* words of struct pt_regs, the first ones of struct regs64 */

/** Head of these records; its first word is where that of struct kevent is. */
struct kwho {
	__u32 type; /* KEV_PROC, KEV_CODE or KEV_STACK */
	__u32 tgid;
	__u64 start_ns; /* of the process, as in struct kevent */
	__u64 image;	/* counts its execs: tells its images apart */
};

/** A file as the kernel knows it. */
struct kfile {
	__u64 inode;
	__u32 dev, generation; /* as in struct kevent */
	/* The names from the file up to the root of its filesystem, each with NUL, then an empty one. Without the latter there
	 * was no room for all. */
	char names[KWHO_NAMES];
};

/** KEV_PROC: an outsider's process. */
struct kproc {
	struct kwho who;
	struct kfile exe;
	__u64 mnt_ns;	/* inode number of its mount namespace, 0: not known */
	__u32 ns_pid;	/* its id in its own pid namespace */
	__u32 args_len; /* bytes of args; 0: not readable */
	char cgroup
		[KWHO_NAMES]; /* names as in struct kfile: of its group in the unified hierarchy */
	char args[KWHO_ARGS]; /* each with NUL, cut off */
};

/** KEV_CODE: a file that an outsider has mapped to be run. */
struct kcode {
	struct kwho who;
	__u64 start, end, offset; /* of the mapping: addresses, and bytes in the file */
	struct kfile file;
	__u32 head_len; /* bytes of head; 0: not readable */
	__u32 reserved;
	char head[KWHO_HEAD]; /* what is in memory where the file would begin */
};

/** KEV_STACK: registers, and the top of the stack. Only `len` of its bytes are in the ring. */
struct kstack {
	struct kwho who;
	__u64 site; /* as in struct kevent */
	__u32 tid;
	__u32 len;		/* of bytes */
	__u64 regs[KWHO_REGS];	/* struct pt_regs */
	__u8 bytes[KWHO_STACK]; /* from the stack pointer on */
};
_Static_assert(sizeof(struct kwho) == 24 && sizeof(struct kfile) == 528 &&
		       sizeof(struct kproc) == 24 + 528 + 16 + 512 + 1024 &&
		       sizeof(struct kcode) == 24 + 24 + 528 + 8 + 1024 &&
		       sizeof(struct kstack) == 24 + 16 + 168 + 8192,
	       "records of kwho.h");

#endif
