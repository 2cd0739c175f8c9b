// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault.bpf.c: stores through shared mappings: write faults of outsiders, and clean pages becoming dirty.
 *
 * Both are hints (DESIGN 12, rule 13): one fault can make many pages writable, and on tmpfs a read fault does. The
 * fault programs run for every fault on the machine: they first ask whether the process is known to hold a shared
 * mapping of a watched object, which costs 0.1 us; bpf_find_vma costs 8 us and is left to those that do. It can be used once at
 * a time on a processor, too, by all observations together (EBUSY). So its answer is kept, and is right as long as nothing was
 * mapped or unmapped since: from 6.14 on the kernel counts that (mm_lock_seq, for its own readers without the lock).
 * Interrupts are off in these programs, so nothing else of a processor comes between.
 */
#include "obs.bpf.h"

enum { FAULT_WRITE = 2 }; /* bit 1 of the error code (Intel SDM 3A, 4.7) */

/* Fills whose mappings they are and how often they have changed; false: that isn't known, or they change now. */
static __always_inline bool ask(struct answer *q)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	struct mm_struct___seq *seq = (void *)as_number(mm);

	if (!bpf_core_field_exists(seq->mm_lock_seq.sequence))
		return false;
	q->mm = (__u64)seq;
	q->start_ns = task->group_leader->start_boottime;
	q->image = task->self_exec_id;
	q->seq = BPF_CORE_READ(seq, mm_lock_seq.sequence);
	return !(q->seq & 1);
}

static __always_inline bool is_answer(const struct answer *a, const struct answer *q, __u64 addr)
{
	return a->mm == q->mm && a->seq == q->seq && a->start_ns == q->start_ns &&
	       a->image == q->image && addr >= a->start && addr < a->end;
}

/* The mapping at an address of the current process, of which the last answers may tell; as mapping_at. */
static __always_inline int find(__u64 addr, struct mapping *m, __u32 hook)
{
	struct answer q = {};
	__u32 zero = 0;
	struct answers *known = bpf_map_lookup_elem(&answers, &zero);
	bool may_keep = known && ask(&q);

	for (int i = 0; may_keep && i < ANSWERS_MAX; i++) {
		const struct answer *a = &known->a[i];
		if (!is_answer(a, &q, addr))
			continue;
		*m = (struct mapping){ a->object, a->start, a->end, a->flags, a->offset };
		return 1;
	}
	int found = mapping_at(addr, m, hook);
	if (found <= 0 || !may_keep)
		return found;
	q.object = m->object;
	q.start = m->start;
	q.end = m->end;
	q.flags = m->flags;
	q.offset = m->offset;
	known->a[known->next++ % ANSWERS_MAX] = q;
	return found;
}

static __always_inline int fault(__u64 addr, __u64 error_code, __u32 hook, __u32 context)
{
	struct mapping m = {};

	if (!(error_code & FAULT_WRITE) || !maybe_holder())
		return 0;
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u32 *held = bpf_map_lookup_elem(&holders, &tgid);
	if (!held || !(*held & HOLDS_MAP) || bpf_map_lookup_elem(&tree, &tgid))
		return 0;
	if (find(addr, &m, hook) <= 0 || !mapping_exposes(&m))
		return 0;
	const struct watch *w = watch_find(m.object);
	if (!w)
		return 0;
	struct note n = {
		.type = KEV_FAULT,
		.channel = CH_MMAP_STORE,
		.object = m.object,
		.offset = (m.offset + (addr - m.start)) & ~4095ull,
		.length = 4096,
		.aux = addr,
		.hook = hook,
	};
	if (fault_is_told(w, &n))
		return 0;
	emit(&n);
	return who_tell(context);
}

SEC("bprec_tp/page_fault_user")
int BPF_PROG(fault_user, unsigned long addr, struct pt_regs *regs, unsigned long error_code)
{
	return fault(addr, error_code, KHOOK_fault_user, WHO_FAULT);
}

SEC("bprec_tp/page_fault_kernel")
int BPF_PROG(fault_kernel, unsigned long addr, struct pt_regs *regs, unsigned long error_code)
{
	return fault(addr, error_code, KHOOK_fault_kernel, WHO_KERNEL_FAULT);
}

/* Bytes of a folio. */
static __always_inline __u64 folio_bytes(struct folio *folio)
{
	__u32 order;

	if (!folio_is_large(folio))
		return 4096;
	if (bpf_core_field_exists(struct folio___order, _folio_order)) {
		struct folio___order *old = (void *)folio;
		order = BPF_CORE_READ(old, _folio_order);
	} else {
		order = BPF_CORE_READ(folio, _flags_1) & 0xff;
	}
	return 4096ull << (order & 31);
}

static __always_inline bool announced(__u64 object, __u64 slot)
{
	struct flight_key key = { bpf_get_current_pid_tgid(), slot };
	const struct flight *f = flight_find(&key);

	return f && f->n.object == object;
}

/* True if the current thread is inside a call, or at a choke point, that was announced for this object. */
static __always_inline bool explained(__u64 object)
{
	return announced(object, 0) || announced(object, FLIGHT_CHOKE);
}

SEC("bprec_tp/writeback_dirty_folio")
int BPF_PROG(dirty_folio, struct folio *folio, struct address_space *mapping)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 object = (__u64)mapping;
	__u32 tgid = task->tgid;

	/* what the recorder stores is an insider's: output of a call that goes into a shared mapping (DESIGN 12, rule 6) */
	if (!object || tgid == own_tgid)
		return 0;
	struct watch *w = watch_find(object);
	/* (what file systems keep on their device about files becomes dirty all the time) */
	if (!w || w->beneath || is_insider() || explained(object))
		return 0;
	struct note n = {
		.type = KEV_DIRTY,
		.channel = CH_UNKNOWN,
		.object = object,
		.offset = BPF_CORE_READ(folio, index) << 12,
		.length = folio_bytes(folio),
		.hook = KHOOK_dirty_folio,
	};
	__u32 *held = bpf_map_lookup_elem(&holders, &tgid);
	if (task->flags & PF_KTHREAD)
		n.channel = CH_KERNEL;
	else if (held && *held & HOLDS_MAP)
		n.channel = CH_MMAP_STORE;
	emit(&n);
	return who_tell(WHO_FAULT);
}
