// SPDX-License-Identifier: MIT
/*
 * open.c: beginning and end of an observation; the tree; losses.
 *
 * What was opened is closed in any order by kern__close, which takes half-opened observations too. Losses are sums over
 * all processors since the beginning: counters of the programs themselves, and recursion_misses, which the kernel counts
 * for programs it skipped (bpf_prog_info, since 5.12).
 */
#include "kern/kern.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kern/state.h"
#include "util/names.h"

#include "bprec.skel.h" /* after the types that it uses */

#define INIT_PID_NS 0xEFFFFFFCu /* PROC_PID_INIT_INO, include/linux/proc_ns.h */

/* Pids in the kernel's tables are those of the initial namespace. */
static bool in_init_pid_ns(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) < 0 || st.st_ino == INIT_PID_NS;
}

/* The sentence for an error of loading. */
static const char *why_not(int err)
{
	switch (err) {
	case -EPERM:
		return "loading BPF programs needs root (CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN)";
	case -ENOMEM:
		return "not enough memory for the BPF maps";
	default:
		return "this kernel takes none of the BPF programs (BTF and 5.17 or later are needed)";
	}
}

static struct kern *kern_new(void)
{
	struct kern *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	for (int i = 0; i < KHOOK_MAX; i++)
		k->perf_fds[i] = -1;
	k->ring.fd = k->keeper_pipe = k->tracefs = -1;
	return k;
}

/* Lets go of what was attached and loaded. */
static void kern_unload(struct kern *k)
{
	for (int i = 0; i < KHOOK_MAX; i++) {
		if (k->links[i]) {
			/* not detached: the keeper's descriptors are the last ones, and their closing detaches */
			bpf_link__disconnect(k->links[i]);
			close(bpf_link__fd(k->links[i]));
			bpf_link__destroy(k->links[i]);
			k->links[i] = NULL;
		}
		if (k->perf_fds[i] >= 0)
			close(k->perf_fds[i]);
		k->perf_fds[i] = -1;
	}
	kern_unload_programs(k);
}

int kern__open(struct kern **ret_kern, const struct kern_opts *opts, const char **ret_why)
{
	static const struct kern_opts defaults;
	struct kern *k = kern_new();
	int err = -ENOMEM;

	opts = opts ? opts : &defaults;
	*ret_why = why_not(err);
	if (!k)
		goto out;
	if (!in_init_pid_ns()) {
		*ret_why = "bprec runs in a pid namespace of its own, where BPF sees other pids";
		err = -EOPNOTSUPP;
		goto out;
	}
	k->tracefs = tracefs_open();
	k->opens_late = !opts->drops;
	do {
		kern_unload(k);
		err = kern_load(k, opts);
		if (err) {
			err = err == -EPERM || err == -ENOMEM ? err : -EOPNOTSUPP;
			*ret_why = why_not(err);
			goto out;
		}
	} while (kern_attach(k)); /* choke points that can't be attached: tier 1 serves instead */
	err = ring_open(&k->ring, bpf_map__fd(k->skel->maps.ring),
			bpf_map__max_entries(k->skel->maps.ring));
	if (!err)
		err = sums_open(k);
	if (err)
		goto out;
	iter_find_compat(k);
	kern_attach_needed(k);
	keeper_start(k);
	*ret_kern = k;
out:
	if (k && k->tracefs >= 0 && !k->opens_late) {
		close(k->tracefs);
		k->tracefs = -1;
	}
	if (err)
		kern__close(k);
	return err;
}

static void forget_all(int map)
{
	uint64_t key[2] = { 0 }; /* as large as any key */

	while (!bpf_map_get_next_key(map, NULL, key) && !bpf_map_delete_elem(map, key))
		;
}

/* The programs run on until the keeper has let go of them. What they took for watched may be another object by then, at the
 * same address: nobody must be looked at because of that, least of all where another observation looks too (of two
 * look-ups of a mapping at one fault the second gets EBUSY). */
static void forget(struct kern *k)
{
	if (!k->skel)
		return;
	forget_all(kern_map_watched(k));
	forget_all(bpf_map__fd(k->skel->maps.holders));
}

void kern__close(struct kern *k)
{
	if (!k)
		return;
	forget(k);
	ring_close(&k->ring);
	sums_close(k);
	kern_unload(k);
	kern_forget_places(k);
	if (k->tracefs >= 0)
		close(k->tracefs);
	if (k->keeper_pipe >= 0)
		close(k->keeper_pipe);
	free(k);
}

enum kern_tiers kern__tiers(const struct kern *k)
{
	return k->tiers;
}

const struct kern_hook *kern__hooks(const struct kern *k, size_t *ret_n)
{
	*ret_n = KHOOK_MAX;
	return k->hooks;
}

/* The one channel that a hook serves, CH_UNKNOWN if it isn't just one. */
static enum channel only_channel(const char *serves)
{
	for (int c = 1; c < CH_MAX; c++)
		if (!strcmp(serves, channel_name(c)))
			return c;
	return CH_UNKNOWN;
}

/* Sum over all processors of one counter. */
static uint64_t loss_count(int map, uint32_t index, uint64_t *values, int ncpu)
{
	uint64_t sum = 0;

	if (bpf_map_lookup_elem(map, &index, values))
		return 0;
	for (int i = 0; i < ncpu; i++)
		sum += values[i];
	return sum;
}

/* Runs that the kernel skipped because the program was already running on that processor (since 5.12). */
static uint64_t recursion_misses(const struct bpf_program *prog)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	if (!prog || bpf_program__fd(prog) < 0 ||
	    bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
		return 0;
	return info.recursion_misses;
}

size_t kern__losses(struct kern *k, struct kern_loss *out, size_t max)
{
	int ncpu = libbpf_num_possible_cpus(), map = kern_map_losses(k);
	uint64_t *values = ncpu > 0 ? calloc(ncpu, sizeof(*values)) : NULL;
	size_t n = 0;

	for (uint32_t i = 0; values && i < KHOOK_MAX * LOSS_MAX; i++) {
		uint32_t hook = i / LOSS_MAX;
		enum loss_kind kind = i % LOSS_MAX;
		uint64_t count = 0;
		if (kind == LOSS_NOT_ATTACHED)
			count = k->late_failed[hook];
		else if (kind != LOSS_RECURSION)
			count = loss_count(map, i, values, ncpu);
		else if (!k->shares[hook])
			count = recursion_misses(k->progs[hook]);
		if (count && n < max)
			out[n++] = (struct kern_loss){
				.kind = kind,
				.channel = only_channel(k->hooks[hook].serves),
				.count = count,
				.hook = k->hooks[hook].name,
			};
	}
	free(values);
	return n;
}
