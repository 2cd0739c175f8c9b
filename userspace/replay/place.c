/* SPDX-License-Identifier: MIT */
/*
 * place.c: where the stubs run, and waiting for one of them.
 *
 * The engine and its stubs share one processor while stops are frequent (tracee/home.h). A stub that runs for long goes to
 * the others: a timer of some milliseconds interrupts the wait, so that nobody has to ask the clock at each stop but for
 * how long a stub ran. The timer is on only while a replay runs; its signal does nothing but end the wait.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "replay/state.h"
#include "util/err.h"

#define TICK_SIGNAL (SIGRTMIN + 6)
#define LOOK_NS	    200000000ull /* between two looks at how long all had to wait */

#ifndef sigev_notify_thread_id /* glibc before 2.38 doesn't name it (timer_create(2)) */
#define sigev_notify_thread_id _sigev_un._tid
#endif

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void on_tick(int sig)
{
	(void)sig;
	patience__tick();
}

void place__open(struct replay *rp)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TICK_SIGNAL };
	struct sigaction sa = { .sa_handler = on_tick };

	rp->start_ns = now_ns();
	home__open(&rp->home);
	ev.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	sigaction(TICK_SIGNAL, &sa, NULL);
	rp->has_timer = !timer_create(CLOCK_MONOTONIC, &ev, &rp->timer);
	if (!rp->has_timer &&
	    rp->home.on) /* nobody would release a long runner: all may run anywhere */
		home__close(&rp->home);
}

void place__close(struct replay *rp)
{
	if (rp->has_timer)
		timer_delete(rp->timer);
	if (rp->home.on)
		home__close(&rp->home);
}

void place__clock(struct replay *rp, bool on)
{
	const struct timespec every = { 0, on ? HOME_LONG_NS : 0 };
	const struct itimerspec t = { every, every };

	rp->home.look_ns = 0;
	if (rp->has_timer)
		timer_settime(rp->timer, 0, &t, NULL);
}

void place__resumed(struct replay *rp, struct rtask *t)
{
	if (rp->home.on)
		t->ran_ns = now_ns();
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	return clock_gettime(clock, &ts) ? 0 : ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/** Time for which neither the engine nor a stub had a processor since `start_ns`: one of them always has something to do. */
static uint64_t waited_ns(struct replay *rp, uint64_t now)
{
	uint64_t used = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct rusage ended;
	clockid_t clock;

	getrusage(RUSAGE_CHILDREN, &ended);
	used += (ended.ru_utime.tv_sec + ended.ru_stime.tv_sec) * 1000000000ull +
		(ended.ru_utime.tv_usec + ended.ru_stime.tv_usec) * 1000ull;
	for (struct rtask *t = rp->tasks; t; t = t->hh.next)
		if (!clock_getcpuclockid(t->real, &clock))
			used += clock_ns(clock);
	return now - rp->start_ns > used ? now - rp->start_ns - used : 0;
}

/** Has the engine moved to another processor, because others use this one? */
static bool crowded(struct replay *rp, uint64_t now)
{
	for (struct rtask *t = rp->tasks; t; t = t->hh.next)
		if (t->seat.away) { /* it uses another one meanwhile: the sum tells nothing */
			rp->home.look_ns = 0;
			return false;
		}
	return now - rp->home.look_ns > LOOK_NS &&
	       home__crowded_by(&rp->home, now, waited_ns(rp, now));
}

static void tick(struct replay *rp)
{
	const uint64_t now = now_ns();
	struct home_seat empty = { 0 };
	const bool moved = crowded(rp, now);

	for (struct rtask *t = rp->tasks; t; t = t->hh.next) {
		if (t->state == RTASK_RUNNING && now - t->ran_ns > HOME_LONG_NS)
			home__release(&rp->home, t->real, &t->seat);
		else if (moved && !t->seat.away)
			home__bring(&rp->home, t->real, &t->seat);
	}
	if (moved) /* others are made from it */
		home__bring(&rp->home, rp->empty, &empty);
}

void place__settle(struct replay *rp)
{
	for (struct rtask *t = rp->tasks; t; t = t->hh.next) {
		t->seat = (struct home_seat){ 0 };
		home__bring(&rp->home, t->real, &t->seat);
	}
}

int place__wait(struct replay *rp, struct rtask *t, int *ret_status)
{
	int err;

	while (waitpid(t->real, ret_status, __WALL) < 0) {
		if (errno != EINTR)
			return replay__fail(rp, -errno, "waiting: %s", strerror(errno));
		if (rp->home.on)
			tick(rp);
		err = patience__check(rp, t, true);
		if (err)
			return err;
	}
	if (t->seat.away)
		home__stopped(&rp->home, t->real, &t->seat, now_ns() - t->ran_ns);
	return WIFSTOPPED(*ret_status) ? patience__check(rp, t, false) : 0;
}
