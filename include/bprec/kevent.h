/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * kevent.h: records that the BPF programs put into the ring buffer; included by bpf/ and by userspace.
 *
 * Fixed widths only. The BPF side includes vmlinux.h first and so has no <stdint.h>: the types below come
 * from there (__u32 ...), in userspace from <linux/types.h>.
 */
#ifndef BPREC_KEVENT_H
#define BPREC_KEVENT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif
#include "bprec/names.h"

/** What happened. */
enum kevent_type {
	/* An insider's call is about to map (or has mapped) the object: it is watched from now on. Comes with every
	 * mapping; offset, length: what is mapped; aux: address, 0 if not known yet (entry of mmap; exe is the file's path then). With kern_opts.tree it
	 * comes again when the mapping is there, with aux, and PROT_* in the low half of ret, MAP_* in the high half. */
	KEV_WATCH = 1,
	/* A call that changes [offset, offset+length) of a watched object begins. Where the object was only known when the
	 * call was over (truncate by path, open with O_TRUNC, io_uring with registered files) the record comes late,
	 * with ns of the beginning, just before its KEV_END. */
	KEV_BEGIN = 2,
	/* The call is over; offset and length are what it really did. aux is that of its KEV_BEGIN: one number for each
	 * change; the thread is the same one except for io_uring. Some have no end: Linux AIO with O_DIRECT, io_uring
	 * without completions. They are under way until their process is gone (KEV_EXITED). */
	KEV_END = 3,
	/* A write fault in an outsider's shared mapping of a watched object; length: the page; aux: address. */
	KEV_FAULT = 4,
	/* A task has a new writable descriptor of a watched object; aux: its number. */
	KEV_OPENED = 5,
	/* A task has a new shared mapping of a watched object that is or may become writable; aux: address; length 0:
	 * not told. Again, without KEVF_READONLY_NOW, after mprotect. */
	KEV_MAPPED = 6,
	/* A task known to map a watched object so has unmapped (some of) it (aux: address), or exec'd (length ~0). Which
	 * object isn't told (object 0): look at the holders again. */
	KEV_UNMAPPED = 7,
	/* A task that holds a writable descriptor or mapping of a watched object forked; aux: child; object 0: what the
	 * parent held. */
	KEV_FORKED = 8,
	/* Such a task is gone (whole process); object 0: what it held. */
	KEV_EXITED = 9,
	/* A clean page of a watched object became dirty by a task that is no insider, and no call known to us explains it.
	 * offset, length: the folio. */
	KEV_DIRTY = 10,
	/* Memory of another process is changed by an outsider; aux: a thread's id, which may be an insider's; offset, length:
	 * addresses. ret: the pid namespace that aux belongs to, its inode number and in the high half its depth; 0: the
	 * initial one. */
	KEV_REMOTE = 11,
	/* An insider maps a file, and the object could not be entered as watched. */
	KEV_WATCH_FAILED = 12,
	/* With kern_opts.tree only, about insiders: */
	/* It forked; aux: the child, ret: the child's first thread; length 1: the child shares its memory. Or it has a new thread:
	 * aux is the process itself. */
	KEV_TREE_FORK = 13,
	/* It has a new image, exe. A KEV_WATCH follows for the executable, and one for its interpreter. */
	KEV_TREE_EXEC = 14,
	/* The process is over; ret: its status as wait(2) tells it. */
	KEV_TREE_EXIT = 15,
	/* Some of its mappings are no longer what they were (munmap, mremap, shmdt, mmap over others). Not told again until
	 * kern__calm. */
	KEV_STIRRED = 16,
	/* An outsider registers a buffer of an io_uring in its shared mapping of a watched object; aux: address. */
	KEV_PINNED = 17,
	/* More of an outsider (kwho.h): its process, code, and stack, once for each site. They come near the first event that needs
	 * them, before or after it. */
	KEV_PROC = 18,
	KEV_CODE = 19,
	KEV_STACK = 20,
	/* An outsider asks for breakpoints in some file (uprobes), wherever it is mapped. */
	KEV_UPROBE = 21,
	/* An insider's memory goes into which such breakpoints have been put. */
	KEV_UPROBED = 22,
	/* A call has made the kernel open some file for writing by itself; the object is one that is open so. */
	KEV_KERNEL_OPENED = 23,
};

/** Flags of struct kevent. */
enum kevent_flags {
	KEVF_INSIDER = 1, /* the task is in the tree */
	KEVF_KTHREAD = 2, /* the task is a kernel thread or an io worker without user memory */
	KEVF_RANGE_UNKNOWN = 4, /* offset and length are not known; the whole object may change */
	KEVF_APPEND = 8,	/* offset was the object's size at the time */
	KEVF_DIRECT = 16,	/* O_DIRECT */
	KEVF_SHRINK = 32,	/* the object was or will be made shorter: length ~0 */
	KEVF_READONLY_NOW = 64, /* KEV_MAPPED: not writable now, but mprotect may make it so */
	KEVF_FAILED =
		128, /* KEV_END: the call returned an error; nothing or only a part was changed */
	KEVF_IMAGE = 256,   /* KEV_WATCH: the object is the process's executable, its path is exe */
	KEVF_SPECIAL = 512, /* KEV_WATCH: the object is neither a regular file nor a block device */
	/* KEV_BEGIN: the first of changes that are summed up in slot `aux` until userspace takes it
	 * (struct ksum); offset and length are its own. KEV_END: a slot that userspace has closed is over now. */
	KEVF_SUMMED = 1024,
	/* It isn't known whether the call changed this object or another one (truncate(path): bpf/cut.bpf.c). */
	KEVF_DOUBTFUL = 2048,
	/* KEV_WATCH: somebody else could store through a shared mapping when the object was entered as watched, or has got one
	 * since; he may have none any more. */
	KEVF_OTHERS = 4096,
};

/** One record of the ring buffer. All but those of kwho.h have this one size. */
struct kevent {
	__u32 type;	 /* enum kevent_type */
	__u32 flags;	 /* enum kevent_flags */
	__u64 ns;	 /* bpf_ktime_get_ns: CLOCK_MONOTONIC */
	__u32 tgid, tid; /* of the task, in the initial pid namespace */
	__u32 uid;
	__u32 channel; /* enum channel */
	__u64 object; /* address of the address_space: a key, not an identity (DESIGN 12, rule 12) */
	__u64 inode;  /* i_ino */
	__u32 dev;    /* s_dev in the kernel's encoding: major << 20 | minor */
	__u32 generation;     /* i_generation */
	__u64 offset, length; /* bytes; length ~0: to the end */
	__u64 size;	      /* i_size when the event was made */
	__s64 ret;	      /* KEV_END: what the call returned */
	__u64 aux;	/* see the types; KEV_MAPPED, KEV_WATCH: address of the mapping if known */
	__u64 start_ns; /* start time of the process (group leader), since boot */
	__s32 writecount; /* i_writecount: files open for writing; negative: writing is denied */
	__s32 mmap_writable; /* i_mmap_writable: shared mappings that may be written; negative: sealed */
	__u64 fs_magic;	     /* s_magic */
	__u64 site; /* an outsider's place in its program, made of registers and the top of its stack; 0: none */
	char comm[16];
	char exe[64]; /* last 63 bytes of the executable's path inside its mount, as far as it could be walked */
};
_Static_assert(sizeof(struct kevent) == 208, "kevent");

#define KSUM_SLOTS  8192 /* power of two */
#define KSUM_PAGES  32	 /* pages of one slot: one bit each of `touched` */
#define KSUM_CLOSED (1ull << 63)

/** Flags of struct ksum. */
enum ksum_flags {
	KSUM_HOLES = 1,	  /* [lo, hi) holds bytes that no change was about */
	KSUM_UNKNOWN = 2, /* of some change the range is not known: the whole object */
	KSUM_ASYNC =
		4, /* changes ended on several processors: the last one maybe later than last_ns */
};

/** What one thread does to a block of pages of one watched object by one channel, summed up; shared memory. bpf/sum.bpf.c
 *  has the rules. Numbers are in the machine's order, as everywhere here. */
struct ksum {
	__u64 owner;		 /* pid_tgid of the thread; 0: free, 1: being filled */
	__u64 task;		 /* address of its task_struct */
	__u64 object;		 /* as in struct kevent */
	__u64 block;		 /* its first page is block * KSUM_PAGES */
	__u64 state;		 /* changes under way; KSUM_CLOSED: no more may join */
	__u64 first_ns, last_ns; /* before the first change, after the last one that is over */
	__u64 lo, hi;		 /* bytes of changes that are over, first to last + 1; hi 0: none */
	__u32 kind;		 /* enum kevent_type << 16 | enum channel */
	__u32 flags;		 /* enum ksum_flags */
	__u32 touched;		 /* pages, bit 0 is the first: set before a change joins */
	__u32 reserved;
	__u32 count[KSUM_PAGES]; /* changes by the page that they begin in */
};
_Static_assert(sizeof(struct ksum) == 216, "ksum");

/** One line of the iterators' output. */
struct khold {
	__u32 tgid, uid;
	__u64 object; /* address of the address_space */
	__u64 file;   /* address of the struct file, if it was opened for writing, else 0 */
	__u64 inode;
	__u32 dev, generation;
	__u64 start, end; /* addresses of the mapping; 0: it is a descriptor */
	__u64 offset;	  /* bytes in the object where the mapping begins */
	__u64 vm_flags;	  /* VM_*; 0 for a descriptor */
	__u64 size;	  /* i_size */
	__u64 start_ns;
	__u64 fs_magic;
	__s32 writecount, mmap_writable;
	__u32 fd;      /* number of the descriptor */
	__u32 f_mode;  /* FMODE_*: 2 is FMODE_WRITE */
	__u32 insider; /* 1: the process is in the tree */
	__u32 leaving; /* 1: its last thread is ending: it will do nothing with it */
	char comm[16];
	char exe[64];
};
_Static_assert(sizeof(struct khold) == 200, "khold");

#endif
