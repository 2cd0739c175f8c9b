/* SPDX-License-Identifier: GPL-2.0-only */
/* maps.bpf.h: the tables and variables that the BPF programs of an observation share, with each other and with userspace. */
#ifndef BPREC_MAPS_BPF_H
#define BPREC_MAPS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "bprec/kevent.h"
#include "bprec/khook.h"
#include "bprec/kwho.h"

#define TREE_MAX     32768
#define WATCHED_MAX  16384
#define FLIGHTS_MAX  8192
#define HOLDERS_MAX  16384
#define STIRRED_MAX  32768
#define TOLD_MAX     16384
#define FLYING_CELLS 1024

/** Parts of one call that are looked at, each with a slot of its own among the flights: ranges, buffers, requests, descriptors. */
#define PARTS_MAX 16
#define TO_END	  (~0ull)
enum { MMAPABLE = 1 << 10 }; /* BPF_F_MMAPABLE */

/** A watched object: its identity (the key alone is reused, DESIGN 12 rule 12) and its last known size. */
struct watch {
	__u64 inode;
	__u32 dev, generation;
	__u64 entered_ns; /* when: nobody could see it by a mapping that is watched before */
	__u64 size;
	__u64 regrown,
		regrown_ns; /* size at the end of a write that reached there, while truncate(path) was under way; when */
	__u64 cut_ns; /* beginning of the last such call that may have cut it */
	__u32 others; /* 1: somebody else may have had a mapping by which he can store when this was entered ... */
	__u32 joined; /* ... or has got one since (KEVF_OTHERS); fields of their own, each written by one side only */
	__u64 untold; /* another size that it was seen to have, and no call had told by then */
	__u64 untold_ns : 63; /* since when, at the latest; 0: none */
	__u64 beneath : 1;    /* 1: a block device that a file system lies on, which nobody maps */
};

/** What becomes a kevent; lives on a program's stack. Fields as in struct kevent. */
struct note {
	__u64 object, ns, offset, length, aux;
	__u64 named; /* address of the dentry whose path becomes exe; 0: that of the task's executable */
	__s64 ret;
	__u32 type, flags, channel;
	__u32 hook; /* enum khook: where a loss is counted */
};

/** Who has a call under way: a thread's calls by pid_tgid and a number, io_uring requests by their address. */
struct flight_key {
	__u64 who;  /* pid_tgid, or address of the io_kiocb */
	__u64 slot; /* 0, or the number of the part (aio, dedupe); FLIGHT_URING for a request */
};
#define FLIGHT_URING (~0ull)
/* A change that was announced at a choke point: by its kiocb if somebody else may end it (that of io_uring is where the
 * request is), else by its thread. */
#define FLIGHT_CHOKE FLIGHT_URING

/** How a flight's real range is found when it ends. */
enum flight_end {
	END_AS_BEGUN,  /* what was announced */
	END_GIVEN_POS, /* offset as announced, length is the result */
	END_FILE_POS,  /* the same, if the file position moved by just the result */
	END_APPEND,    /* the end of the object, if it grew by just the result */
	END_BY_FD,     /* open(O_TRUNC): the object is behind the descriptor that is returned */
	END_BY_SIZE,   /* truncate(path): objects whose size becomes `length`; io_uring: `offset` */
	END_MAPPING,   /* mmap, munmap: no change, an exposure begins or ends */
	END_PROTECT,   /* mprotect */
	END_PART,      /* `file` bytes of the result come before this part of it */
	/* the last two are announced when they are over, and only if the call did something */
	END_LATE,      /* the range is as it is */
	END_LATE_PART, /* as END_PART */
};

/** A call under way. */
struct flight {
	struct note n; /* as announced */
	__u64 who;     /* address of the io_kiocb; 0: the current thread's call */
	__u64 file;    /* struct file, for END_FILE_POS */
	__u64 size;    /* i_size when it began */
	__u8 end;      /* enum flight_end */
	__u8 nslots;   /* slots of this call, in the flight of slot 0 */
	__u16 nr; /* number of the call: where its exit isn't seen, another's exit mustn't end it */
	__u32 sum; /* 1 + number of the struct ksum that it is part of; 0: it is told by itself */
};

/** Room to build a path backwards: not on the stack, of which a chain of calls has 512 bytes. */
struct exe_scratch {
	char end[64];
	__u64 dentry; /* whose name comes next, 0: none */
	__u64 at;     /* where the path begins */
};
/** The field exe of kevent and khold, with this behind it. */
struct exe_name {
	char text[64];
	struct exe_scratch scratch;
};
/** A record of the ring; what follows the event is nobody's. */
struct event_room {
	struct kevent ev;
	struct exe_scratch scratch;
};
_Static_assert(__builtin_offsetof(struct event_room, scratch) ==
		       __builtin_offsetof(struct kevent, exe) + 64,
	       "exe and scratch are one exe_name");
/** A record of the iterators, likewise. */
struct hold_room {
	struct khold h;
	struct exe_scratch scratch;
};
_Static_assert(__builtin_offsetof(struct hold_room, scratch) ==
		       __builtin_offsetof(struct khold, exe) + 64,
	       "exe and scratch are one exe_name");

/** Flags of a holder. */
enum { HOLDS_MAP = 1, HOLDS_FD = 2 };

struct ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
};
struct tree_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TREE_MAX);
	__type(key, __u32);   /* tgid */
	__type(value, __u64); /* address of its signal_struct */
};
struct watched_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WATCHED_MAX);
	__type(key, __u64); /* address of the address_space */
	__type(value, struct watch);
};
struct flights_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLIGHTS_MAX);
	__type(key, struct flight_key);
	__type(value, struct flight);
};
struct holders_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HOLDERS_MAX);
	__type(key, __u32);   /* tgid */
	__type(value, __u32); /* HOLDS_* of any watched object */
};
struct stirred_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STIRRED_MAX);
	__type(key, __u32); /* tgid */
	__type(value, __u32);
};
struct sums_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, MMAPABLE);
	__uint(max_entries, KSUM_SLOTS);
	__type(key, __u32);
	__type(value, struct ksum);
};
struct losses_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KHOOK_MAX *LOSS_MAX);
	__type(key, __u32);
	__type(value, __u64);
};

/** What was told of a process already. */
struct told_key {
	__u64 start_ns, who; /* the process: when it began; its id, and its image */
	__u64 what;	     /* TOLD_*, a site, or the address of a mapping */
};
enum { TOLD_PROC = 0, TOLD_STACKS = 2 };
struct told_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TOLD_MAX);
	__type(key, struct told_key);
	__type(value, __u32); /* TOLD_STACKS: how many; else nothing */
};

/** Addresses of a process that need not be looked at again. */
struct seen_range {
	__u64 start, len;
};
#define SEEN_MAX 16

/** Where a processor puts records of kwho.h together, and what its current program has to tell at its end. */
struct who_room {
	__u64 wanted; /* pid_tgid of the task whose stack is wanted, 0: none */
	__u64 site;   /* ... at this site */
	__u32 busy;   /* a program is at work with what follows */
	__u32 nseen;  /* of seen, how many were taken in all */
	struct seen_range seen[SEEN_MAX];
	__u64 walk, walk_at;	/* whose name comes next, 0: none; where to */
	char names[KWHO_NAMES]; /* as in struct kfile, while they are put together */
	struct kproc proc;
	struct kcode code;
	struct kstack stack;
};
struct who_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct who_room);
};

/** The newest answers of bpf_find_vma on a processor (fault.bpf.c). */
struct answer {
	__u64 mm, start_ns,
		image; /* whose: address, and the process's start and image, for addresses are used again */
	__u64 seq;				 /* number of changes of its mappings */
	__u64 object, start, end, flags, offset; /* as in struct mapping */
};
#define ANSWERS_MAX 4
struct answers {
	struct answer a[ANSWERS_MAX];
	__u32 next; /* which is the oldest, modulo ANSWERS_MAX */
};
struct answers_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct answers);
};

/** The cell of a write that is under way. */
struct quick_write {
	__u64 who; /* pid_tgid of the thread, 0: the cell is free */
	struct flight f;
};
struct quick_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLYING_CELLS);
	__type(key, __u32);
	__type(value, struct quick_write);
};

/** Records for userspace: struct event_room, and those of kwho.h. */
extern struct ring_map ring SEC(".maps");
/** Insiders. */
extern struct tree_map tree SEC(".maps");
/** Watched objects. */
extern struct watched_map watched SEC(".maps");
/** Calls under way. */
extern struct flights_map flights SEC(".maps");
/** Processes that hold a watched object. */
extern struct holders_map holders SEC(".maps");
/** Insiders whose mappings changed since userspace last looked; used with tell_tree only. */
extern struct stirred_map stirred SEC(".maps");
/** Changes that are summed up. */
extern struct sums_map sums SEC(".maps");
/** What was told of outsiders. */
extern struct told_map told SEC(".maps");
/** Room for more of it. */
extern struct who_map who_rooms SEC(".maps");
/** Mappings that were found at faults. */
extern struct answers_map answers SEC(".maps");
/** Writes of threads that are under way: each in the cell that a hash of its thread gives, if no other thread's is there (then
 *  in `flights`). Cheaper than an entry of a table that comes and goes. */
extern struct quick_map quick SEC(".maps");
/** Losses by hook and kind. */
extern struct losses_map losses SEC(".maps");

/** Set by userspace before loading: the recorder's own process, and the number of arguments of io_uring_complete. */
extern const volatile __u32 own_tgid;
extern const volatile __u32 uring_complete_args;
/** Set by userspace before loading: tell of forks, exits and mappings of insiders (nobody traces them). */
extern const volatile __u32 tell_tree;
/** Set by userspace before loading: it takes sums, so changes may be summed up. */
extern const volatile __u32 sum_up;
/** Set by userspace before loading: type of uprobes in perf_event_attr; ~0: there are none. */
extern const volatile __u32 uprobe_type;
/** Bits for the addresses of watched objects, set before they are entered and never taken back: where none is set the object isn't
 *  watched, and that is known without a look into the table. It saves 50 ns of each write on the machine (6.18). */
#define MAYBE_BITS 65536
extern __u64 maybe_watched[MAYBE_BITS / 64];
/** Stores that fault, again and again: which were told last, by page (fault_is_told). Userspace clears it when an object is watched
 *  no more. few_faults: set before loading, it may be used. */
#define FAULT_CELLS	 4096
#define FAULT_TICK_SHIFT 20 /* a tick is 2^20 ns, 1 ms */
#define FAULT_TICKS	 5
extern __u64 told_faults[FAULT_CELLS];
extern const volatile __u32 few_faults;
/** How many calls of threads are under way, by a hash of the thread: where it is 0, nothing ends with a thread's call. */
extern __u32 flying[FLYING_CELLS];
/** Bits for processes that were ever put among the holders, by a hash: where none is set the process holds nothing. Page faults of all
 *  others end there. */
#define HOLDING_BITS 65536
extern __u64 maybe_holding[HOLDING_BITS / 64];
/** How many calls of truncate(path) are under way (cut.bpf.c). */
extern __u32 truncating;
/** When the last object was entered among the watched, in jiffies. */
extern __u64 last_entered;
/** What is known of 32-bit processes. */
extern struct kcompat compat;
/** Which hooks are attached later. */
extern struct klate late;

#endif
