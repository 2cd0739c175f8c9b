// SPDX-License-Identifier: MIT
/*
 * tier.c: which hooks serve. For most channels there are two ways to see them:
 *   tier 1: tracepoints of system calls and page faults, which every kernel has;
 *   tier 2: choke points (bpf/choke.bpf.h), by fentry and fexit. They cost calls that change nothing watched nothing at all, need
 *           no guesses, and see kernel threads. Some kernels refuse them; only trying tells.
 *
 * Choke points belong to groups. A group serves if all of its hooks that matter were loaded and attached; a hook of tier 1 is
 * spare if all groups that do its work serve. What was found out by loading or attaching is remembered in kern.refused, and
 * the choice is made again (open.c). Hooks of both tiers for one channel do no harm: what one has announced, the other
 * takes as announced (bpf/choke.bpf.h). Hooks in neither table (the tree, iterators, io_uring's completion) always serve.
 *
 * A hook that is left out on purpose (kern_opts.disable) isn't replaced by the other tier: its tier is used, without it.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "kern/state.h"

enum group {
	WRITES = 1, /* the write family, splice, sendfile, io_uring, aio */
	SPACE = 2,  /* fallocate, MADV_REMOVE */
	SIZES = 4,  /* truncate, O_TRUNC, new descriptors */
	BLOCKS = 8, /* copy_file_range, clone, dedupe */
	MAPS = 16,
	FAULTS = 32,
	REMOTE = 64, /* memory of another process */
	ALL = 127,
	HELP = 128, /* of a choke point: its group serves without it, too */
};

/** Of a choke point: its group. */
static const unsigned int chokes[KHOOK_MAX] = {
	[KHOOK_choke_write_checks] = WRITES,
	[KHOOK_choke_device_write] = WRITES,
	[KHOOK_choke_vfs_write] = WRITES,
	[KHOOK_choke_vfs_writev] = WRITES,
	[KHOOK_choke_iter_write] = WRITES,
	[KHOOK_choke_kernel_write] = WRITES | HELP,
	[KHOOK_choke_splice_write] = WRITES,
	[KHOOK_choke_iocb_write] = WRITES,
	[KHOOK_choke_aio_complete] = WRITES,
	[KHOOK_choke_work_end] = WRITES | HELP,
	[KHOOK_choke_fallocate] = SPACE,
	[KHOOK_choke_fallocate_end] = SPACE,
	[KHOOK_choke_setattr] = SIZES,
	[KHOOK_choke_setattr_end] = SIZES,
	[KHOOK_choke_fd] = SIZES,
	[KHOOK_choke_copy] = BLOCKS,
	[KHOOK_choke_copy_end] = BLOCKS,
	[KHOOK_choke_clone] = BLOCKS,
	[KHOOK_choke_clone_end] = BLOCKS,
	[KHOOK_choke_dedupe] = BLOCKS,
	[KHOOK_choke_dedupe_end] = BLOCKS,
	[KHOOK_choke_ioctl] = BLOCKS,
	[KHOOK_choke_ioctl_end] = BLOCKS,
	[KHOOK_choke_ioctl32] = BLOCKS | HELP,
	[KHOOK_choke_ioctl32_end] = BLOCKS | HELP,
	[KHOOK_choke_mmap] = MAPS,
	[KHOOK_choke_mmap_end] = MAPS,
	[KHOOK_choke_munmap] = MAPS,
	[KHOOK_choke_munmap_end] = MAPS,
	[KHOOK_choke_mprotect] = MAPS,
	[KHOOK_choke_mprotect_end] = MAPS,
	[KHOOK_choke_mremap] = MAPS,
	[KHOOK_choke_mremap32] = MAPS | HELP,
	[KHOOK_choke_shmat] = MAPS,
	[KHOOK_choke_shmdt] = MAPS,
	[KHOOK_choke_fault] = FAULTS,
	[KHOOK_choke_remote_vm] = REMOTE,
	[KHOOK_choke_vm_writev] = REMOTE,
	[KHOOK_choke_vm_writev32] = REMOTE | HELP,
};

/** Of a hook of tier 1: the groups that do its work. */
static const unsigned int work[KHOOK_MAX] = {
	[KHOOK_enter_write] = WRITES | REMOTE, /* REMOTE: /proc/PID/mem */
	[KHOOK_exit_write] = WRITES,
	[KHOOK_enter_pwrite64] = WRITES | REMOTE,
	[KHOOK_exit_pwrite64] = WRITES,
	[KHOOK_enter_writev] = WRITES | REMOTE,
	[KHOOK_exit_writev] = WRITES,
	[KHOOK_enter_pwritev] = WRITES | REMOTE,
	[KHOOK_exit_pwritev] = WRITES,
	[KHOOK_enter_pwritev2] = WRITES | REMOTE,
	[KHOOK_exit_pwritev2] = WRITES,
	[KHOOK_enter_sendfile64] = WRITES,
	[KHOOK_exit_sendfile64] = WRITES,
	[KHOOK_enter_splice] = WRITES,
	[KHOOK_exit_splice] = WRITES,
	[KHOOK_enter_copy_file_range] = WRITES | BLOCKS,
	[KHOOK_exit_copy_file_range] = WRITES | BLOCKS,
	[KHOOK_enter_fallocate] = SPACE,
	[KHOOK_exit_fallocate] = SPACE,
	[KHOOK_enter_ftruncate] = SIZES,
	[KHOOK_exit_ftruncate] = SIZES,
	[KHOOK_enter_truncate] = SIZES,
	[KHOOK_exit_truncate] = SIZES,
	[KHOOK_enter_open] = SIZES,
	[KHOOK_exit_open] = SIZES,
	[KHOOK_enter_openat] = SIZES,
	[KHOOK_exit_openat] = SIZES,
	[KHOOK_enter_openat2] = SIZES,
	[KHOOK_exit_openat2] = SIZES,
	[KHOOK_enter_creat] = SIZES,
	[KHOOK_exit_creat] = SIZES,
	[KHOOK_enter_open_by_handle_at] = SIZES,
	[KHOOK_exit_open_by_handle_at] = SIZES,
	[KHOOK_enter_ioctl] = BLOCKS | SPACE,
	[KHOOK_exit_ioctl] = BLOCKS | SPACE,
	[KHOOK_enter_madvise] = SPACE,
	[KHOOK_exit_madvise] = SPACE,
	[KHOOK_enter_io_submit] = WRITES,
	[KHOOK_exit_io_submit] = WRITES,
	[KHOOK_uring_submit] = WRITES | SPACE | SIZES,
	[KHOOK_uring_submit_sqe] = WRITES | SPACE | SIZES,
	[KHOOK_enter_ptrace] = REMOTE,
	[KHOOK_enter_process_vm_writev] = REMOTE,
	[KHOOK_exit_acct] = WRITES,
	[KHOOK_enter_mmap] = MAPS,
	[KHOOK_exit_mmap] = MAPS,
	[KHOOK_enter_munmap] = MAPS,
	[KHOOK_exit_munmap] = MAPS,
	[KHOOK_enter_mprotect] = MAPS,
	[KHOOK_exit_mprotect] = MAPS,
	[KHOOK_enter_pkey_mprotect] = MAPS,
	[KHOOK_exit_pkey_mprotect] = MAPS,
	[KHOOK_exit_mremap] = MAPS,
	[KHOOK_exit_shmat] = MAPS,
	[KHOOK_exit_shmdt] = MAPS,
	[KHOOK_enter_io_uring_register] =
		MAPS, /* it only names who pins, and would put every call on the machine on the slow path */
	[KHOOK_enter_perf_event_open] = MAPS, /* the same of uprobes */
	[KHOOK_enter_bpf] = MAPS,
	[KHOOK_fault_user] = FAULTS,
	[KHOOK_fault_kernel] = FAULTS,
	[KHOOK_compat_enter] = ALL,
	[KHOOK_compat_exit] = ALL,
};

bool tier_is_choke(int hook)
{
	return chokes[hook];
}

int tier_trial(uint32_t btf_id)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY,
		    .attach_btf_id = btf_id);
	int fd;

	if (!btf_id)
		return -ENOENT;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "bprec_trial", "GPL", insns, 2, &opts);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Whether the choke point can't serve, though it was not left out by wish. */
static bool is_broken(const struct kern *k, int i)
{
	return chokes[i] && !(chokes[i] & HELP) && k->hooks[i].state != HOOK_ATTACHED &&
	       k->hooks[i].state != HOOK_OFF;
}

/* Groups that can't be used. */
static unsigned int broken_groups(const struct kern *k, const struct kern_opts *opts)
{
	unsigned int broken = opts->tier1 ? ALL : 0;

	for (int i = 0; i < KHOOK_MAX; i++) {
		if (is_broken(k, i))
			broken |= chokes[i];
		if (work[i] && k->hooks[i].state == HOOK_OFF)
			broken |= work[i]; /* who leaves out a hook of tier 1 means tier 1 */
	}
	return broken;
}

static void spare(struct kern_hook *h)
{
	h->state = HOOK_SPARE;
	h->serves = "";
}

void tier_choose(struct kern *k, const struct kern_opts *opts)
{
	unsigned int broken = broken_groups(k, opts);

	for (int i = 0; i < KHOOK_MAX; i++) {
		struct kern_hook *h = &k->hooks[i];
		bool broken_choke = chokes[i] & broken;

		if (broken_choke && h->state != HOOK_FAILED)
			spare(h);
		else if (broken_choke || chokes[i] & HELP)
			h->serves = ""; /* it may have failed: the other tier serves */
		if (work[i] && !(work[i] & broken))
			spare(h);
	}
	k->tiers = broken == ALL ? TIER_1 : broken ? TIER_BOTH : TIER_2;
}
