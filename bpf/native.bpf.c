// SPDX-License-Identifier: GPL-2.0-only
/*
 * native.bpf.c: system calls of 64-bit callers but those that write through a descriptor (writing.bpf.c): one program for the
 * entries of all, one for their exits.
 *
 * Each hangs on many classic tracepoints. A program for each call would be verified and translated with all that it
 * calls, each by itself: with 24 of them loading took a third longer (6.18). The arguments come from the registers, which the
 * tracepoint has them from too: a program that reads one that some call doesn't have couldn't be attached to it.
 */
#include "sys.bpf.h"

/* The open family. */
static __always_inline int native_open(__u32 nr, struct args *p)
{
	__u64 flags = p->a[2];

	switch (nr) {
	case NR64_OPEN:
		return open_begin(p->a[1], KHOOK_enter_open);
	case NR64_OPENAT:
		return open_begin(flags, KHOOK_enter_openat);
	case NR_OPENAT2:
		flags = 0;
		bpf_probe_read_user(&flags, sizeof(flags), (void *)p->a[2]);
		return open_begin(flags, KHOOK_enter_openat2);
	case NR64_OPEN_BY_HANDLE_AT:
		return open_begin(flags, KHOOK_enter_open_by_handle_at);
	default:
		return open_begin(O_TRUNC, KHOOK_enter_creat);
	}
}

/* Calls on mappings and sizes, and the rest. */
static __always_inline int native_other(__u32 nr, struct args *p)
{
	switch (nr) {
	case NR64_MMAP:
		return map_begin(p->a[4], p->a[5], p->a[1], p->a[2], p->a[3]);
	case NR64_MUNMAP:
		return unmap_begin(p->a[0], p->a[1]);
	case NR64_MPROTECT:
		return protect_begin(p->a[0], p->a[2], KHOOK_enter_mprotect);
	case NR64_PKEY_MPROTECT:
		return protect_begin(p->a[0], p->a[2], KHOOK_enter_pkey_mprotect);
	case NR64_FALLOCATE:
		return fallocate_begin(p->a[0], p->a[1], p->a[2], p->a[3]);
	case NR64_FTRUNCATE:
		return ftruncate_begin(p->a[0], p->a[1]);
	case NR64_TRUNCATE:
		return truncate_begin(p->a[1]);
	case NR64_IOCTL:
		return ioctl_begin(p->a[0], p->a[1], p->a[2]);
	case NR64_MADVISE:
		return madvise_begin(p->a[0], p->a[1], p->a[2]);
	case NR64_IO_SUBMIT:
		return aio_begin(p->a[2], p->a[1], 8);
	case NR64_PTRACE:
		return poke_begin(p->a[0], p->a[1], p->a[2]);
	case NR64_PROCESS_VM_WRITEV:
		return remote_vector(p->a[0], p->a[3], p->a[4]);
	default:
		return 0;
	}
}

static __always_inline int native_begin(struct sys_enter *ctx)
{
	struct args p = native_args();
	__u32 nr = ctx->nr;

	switch (nr) {
	case NR64_OPEN:
	case NR64_OPENAT:
	case NR_OPENAT2:
	case NR64_OPEN_BY_HANDLE_AT:
	case NR64_CREAT:
		return native_open(nr, &p);
	default:
		return native_other(nr, &p);
	}
}

/* The recorder's own ptrace, which it calls for each stop of a tracee. */
static __always_inline bool is_own_ptrace(__u32 nr)
{
	return nr == NR64_PTRACE && bpf_get_current_task_btf()->tgid == own_tgid;
}

SEC("bprec_tracepoint/syscalls/sys_enter_open")
int call_begin(struct sys_enter *ctx)
{
	if (is_own_ptrace(ctx->nr))
		return 0;
	native_begin(ctx);
	return who_tell(WHO_CALL);
}

/* A call that can take mappings away is over. */
static __always_inline void maps_changed(__u32 nr)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	if (nr == NR64_MMAP && !(regs->r10 & MAP_FIXED))
		return;
	if (nr == NR64_MMAP || nr == NR64_MUNMAP || nr == NR64_MREMAP || nr == NR64_SHMDT)
		stir(KHOOK_exit_munmap);
}

static __always_inline int submitted(__s64 ret)
{
	const struct flight_key key = { bpf_get_current_pid_tgid(), 0 };

	if (bpf_map_lookup_elem(&flights, &key))
		return flight_end(ret);
	return ret > 0 && entered_lately() ? aio_over(native_args().a[2], ret) : 0;
}

static __always_inline int native_end(struct sys_exit *ctx)
{
	bool failed = ctx->ret < 0 && ctx->ret > -4096;

	if (tell_tree && !failed && is_insider())
		maps_changed(ctx->nr);
	switch (ctx->nr) {
	case NR64_OPEN:
	case NR64_OPENAT:
	case NR_OPENAT2:
	case NR64_OPEN_BY_HANDLE_AT:
	case NR64_CREAT:
		return open_over(ctx->ret);
	case NR64_SHMAT:
		return failed ? 0 : attached(ctx->ret, KHOOK_exit_shmat);
	case NR64_MREMAP:
		return failed ? 0 : remap_over(ctx->ret);
	case NR64_ACCT:
		return failed ? 0 : kernel_opened(KHOOK_exit_acct);
	case NR64_IO_SUBMIT:
		return submitted(ctx->ret);
	default:
		return flight_end(ctx->ret);
	}
}

SEC("bprec_tracepoint/syscalls/sys_exit_open")
int call_end(struct sys_exit *ctx)
{
	if (is_own_ptrace(ctx->nr))
		return 0;
	native_end(ctx);
	return who_tell(WHO_CALL);
}
