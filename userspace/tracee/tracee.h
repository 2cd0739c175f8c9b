/* SPDX-License-Identifier: MIT */
/* tracee.h: one ptraced thread: launch, registers, memory, injected calls. Functions that need a stopped tracee say so.
 * All return 0 or -errno unless they say otherwise; -ESRCH: the tracee is gone (killed), which can happen at any time. */
#ifndef BPREC_TRACEE_H
#define BPREC_TRACEE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bprec/format.h"

/** Address of the page that bprec maps into each tracee (r-x: `syscall; int3`), and of its scratch areas. The page stays
 *  at one address so that a replay finds it. */
#define TRACEE_PAGE_ADDR 0x70000000ull
#define TRACEE_SCRATCH_ADDR \
	0x70100000ull /* scratch areas are mapped from here upwards, one per thread */

/** SECCOMP_RET_DATA of our filter: what the recorder learns from PTRACE_GETEVENTMSG at PTRACE_EVENT_SECCOMP. */
enum tracee_seccomp {
	TRACEE_SECCOMP_PLAIN = 1, /* SYS_CLASS_PLAIN: registers need not be read at entry */
	TRACEE_SECCOMP_LOOK = 2,
	TRACEE_SECCOMP_VSYSCALL = 5, /* from the vsyscall page: there is no exit stop */
	TRACEE_SECCOMP_OUTPUT = 4,   /* plain, and sends bytes to a descriptor */
	/* anything else */ TRACEE_SECCOMP_ARCH = 3 /* not an x86-64 call (int 0x80, x32) */
};

/** What to start. */
struct tracee_launch {
	char *const *argv; /* argv[0] is looked up in PATH as execvp(3) does */
	char *const *envp;
	bool drop_user; /* become uid, gid (with that user's groups) before exec */
	uid_t uid;
	gid_t gid;
	const char *user; /* name for initgroups(3), NULL if !drop_user */
	/** True for numbers whose class is plain; asked once per number below nr_max. */
	bool (*plain)(uint32_t nr);
	/** True for plain numbers that get TRACEE_SECCOMP_OUTPUT (at most 16); NULL: none. */
	bool (*output)(uint32_t nr);
	uint32_t nr_max;
	bool call_log; /* let the calls pass that are logged (calllog.h) */
	bool tsc_fault; /* forbid rdtsc (PR_SET_TSC): it and rdtscp raise SIGSEGV, with si_code SI_KERNEL */
	bool untraced; /* no ptrace, no filter, ASLR as it is: it is only held until before_exec is done */
};

/** Remembers the signal mask and the ignored signals, for the command. To be called first thing in main, before anything
 *  is blocked or handled; tracee__launch does it if nobody has. */
void tracee__save_signals(void);
/** (untraced: forks, holds the child for before_exec, and lets it run; it has exec'd when this returns.)
 *  Forks, seizes the child with all options (TRACESYSGOOD, FORK, VFORK, VFORKDONE, CLONE, EXEC, EXIT, SECCOMP, EXITKILL), before it installs
 *  the seccomp filter and calls execve. On success the child is at its PTRACE_EVENT_EXEC stop, with ASLR off, signal
 *  mask, dispositions, process group and terminal as bprec got them. *ret_pid gets its pid.
 *  `before_exec`, if not NULL, is called with the child's pid while it is held before execve (to enter it into the
 *  kernel's tree); its nonzero value ends the launch and is returned.
 *  -ENOENT: not found (exit 127); -EACCES, -ENOEXEC ...: can't be executed (126); the child is gone in every failure. */
int tracee__launch(const struct tracee_launch *l, int (*before_exec)(void *ctx, pid_t pid),
		   void *ctx, pid_t *ret_pid);

/** Registers, at a ptrace stop. 0 or -errno (-ESRCH: it is gone, or not stopped). */
int tracee__get_regs(pid_t tid, struct regs64 *ret);
/** Sets them. 0 or -errno, likewise. */
int tracee__set_regs(pid_t tid, const struct regs64 *regs);
/** Extended state (NT_X86_XSTATE). buf of size *len; *len gets the bytes read. */
int tracee__get_xstate(pid_t tid, void *buf, size_t *len);
/** Sets it. 0 or -errno. */
int tracee__set_xstate(pid_t tid, const void *buf, size_t len);
/** Do rdtsc and rdtscp fault in a thread for which PR_SET_TSC forbids them? Tried out in the calling thread, which must be the
 *  process's only one. fork, clone and exec keep it forbidden. */
bool tracee__tsc_faults(void);
/** Size of NT_X86_XSTATE on this machine, in bytes (asked once). */
size_t tracee__xstate_size(void);
/** XCR0: which parts of the extended state are in use. */
uint64_t tracee__xcr0(void);

/** Memory; works for a running tracee too. Bytes read up to the first unreadable page, or -errno if none. */
ssize_t tracee__read(pid_t pid, uint64_t addr, void *buf, size_t len);
/** Writes it, also to pages that the tracee can't write (through /proc/PID/mem). All of it, or -errno. */
int tracee__write(pid_t pid, uint64_t addr, const void *buf, size_t len);
/** Reads a NUL-terminated string of at most size - 1 bytes. Length, or -errno. */
ssize_t tracee__read_string(pid_t pid, uint64_t addr, char *buf, size_t size);

/** Carries out a call in a stopped tracee that is at a place where user code would go on (syscall exit stop, signal-
 *  delivery stop, exec, fork or clone stop, group or interrupt stop), or at a seccomp or entry stop *before* a call (the call
 *  itself stays pending and registers are as before afterwards). Uses the bprec page; before that is there, the bytes at rip.
 *  *ret gets the result or -errno of the call, also where a filter of the tracee's own refused it. Swallows its own stops;
 *  other threads are not touched. A signal that comes in meanwhile is left pending.
 *
 *  Where the thread is afterwards, with its registers as they were: at a signal-delivery stop of the same signal (to be
 *  continued with it); at PTRACE_EVENT_STOP if it was at one, or if it was at the exit of a call with -ERESTART* in rax; at a
 *  seccomp or entry stop of the same call; else at a syscall exit stop. A PTRACE_EVENT_STOP or SIGSTOP that came in on the
 *  way is asked for again and is reported after the next continue: the caller must expect a PTRACE_EVENT_STOP it did not ask
 *  for. (A PTRACE_INTERRUPT sent while the thread is at an entry or seccomp stop is used up: any stop does that.)
 *
 *  -EAGAIN: sigsuspend, ppoll, pselect or epoll_pwait was interrupted and its temporary mask is still in force: nothing was done,
 *  try at the next stop. -EBUSY: at PTRACE_EVENT_VFORK. -ESRCH: it dies or died; its PTRACE_EVENT_EXIT stop or end is left
 *  for the caller's waitpid. */
int tracee__inject(pid_t tid, uint32_t nr, const uint64_t args[6], int64_t *ret);
/** The same for a PTRACE_EVENT_SECCOMP stop (or an entry stop of PTRACE_SYSCALL) alone; -EINVAL elsewhere. Afterwards the thread
 *  is at a new seccomp (entry) stop of the same call, ready to be continued. */
int tracee__inject_at_entry(pid_t tid, uint32_t nr, const uint64_t args[6], int64_t *ret);

/** At PTRACE_EVENT_EXEC: maps the bprec page, unmaps vDSO and vvar and hides them from the auxiliary vector. Afterwards the
 *  thread is at the exit stop of execve, before the first instruction, with the registers as the kernel set them (rax: 0).
 *  -ENOEXEC: the new image is not a 64-bit one; -EEXIST: it has something at TRACEE_PAGE_ADDR. */
int tracee__prepare_exec(pid_t tid);
/** Auxiliary vector as it stands on the stack (at the exec stop). *len in: size of buf; out: bytes. *addr: where it is. */
int tracee__auxv(pid_t tid, void *buf, size_t *len, uint64_t *addr);
/** Is the tracee's image 32-bit (by CS at a stop)? */
bool tracee__is_32bit(const struct regs64 *regs);

/** One line of /proc/PID/maps. */
struct tracee_map {
	uint64_t start, end, offset;
	uint32_t prot; /* PROT_* */
	bool shared;
	uint32_t major, minor;
	uint64_t inode;
	const char *path; /* "" for anonymous; as the kernel prints it, " (deleted)" included */
};
/** Calls fn for each; returns its nonzero value. */
int tracee__maps(pid_t pid, int (*fn)(void *ctx, const struct tracee_map *m), void *ctx);
/** Calls fn with each run of pages in [addr, end) that are private copies (anonymous, present or swapped) according to
 *  /proc/PID/pagemap. */
int tracee__private_pages(pid_t pid, uint64_t addr, uint64_t end,
			  int (*fn)(void *ctx, uint64_t addr, uint64_t n), void *ctx);
/** The same for all pages that are there, those of files and shared memory too. */
int tracee__present_pages(pid_t pid, uint64_t addr, uint64_t end,
			  int (*fn)(void *ctx, uint64_t addr, uint64_t n), void *ctx);
/** Of those, the pages that were stored to since soft-dirty bits were cleared (man 5 proc, /proc/PID/clear_refs). */
int tracee__stored_pages(pid_t pid, uint64_t addr, uint64_t end,
			 int (*fn)(void *ctx, uint64_t addr, uint64_t n), void *ctx);

/** Which pages tracee__pages_in finds: those of the three functions above, in this order. */
enum tracee_pages { TRACEE_PAGES_PRIVATE, TRACEE_PAGES_PRESENT, TRACEE_PAGES_STORED };
/** A descriptor for that, to ask of many ranges (opening it takes as long as a small range). -ESRCH: it is gone; -errno. */
int tracee__pagemap(pid_t pid);
/** As the three functions above, by that descriptor. */
int tracee__pages_in(int pagemap, enum tracee_pages which, uint64_t addr, uint64_t end,
		     int (*fn)(void *ctx, uint64_t addr, uint64_t n), void *ctx);

/** A descriptor of ours for the file that `fd` of the process refers to (pidfd_getfd; close-on-exec): its own open file
 *  description, read-only, where it can be opened again; else a duplicate, and *ret_dup is set (its file position is the
 *  process's: don't move it; it may be write-only). Descriptor or -errno; -ENODEV: neither a regular file nor a block device. */
int tracee__get_fd(pid_t pid, int fd, bool *ret_dup);
/** A read-only descriptor for the file mapped at [start, end) (/proc/PID/map_files, else the path if it is still the same
 *  file). Descriptor or -errno; -ENODEV as above; -ESTALE: the path is another file now. */
int tracee__open_map(pid_t pid, const struct tracee_map *m);

/** Signals that have a handler, are ignored, are blocked (bit n-1: signal n), from /proc/PID/task/TID/status. */
int tracee__signals(pid_t pid, pid_t tid, uint64_t *ret_caught, uint64_t *ret_ignored,
		    uint64_t *ret_blocked);
/** Number of a thread in the pid namespace that lies so deep below ours and has this inode number; 0: it has none there, or can't be
 *  looked up. Where the thread's own namespace lies deeper, the inode number isn't looked at. */
pid_t tracee__number_in(pid_t tid, uint32_t depth, uint32_t ns);
/** Thread group of a thread (/proc/TID/status); the thread itself if that can't be read. */
pid_t tracee__thread_group(pid_t tid);
/** Next entry of /proc, or of a folder /proc/PID/task, that is a process or thread; 0: no more, or dir is NULL. */
pid_t tracee__next_entry(DIR *dir);
/** Arguments of the call in which a thread is blocked (/proc/PID/task/TID/syscall). 1: blocked in *nr; 0: running or not in a
 *  call; -errno. */
int tracee__blocked_call(pid_t pid, pid_t tid, uint32_t *ret_nr, uint64_t ret_args[6]);

#endif
