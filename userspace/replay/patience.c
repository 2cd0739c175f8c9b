/* SPDX-License-Identifier: MIT */
/*
 * patience.c: an event that doesn't come.
 *
 * Code that waits for a change of memory without a call runs on for ever where that change isn't in the trace, or comes later
 * than it was seen. So a thread may use some processor time for each event: a fixed one and a multiple of the time that passed
 * in the recording. It is the thread's own time, so that a machine that is busy, asleep, or a replay that was stopped for a
 * while changes nothing. The clock is asked when place.c's timer has ticked, not at each stop.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "replay/state.h"
#include "tracee/tracee.h"

#define FIXED_NS 5000000000ull
#define POINT_NS 600000000000ull /* point.c has bounds of its own */
#define TIMES	 20u

static volatile sig_atomic_t ticks;

void patience__tick(void)
{
	ticks++;
}

/** Processor time that a stub has used; 0: not known. */
static uint64_t used_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		return 0;
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static uint64_t recorded_ns(const struct replay *rp, const struct rtask *t)
{
	return rp->time_ns > t->last_ns ? rp->time_ns - t->last_ns : 0;
}

static bool is_point(struct replay *rp)
{
	const struct event_header *ev = window__at(rp, rp->no);
	const struct ev_signal *s = (const void *)(ev + 1);

	return ev->type == EV_REGS || (ev->type == EV_SIGNAL && s->place == SIGNAL_PREEMPT);
}

/** Stops a stub that runs, to see where it is. */
static void stop(struct rtask *t)
{
	int status;

	kill(t->real, SIGSTOP);
	while (waitpid(t->real, &status, __WALL) < 0 && errno == EINTR)
		;
}

int patience__check(struct replay *rp, struct rtask *t, bool running)
{
	const uint64_t recorded = recorded_ns(rp, t);
	const uint64_t most = (is_point(rp) ? POINT_NS : FIXED_NS) + TIMES * recorded;
	uint64_t used;

	if (rp->patience.ticks == ticks)
		return 0;
	rp->patience.ticks = ticks;
	used = used_ns(t->real);
	if (rp->patience.no != rp->no || rp->patience.tid != t->tid) {
		rp->patience.no = rp->no;
		rp->patience.tid = t->tid;
		rp->patience.used_ns = used;
		return 0;
	}
	if (used - rp->patience.used_ns <= most)
		return 0;
	if (running)
		stop(t);
	if (!tracee__get_regs(t->real, &t->regs))
		t->state = RTASK_READY;
	return replay__differs(rp,
			       "it doesn't come to it: it has run for %.1f s, %.3f s passed in the "
			       "recording, and is at %#llx",
			       (double)(used - rp->patience.used_ns) / 1e9, (double)recorded / 1e9,
			       (unsigned long long)t->regs.rip);
}
