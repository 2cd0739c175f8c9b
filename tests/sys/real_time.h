/* SPDX-License-Identifier: MIT */
/* real_time.h: cases that are carried out: clocks, timers, signals. */
#ifndef BPREC_TESTS_SYS_REAL_TIME_H
#define BPREC_TESTS_SYS_REAL_TIME_H

#include "harness.h"

#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>

/* What only writes one struct of n bytes, and differs each time. */
#define TIME_CASE(call, n, ...)                       \
	static void real_##call(struct t *t)          \
	{                                             \
		t->varies = true;                     \
		DO(__NR_##call, __VA_ARGS__);         \
		if (went_well(t))                     \
			expect(t, U(t->buf[0].p), n); \
	}

TIME_CASE(time, 8, out(t, 8))
TIME_CASE(times, 32, out(t, 32))
TIME_CASE(gettimeofday, 16, out(t, 16), out(t, 8))
TIME_CASE(clock_gettime, 16, CLOCK_MONOTONIC, out(t, 16))
TIME_CASE(clock_getres, 16, CLOCK_MONOTONIC, out(t, 16))
TIME_CASE(getitimer, 32, ITIMER_PROF, out(t, 32))

static void real_adjtimex(struct t *t)
{
	struct timex tx = { 0 };

	t->varies = true;
	DO(SYS_adjtimex, in(t, &tx, sizeof(tx)));
	went_well(t);
}

static void real_clock_adjtime(struct t *t)
{
	struct timex tx = { 0 };

	t->varies = true;
	DO(SYS_clock_adjtime, CLOCK_REALTIME, in(t, &tx, sizeof(tx)));
	went_well(t);
}

static void real_setitimer(struct t *t)
{
	struct itimerval v = { { 0, 0 }, { 1000, 7 } }, zero = { 0 };

	t->varies = true;
	assert_int_equal(setitimer(ITIMER_REAL, &v, NULL), 0);
	DO(SYS_setitimer, ITIMER_REAL, in(t, &zero, sizeof(zero)), out(t, 32));
	went_well(t);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* SIGALRM comes until the case is over, so that a wait is interrupted even if the first one comes too early. */
static void alarms(bool on)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval v = { { 0, on ? 2000 : 0 }, { 0, on ? 2000 : 0 } };

	assert_int_equal(setitimer(ITIMER_REAL, &v, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, on ? &sa : &(struct sigaction){ .sa_handler = SIG_IGN },
				   NULL),
			 0);
	if (on)
		assert_int_equal(setitimer(ITIMER_REAL, &v, NULL), 0);
}

static void real_nanosleep(struct t *t)
{
	struct timespec ts = { 1000, 0 };

	t->varies = true;
	alarms(true);
	DO(SYS_nanosleep, in(t, &ts, sizeof(ts)), out(t, 16));
	alarms(false);
	assert_int_equal(t->ret, -EINTR);
	expect(t, U(t->buf[1].p), 16);
}

static void real_clock_nanosleep(struct t *t)
{
	struct timespec ts = { 1000, 0 };

	t->varies = true;
	alarms(true);
	DO(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, in(t, &ts, sizeof(ts)), out(t, 16));
	alarms(false);
	assert_int_equal(t->ret, -EINTR);
	expect(t, U(t->buf[1].p), 16);
}

/* Of a wait until a point in time nothing is told. */
static void real_clock_nanosleep_abs(struct t *t)
{
	struct timespec ts;
	uint64_t rest;

	t->no_plan = t->varies = true;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	ts.tv_sec += 1000;
	alarms(true);
	rest = out(t, 16);
	loose(t);
	DO(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, in(t, &ts, sizeof(ts)), rest);
	alarms(false);
	assert_int_equal(t->ret, -EINTR);
	assert_int_equal(t->ngot, 0);
}

/* A sleep that isn't interrupted writes nothing. */
static void real_nanosleep_whole(struct t *t)
{
	struct timespec ts = { 0, 1 };

	DO(SYS_nanosleep, in(t, &ts, sizeof(ts)), out(t, 16));
	assert_int_equal(t->ret, 0);
	assert_int_equal(t->ngot, 0);
}

/* poll and ppoll write although they are interrupted. */
static void real_ppoll_interrupted(struct t *t)
{
	struct timespec ts = { 1000, 0 };
	struct pollfd none = { -1, POLLIN, 0x7777 };

	t->varies = true;
	alarms(true);
	DO(SYS_ppoll, in(t, &none, sizeof(none)), 1, in(t, &ts, sizeof(ts)), 0, 0);
	alarms(false);
	assert_int_equal(t->ret, -EINTR);
}

static void real_select_interrupted(struct t *t)
{
	struct timeval tv = { 1000, 0 };

	t->varies = true;
	alarms(true);
	DO(SYS_select, 0, 0, 0, 0, in(t, &tv, sizeof(tv)));
	alarms(false);
	assert_int_equal(t->ret, -EINTR);
	expect(t, U(t->buf[0].p), 16);
}

static void real_timer_create(struct t *t)
{
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	int id;

	t->varies = true;
	DO(SYS_timer_create, CLOCK_MONOTONIC, in(t, &ev, sizeof(ev)), out(t, 4));
	assert_true(went_well(t));
	memcpy(&id, t->buf[1].p, sizeof(id));
	syscall(SYS_timer_delete, id);
}

static void real_timer_settime(struct t *t)
{
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	struct itimerspec v = { { 0, 0 }, { 1000, 0 } };
	int id;

	assert_int_equal(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id), 0);
	DO(SYS_timer_settime, id, 0, in(t, &v, sizeof(v)), out(t, 32));
	went_well(t);
	syscall(SYS_timer_delete, id);
}

static void real_timer_gettime(struct t *t)
{
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	int id;

	assert_int_equal(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id), 0);
	DO(SYS_timer_gettime, id, out(t, 32));
	went_well(t);
	syscall(SYS_timer_delete, id);
}

static void real_timerfd_settime(struct t *t)
{
	struct itimerspec v = { { 0, 0 }, { 1000, 0 } };

	DO(SYS_timerfd_settime, fd_of(t, timerfd_create(CLOCK_MONOTONIC, 0)), 0,
	   in(t, &v, sizeof(v)), out(t, 32));
	went_well(t);
}

static void real_timerfd_gettime(struct t *t)
{
	DO(SYS_timerfd_gettime, fd_of(t, timerfd_create(CLOCK_MONOTONIC, 0)), out(t, 32));
	went_well(t);
}

static void real_rt_sigaction(struct t *t)
{
	DO(SYS_rt_sigaction, SIGUSR1, 0, out(t, 32), 8);
	went_well(t);
}

static void real_rt_sigprocmask(struct t *t)
{
	DO(SYS_rt_sigprocmask, SIG_BLOCK, 0, out(t, 8), 8);
	went_well(t);
}

static void real_rt_sigpending(struct t *t)
{
	DO(SYS_rt_sigpending, out(t, 8), 8);
	went_well(t);
}

static void real_rt_sigtimedwait(struct t *t)
{
	uint64_t set = 1ull << (SIGUSR2 - 1);
	struct timespec ts = { 10, 0 };

	assert_int_equal(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 8), 0);
	raise(SIGUSR2);
	DO(SYS_rt_sigtimedwait, in(t, &set, 8), out(t, sizeof(siginfo_t)), in(t, &ts, sizeof(ts)),
	   8);
	assert_int_equal(t->ret, SIGUSR2);
	assert_int_equal(syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &set, NULL, 8), 0);
}

static void real_sigaltstack(struct t *t)
{
	DO(SYS_sigaltstack, 0, out(t, sizeof(stack_t)));
	went_well(t);
}

static const struct sys_test real_clock[] = {
	{ "time", real_time, NULL },
	{ "times", real_times, NULL },
	{ "gettimeofday", real_gettimeofday, NULL },
	{ "clock_gettime", real_clock_gettime, NULL },
	{ "clock_getres", real_clock_getres, NULL },
	{ "getitimer", real_getitimer, NULL },
	{ "adjtimex", real_adjtimex, NULL },
	{ "clock_adjtime", real_clock_adjtime, NULL },
	{ "setitimer", real_setitimer, NULL },
	{ "nanosleep", real_nanosleep, NULL },
	{ "nanosleep", real_nanosleep_whole, NULL },
	{ "clock_nanosleep", real_clock_nanosleep, NULL },
	{ "clock_nanosleep", real_clock_nanosleep_abs, NULL },
	{ "ppoll", real_ppoll_interrupted, NULL },
	{ "select", real_select_interrupted, NULL },
	{ "timer_create", real_timer_create, NULL },
	{ "timer_settime", real_timer_settime, NULL },
	{ "timer_gettime", real_timer_gettime, NULL },
	{ "timerfd_settime", real_timerfd_settime, NULL },
	{ "timerfd_gettime", real_timerfd_gettime, NULL },
	{ "rt_sigaction", real_rt_sigaction, NULL },
	{ "rt_sigprocmask", real_rt_sigprocmask, NULL },
	{ "rt_sigpending", real_rt_sigpending, NULL },
	{ "rt_sigtimedwait", real_rt_sigtimedwait, NULL },
	{ "sigaltstack", real_sigaltstack, NULL },
	{ NULL, NULL, NULL },
};

#endif
