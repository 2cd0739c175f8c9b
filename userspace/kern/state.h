/* SPDX-License-Identifier: MIT */
/* state.h: inside of an observation, shared by the files of userspace/kern. */
#ifndef BPREC_KERN_STATE_H
#define BPREC_KERN_STATE_H

#include "bprec/khook.h"
#include "kern/kern.h"

struct bpf_link;
struct bpf_program;
struct bprec_bpf;
struct places;

/** When a hook's program is loaded and attached. */
enum kern_when {
	WHEN_NOW,    /* when the observation begins */
	WHEN_HELD,   /* when an outsider holds a watched object */
	WHEN_COMPAT, /* when there is a 32-bit process */
	WHEN_MAX,
};

/** The ring buffer as it is mapped into this process. */
struct ring {
	int fd;			   /* of the map; -1: not open */
	uint64_t *consumer;	   /* page with the consumer's position */
	const uint64_t *producer;  /* page with the producer's position; data follows */
	const unsigned char *data; /* mapped twice in a row, so that records are never split */
	size_t bytes;		   /* size of the data */
};

/** Everything of one observation. */
struct kern {
	struct bprec_bpf *skel;
	struct bprec_bpf
		*later[WHEN_MAX]; /* objects with the programs that were loaded later; NULL: none */
	struct places *places;	  /* where programs are attached; NULL: not looked up */
	struct kern_hook hooks[KHOOK_MAX];
	struct bpf_program *progs[KHOOK_MAX]; /* NULL: there is none */
	bool shares[KHOOK_MAX];		      /* the program is that of an earlier hook, too */
	struct bpf_link *links[KHOOK_MAX];    /* NULL: not attached, or not a hook that is */
	int perf_fds[KHOOK_MAX];	      /* perf events of classic tracepoints; -1: none */
	int refused
		[KHOOK_MAX]; /* positive errno of choke points that could not be loaded or attached */
	enum kern_tiers tiers; /* that are used */
	bool compat_tried;     /* the hooks for 32-bit processes were attached, or could not be */
	struct ring ring;
	struct ksum *sums; /* KSUM_SLOTS, shared with the kernel; NULL: not mapped */
	int keeper_pipe;   /* write end; its closing ends the keeper. -1: none */
	int tracefs;	   /* directory, only during kern__open or with opens_late; -1: none */
	bool opens_late; /* what is attached later is loaded and opened later, too: privileges are kept */
	int later_error;	     /* errno of loading later, 0: none */
	bool late_failed[KHOOK_MAX]; /* it should have been attached then, and was not */
	const char *late_refused;    /* kern_opts.refuse, if it is one of those */
};

/** Looks for 32-bit processes that run already; kcompat.seen tells (iter.c). */
void iter_find_compat(struct kern *k);
/** Fills hooks[] and finds out which the kernel has; then loads (load.c). 0 or -errno. */
int kern_load(struct kern *k, const struct kern_opts *opts);
/** True for a hook of tier 2 (tier.c). */
bool tier_is_choke(int hook);
/** Decides by their states which hooks are spare, and sets kern.tiers (tier.c). */
void tier_choose(struct kern *k, const struct kern_opts *opts);
/** Loads a program for the start of a function that does nothing. 0, or -errno of the refusal (tier.c). */
int tier_trial(uint32_t btf_id);
/** Attaches what was loaded; failures are noted in hooks[]. Returns how many choke points it was that were not known to
 *  be refused (attach.c). */
int kern_attach(struct kern *k);
/** Loads the programs of hooks that are attached later (load.c). 0 or -errno. */
int kern_load_later(struct kern *k, enum kern_when when);
/** Lets go of all that was loaded (load.c). */
void kern_unload_programs(struct kern *k);
/** Frees kern.places (load.c). */
void kern_forget_places(struct kern *k);
/** True for a hook that matters only once an outsider holds a watched object (attach.c). */
bool kern_is_late(int hook);
/** When a hook's program is loaded (attach.c). */
enum kern_when kern_when_loaded(const struct kern *k, int hook);
/** Attaches the hooks for 32-bit processes if there has been one, and those that matter once an outsider holds a watched object
 *  if one does; cheap if not. A keeper that runs is started anew, to hold them too (attach.c). */
void kern_attach_needed(struct kern *k);
/** Descriptor of the tracefs directory, mounted nowhere if it has to be (tracefs.c). Descriptor or -errno. */
int tracefs_open(void);
/** Number of a classic tracepoint, e.g. "syscalls/sys_enter_write"; -ENOENT: the kernel has none. */
int tracefs_id(int tracefs, const char *event);

/** Starts the process that does the slow detaching after this one is gone, or a new one in its place (keeper.c). Failure does no
 *  harm. */
void keeper_start(struct kern *k);

/** Maps the ring buffer behind a map descriptor (ring.c). 0 or -errno. */
int ring_open(struct ring *r, int map_fd, size_t bytes);
/** Unmaps; a ring that was never opened (fd -1) is allowed. */
void ring_close(struct ring *r);

/** Maps the sums (sum.c). 0 or -errno. */
int sums_open(struct kern *k);
/** Unmaps them, if they are mapped. */
void sums_close(struct kern *k);
/** Descriptor of their map. */
int kern_map_sums(const struct kern *k);

/** Parameters of the iterators, memory shared with the kernel. */
struct kiter_args *kern_iter_args(struct kern *k);
/** What is known of 32-bit processes, memory shared with the kernel. */
struct kcompat *kern_compat(struct kern *k);
/** Which hooks are attached later, memory shared with the kernel. */
struct klate *kern_late(struct kern *k);
/** No store that faults counts as told any more (kern_opts.few_faults): an object isn't watched any more. */
void kern_forget_faults(const struct kern *k);
/** Descriptor of the map of losses. */
int kern_map_losses(const struct kern *k);
/** Descriptor of the map of insiders whose mappings changed. */
int kern_map_stirred(const struct kern *k);
/** Descriptor of the map of watched objects. */
int kern_map_watched(const struct kern *k);

#endif
