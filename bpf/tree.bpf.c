// SPDX-License-Identifier: GPL-2.0-only
/*
 * tree.bpf.c: which processes are insiders, and which known holders of watched objects fork, exec or are gone.
 *
 * A process is in the map `tree` under its tgid from before it first runs (sched_process_fork comes before
 * wake_up_new_task) until its leader is freed, which is after every thread has let go of its memory:
 * on 6.18 sched_process_exit comes before exit_mm, and pages that are dirtied there are still the insider's.
 * The value is the signal_struct, shared by all threads and kept over exec from any of them, so that the late
 * free of a process does not take out another one that got the same pid.
 */
#include "obs.bpf.h"

enum { SIGNAL_GROUP_EXIT = 4 };

/* An event about the current process and all that it holds. */
static __always_inline void holder_event(__u32 type, __u64 aux, __u32 hook)
{
	struct note n = { .type = type, .aux = aux, .hook = hook };

	emit(&n);
}

/* An insider forked, or has a new thread. */
static __always_inline void fork_told(struct task_struct *parent, struct task_struct *child)
{
	struct note n = {
		.type = KEV_TREE_FORK,
		.aux = child->tgid,
		.ret = child->pid,
		.length = BPF_CORE_READ(parent, mm) == BPF_CORE_READ(child, mm),
		.hook = KHOOK_tree_fork,
	};

	emit(&n);
}

/* An insider's last thread is gone; as wait(2) tells it: the exit code of the group if it ended as one, else the leader's. */
static __always_inline void exit_told(struct task_struct *task, __u32 tgid)
{
	bool group = BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT;
	struct note n = {
		.type = KEV_TREE_EXIT,
		.ret = group ? BPF_CORE_READ(task, signal, group_exit_code)
			     : BPF_CORE_READ(task, group_leader, exit_code),
		.hook = KHOOK_tree_exit,
	};

	emit(&n);
	bpf_map_delete_elem(&stirred, &tgid);
}

SEC("bprec_tp/sched_process_fork")
int BPF_PROG(tree_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 tgid = parent->tgid, child_tgid = child->tgid;
	__u64 signal = (__u64)BPF_CORE_READ(child, signal);

	if (tgid == child_tgid) {
		if (tell_tree && bpf_map_lookup_elem(&tree, &tgid))
			fork_told(parent, child);
		return 0;
	}
	if (!bpf_map_lookup_elem(&tree, &tgid))
		bpf_map_delete_elem(&tree, &child_tgid);
	else if (bpf_map_update_elem(&tree, &child_tgid, &signal, BPF_ANY))
		loss(KHOOK_tree_fork, LOSS_MAP_FULL);
	else if (tell_tree)
		fork_told(parent, child);
	__u32 *held = bpf_map_lookup_elem(&holders, &tgid);
	if (!held)
		return 0;
	holder_put(child_tgid, *held, KHOOK_tree_fork);
	holder_event(KEV_FORKED, child_tgid, KHOOK_tree_fork);
	return 0;
}

/* The new image has no old mapping; descriptors may live on. */
SEC("bprec_tp/sched_process_exec")
int BPF_PROG(tree_exec, struct task_struct *task)
{
	__u32 tgid = task->tgid;
	__u32 *held = bpf_map_lookup_elem(&holders, &tgid);

	compat_exec();
	if (tell_tree && is_insider())
		exec_told(KHOOK_tree_exec);
	if (!held || !(*held & HOLDS_MAP))
		return 0;
	*held &= ~HOLDS_MAP;
	struct note n = { .type = KEV_UNMAPPED, .length = TO_END, .hook = KHOOK_tree_exec };
	emit(&n);
	return 0;
}

/* The last thread of a process ends. A function of its own, as in open_over. */
static __noinline int process_over(__u32 tgid)
{
	uprobe_look((__u64)BPF_CORE_READ(bpf_get_current_task_btf(), mm), KHOOK_tree_exit);
	if (tell_tree && is_insider())
		exit_told(bpf_get_current_task_btf(), tgid);
	if (bpf_map_lookup_elem(&holders, &tgid)) {
		holder_event(KEV_EXITED, 0, KHOOK_tree_exit);
		bpf_map_delete_elem(&holders, &tgid);
	}
	return 0;
}

SEC("bprec_tp/sched_process_exit")
int BPF_PROG(tree_exit, struct task_struct *task)
{
	/* a thread that dies inside a call: there is no sys_exit if it was killed by an oops or by exit itself */
	flight_end_change(-EINTR);
	choke_end(bpf_get_current_pid_tgid(), -EINTR, ANY_HOOK, 0);
	return BPF_CORE_READ(task, signal, live.counter) ? 0 : process_over(task->tgid);
}

SEC("bprec_tp/sched_process_free")
int BPF_PROG(tree_free, struct task_struct *task)
{
	__u32 tgid = task->tgid;

	if (BPF_CORE_READ(task, group_leader) != task)
		return 0;
	__u64 *signal = bpf_map_lookup_elem(&tree, &tgid);
	if (signal && *signal == (__u64)BPF_CORE_READ(task, signal))
		bpf_map_delete_elem(&tree, &tgid);
	return 0;
}
