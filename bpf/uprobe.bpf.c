// SPDX-License-Identifier: GPL-2.0-only
/*
 * uprobe.bpf.c: breakpoints that the kernel puts into insiders' memory (uprobes): into a private copy of a page of a file, in every
 * process that maps it so, now and later. A program runs on as if there were none, but one that reads the page sees them.
 *
 * Neither putting them in nor their hits have a tracepoint. But memory that has had one is marked (MMF_HAS_UPROBES; also that of a
 * child), and the mark is looked at when the memory goes: at exit_mmap, and when the process ends, because that may be reported
 * before (6.18) or after (6.1) its memory goes. The mark is taken away again only where the breakpoints are gone and the program
 * then executes one of its own.
 *
 * Who asks for them is told where that is a call of its own (perf_event_open, BPF_LINK_CREATE), not where it is a write to
 * uprobe_events of tracefs.
 */
#include "sys.bpf.h"

enum { MMF_HAS_UPROBES = 19 }; /* include/linux/mm_types.h; sched/coredump.h before 6.16 */
enum { BPF_LINK_CREATE = 28, BPF_TRACE_UPROBE_MULTI = 48 };

static __always_inline unsigned long mm_flags(struct mm_struct *mm)
{
	struct mm_struct___bits *bits = (void *)mm;
	unsigned long flags = 0;

	if (bpf_core_field_exists(bits->flags))
		bpf_core_read(&flags, sizeof(flags), &bits->flags.__mm_flags[0]);
	else
		flags = BPF_CORE_READ(mm, flags);
	return flags;
}

__noinline int uprobe_look(__u64 mm, __u32 hook)
{
	struct note n = { .type = KEV_UPROBED, .channel = CH_UPROBE, .hook = hook };

	if (!(mm_flags((void *)mm) & 1ul << MMF_HAS_UPROBES) || !is_insider())
		return 0;
	return emit(&n);
}

SEC("bprec_tp/exit_mmap")
int BPF_PROG(memory_gone, struct mm_struct *mm)
{
	return uprobe_look(as_number(mm), KHOOK_memory_gone);
}

/* The same where there is no such tracepoint (before 6.1). */
SEC("bprec_fentry/exit_mmap")
int BPF_PROG(memory_going, struct mm_struct *mm)
{
	uprobe_look(as_number(mm), KHOOK_memory_going);
	return 0;
}

/* What says that a call is about uprobes: of perf_event_open the type in its attributes; of bpf the fourth word. */
SEC("bprec_tracepoint/syscalls/sys_enter_perf_event_open")
int uprobe_begin(struct sys_enter *ctx)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	struct note n = { .type = KEV_UPROBE, .channel = CH_UPROBE };
	__u32 word[3] = {};

	if (ctx->nr == NR64_PERF_EVENT_OPEN) {
		n.hook = KHOOK_enter_perf_event_open;
		bpf_probe_read_user(word, sizeof(word), (void *)regs->di);
		if (word[0] != uprobe_type)
			return 0;
	} else {
		n.hook = KHOOK_enter_bpf;
		bpf_probe_read_user(word, sizeof(word), (void *)regs->si);
		if (regs->di != BPF_LINK_CREATE || word[2] != BPF_TRACE_UPROBE_MULTI)
			return 0;
	}
	return is_insider() ? 0 : emit(&n);
}
