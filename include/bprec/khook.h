/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * khook.h: every hook of an observation, once: the number under which its losses are counted, the BPF program
 * (a function in bpf/; the entries of calls share one, their exits another), the place it is attached to, and what can't
 * be seen without it.
 *
 * X(ID, program, "place", "channels that can't be seen without it"); "" where it only helps.
 */
#ifndef BPREC_KHOOK_H
#define BPREC_KHOOK_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif
#include "bprec/names.h"

#define BPREC_KHOOK_SYS "tracepoint/syscalls/sys_"

#define BPREC_KHOOKS_TREE(X)                                            \
	X(tree_fork, tree_fork, "tp_btf/sched_process_fork", "unknown") \
	X(tree_exec, tree_exec, "tp_btf/sched_process_exec", "")        \
	X(tree_exit, tree_exit, "tp_btf/sched_process_exit", "")        \
	X(tree_free, tree_free, "tp_btf/sched_process_free", "")

#define BPREC_KHOOKS_WRITE(X)                                                                  \
	X(enter_write, writing_begin, BPREC_KHOOK_SYS "enter_write",                           \
	  "write direct-write proc-mem")                                                       \
	X(exit_write, writing_end, BPREC_KHOOK_SYS "exit_write", "write direct-write")         \
	X(enter_pwrite64, writing_begin, BPREC_KHOOK_SYS "enter_pwrite64",                     \
	  "pwrite direct-write proc-mem")                                                      \
	X(exit_pwrite64, writing_end, BPREC_KHOOK_SYS "exit_pwrite64", "pwrite direct-write")  \
	X(enter_writev, writing_begin, BPREC_KHOOK_SYS "enter_writev",                         \
	  "writev direct-write proc-mem")                                                      \
	X(exit_writev, writing_end, BPREC_KHOOK_SYS "exit_writev", "writev direct-write")      \
	X(enter_pwritev, writing_begin, BPREC_KHOOK_SYS "enter_pwritev",                       \
	  "pwritev direct-write proc-mem")                                                     \
	X(exit_pwritev, writing_end, BPREC_KHOOK_SYS "exit_pwritev", "pwritev direct-write")   \
	X(enter_pwritev2, writing_begin, BPREC_KHOOK_SYS "enter_pwritev2",                     \
	  "pwritev direct-write proc-mem")                                                     \
	X(exit_pwritev2, writing_end, BPREC_KHOOK_SYS "exit_pwritev2", "pwritev direct-write") \
	X(enter_sendfile64, writing_begin, BPREC_KHOOK_SYS "enter_sendfile64", "sendfile")     \
	X(exit_sendfile64, writing_end, BPREC_KHOOK_SYS "exit_sendfile64", "sendfile")         \
	X(enter_splice, writing_begin, BPREC_KHOOK_SYS "enter_splice", "splice")               \
	X(exit_splice, writing_end, BPREC_KHOOK_SYS "exit_splice", "splice")                   \
	X(enter_copy_file_range, writing_begin, BPREC_KHOOK_SYS "enter_copy_file_range",       \
	  "copy_file_range")                                                                   \
	X(exit_copy_file_range, writing_end, BPREC_KHOOK_SYS "exit_copy_file_range",           \
	  "copy_file_range")

#define BPREC_KHOOKS_SIZE(X)                                                              \
	X(enter_fallocate, call_begin, BPREC_KHOOK_SYS "enter_fallocate", "fallocate")    \
	X(exit_fallocate, call_end, BPREC_KHOOK_SYS "exit_fallocate", "fallocate")        \
	X(enter_ftruncate, call_begin, BPREC_KHOOK_SYS "enter_ftruncate", "truncate")     \
	X(exit_ftruncate, call_end, BPREC_KHOOK_SYS "exit_ftruncate", "truncate")         \
	X(enter_truncate, call_begin, BPREC_KHOOK_SYS "enter_truncate", "truncate")       \
	X(exit_truncate, call_end, BPREC_KHOOK_SYS "exit_truncate", "truncate")           \
	X(enter_open, call_begin, BPREC_KHOOK_SYS "enter_open", "open-trunc")             \
	X(exit_open, call_end, BPREC_KHOOK_SYS "exit_open", "open-trunc")                 \
	X(enter_openat, call_begin, BPREC_KHOOK_SYS "enter_openat", "open-trunc")         \
	X(exit_openat, call_end, BPREC_KHOOK_SYS "exit_openat", "open-trunc")             \
	X(enter_openat2, call_begin, BPREC_KHOOK_SYS "enter_openat2", "open-trunc")       \
	X(exit_openat2, call_end, BPREC_KHOOK_SYS "exit_openat2", "open-trunc")           \
	X(enter_creat, call_begin, BPREC_KHOOK_SYS "enter_creat", "open-trunc")           \
	X(exit_creat, call_end, BPREC_KHOOK_SYS "exit_creat", "open-trunc")               \
	X(enter_open_by_handle_at, call_begin, BPREC_KHOOK_SYS "enter_open_by_handle_at", \
	  "open-trunc")                                                                   \
	X(exit_open_by_handle_at, call_end, BPREC_KHOOK_SYS "exit_open_by_handle_at", "open-trunc")

#define BPREC_KHOOKS_OTHER(X)                                                                     \
	X(enter_ioctl, call_begin, BPREC_KHOOK_SYS "enter_ioctl", "clone dedupe fallocate")       \
	X(exit_ioctl, call_end, BPREC_KHOOK_SYS "exit_ioctl", "clone dedupe fallocate")           \
	X(enter_madvise, call_begin, BPREC_KHOOK_SYS "enter_madvise", "madvise-remove")           \
	X(exit_madvise, call_end, BPREC_KHOOK_SYS "exit_madvise", "madvise-remove")               \
	X(enter_io_submit, call_begin, BPREC_KHOOK_SYS "enter_io_submit", "aio")                  \
	X(exit_io_submit, call_end, BPREC_KHOOK_SYS "exit_io_submit", "aio")                      \
	X(uring_submit, uring_submit, "tp_btf/io_uring_submit_req", "io_uring")                   \
	X(uring_submit_sqe, uring_submit_sqe, "tp_btf/io_uring_submit_sqe", "io_uring")           \
	X(uring_complete, uring_complete, "tp_btf/io_uring_complete", "io_uring")                 \
	X(enter_io_uring_register, register_begin, BPREC_KHOOK_SYS "enter_io_uring_register", "") \
	X(enter_ptrace, call_begin, BPREC_KHOOK_SYS "enter_ptrace", "ptrace")                     \
	X(enter_process_vm_writev, call_begin, BPREC_KHOOK_SYS "enter_process_vm_writev",         \
	  "remote-memory")                                                                        \
	X(exit_acct, call_end, BPREC_KHOOK_SYS "exit_acct", "")                                   \
	X(memory_gone, memory_gone, "tp_btf/exit_mmap", "uprobe")                                 \
	X(memory_going, memory_going, "fentry/exit_mmap", "uprobe")                               \
	X(enter_perf_event_open, uprobe_begin, BPREC_KHOOK_SYS "enter_perf_event_open", "")       \
	X(enter_bpf, uprobe_begin, BPREC_KHOOK_SYS "enter_bpf", "")

#define BPREC_KHOOKS_COMPAT(X)                                       \
	X(compat_enter, compat_enter, "tp_btf/sys_enter", "unknown") \
	X(compat_exit, compat_exit, "tp_btf/sys_exit", "unknown")

/* Needed only while an outsider holds a watched object, and on calls that are frequent everywhere: attached when there is one.
 * Calls by which the kernel stores into an outsider's mapping, and those that bring descriptors. */
#define BPREC_KHOOKS_LATE(X)                                                                 \
	X(enter_read, late_begin, BPREC_KHOOK_SYS "enter_read", "read-into-mapping")         \
	X(exit_read, late_end, BPREC_KHOOK_SYS "exit_read", "read-into-mapping")             \
	X(enter_pread64, late_begin, BPREC_KHOOK_SYS "enter_pread64", "read-into-mapping")   \
	X(exit_pread64, late_end, BPREC_KHOOK_SYS "exit_pread64", "read-into-mapping")       \
	X(enter_readv, late_begin, BPREC_KHOOK_SYS "enter_readv", "read-into-mapping")       \
	X(exit_readv, late_end, BPREC_KHOOK_SYS "exit_readv", "read-into-mapping")           \
	X(enter_preadv, late_begin, BPREC_KHOOK_SYS "enter_preadv", "read-into-mapping")     \
	X(exit_preadv, late_end, BPREC_KHOOK_SYS "exit_preadv", "read-into-mapping")         \
	X(enter_preadv2, late_begin, BPREC_KHOOK_SYS "enter_preadv2", "read-into-mapping")   \
	X(exit_preadv2, late_end, BPREC_KHOOK_SYS "exit_preadv2", "read-into-mapping")       \
	X(enter_recvfrom, late_begin, BPREC_KHOOK_SYS "enter_recvfrom", "read-into-mapping") \
	X(exit_recvfrom, late_end, BPREC_KHOOK_SYS "exit_recvfrom", "read-into-mapping")     \
	X(enter_recvmsg, late_begin, BPREC_KHOOK_SYS "enter_recvmsg", "read-into-mapping")   \
	X(exit_recvmsg, late_end, BPREC_KHOOK_SYS "exit_recvmsg", "read-into-mapping")       \
	X(enter_recvmmsg, late_begin, BPREC_KHOOK_SYS "enter_recvmmsg", "read-into-mapping") \
	X(exit_recvmmsg, late_end, BPREC_KHOOK_SYS "exit_recvmmsg", "read-into-mapping")     \
	X(enter_process_vm_readv, late_begin, BPREC_KHOOK_SYS "enter_process_vm_readv",      \
	  "read-into-mapping")                                                               \
	X(exit_process_vm_readv, late_end, BPREC_KHOOK_SYS "exit_process_vm_readv",          \
	  "read-into-mapping")                                                               \
	X(enter_vmsplice, late_begin, BPREC_KHOOK_SYS "enter_vmsplice", "vmsplice")          \
	X(exit_vmsplice, late_end, BPREC_KHOOK_SYS "exit_vmsplice", "vmsplice")              \
	X(exit_pidfd_getfd, late_end, BPREC_KHOOK_SYS "exit_pidfd_getfd", "")

#define BPREC_KHOOKS_MAPPING(X)                                                        \
	X(enter_mmap, call_begin, BPREC_KHOOK_SYS "enter_mmap", "mmap-store")          \
	X(exit_mmap, call_end, BPREC_KHOOK_SYS "exit_mmap", "mmap-store")              \
	X(enter_munmap, call_begin, BPREC_KHOOK_SYS "enter_munmap", "")                \
	X(exit_munmap, call_end, BPREC_KHOOK_SYS "exit_munmap", "")                    \
	X(enter_mprotect, call_begin, BPREC_KHOOK_SYS "enter_mprotect", "")            \
	X(exit_mprotect, call_end, BPREC_KHOOK_SYS "exit_mprotect", "")                \
	X(enter_pkey_mprotect, call_begin, BPREC_KHOOK_SYS "enter_pkey_mprotect", "")  \
	X(exit_pkey_mprotect, call_end, BPREC_KHOOK_SYS "exit_pkey_mprotect", "")      \
	X(exit_mremap, call_end, BPREC_KHOOK_SYS "exit_mremap", "")                    \
	X(exit_shmat, call_end, BPREC_KHOOK_SYS "exit_shmat", "mmap-store")            \
	X(exit_shmdt, call_end, BPREC_KHOOK_SYS "exit_shmdt", "")                      \
	X(fault_user, fault_user, "tp_btf/page_fault_user", "mmap-store")              \
	X(fault_kernel, fault_kernel, "tp_btf/page_fault_kernel", "read-into-mapping") \
	X(dirty_folio, dirty_folio, "tp_btf/writeback_dirty_folio", "kernel")

#define BPREC_KHOOKS_ITER(X)                                                \
	X(iter_tree_add, iter_tree_add, "iter/task", "unknown")             \
	X(iter_watch, iter_watch, "iter/task_vma:watch", "mmap-store")      \
	X(iter_hold_vma, iter_hold_vma, "iter/task_vma:hold", "mmap-store") \
	X(iter_hold_file, iter_hold_file, "iter/task_file", "")             \
	X(object_counters, object_counters, "syscall/counters", "")         \
	X(object_pins, object_pins, "syscall/pins", "")

/* Tier 2, choke points: used instead of hooks on system calls and faults (userspace/kern/tier.c). */
#define BPREC_KHOOKS_CHOKE_WRITE(X)                                                              \
	X(choke_write_checks, choke_write_checks, "fexit/generic_write_checks",                  \
	  "write pwrite writev pwritev direct-write sendfile splice io_uring aio kernel")        \
	X(choke_device_write, choke_device_write, "fentry/blkdev_write_iter", "block-device")    \
	X(choke_vfs_write, choke_vfs_write, "fexit/vfs_write", "write pwrite direct-write")      \
	X(choke_vfs_writev, choke_vfs_writev, "fexit/vfs_writev", "writev pwritev direct-write") \
	X(choke_iter_write, choke_iter_write, "fexit/vfs_iter_write", "kernel")                  \
	X(choke_kernel_write, choke_kernel_write, "fexit/__kernel_write_iter", "")               \
	X(choke_splice_write, choke_splice_write, "fexit/iter_file_splice_write",                \
	  "sendfile splice")                                                                     \
	X(choke_iocb_write, choke_iocb_write, "fexit/vfs_iocb_iter_write", "io_uring aio")       \
	X(choke_aio_complete, choke_aio_complete, "fentry/aio_complete_rw", "aio")               \
	X(choke_work_end, choke_work_end, "tp_btf/workqueue_execute_end", "")

#define BPREC_KHOOKS_CHOKE_SIZE(X)                                                              \
	X(choke_fallocate, choke_fallocate, "fentry/vfs_fallocate", "fallocate madvise-remove") \
	X(choke_fallocate_end, choke_fallocate_end, "fexit/vfs_fallocate",                      \
	  "fallocate madvise-remove")                                                           \
	X(choke_setattr, choke_setattr, "fentry/notify_change", "truncate open-trunc")          \
	X(choke_setattr_end, choke_setattr_end, "fexit/notify_change", "truncate open-trunc")   \
	X(choke_copy, choke_copy, "fentry/vfs_copy_file_range", "copy_file_range")              \
	X(choke_copy_end, choke_copy_end, "fexit/vfs_copy_file_range", "copy_file_range")       \
	X(choke_clone, choke_clone, "fentry/vfs_clone_file_range", "clone")                     \
	X(choke_clone_end, choke_clone_end, "fexit/vfs_clone_file_range", "clone")              \
	X(choke_dedupe, choke_dedupe, "fentry/vfs_dedupe_file_range_one", "dedupe")             \
	X(choke_dedupe_end, choke_dedupe_end, "fexit/vfs_dedupe_file_range_one", "dedupe")      \
	X(choke_ioctl, choke_ioctl, "fentry/__x64_sys_ioctl", "")                               \
	X(choke_ioctl_end, choke_ioctl_end, "fexit/__x64_sys_ioctl", "")                        \
	X(choke_ioctl32, choke_ioctl32, "fentry/__ia32_compat_sys_ioctl", "")                   \
	X(choke_ioctl32_end, choke_ioctl32_end, "fexit/__ia32_compat_sys_ioctl", "")            \
	X(choke_fd, choke_fd, "fentry/fd_install", "open-trunc")

#define BPREC_KHOOKS_CHOKE_MAP(X)                                                                  \
	X(choke_mmap, choke_mmap, "fentry/vm_mmap_pgoff", "mmap-store")                            \
	X(choke_mmap_end, choke_mmap_end, "fexit/vm_mmap_pgoff", "mmap-store")                     \
	X(choke_munmap, choke_munmap, "fentry/__vm_munmap", "")                                    \
	X(choke_munmap_end, choke_munmap_end, "fexit/__vm_munmap", "")                             \
	X(choke_mprotect, choke_mprotect, "fentry/do_mprotect_pkey", "")                           \
	X(choke_mprotect_end, choke_mprotect_end, "fexit/do_mprotect_pkey", "")                    \
	X(choke_mremap, choke_mremap, "fexit/__x64_sys_mremap", "")                                \
	X(choke_mremap32, choke_mremap32, "fexit/__ia32_sys_mremap", "")                           \
	X(choke_shmat, choke_shmat, "fexit/do_shmat", "mmap-store")                                \
	X(choke_shmdt, choke_shmdt, "fexit/ksys_shmdt", "")                                        \
	X(choke_fault, choke_fault, "fentry/handle_mm_fault",                                      \
	  "mmap-store read-into-mapping ptrace")                                                   \
	X(choke_remote_vm, choke_remote_vm, "fentry/__access_remote_vm", "proc-mem")               \
	X(choke_vm_writev, choke_vm_writev, "fentry/__x64_sys_process_vm_writev", "remote-memory") \
	X(choke_vm_writev32, choke_vm_writev32, "fentry/__ia32_sys_process_vm_writev", "")

#define BPREC_KHOOKS_CHOKE(X)       \
	BPREC_KHOOKS_CHOKE_WRITE(X) \
	BPREC_KHOOKS_CHOKE_SIZE(X)  \
	BPREC_KHOOKS_CHOKE_MAP(X)

#define BPREC_KHOOKS(X)         \
	BPREC_KHOOKS_TREE(X)    \
	BPREC_KHOOKS_WRITE(X)   \
	BPREC_KHOOKS_SIZE(X)    \
	BPREC_KHOOKS_OTHER(X)   \
	BPREC_KHOOKS_MAPPING(X) \
	BPREC_KHOOKS_COMPAT(X)  \
	BPREC_KHOOKS_LATE(X)    \
	BPREC_KHOOKS_ITER(X)    \
	BPREC_KHOOKS_CHOKE(X)

#define BPREC_ENUM_KHOOK(id, prog, place, serves) KHOOK_##id,
/** Number of a hook; index of its losses in the map `losses` (times LOSS_MAX, plus enum loss_kind). */
enum khook { BPREC_KHOOKS(BPREC_ENUM_KHOOK) KHOOK_MAX };

/** Parameters of the iterators; shared memory, set before one is started. */
struct kiter_args {
	__u32 pid;    /* iter_tree_add, iter_watch: the process that is meant */
	__u32 found;  /* out: 1 if it was seen */
	__u64 object; /* iter_hold_*: only this object, 0: any watched */
	__u64 mm; /* iter_tree_add, out: address of pid's memory; in, with pid 0: outsiders that use it are looked for */
	__u32 sharer; /* out: the process of such an outsider, 0: there is none */
	__u32 reserved;
	char comm[16]; /* out: its name */
};
_Static_assert(sizeof(struct kiter_args) == 48, "kiter_args");

/** 32-bit processes; shared memory. */
struct kcompat {
	__u32 seen;   /* set by the kernel: there has been one */
	__u32 active; /* set by userspace: the hooks for them are attached */
};
_Static_assert(sizeof(struct kcompat) == 8, "kcompat");

/** Hooks that are attached only once an outsider is known to hold a watched object; shared memory. */
struct klate {
	__u32 wanted; /* set by the kernel: there has been one */
	__u32 active; /* set by userspace: they are attached */
};
_Static_assert(sizeof(struct klate) == 8, "klate");

/** What object_counters (kern__counters, kern__watch_below) is given and gives back. */
struct kcounters {
	__u64 object; /* in: address of the address_space; 0: enter that of fd as below a file system */
	__u64 size;			 /* out: i_size */
	__s32 writecount, mmap_writable; /* out */
	__s32 error; /* out: 0, or -ENOENT: not watched, or another object now */
	__u32 fd;    /* in: a descriptor of the caller's plus 1, 0: none */
	__u64 shown; /* out: the address_space whose pages the descriptor shows now; 0: it can't be told */
};
_Static_assert(sizeof(struct kcounters) == 40, "kcounters");

/** What object_pins (kern__pins) is given and gives back. */
struct kpins {
	__u64 object;	/* in: address of the address_space */
	__u64 first, n; /* in: pages */
	__u64 pinned;	/* out: folios that somebody has pinned */
	__u64 at;	/* out: index of the first one */
	__u32 tgid; /* out: who registered a buffer in the object, as far as it was seen; 0: nobody */
	__s32 error;	/* out: as in kcounters */
	__u64 start_ns; /* out: of tgid: start time of the process, since boot */
	char comm[16];	/* out: of tgid */
	__u32 uid;	/* out: of tgid */
	__u32 reserved;
};
_Static_assert(sizeof(struct kpins) == 80, "kpins");

#endif
