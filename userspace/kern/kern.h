/* SPDX-License-Identifier: MIT */
/* kern.h: the kernel side of an observation: load, attach, ring buffer, iterators. Needs CAP_BPF and CAP_PERFMON
 * (root) to open; after that any user may go on using it (record --user). */
#ifndef BPREC_KERN_H
#define BPREC_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bprec/kevent.h"
#include "bprec/khook.h"

/** An observation. Opaque; made by kern__open, ended by kern__close. */
struct kern;

/** One hook of the observation. Strings are static or owned by the struct kern. */
struct kern_hook {
	const char *name; /* e.g. "tp_btf/page_fault_user", "tracepoint/syscalls/sys_enter_write" */
	const char *
		serves; /* blank-separated channel names that can't be seen without it; "" if it only helps */
	enum hook_state state;
	int error; /* positive errno of the refusal, 0 if none */
};

/** What was lost, so far. */
struct kern_loss {
	enum loss_kind kind;
	enum channel channel; /* that suffers; CH_UNKNOWN: any */
	uint64_t count;
	const char *hook; /* name of the hook, "" if not of one */
};

/** Options of kern__open. Zero is the default of each. */
struct kern_opts {
	size_t ring_bytes;   /* size of the ring buffer, power of two; default 8 MiB */
	const char *disable; /* name of one hook that is left out on purpose (tests), NULL: none */
	bool whole_btf;	     /* relocate by all of the kernel's BTF, not by a part of it (tests) */
	bool drops;	     /* the caller will give up its privileges: prepare for that */
	bool tier1;	     /* no choke points, tracepoints only (tests) */
	const char *
		refuse; /* name of one hook that is taken as refused by the kernel when it is attached (tests), NULL: none */
	bool tree;	/* tell of forks, exits and mappings of insiders: KEV_TREE_*, KEV_STIRRED */
	bool sums;	/* the caller takes sums: changes of outsiders may come with KEVF_SUMMED */
	bool few_faults; /* KEV_FAULT of one thread on one page may come once in 5 ms only, as long as no other thread has one there */
};

/** Loads and attaches every program that this kernel takes. *ret_kern owns everything.
 *  Returns 0, or -EPERM (privileges), -EOPNOTSUPP (kernel without BTF or BPF), -ENOMEM; then *ret_why is a static
 *  sentence for the user. A hook that fails alone is no error: see kern__hooks. */
int kern__open(struct kern **ret_kern, const struct kern_opts *opts, const char **ret_why);
/** Is there a hook of that name (kern_opts.disable)? */
bool kern__has_hook(const char *name);
/** Frees; NULL is allowed. A process of its own (userspace/kern/keeper.c) detaches the programs, which takes a second or
 *  more; it does so too when the recorder is killed. Until then they go on, into a ring that nobody reads. */
void kern__close(struct kern *k);

/** Which hooks are used (userspace/kern/tier.c). */
enum kern_tiers {
	TIER_1 = 1,    /* tracepoints */
	TIER_2 = 2,    /* choke points */
	TIER_BOTH = 3, /* tracepoints for some channels, choke points for others */
};
/** Which hooks this observation uses for channels that both can show. */
enum kern_tiers kern__tiers(const struct kern *k);
/** All hooks; *ret_n gets their number. Owned by k, valid until kern__close. */
const struct kern_hook *kern__hooks(const struct kern *k, size_t *ret_n);

/** Says that the mappings of an insider are about to be looked at: from now on KEV_STIRRED tells of changes again. */
void kern__calm(struct kern *k, int pid);
/** Enters a process into the tree (children follow by themselves, in the kernel). 0 or -errno. */
int kern__tree_add(struct kern *k, int pid);
/** A process outside of the tree that has the same memory as an insider (clone with CLONE_VM); comm gets its name. Its number,
 *  0: there is none, or -errno. */
int kern__sharer(struct kern *k, int pid, char comm[16]);

/** File descriptor that becomes readable when the ring buffer holds records; owned by k. */
int kern__ring_fd(const struct kern *k);
/** True if records wait in the ring buffer. Reads shared memory only, makes no system call. */
bool kern__pending(const struct kern *k);
/** Called for one record. It must not call kern__drain. Return nonzero to stop draining. */
typedef int (*kern_event_fn)(void *ctx, const struct kevent *ev);
/** (It is also where hooks for 32-bit processes are attached once there is one: bpf/compat.bpf.c.)
 *  Passes on all records that were complete when it was called (DESIGN 12, rule 2), in order.
 *  Returns their number or -errno, or fn's nonzero value. */
int kern__drain(struct kern *k, kern_event_fn fn, void *ctx);

/** Called for one mapping or descriptor. Return nonzero to stop. */
typedef int (*kern_hold_fn)(void *ctx, const struct khold *h);
/** Walks the file mappings of a stopped process and makes their objects watched (exec, shmat, mremap).
 *  fn gets every mapping of a file or shared memory, VMAs in address order. 0 or -errno or fn's value. */
int kern__watch_process(struct kern *k, int pid, kern_hold_fn fn, void *ctx);
/** (The kernel side looks at faults only of processes that it knows to map a watched object shared. Those that did so before
 *  the object was watched it knows from this list: ask for it when KEV_WATCH tells of a mmap_writable above 0.)
 *  Lists every process, insiders too, that holds a descriptor opened for writing, or a shared mapping that may be
 *  written, of a watched object (key `object`, 0: of any watched object). 0 or -errno or fn's value. */
int kern__holders(struct kern *k, uint64_t object, kern_hold_fn fn, void *ctx);
/** The same, of mappings only; those of one process come one after another. */
int kern__mappers(struct kern *k, uint64_t object, kern_hold_fn fn, void *ctx);
/** The same for what process `pid` holds, of any watched object; where the kernel can't list one process alone, fn gets the
 *  others', too. 0 or -errno or fn's value; -ESRCH: there is no such process any more. */
int kern__held_by(struct kern *k, int pid, kern_hold_fn fn, void *ctx);

/** A sum (aux of a record with KEVF_SUMMED) as it is now: other changes may join it while this is read. False: there is no
 *  such slot. */
bool kern__sum_look(const struct kern *k, uint64_t slot, struct ksum *ret);
/** Closes a sum. 1: nothing of it is under way: *ret is all of it, and the slot is free again: whatever its thread changes
 *  now is told by a new record. 0: a call is still under way: *ret is all but the bytes that are still being changed; ask
 *  again, at the latest when its KEV_END comes. -EINVAL: no such slot. */
int kern__sum_take(struct kern *k, uint64_t slot, struct ksum *ret);

/** Counters of a watched object, read now. */
struct kern_counters {
	int32_t writecount, mmap_writable;
	uint64_t size;
};
/** Reads them. -ENOENT: the object isn't watched, or the key now belongs to another object. */
int kern__counters(struct kern *k, uint64_t object, struct kern_counters *ret);
/** Does a descriptor of ours show the pages of a watched object? 1, 0 (on an overlay it shows another file after a copy-up), or an
 *  error as of kern__counters. */
int kern__shows(struct kern *k, int fd, uint64_t object);
/** Watches what a descriptor of ours shows, a block device or a loop device's file, as something on which file systems of mapped
 *  files lie; *ret_object gets its key. 0, -ENOENT: it can't be told what it shows, or there is no room; or -errno. */
int kern__watch_below(struct kern *k, int fd, uint64_t *ret_object);
struct kpins;
/** Looks for pages that somebody has pinned, to store into when it likes, among [first, first + n) of a watched object (as many
 *  as there are, in whole groups of 64); bprec/khook.h has the answer. 0, -ENOENT as above, or -errno. */
int kern__pins(struct kern *k, uint64_t object, uint64_t first, uint64_t n, struct kpins *ret);
/** Ends the watch of an object. 0 or -ENOENT. */
int kern__unwatch(struct kern *k, uint64_t object);

/** Most entries that kern__losses can have. */
#define KERN_LOSSES_MAX (KHOOK_MAX * LOSS_MAX)
/** Losses so far; returns how many entries with count > 0 were written to out (at most max). */
size_t kern__losses(struct kern *k, struct kern_loss *out, size_t max);

#endif
