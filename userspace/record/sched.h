/* SPDX-License-Identifier: MIT */
/* sched.h: share groups: which thread may run user code. One thread of a group has its token; a thread inside a call that
 * may wait lends it to the next one that is ready. */
#ifndef BPREC_RECORD_SCHED_H
#define BPREC_RECORD_SCHED_H

#include "record/recorder.h"

/** A slice of user code after which another ready thread of the group gets its turn. */
#define SCHED_SLICE_NS 5000000ull
/** How long a call that is not known to wait may keep the token from others that are ready. */
#define SCHED_CALL_NS 20000000ull
/** ... one that changes what others map: it waits for a disk at most, or for a file system that a program serves. */
#define SCHED_STORE_NS 1000000000ull

/** The group a thread is in now, merges followed. */
struct share_group *sched__group(struct task *t);
/** A new group; NULL without memory. */
struct share_group *sched__new_group(struct recorder *r);
/** Puts a thread into a group. */
void sched__join(struct task *t, struct share_group *g);
/** Takes a thread out of its group's queue and takes the token from it. */
void sched__leave(struct recorder *r, struct task *t);
/** Makes one group of two, and writes that down. 0 or -errno. */
int sched__merge(struct recorder *r, struct share_group *a, struct share_group *b);
/** Moves a thread alone to a new group (exec), if it shares its group with others. 0 or -errno. */
int sched__split(struct recorder *r, struct task *t);

/** The thread is stopped and user code comes next: continues it if it may run now, else queues it. */
void sched__ready(struct recorder *r, struct task *t);
/** The thread is at a call's exit stop. True: another thread of its group runs user code, and must not see outputs land or
 *  have the call written down in the middle of that (DESIGN 12, rule 6): the exit is treated when the token comes. */
bool sched__wait_to_exit(struct recorder *r, struct task *t);
/** The thread enters a call; *may_wait: it may lend its token. */
void sched__enter_call(struct recorder *r, struct task *t, bool may_wait);
/** Writes down, once, that the thread is in its current call (EV_SYSCALL_ENTER): what it did before that comes before what
 *  others do now. False: its call isn't known yet, it has to keep the token. */
bool sched__note_entry(struct recorder *r, struct task *t);
/** The thread stops for long (group stop): others may run. */
void sched__yield_token(struct recorder *r, struct task *t);
/** Asks a thread that runs user code to stop (PTRACE_INTERRUPT); others are left alone (DESIGN 12, rule 3).
 *  preempt: its group's next thread gets the token then. */
void sched__interrupt(struct task *t, bool preempt);
/** Gives free tokens to those that wait. */
void sched__run(struct recorder *r);
/** Looks for slices that are over. now: CLOCK_MONOTONIC. */
void sched__tick(struct recorder *r, uint64_t now);
/** Something is waiting for a token, so that ticks are needed. */
bool sched__waiting(const struct recorder *r);
/** Continues a stopped thread. `request` is PTRACE_CONT or PTRACE_SYSCALL. Notes times. */
void sched__continue(struct recorder *r, struct task *t, int request);
/** True if no other thread is in its group. */
bool sched__alone(struct task *t);
/** True if an outside change keeps this thread from running. */
bool sched__held(struct recorder *r, struct task *t);

#endif
