/* SPDX-License-Identifier: MIT */
/* hunt.h: a thread on its way to a preemption point. Private to replay/. Functions return 0 or negative with err__set. */
#ifndef BPREC_REPLAY_HUNT_H
#define BPREC_REPLAY_HUNT_H

#include "replay/guard.h"
#include "replay/match.h"
#include "replay/state.h"
#include "replay/terms.h"

#define SYSEMU_SINGLESTEP 32 /* PTRACE_SYSEMU_SINGLESTEP, asm/ptrace-abi.h */
#define SYSEMU		  31 /* PTRACE_SYSEMU */

/** Most bytes of an extended state. */
#define XSTATE 16384

/** A point that is looked for. */
struct point {
	const struct regs64 *regs;
	const void *xstate;
	size_t xlen;
	uint64_t xhash; /* of xstate; 0: not compared */
	const struct mem_word *words;
	uint32_t nwords;
	const struct ev_memhash *memhash; /* NULL: none */
	bool again; /* of a signal: the trace may have had it as a point of its own just now */
	uint64_t took_ns;   /* in the recording, since the thread's event before */
	uint64_t budget_ns; /* processor time of stub and engine that it may take */
	uint64_t start_ns;  /* what they had used when it began */
	struct match *m;    /* NULL: by breakpoint */
	bool breakpoint;    /* it is in the code, in place of `byte` */
	uint8_t byte;	    /* the program's own */
	struct guard guard; /* of the code that is patched */
	struct terms terms;
	uint8_t now[XSTATE]; /* the thread's extended state, if now_len */
	size_t now_len;
};

/** Bounds the time of the search from now on. matching: by comparer, else by breakpoint. */
int hunt__set_budget(struct replay *rp, struct rtask *t, struct point *p, bool matching);
/** Sets the bound after which the kernel stops the stub, or lifts it: RLIM_INFINITY. */
int hunt__bound(struct replay *rp, struct rtask *t, uint64_t seconds);
/** Nonzero if the budget is used up: the difference. */
int hunt__too_long(struct replay *rp, struct rtask *t, const struct point *p);
/** The difference: it came to something else first. */
int hunt__not_met(struct replay *rp, struct rtask *t, const struct point *p);
/** Lets it run to its next stop, SYSEMU or SYSEMU_SINGLESTEP; stores to guarded code are no stops. */
int hunt__go(struct replay *rp, struct rtask *t, struct point *p, int how);
/** Over one instruction, where the program's own bytes are. */
int hunt__step(struct replay *rp, struct rtask *t, struct point *p);
/** Once to the breakpoint at the point, where it doesn't stand now. */
int hunt__arrive(struct replay *rp, struct rtask *t, struct point *p);
/** Makes the comparer for what is known of the terms; -ENOTSUP. */
int hunt__make(struct point *p);

#endif
