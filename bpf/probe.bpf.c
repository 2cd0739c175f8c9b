// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe.bpf.c: trial programs of `bprec probe`. Each one is loaded alone, attached, and triggered by the process that
 * loaded it. That process is known by its name (comm, a random cookie): process ids would be those of the initial pid
 * namespace. `hits` counts how often the program ran for it; `seen` is a value that it found.
 */
#include "probe_types.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

/* Name of the process that triggers, as two words. */
__u64 cookie[2];
/* Address or descriptor that an iterator or a look-up has to find. */
__u64 wanted;
/* Times that the program ran for the trigger. */
__u64 hits;
/* What it found there: the start of a VMA, a tgid, the result of a helper. */
__u64 seen;

/* Made only for the trial of the ring buffer. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

static __always_inline bool is_trigger(void)
{
	__u64 comm[2] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	return comm[0] == cookie[0] && comm[1] == cookie[1];
}

static __always_inline int count(void)
{
	if (is_trigger())
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(try_tp_btf, struct pt_regs *regs, long id)
{
	if (is_trigger() && regs->di == wanted)
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

SEC("?raw_tp/sys_enter")
int try_raw_tp(void *ctx)
{
	return count();
}

SEC("?tracepoint/syscalls/sys_enter_pwrite64")
int try_tracepoint(void *ctx)
{
	return count();
}

SEC("?fentry/security_file_permission")
int BPF_PROG(try_fentry, struct file *file, int mask)
{
	return count();
}

SEC("?fexit/security_file_permission")
int BPF_PROG(try_fexit, struct file *file, int mask, int ret)
{
	if (ret == 0)
		count();
	return 0;
}

SEC("?fmod_ret/security_file_permission")
int BPF_PROG(try_fmod_ret, struct file *file, int mask, int ret)
{
	count();
	return ret;
}

SEC("?kprobe/security_file_permission")
int try_kprobe(void *ctx)
{
	return count();
}

SEC("?lsm/file_permission")
int BPF_PROG(try_lsm, struct file *file, int mask, int ret)
{
	count();
	return ret;
}

static __always_inline bool is_trigger_task(struct task_struct *task)
{
	__u64 comm[2] = {};

	bpf_probe_read_kernel(comm, sizeof(comm), task->comm);
	return comm[0] == cookie[0] && comm[1] == cookie[1];
}

SEC("?iter/task")
int try_iter_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	__u64 one = 1;

	if (task && is_trigger_task(task))
		bpf_seq_write(ctx->meta->seq, &one, sizeof(one));
	return 0;
}

SEC("?iter/task_vma")
int try_iter_task_vma(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	__u64 one = 1;

	if (task && vma && vma->vm_start == wanted && is_trigger_task(task))
		bpf_seq_write(ctx->meta->seq, &one, sizeof(one));
	return 0;
}

SEC("?iter/task_file")
int try_iter_task_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	__u64 one = 1;

	if (task && ctx->file && ctx->fd == wanted && is_trigger_task(task))
		bpf_seq_write(ctx->meta->seq, &one, sizeof(one));
	return 0;
}

SEC("?raw_tp/sys_enter")
int try_ringbuf(void *ctx)
{
	__u64 *rec;

	if (!is_trigger())
		return 0;
	rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec)
		return 0;
	*rec = wanted;
	bpf_ringbuf_submit(rec, 0);
	__sync_fetch_and_add(&hits, 1);
	return 0;
}

static long vma_found(struct task_struct *task, struct vm_area_struct *vma, void *data)
{
	seen = vma->vm_start;
	return 0;
}

SEC("?tp_btf/page_fault_user")
int BPF_PROG(try_find_vma, unsigned long address)
{
	if (!is_trigger() || address != wanted)
		return 0;
	__sync_fetch_and_add(&hits, 1);
	long err = bpf_find_vma(bpf_get_current_task_btf(), address, vma_found, NULL, 0);
	if (err)
		seen = err;
	return 0;
}

SEC("?raw_tp/sys_enter")
int try_send_signal(void *ctx)
{
	if (!is_trigger() || hits)
		return 0;
	__sync_fetch_and_add(&hits, 1);
	seen = bpf_send_signal(wanted);
	return 0;
}

SEC("?raw_tp/sys_enter")
int try_kernel_read(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	int tgid = 0;

	if (!is_trigger())
		return 0;
	bpf_core_read(&tgid, sizeof(tgid), &task->tgid);
	seen = tgid == (int)(bpf_get_current_pid_tgid() >> 32);
	__sync_fetch_and_add(&hits, 1);
	return 0;
}

/* Loaded only, never attached: lockdown (integrity) takes this helper away. */
SEC("?raw_tp/sys_enter")
int try_user_write(void *ctx)
{
	__u64 value = 0;

	if (is_trigger())
		bpf_probe_write_user((void *)wanted, &value, sizeof(value));
	return 0;
}
