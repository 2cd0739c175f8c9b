// SPDX-License-Identifier: GPL-2.0-only
/*
 * compat.bpf.c: system calls of 32-bit callers.
 *
 * The classic per-call tracepoints don't fire for them: the kernel takes their number as unknown (arch_trace_is_compat_syscall,
 * arch/x86/include/asm/ftrace.h). The raw tracepoints do, but a program there costs every system call on the machine 0.1 to
 * 0.16 us (6.18), which is beyond our bound. So these two are attached only once there is a 32-bit process: at the start
 * or when one calls exec. What such a process does until then is counted as lost (compat_exec).
 *
 * A 64-bit process that uses `int $0x80` isn't noticed, and shmat by ipc(2) isn't looked at; the counters and, on disk file
 * systems, writeback_dirty_folio still tell.
 */
#include "sys.bpf.h"

/** Arguments in order. */
struct args32 {
	__u32 a[6];
};

/* The current process has become a 32-bit one (from sched_process_exec). */
__noinline int compat_exec(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (!is_compat_mm(task->mm))
		return 0;
	compat.seen = 1;
	if (!compat.active)
		loss(KHOOK_compat_enter, LOSS_READ_FAILED);
	return 0;
}

static __always_inline __u64 pair(__u32 low, __u32 high)
{
	return (__u64)high << 32 | low;
}

/* The write family. Lengths of vectors aren't summed up. */
static __always_inline int compat_write(__u32 nr, struct args32 *p)
{
	struct request r = { .hook = KHOOK_compat_enter, .length = TO_END };
	__u32 fd = p->a[0];

	switch (nr) {
	case NR32_WRITE:
		r.channel = CH_WRITE;
		r.length = p->a[2];
		r.at_pos = true;
		break;
	case NR32_PWRITE64:
		r.channel = CH_PWRITE;
		r.length = p->a[2];
		r.offset = pair(p->a[3], p->a[4]);
		break;
	case NR32_WRITEV:
		r.channel = CH_WRITEV;
		r.at_pos = true;
		break;
	case NR32_PWRITEV:
	case NR32_PWRITEV2:
		r.channel = CH_PWRITEV;
		r.offset = pair(p->a[3], p->a[4]);
		r.at_pos = nr == NR32_PWRITEV2 && r.offset == TO_END;
		r.append = nr == NR32_PWRITEV2 && p->a[5] & RWF_APPEND;
		break;
	case NR32_SENDFILE:
	case NR32_SENDFILE64:
		r.channel = CH_SENDFILE;
		r.length = p->a[3];
		r.at_pos = true;
		break;
	default: /* splice, copy_file_range */
		r.channel = nr == NR32_SPLICE ? CH_SPLICE : CH_COPY_FILE_RANGE;
		r.length = p->a[4];
		user_offset(&r, p->a[3]);
		fd = p->a[2];
	}
	return write_fd(fd, &r);
}

/* Calls of the open family; openat2 has its flags in memory. */
static __always_inline int compat_open(__u32 nr, struct args32 *p)
{
	__u64 flags = nr == NR32_OPEN ? p->a[1] : nr == NR32_CREAT ? O_TRUNC : p->a[2];

	if (nr == NR_OPENAT2)
		bpf_probe_read_user(&flags, sizeof(flags), (void *)(__u64)p->a[2]);
	return open_begin(flags, KHOOK_compat_enter);
}

/* Calls that change a size, and the old mmap with its arguments in memory. */
static __always_inline int compat_size(__u32 nr, struct args32 *p)
{
	struct args32 m = {};

	switch (nr) {
	case NR32_FALLOCATE:
		return fallocate_begin(p->a[0], p->a[1], pair(p->a[2], p->a[3]),
				       pair(p->a[4], p->a[5]));
	case NR32_FTRUNCATE:
		return ftruncate_begin(p->a[0], p->a[1]);
	case NR32_FTRUNCATE64:
		return ftruncate_begin(p->a[0], pair(p->a[1], p->a[2]));
	case NR32_TRUNCATE:
		return truncate_begin(p->a[1]);
	case NR32_TRUNCATE64:
		return truncate_begin(pair(p->a[1], p->a[2]));
	case NR32_OLD_MMAP:
		bpf_probe_read_user(&m, sizeof(m), (void *)(__u64)p->a[0]);
		return map_begin(m.a[4], m.a[5], m.a[1], m.a[2], m.a[3]);
	default:
		return 0;
	}
}

static __always_inline int compat_other(__u32 nr, struct args32 *p)
{
	switch (nr) {
	case NR32_IOCTL:
		return ioctl_begin(p->a[0], p->a[1], p->a[2]);
	case NR32_MMAP2:
		return map_begin(p->a[4], (__u64)p->a[5] << 12, p->a[1], p->a[2], p->a[3]);
	case NR32_MUNMAP:
		return unmap_begin(p->a[0], p->a[1]);
	case NR32_MPROTECT:
	case NR32_PKEY_MPROTECT:
		return protect_begin(p->a[0], p->a[2], KHOOK_compat_enter);
	case NR32_MADVISE:
		return madvise_begin(p->a[0], p->a[1], p->a[2]);
	case NR32_IO_SUBMIT:
		return aio_begin(p->a[2], p->a[1], 4);
	case NR32_PTRACE:
		return poke_begin(p->a[0], p->a[1], p->a[2]);
	case NR32_PROCESS_VM_WRITEV:
		return remote_begin(p->a[0]);
	default:
		return compat_size(nr, p);
	}
}

static __always_inline int compat_call(__u32 nr, struct args32 *p)
{
	switch (nr) {
	case NR32_WRITE:
	case NR32_PWRITE64:
	case NR32_WRITEV:
	case NR32_PWRITEV:
	case NR32_PWRITEV2:
	case NR32_SENDFILE:
	case NR32_SENDFILE64:
	case NR32_SPLICE:
	case NR32_COPY_FILE_RANGE:
		return compat_write(nr, p);
	case NR32_OPEN:
	case NR32_CREAT:
	case NR32_OPENAT:
	case NR_OPENAT2:
	case NR32_OPEN_BY_HANDLE_AT:
		return compat_open(nr, p);
	default:
		return compat_other(nr, p);
	}
}

SEC("bprec_tp/sys_enter")
int BPF_PROG(compat_enter, struct pt_regs *regs, long nr)
{
	struct args32 p;

	if (!is_compat_call())
		return 0;
	p.a[0] = regs->bx;
	p.a[1] = regs->cx;
	p.a[2] = regs->dx;
	p.a[3] = regs->si;
	p.a[4] = regs->di;
	p.a[5] = regs->bp;
	compat_call(nr, &p);
	return who_tell(WHO_CALL);
}

static __always_inline int compat_over(struct pt_regs *regs, long ret)
{
	__u32 nr = regs->orig_ax;
	if (nr == NR32_OPEN || nr == NR32_CREAT || nr == NR32_OPENAT || nr == NR_OPENAT2 ||
	    nr == NR32_OPEN_BY_HANDLE_AT)
		return open_over(ret);
	if (nr == NR32_SHMAT && (ret >= 0 || ret <= -4096))
		return attached((__u32)ret, KHOOK_compat_exit);
	if (tell_tree && is_insider() &&
	    (nr == NR32_MUNMAP || nr == NR32_MREMAP || nr == NR32_SHMDT || nr == NR32_MMAP2 ||
	     nr == NR32_OLD_MMAP))
		stir(KHOOK_compat_exit);
	return flight_end(ret);
}

SEC("bprec_tp/sys_exit")
int BPF_PROG(compat_exit, struct pt_regs *regs, long ret)
{
	if (!is_compat_call())
		return 0;
	compat_over(regs, ret);
	return who_tell(WHO_CALL);
}
