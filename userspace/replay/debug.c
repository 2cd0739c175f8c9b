/* SPDX-License-Identifier: MIT */
/*
 * debug.c: breakpoints and single steps in recorded code.
 *
 * A breakpoint is an int3 that is in memory only while a thread of its process runs; whoever reads memory while the replay
 * stands sees the program's bytes (the program itself, where it reads its own code, sees int3). While there are breakpoints or
 * a thread is stepped nobody runs ahead, so a stop is at one place in the order of the trace: all other threads stand where
 * their last event left them.
 *
 * A stop in the middle of an event's piece of user code ends the replay of that event with -REPLAY_E_STOPPED. The event stays
 * the next one and is replayed again from where the thread then is: every function that handles events lets its thread run
 * before it does anything else.
 *
 * Stepping a pushf shows the trap flag that the step itself needs (Intel SDM 17.3.2; REPLAY.md): it is taken out again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "replay/state.h"
#include "tracee/tracee.h"
#include "util/err.h"

#define SYSEMU		  31 /* PTRACE_SYSEMU, asm/ptrace-abi.h */
#define SYSEMU_SINGLESTEP 32
#define INT3		  0xcc
#define TRAP_FLAG	  0x100
#define WORD		  8u
#define NEAR		  64u /* bytes: more than a jump covers, and the instructions under it */

bool debug__on(const struct replay *rp, const struct rtask *t)
{
	return rp->nbreaks || rp->step_tid == t->tid;
}

static struct rbreak *find(struct replay *rp, uint32_t pid, uint64_t addr)
{
	for (size_t i = 0; i < rp->nbreaks; i++)
		if (rp->breaks[i].addr == addr &&
		    (!rp->breaks[i].pid || !pid || rp->breaks[i].pid == pid))
			return &rp->breaks[i];
	return NULL;
}

int replay__break(struct replay *rp, uint32_t pid, uint64_t addr)
{
	struct rbreak *more;

	for (size_t i = 0; i < rp->nbreaks; i++)
		if (rp->breaks[i].addr == addr && rp->breaks[i].pid == pid)
			return 0;
	more = realloc(rp->breaks, (rp->nbreaks + 1) * sizeof(*more));
	if (!more)
		return err__set(-ENOMEM, "no memory");
	rp->breaks = more;
	rp->breaks[rp->nbreaks++] = (struct rbreak){ .pid = pid, .addr = addr };
	return 0;
}

int replay__unbreak(struct replay *rp, uint32_t pid, uint64_t addr)
{
	for (size_t i = 0; i < rp->nbreaks; i++)
		if (rp->breaks[i].addr == addr && rp->breaks[i].pid == pid) {
			rp->breaks[i] = rp->breaks[--rp->nbreaks];
			return 0;
		}
	return err__set(-ENOENT, "no breakpoint at %#llx", (unsigned long long)addr);
}

/** Puts a byte into the stub's memory, also where the program can't write; *old is what was there. False: no memory there,
 *  or memory that even ptrace can't write. */
static bool poke(struct rtask *t, uint64_t addr, uint8_t byte, uint8_t *old)
{
	const uint64_t at = addr & ~(uint64_t)(WORD - 1);
	uint8_t word[WORD];
	long v;

	errno = 0;
	v = ptrace(PTRACE_PEEKTEXT, t->real, at, 0);
	if (errno)
		return false;
	memcpy(word, &v, WORD);
	*old = word[addr - at];
	word[addr - at] = byte;
	memcpy(&v, word, WORD);
	return !ptrace(PTRACE_POKETEXT, t->real, at, v);
}

static void put_in(struct rtask *t, struct rbreak *b)
{
	b->in = (!b->pid || b->pid == t->pid) && poke(t, b->addr, INT3, &b->byte);
}

/** A byte that the program has stored there meanwhile stays. */
static void take_out(struct rtask *t, struct rbreak *b)
{
	uint8_t now;

	if (b->in && mem__read(t, b->addr, &now, 1) == 1 && now == INT3)
		poke(t, b->addr, b->byte, &now);
	b->in = false;
}

/** On to the next breakpoint or stop. */
static int go_on(struct replay *rp, struct rtask *t, const struct debug_goal *goal)
{
	struct rbreak point = { .addr = goal ? goal->rip : 0 };
	int err;

	for (size_t i = 0; i < rp->nbreaks; i++)
		put_in(t, &rp->breaks[i]);
	if (goal)
		put_in(t, &point);
	err = run__go(rp, t, SYSEMU);
	take_out(t, &point);
	for (size_t i = rp->nbreaks; i--;)
		take_out(t, &rp->breaks[i]);
	if (err || t->state != RTASK_TRAP)
		return err;
	if (find(rp, t->pid, t->regs.rip - 1) || (goal && goal->rip == t->regs.rip - 1)) {
		t->regs.rip--;
		t->dirty = true;
		t->state = RTASK_READY;
	}
	return 0;
}

static bool is_pushf(struct rtask *t)
{
	uint8_t code[2];

	if (mem__read(t, t->regs.rip, code, sizeof(code)) != sizeof(code))
		return false;
	return code[0] == 0x9c || ((code[0] == 0x66 || code[0] == 0x48) && code[1] == 0x9c);
}

/** One instruction. */
static int step_one(struct replay *rp, struct rtask *t)
{
	const bool pushf = is_pushf(t);
	uint16_t flags;
	int err = run__go(rp, t, SYSEMU_SINGLESTEP);

	if (err || t->state != RTASK_TRAP || t->info.si_code != TRAP_TRACE)
		return err;
	t->state = RTASK_READY;
	if (!pushf || mem__read(t, t->regs.rsp, &flags, sizeof(flags)) != sizeof(flags))
		return 0;
	flags &= ~TRAP_FLAG;
	return mem__write(rp, t, t->regs.rsp, &flags, sizeof(flags));
}

static int stop(struct replay *rp, const struct rtask *t, enum replay_why why)
{
	rp->place = (struct replay_place){
		.why = why, .tid = t->tid, .pid = t->pid, .addr = t->regs.rip
	};
	return -REPLAY_E_STOPPED;
}

int debug__run(struct replay *rp, struct rtask *t, const struct debug_goal *goal)
{
	const bool stepped = rp->step_tid == t->tid;
	int err = 0;

	run__restart(t);
	while (!err && t->state == RTASK_READY) {
		const struct rbreak *b = find(rp, t->pid, t->regs.rip);

		if (goal && goal->there(rp, t, goal->ctx))
			return 0;
		if (stepped && rp->stepped)
			return stop(rp, t, REPLAY_AT_STEP);
		if (b && !t->told) {
			t->told = true;
			return stop(rp, t, REPLAY_AT_BREAK);
		}
		t->told = false;
		if (stepped || b || (goal && goal->rip == t->regs.rip)) {
			rp->stepped |= stepped;
			err = step_one(rp, t);
		} else {
			err = go_on(rp, t, goal);
		}
	}
	return err ? err : goal != NULL;
}

bool debug__near(const struct replay *rp, const struct rtask *t, uint64_t point)
{
	for (size_t i = 0; i < rp->nbreaks; i++)
		if (rp->breaks[i].addr + NEAR > point && rp->breaks[i].addr < point + NEAR &&
		    (!rp->breaks[i].pid || rp->breaks[i].pid == t->pid))
			return true;
	return rp->step_tid == t->tid;
}

int debug__go(struct replay *rp, struct rtask *t)
{
	int err;

	while (find(rp, t->pid, t->regs.rip)) {
		if (!t->told) {
			t->told = true;
			return stop(rp, t, REPLAY_AT_BREAK);
		}
		t->told = false;
		err = step_one(rp, t);
		if (err || t->state != RTASK_READY)
			return err;
	}
	err = go_on(rp, t, NULL);
	if (err || t->state != RTASK_READY)
		return err;
	t->told = true;
	return stop(rp, t, REPLAY_AT_BREAK);
}

int replay__step(struct replay *rp, uint32_t tid, struct replay_place *ret)
{
	int err;

	if (!rtask__get(rp, tid))
		return err__set(-ESRCH, "no thread %u at this event", tid);
	rp->step_tid = tid;
	rp->stepped = false;
	err = replay__run_to(rp, 0, ret);
	rp->step_tid = 0;
	return err;
}

int replay__set_regs(struct replay *rp, uint32_t tid, const struct regs64 *regs)
{
	struct rtask *t = rtask__get(rp, tid);

	if (!t)
		return err__set(-ESRCH, "no thread %u at this event", tid);
	if (t->state != RTASK_READY)
		return err__set(-EBUSY, "thread %u is in a system call", tid);
	t->regs = *regs;
	t->dirty = true;
	t->told = false;
	return 0;
}

int replay__write(struct replay *rp, uint32_t tid, uint64_t addr, const void *buf, size_t len)
{
	struct rtask *t = rtask__get(rp, tid);

	if (!t || t->state == RTASK_RUNNING)
		return err__set(-ESRCH, "no thread %u stands at this event", tid);
	return mem__write(rp, t, addr, buf, len);
}
