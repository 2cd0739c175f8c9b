/* SPDX-License-Identifier: MIT */
/* sys.h: what each system call of x86-64 does to memory, from one declarative table. Pure: no ptrace; memory of the
 * tracee is read through a callback. */
#ifndef BPREC_SYS_H
#define BPREC_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Largest number in the table plus one. */
#define SYS_NR_MAX 512

/** What the recorder must do about a call. */
enum sys_class {
	SYS_CLASS_UNKNOWN = 0, /* not in the table: answered with ENOSYS and noted */
	SYS_CLASS_PLAIN,       /* nothing to do at entry; outputs are taken at exit */
	SYS_CLASS_MM, /* changes the address space: mmap munmap mprotect mremap brk shmat shmdt remap_file_pages
				  pkey_mprotect madvise mseal ... */
	SYS_CLASS_TREE,	  /* fork vfork clone clone3 execve execveat exit exit_group */
	SYS_CLASS_SIGNAL, /* rt_sigreturn, and calls that need care because of signals */
	SYS_CLASS_REFUSED, /* never carried out: answered with -refuse_errno (io_uring_setup, bpf, ptrace ...) */
	SYS_CLASS_SPECIAL, /* entry or result is treated by a function of the recorder: sendfile, splice, seccomp, prctl,
				  arch_prctl, sched_setaffinity, rseq, set_tid_address ... */
};

/** Flags of a call. */
enum sys_flags {
	SYS_MAY_BLOCK = 1, /* may wait for something that another thread or process does */
	SYS_WRITES_FD =
		2, /* may change a file's contents by descriptor args[0] (write family, ftruncate, fallocate) */
	SYS_OPENS = 4, /* returns a new descriptor */
	SYS_EINTR_BOUND =
		8, /* returns EINTR when interrupted, never restarts (epoll_wait, semtimedop ...; man 7 signal) */
	SYS_YIELDS = 16, /* the thread asks that others run (sched_yield) */
	SYS_TIME = 32,	 /* result depends on time */
};

/** One row. Strings and arrays are static. */
struct sys_call {
	const char *name;
	uint8_t nargs;
	uint8_t sysclass;  /* enum sys_class */
	uint16_t flags;	   /* enum sys_flags */
	int refuse_errno;  /* positive errno for SYS_CLASS_REFUSED */
	const void *rules; /* capture rules, private to sys/ */
};

/** The row of a number, NULL if the table does not know it. */
const struct sys_call *sys__lookup(uint64_t nr);
/** Number of a name, -1 if there is none. */
int sys__number(const char *name);

/** Reads len bytes of the tracee at addr into buf; returns bytes read (may be short) or -errno. */
typedef long (*sys_read_fn)(void *ctx, uint64_t addr, void *buf, size_t len);

/** A call as seen at its exit (or entry: ret is then ignored by those that say so). */
struct sys_invocation {
	uint32_t nr;
	uint64_t args[6];
	int64_t ret;
	sys_read_fn read;
	void *ctx; /* for read */
};

/** One range of the tracee's memory that the call wrote or may write or read. */
struct sys_range {
	uint64_t addr;
	uint64_t len;
	uint32_t arg; /* argument it comes from, 0 to 5 */
	uint32_t dir; /* enum sys_dir */
};
/** Direction as seen by the kernel. */
enum sys_dir { SYS_READS = 1, SYS_WRITES = 2 };
/** Takes one range. Return nonzero to stop. */
typedef int (*sys_range_fn)(void *ctx, const struct sys_range *r);

/** Passes the ranges that a finished call has written, exactly, or more than that, never less. Order is fixed.
 *  0; -EFAULT: memory that tells the extent couldn't be read; -ENOSYS: not in the table; -EOPNOTSUPP: this ioctl, fcntl,
 *  prctl ... command is not known, outputs are not described (the recorder notes it); or fn's value. */
int sys__outputs(const struct sys_invocation *in, sys_range_fn fn, void *ctx);
/** Passes every range that the call may read or write while it runs, from its arguments alone (entry). Same errors; after
 *  an error the caller must assume that it may touch anything. */
int sys__touched(const struct sys_invocation *in, sys_range_fn fn, void *ctx);
/** True unless it is certain that the call can't touch [lo, hi) while it runs. */
bool sys__may_touch(const struct sys_invocation *in, uint64_t lo, uint64_t hi);
/** Descriptor whose file's contents this call may change: args[0] for SYS_WRITES_FD and
 *  the ioctls that clone (FICLONE ...), args[2] for splice and copy_file_range; -1 if it changes none by descriptor. */
int sys__write_fd(const struct sys_invocation *in);
/** Number of the argument that is the descriptor to which a call sends bytes (write family, send family, splice and kin); -1: it
 *  sends none. */
int sys__output_arg(uint32_t nr);
/** True if this call, with these arguments, may wait for another thread (SYS_MAY_BLOCK, and ops of futex, fcntl ...). */
bool sys__may_block(const struct sys_invocation *in);

/** Most pieces of a plan, and most bytes of scratch that one needs. */
#define SYS_SCRATCH_PIECES 64
#define SYS_SCRATCH_BYTES  (1ull << 20)

/** A range that moves to the scratch area while the call runs. */
struct sys_piece {
	uint64_t addr;	 /* in the program */
	uint64_t len;	 /* bytes */
	uint64_t offset; /* in the scratch area */
	uint32_t
		dir; /* SYS_READS: copy it to the scratch area before the call; SYS_WRITES: may be written */
	uint32_t arg; /* argument it comes from */
};
/** A pointer that is turned to the scratch area, after the pieces were copied in. */
struct sys_fixup {
	uint32_t
		in_arg; /* 1: argument `arg` becomes scratch + target; 0: the 8 bytes at scratch + at do */
	uint32_t arg;	 /* argument */
	uint64_t at;	 /* offset of the pointer in the scratch area */
	uint64_t target; /* offset of what it points to */
};
/** How to let a call write into a scratch area in place of the program's memory (DESIGN 12, rule 6). */
struct sys_scratch {
	uint32_t npieces, nfixups;		    /* how many there are */
	uint64_t bytes;				    /* scratch needed, at most SYS_SCRATCH_BYTES */
	struct sys_piece piece[SYS_SCRATCH_PIECES]; /* in the order of their offsets */
	struct sys_fixup fixup[SYS_SCRATCH_PIECES]; /* in any order */
};
/** Plans it for a call at its entry. Returns 1: plan made, 0: the call has no outputs that need it (futex words that the
 *  kernel changes in place stay there), or -errno: it has and can't be redirected (too long, not described); the recorder
 *  then holds the group while the call runs. A call that is redirected succeeds where the program's own memory would have
 *  given EFAULT: the caller checks that the pieces can be written. */
int sys__scratch(const struct sys_invocation *in, struct sys_scratch *ret_plan);

/** Takes one range to be copied: `to` in the program's memory, `from` in the scratch area. Nonzero stops. */
typedef int (*sys_copy_fn)(void *ctx, uint64_t from, const struct sys_range *to);
/** After a call that ran on the scratch area at `base`: passes what it wrote, and nothing that it did not, in order; `in` has
 *  the program's own arguments and the call's result. Copy this, not whole pieces: those hold pointers to the scratch
 *  area. Afterwards sys__outputs gives the same ranges in the program's memory. Errors as sys__outputs. */
int sys__scratch_back(const struct sys_invocation *in, const struct sys_scratch *plan,
		      uint64_t base, sys_copy_fn fn, void *ctx);

#endif
