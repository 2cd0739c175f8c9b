/* SPDX-License-Identifier: MIT */
/* replay.h: runs a trace again, from the trace alone. The engine: one narrow interface for the command, its tests, and a
 * debugger to come. One thread calls it; it makes child processes and memfds, and opens no files. */
#ifndef BPREC_REPLAY_H
#define BPREC_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bprec/format.h"
#include "model/model.h"
#include "sym/source.h"
#include "trace/reader.h"

/** Returned when the replay leaves the trace; replay__error has the details. Outside the range of errno. */
#define REPLAY_E_DIFFERS 5001
/** Returned when the trace holds something that can't be run again. */
#define REPLAY_E_CANT 5002

/** A replay under way. Opaque. */
struct replay;
/** A copy of a replay to come back to. Opaque. */
struct checkpoint;

/** Why a replay stands still. */
enum replay_why {
	REPLAY_AT_END =
		1,	 /* the trace has no more, or nothing of what opts.only asks for is left */
	REPLAY_AT_EVENT, /* the event that was asked for has been replayed */
	REPLAY_AT_BREAK, /* a thread is about to execute the instruction at a breakpoint */
	REPLAY_AT_STEP,	 /* the thread that was to make a step has made it */
};

/** Where it stands. */
struct replay_place {
	enum replay_why why;
	uint64_t event;	   /* last event that was replayed whole; ~0: none yet */
	uint32_t tid, pid; /* thread that it is about, as recorded; 0: none */
	uint64_t addr;	   /* its rip; 0: none */
};

/** How to run. Zero-initialise; every field may stay 0. */
struct replay_opts {
	bool no_verify;	   /* compare nothing */
	bool no_tsc_fault; /* as on a machine where rdtsc can't be made to fault (tests) */
	uint64_t until;	   /* stop after this event; 0: run to the end */
	/** Process whose share group alone is run, with what its first memory comes from: its parents up to the fork. Only
	 *  what the group wrote is put out, and the end is that process's. 0: all. */
	uint32_t only;
	/** Takes what the program wrote to its stdout (stream 1) or stderr (2). Nonzero ends the replay and is returned. */
	int (*output)(void *ctx, int stream, const void *buf, size_t len);
	/** Sees each event before it is replayed. */
	void (*event)(void *ctx, const struct event_header *ev, uint64_t no);
	void *ctx;
};

/** What was done, and how the command ended. */
struct replay_stats {
	uint64_t events;	 /* replayed */
	uint64_t processes;	 /* of the recorded tree, run again */
	uint64_t checks;	 /* comparisons of calls, registers and pages that were made */
	uint64_t stops;		 /* of the stub processes */
	uint64_t preemptions;	 /* places between two calls that were found again */
	uint64_t points_matched; /* ... by code in the process itself, the others by breakpoint */
	uint64_t
		ahead; /* times a thread was let run before it was its event's turn, beside other share groups */
	bool ended;	   /* the command's end was reached */
	uint32_t end_kind; /* enum end_kind */
	int32_t end_code;
};

/** Begins. The reader is at its first event and stays the caller's. The calling thread stays on one processor until
 *  replay__free; a real-time signal (SIGRTMIN + 6) interrupts it while it waits. 0, -ESRCH (opts.only isn't in the trace) or
 *  negative, with err__set. */
int replay__open(struct replay **ret, struct reader *reader, const struct replay_opts *opts);
/** Runs to the end, to opts.until, or to the first difference. 0, -REPLAY_E_DIFFERS or -REPLAY_E_CANT or -errno with
 *  err__set: one line that names event, thread, what was expected and what was found. */
int replay__run(struct replay *rp);
/** Runs until event `event` (0: the last one) has been replayed, or to a breakpoint. *ret (NULL: nobody asks) is where it stands
 *  then. 0, -EINVAL for an event that is past, or as replay__run, after which only what reads may be called, and
 *  replay__restore. All threads stand when it returns 0. Without breakpoints share groups run at the same time. */
int replay__run_to(struct replay *rp, uint64_t event, struct replay_place *ret);
/** Lets a thread execute one instruction; what others do before that in the trace happens first. A system call, a fault or a
 *  patched instruction is one step, with all that happens until the thread may go on. A breakpoint of another thread ends it
 *  early; so does the end of the thread or of the trace (REPLAY_AT_END). 0, -ESRCH, or as replay__run_to. */
int replay__step(struct replay *rp, uint32_t tid, struct replay_place *ret);
/** A breakpoint at an instruction of a process (0: of all). Memory doesn't show it while the replay stands. It stays through
 *  execs, and until replay__unbreak or the end of the replay; a checkpoint knows nothing of it. 0 (also if there is one) or
 *  -ENOMEM. */
int replay__break(struct replay *rp, uint32_t pid, uint64_t addr);
/** Takes it away. 0, -ENOENT. */
int replay__unbreak(struct replay *rp, uint32_t pid, uint64_t addr);

/** A copy of the whole replay as it stands: processes, memory, shared objects, place in the trace. It costs a fork of each process
 *  and the memory that is changed afterwards. The caller's, until checkpoint__free or replay__free. 0, -EBUSY while a
 *  thread runs, -REPLAY_E_CANT if a process keeps memory from its children (MADV_DONTFORK, MADV_WIPEONFORK), or negative. */
int replay__checkpoint(struct replay *rp, struct checkpoint **ret);
/** Goes back to a checkpoint of this replay, as often as one likes: counts go back as well. Also after a difference. 0; -REPLAY_E_CANT
 *  (nothing happened) if pages were lost because a file was cut that a process of the checkpoint maps privately; negative: only
 *  replay__free is left to do. */
int replay__restore(struct replay *rp, struct checkpoint *c);
/** Ends a checkpoint and its processes; before replay__free. NULL is allowed. */
void checkpoint__free(struct checkpoint *c);

/** Ends it, its checkpoints, and all its processes; NULL is allowed. */
void replay__free(struct replay *rp);
/** Counts so far. */
struct replay_stats replay__stats(const struct replay *rp);
/** The state of the recorded tree at this point. */
const struct model *replay__model(const struct replay *rp);
/** Thread that the last event was about; 0: none alive. */
uint32_t replay__thread(const struct replay *rp);
/** Address of the page of memory that differed; 0: something else did, or nothing. */
uint64_t replay__differing_page(const struct replay *rp);
/** Numbers and types of the last events, oldest first; returns how many (at most max). */
size_t replay__last_events(const struct replay *rp, uint64_t *no, uint16_t *type, uint32_t *tid,
			   size_t max);

/** Registers of a recorded thread. 0, -ESRCH. */
int replay__regs(struct replay *rp, uint32_t tid, struct regs64 *ret);
/** Extended state of a recorded thread; *len in: room, out: bytes. */
int replay__xstate(struct replay *rp, uint32_t tid, void *buf, size_t *len);
/** Auxiliary vector of a recorded thread's process, as it was at its exec; *ret_len: bytes. NULL: there is none. Valid until the
 *  replay goes on. */
const void *replay__auxv(struct replay *rp, uint32_t tid, size_t *ret_len);
/** Memory as a recorded thread sees it. Bytes read up to the first unreadable page, or -errno. */
ssize_t replay__read(struct replay *rp, uint32_t tid, uint64_t addr, void *buf, size_t len);
/** Changes the registers of a thread that runs user code next. What comes of it, replay compares with the trace. 0, -ESRCH,
 *  -EBUSY (it is in a call). */
int replay__set_regs(struct replay *rp, uint32_t tid, const struct regs64 *regs);
/** Changes memory, where the program can't write, too. 0 or negative. */
int replay__write(struct replay *rp, uint32_t tid, uint64_t addr, const void *buf, size_t len);
/** A thread of a replay, as the callbacks of sym/ get it. */
struct replay_view {
	struct replay *rp;
	uint32_t tid; /* as recorded */
};
/** Its memory and mappings for sym/; `view` must live as long as the source. */
struct sym_source replay__source(struct replay_view *view);

#endif
