/* SPDX-License-Identifier: MIT */
/*
 * home.h: which processor tracees run on.
 *
 * A ptrace stop is a wake-up of the tracer, then one of the tracee. Between two processors each of them is an interrupt to a
 * processor that may sleep: 100 to 400 us for a stop under a hypervisor, where it takes 15 to 25 on one processor (6.18; on
 * bare metal the difference is smaller, but has the same sign). So tracer and tracees share one processor, their home; a
 * tracee that runs for long between its stops may go to the others until it stops often again.
 */
#ifndef BPREC_TRACEE_HOME_H
#define BPREC_TRACEE_HOME_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** A thread that has run for so long since its last stop gains by a processor of its own. */
#define HOME_LONG_NS 4000000ull

/** The processor of the calling thread and its tracees. Zeroed: none, and nothing is moved. */
struct home {
	bool on;       /* home__open has worked */
	cpu_set_t all; /* where the tracer might run before home__open */
	cpu_set_t
		possible; /* where it might if it asked for all processors: less than that is not in its cpuset */
	cpu_set_t one; /* the home alone */
	int cpu;       /* its number */
	uint64_t
		look_ns; /* last look at how long the tracer waits for its processor, CLOCK_MONOTONIC */
	uint64_t wait_ns; /* how long it had waited by then */
};

/** Where one tracee is. Zeroed: at home or to be brought there, free to run where the tracer might. */
struct home_seat {
	bool away;     /* it may run anywhere in `own` */
	bool narrowed; /* `own` is what the program asked for */
	uint8_t quick; /* stops in a row that came soon, while away */
	cpu_set_t
		own; /* processors that the program believes it may use; without `narrowed`: home.all */
};

/** Makes the calling thread's processor its home. Where that can't be done (one processor, more than cpu_set_t holds) nothing
 *  is moved. */
void home__open(struct home *h);
/** The calling thread may run again where it might before. */
void home__close(struct home *h);
/** Lets another thread of ours (the calling one), started by a thread that is at home, run anywhere. */
void home__leave(const struct home *h);
/** Brings a tracee home, if the program lets it run there. */
void home__bring(const struct home *h, pid_t tid, struct home_seat *s);
/** Lets it run anywhere. */
void home__release(const struct home *h, pid_t tid, struct home_seat *s);
/** It has stopped, ran_ns after it was continued: one that is away and stops often is brought home. */
void home__stopped(const struct home *h, pid_t tid, struct home_seat *s, uint64_t ran_ns);
/** Has the tracer waited too long for its processor, because others use it? Then it has moved to the next one, and the caller
 *  brings those that were at home. */
bool home__crowded(struct home *h, uint64_t now_ns);
/** The same for a caller that knows how long it has waited (waited_ns, since any fixed time): it needs no /proc. */
bool home__crowded_by(struct home *h, uint64_t now_ns, uint64_t waited_ns);

#endif
