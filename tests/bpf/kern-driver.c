/* SPDX-License-Identifier: MIT */
/*
 * kern-driver.c: the kernel side of bprec on command, for the tests beside it. Answers each line of stdin with lines of
 * KEY=VALUE words, then a line ".":
 *   tree PID | watch PID | holders OBJECT | counters OBJECT | pins OBJECT | unwatch OBJECT | drain | losses | hooks | programs |
 *   tiers | runs | user UID
 * Arguments: name of a hook that is left out ("" none), bytes of the ring (0: default), words: whole (relocate by the whole
 * BTF), tier1 (no choke points), few-faults, refuse=HOOK (as if the kernel refused it). Exit 77: this machine can't, with the reason.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bprec/khook.h"
#include "kern/kern.h"
#include "kern/state.h"
#include "util/names.h"

static const char *const types[] = { "?",      "watch",	 "begin",	 "end",	   "fault",
				     "opened", "mapped", "unmapped",	 "forked", "exited",
				     "dirty",  "remote", "watch-failed", "?",	   "?",
				     "?",      "?",	 "pinned" };

static int print_event(void *ctx, const struct kevent *e)
{
	(void)ctx;
	if (e->type >= sizeof(types) / sizeof(*types)) /* more of an outsider (kwho.h) */
		return 0;
	printf("type=%s flags=%u ns=%llu tgid=%u tid=%u uid=%u channel=%s object=%llu inode=%llu dev=%u "
	       "generation=%u offset=%llu length=%lld size=%llu ret=%lld aux=%llu writecount=%d "
	       "mmap_writable=%d exe=%s\n",
	       types[e->type], e->flags, e->ns, e->tgid, e->tid, e->uid, channel_name(e->channel),
	       e->object, e->inode, e->dev, e->generation, e->offset, (long long)e->length, e->size,
	       e->ret, e->aux, e->writecount, e->mmap_writable, e->exe);
	return 0;
}

static int print_hold(void *ctx, const struct khold *h)
{
	(void)ctx;
	printf("tgid=%u object=%llu inode=%llu dev=%u start=%llu end=%llu offset=%llu vm_flags=%llu "
	       "size=%llu fd=%u writecount=%d mmap_writable=%d exe=%s\n",
	       h->tgid, h->object, h->inode, h->dev, h->start, h->end, h->offset, h->vm_flags,
	       h->size, h->fd, h->writecount, h->mmap_writable, h->exe);
	return 0;
}

static int counters(struct kern *k, uint64_t object)
{
	struct kern_counters c;
	int err = kern__counters(k, object, &c);

	if (!err)
		printf("writecount=%d mmap_writable=%d size=%" PRIu64 "\n", c.writecount,
		       c.mmap_writable, c.size);
	return err;
}

static int pins(struct kern *k, uint64_t object)
{
	struct kpins p;
	int err = kern__pins(k, object, 0, 1 << 20, &p);

	if (!err)
		printf("pinned=%llu at=%llu tgid=%u comm=%.15s\n", p.pinned, p.at, p.tgid, p.comm);
	return err;
}

static int losses(struct kern *k)
{
	struct kern_loss l[64];
	size_t n = kern__losses(k, l, 64);

	for (size_t i = 0; i < n; i++)
		printf("hook=%s kind=%s count=%" PRIu64 "\n", l[i].hook, loss_name(l[i].kind),
		       l[i].count);
	return 0;
}

static int hooks(struct kern *k)
{
	size_t n;
	const struct kern_hook *h = kern__hooks(k, &n);

	for (size_t i = 0; i < n; i++)
		printf("hook=%s state=%s error=%d\n", h[i].name, hook_state_name(h[i].state),
		       h[i].error);
	return 0;
}

/* Each program as the kernel has it: how many instructions it has after verification, and the hash of those that were loaded (but for
 * numbers of maps); made: how many libbpf has, 2 if it was verified in two threads (kern/verify.c). */
static int programs(struct kern *k)
{
	for (int i = 0; i < KHOOK_MAX; i++) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = k->progs[i] ? bpf_program__fd(k->progs[i]) : -1;
		uint64_t hash = 0;

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
			memcpy(&hash, info.tag, sizeof(hash));
		printf("hook=%s n=%zu hash=%016" PRIx64 " program=%s verified=%u made=%zu\n",
		       k->hooks[i].name, info.xlated_prog_len / sizeof(struct bpf_insn), hash,
		       info.name, info.verified_insns,
		       fd >= 0 ? bpf_program__insn_cnt(k->progs[i]) : 0);
	}
	return 0;
}

static int tiers(struct kern *k)
{
	printf("tiers=%d\n", kern__tiers(k));
	return 0;
}

/* How often each program has run since the first such question. */
static int runs(struct kern *k)
{
	static int stats = -1;

	if (stats < 0)
		stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	for (int i = 0; i < KHOOK_MAX; i++) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = k->progs[i] && k->links[i] ? bpf_program__fd(k->progs[i]) : -1;

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
			printf("hook=%s runs=%llu insns=%u\n", k->hooks[i].name, info.run_cnt,
			       info.verified_insns);
	}
	return stats < 0 ? stats : 0;
}

static int drain(struct kern *k)
{
	int n = kern__drain(k, print_event, NULL);

	return n < 0 ? n : 0;
}

static int command(struct kern *k, const char *word, uint64_t number)
{
	if (!strcmp(word, "tree"))
		return kern__tree_add(k, (int)number);
	if (!strcmp(word, "watch"))
		return kern__watch_process(k, (int)number, print_hold, NULL);
	if (!strcmp(word, "holders"))
		return kern__holders(k, number, print_hold, NULL);
	if (!strcmp(word, "counters"))
		return counters(k, number);
	if (!strcmp(word, "pins"))
		return pins(k, number);
	if (!strcmp(word, "unwatch"))
		return kern__unwatch(k, number);
	if (!strcmp(word, "drain"))
		return drain(k);
	if (!strcmp(word, "losses"))
		return losses(k);
	if (!strcmp(word, "hooks"))
		return hooks(k);
	if (!strcmp(word, "programs"))
		return programs(k);
	if (!strcmp(word, "tiers"))
		return tiers(k);
	if (!strcmp(word, "runs"))
		return runs(k);
	if (!strcmp(word, "user"))
		return setresgid(number, number, number) || setresuid(number, number, number)
			       ? -errno
			       : 0;
	return -EINVAL;
}

int main(int argc, char **argv)
{
	struct kern_opts opts = {
		.disable = argc > 1 ? argv[1] : NULL,
		.ring_bytes = argc > 2 ? strtoul(argv[2], NULL, 0) : 0,
	};
	const char *why = "";
	char line[128], word[32];
	struct kern *k;
	int err;

	for (int i = 3; i < argc; i++) {
		opts.whole_btf |= !strcmp(argv[i], "whole");
		opts.tier1 |= !strcmp(argv[i], "tier1");
		opts.few_faults |= !strcmp(argv[i], "few-faults");
		if (!strncmp(argv[i], "refuse=", 7))
			opts.refuse = argv[i] + 7;
	}
	err = kern__open(&k, &opts, &why);
	if (err) {
		printf("%s: %s\n", why, strerror(-err));
		return 77;
	}
	printf(".\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t number = 0;
		sscanf(line, "%31s %" SCNu64, word, &number);
		err = command(k, word, number);
		if (err)
			printf("error=%d\n", -err);
		printf(".\n");
		fflush(stdout);
	}
	kern__close(k);
	return 0;
}
