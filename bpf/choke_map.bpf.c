// SPDX-License-Identifier: GPL-2.0-only
/*
 * choke_map.bpf.c: choke points of mappings and of stores through them, and of changes of another process's memory.
 *
 * Faults: handle_mm_fault begins before the page can be written, is given the mapping (no look-up that may find the lock
 * busy), and is passed by faults of user code, of the kernel on its behalf, and by whoever pins pages.
 */
#include "choke.bpf.h"

enum { FAULT_FLAG_WRITE = 1, FAULT_FLAG_TRIED = 0x20, FOLL_WRITE = 1 };

/* A call on mappings is over: what it began under the thread's slot 0. */
static __noinline int mapping_over(__s64 ret)
{
	struct flight_key key = { bpf_get_current_pid_tgid(), 0 };
	struct flight *kept = bpf_map_lookup_elem(&flights, &key);

	if (!kept || kept->nr != current_call() ||
	    (kept->end != END_MAPPING && kept->end != END_PROTECT))
		return 0;
	struct flight f = *kept;
	flight_take(&key);
	return f.end == END_MAPPING ? mapping_end(&f, ret) : protect_end(&f, ret);
}

static __always_inline void moved(__s64 ret, __u32 hook)
{
	bool failed = ret < 0 && ret > -4096;

	if (tell_tree && !failed && is_insider())
		stir(hook);
}

SEC("bprec_fentry/vm_mmap_pgoff")
int BPF_PROG(choke_mmap, struct file *file, __u64 addr, __u64 len, __u64 prot, __u64 flags,
	     __u64 pgoff)
{
	__u64 f = flags & MAP_ANONYMOUS ? 0 : as_number(file);

	/* execve maps by it too: those mappings are looked at when it is over */
	if (!in_call(NR64_MMAP, NR32_MMAP2) && !in_call(NR64_MMAP, NR32_OLD_MMAP))
		return 0;
	map_file_begin(f, pgoff << 12, len, prot, flags);
	return 0;
}

SEC("bprec_fexit/vm_mmap_pgoff")
int BPF_PROG(choke_mmap_end, void *file, __u64 addr, __u64 len, __u64 prot, __u64 flags,
	     __u64 pgoff, __s64 ret)
{
	if (flags & MAP_FIXED)
		moved(ret, KHOOK_choke_mmap_end);
	mapping_over(ret);
	who_tell(WHO_CALL);
	return 0;
}

SEC("bprec_fentry/__vm_munmap")
int BPF_PROG(choke_munmap, __u64 start, __u64 len)
{
	unmap_begin(start, len);
	return 0;
}

SEC("bprec_fexit/__vm_munmap")
int BPF_PROG(choke_munmap_end, __u64 start, __u64 len, bool unlock, int ret)
{
	moved(ret, KHOOK_choke_munmap_end);
	mapping_over(ret);
	return 0;
}

SEC("bprec_fentry/do_mprotect_pkey")
int BPF_PROG(choke_mprotect, __u64 start, __u64 len, __u64 prot, int pkey)
{
	protect_begin(start, prot, KHOOK_choke_mprotect);
	return 0;
}

SEC("bprec_fexit/do_mprotect_pkey")
int BPF_PROG(choke_mprotect_end, __u64 start, __u64 len, __u64 prot, int pkey, int ret)
{
	mapping_over(ret);
	return 0;
}

static __always_inline void remap(__s64 ret, __u32 hook)
{
	moved(ret, hook);
	if (ret >= 0 || ret <= -4096)
		remap_over(ret);
}

SEC("bprec_fexit/__x64_sys_mremap")
int BPF_PROG(choke_mremap, void *regs, __s64 ret)
{
	remap(ret, KHOOK_choke_mremap);
	return 0;
}

SEC("bprec_fexit/__ia32_sys_mremap")
int BPF_PROG(choke_mremap32, void *regs, __s64 ret)
{
	remap(ret, KHOOK_choke_mremap32);
	return 0;
}

SEC("bprec_fexit/do_shmat")
int BPF_PROG(choke_shmat, int shmid, void *shmaddr, int shmflg, __u64 *raddr, __u64 shmlba,
	     __s64 ret)
{
	__u64 addr = 0;

	if (ret)
		return 0;
	bpf_probe_read_kernel(&addr, sizeof(addr), raddr);
	attached(addr, KHOOK_choke_shmat);
	return 0;
}

SEC("bprec_fexit/ksys_shmdt")
int BPF_PROG(choke_shmdt, void *shmaddr, __s64 ret)
{
	moved(ret, KHOOK_choke_shmdt);
	return 0;
}

SEC("bprec_fentry/handle_mm_fault")
int BPF_PROG(choke_fault, struct vm_area_struct *vma, __u64 addr, unsigned int flags)
{
	struct mapping m = { .flags = BPF_CORE_READ(vma, vm_flags) };

	/* tried again: told already */
	if (!(flags & FAULT_FLAG_WRITE) || flags & FAULT_FLAG_TRIED || !mapping_exposes(&m))
		return 0;
	__u64 object = (__u64)BPF_CORE_READ(vma, vm_file, f_mapping);
	const struct watch *w = object ? watch_find(object) : NULL;
	if (!w || is_insider())
		return 0;
	if (bpf_get_current_pid_tgid() >> 32 == own_tgid)
		return 0;
	__u64 offset = BPF_CORE_READ(vma, vm_pgoff) << 12;
	struct note n = {
		.type = KEV_FAULT,
		.channel = CH_MMAP_STORE,
		.object = object,
		.offset = (offset + (addr - BPF_CORE_READ(vma, vm_start))) & ~4095ull,
		.length = 4096,
		.aux = addr,
		.hook = KHOOK_choke_fault,
	};
	if (fault_is_told(w, &n))
		return 0;
	emit(&n);
	who_tell(WHO_FAULT);
	return 0;
}

static __always_inline int remote(struct mm_struct *mm, __u64 addr, __u64 len, __u32 channel,
				  __u32 hook)
{
	struct note n = {
		.type = KEV_REMOTE,
		.channel = channel,
		.offset = addr,
		.length = len,
		.aux = remote_owner(mm, hook),
		.hook = hook,
	};

	return n.aux ? emit(&n) : 0;
}

SEC("bprec_fentry/__access_remote_vm")
int BPF_PROG(choke_remote_vm, struct mm_struct *mm, __u64 addr, void *buf, int len,
	     unsigned int gup_flags)
{
	if (!(gup_flags & FOLL_WRITE))
		return 0;
	remote(mm, addr, len, in_call(NR64_PTRACE, NR32_PTRACE) ? CH_PTRACE : CH_PROC_MEM,
	       KHOOK_choke_remote_vm);
	who_tell(WHO_CALL);
	return 0;
}

SEC("bprec_fentry/__x64_sys_process_vm_writev")
int BPF_PROG(choke_vm_writev, struct pt_regs *regs)
{
	remote_vector(BPF_CORE_READ(regs, di), BPF_CORE_READ(regs, r10), BPF_CORE_READ(regs, r8));
	who_tell(WHO_CALL);
	return 0;
}

SEC("bprec_fentry/__ia32_sys_process_vm_writev")
int BPF_PROG(choke_vm_writev32, struct pt_regs *regs)
{
	remote_begin(BPF_CORE_READ(regs, bx));
	return 0;
}
