/* SPDX-License-Identifier: MIT */
/*
 * events.c: one ordered stream out of three sources: ptrace stops (waitpid), records of the BPF programs (ring buffer),
 * and time.
 *
 * The recorder blocks in waitpid, which is the cheapest way to learn of a stop. A helper thread, the kicker, sleeps on the
 * ring buffer's descriptor with a time-out, and interrupts waitpid by a signal. A signal that arrives just before waitpid
 * blocks would be lost; so the kicker repeats it, every millisecond, until the recorder has seen the wish.
 */
#include "record/events.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/stacks.h"

#define KICK_SIGNAL  (SIGRTMIN + 7)
#define TICK_BUSY_MS 5	/* somebody waits for a token, or contents are to be compared */
#define TICK_IDLE_MS 50 /* flush */

/** The helper thread and what it shares with the recorder. */
struct kicker {
	pthread_t thread, main;
	const struct home *home; /* of the recorder's thread */
	int epoll, wake[2];
	atomic_bool want;    /* the kicker wishes to be seen */
	atomic_bool waiting; /* the recorder is, or is about to be, in waitpid */
	atomic_int tick_ms;
	atomic_bool stop;
};

static volatile sig_atomic_t forward[_NSIG];
static volatile sig_atomic_t forward_any;

static void on_kick(int sig)
{
	(void)sig;
}

/** Where a signal to bprec came from. */
enum forward_from {
	FORWARD_NONE,
	FORWARD_PROCESS,  /* a process sent it: it is passed on */
	FORWARD_TERMINAL, /* si_code > 0: it reached the command by itself */
};

static void on_forward(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	forward[sig] = si->si_code > 0 ? FORWARD_TERMINAL : FORWARD_PROCESS;
	forward_any = 1;
}

static void *kicker_main(void *arg)
{
	struct kicker *k = arg;
	struct epoll_event ev;

	home__leave(k->home);
	while (!atomic_load(&k->stop)) {
		int n = epoll_wait(k->epoll, &ev, 1, atomic_load(&k->tick_ms));

		if (n < 0 && errno != EINTR)
			break;
		atomic_store(&k->want, true);
		for (int i = 0; i < 1000 && atomic_load(&k->want) && !atomic_load(&k->stop); i++) {
			if (!atomic_load(&k->waiting))
				break;
			pthread_kill(k->main, KICK_SIGNAL);
			usleep(1000);
		}
	}
	return NULL;
}

static int watch_fd(struct kicker *k, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.fd = fd };

	return fd < 0 ? 0 : epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

void events__take_signals(void)
{
	struct sigaction fwd = { .sa_sigaction = on_forward, .sa_flags = SA_SIGINFO };
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

	for (size_t i = 0; i < sizeof(sigs) / sizeof(*sigs); i++)
		sigaction(sigs[i], &fwd, NULL);
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

int events__start(struct recorder *r)
{
	struct kicker *k = calloc(1, sizeof(*k));
	struct sigaction kick = { .sa_handler = on_kick };
	sigset_t all, old;
	int err;

	if (!k)
		return -ENOMEM;
	r->kicker = k;
	k->main = pthread_self();
	k->home = &r->home;
	atomic_store(&k->tick_ms, TICK_IDLE_MS);
	k->wake[0] = k->wake[1] = -1;
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (k->epoll < 0 || pipe2(k->wake, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	err = watch_fd(k, k->wake[0]);
	if (!err && r->k)
		err = watch_fd(k, kern__ring_fd(r->k));
	if (err)
		return err;
	sigaction(KICK_SIGNAL, &kick, NULL);
	events__take_signals();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&k->thread, NULL, kicker_main, k);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		k->thread = 0;
	return err;
}

void events__stop(struct recorder *r)
{
	struct kicker *k = r->kicker;

	free(r->kq);
	free(r->wq);
	r->kq = NULL;
	r->wq = NULL;
	if (!k)
		return;
	atomic_store(&k->stop, true);
	if (k->thread) {
		if (write(k->wake[1], "", 1) < 0)
			atomic_store(&k->tick_ms, 1);
		pthread_join(k->thread, NULL);
	}
	close(k->epoll);
	close(k->wake[0]);
	close(k->wake[1]);
	free(k);
	r->kicker = NULL;
}

/**
 * Passes a signal on: to the command, or to all that it has left behind, which may be out of the terminal's reach.
 * Returns false if the command is gone and its end not yet told: then it is to be asked again.
 */
static bool pass_on(struct recorder *r, int sig, enum forward_from from)
{
	if (!r->end_kind) {
		if (r->root > 0 && from == FORWARD_PROCESS)
			return !kill(r->root, sig) || errno != ESRCH;
		return true;
	}
	for (struct task *t = r->tasks; t; t = t->hh.next)
		if (t->tid == t->pid)
			kill(t->pid, sig);
	return true;
}

void events__forward_signals(struct recorder *r)
{
	if (!forward_any)
		return;
	forward_any = 0;
	for (int sig = 1; sig < _NSIG; sig++) {
		const enum forward_from from = forward[sig];

		forward[sig] = FORWARD_NONE;
		if (from && !pass_on(r, sig, from)) {
			forward[sig] = from;
			forward_any = 1;
		}
	}
}

static int push_kernel(void *ctx, const struct kevent *ev)
{
	struct recorder *r = ctx;

	if (ev->type >= KEV_PROC && ev->type <= KEV_STACK) /* comes about as its event does */
		return stacks__record(r, (const struct kwho *)ev);
	if (r->kq_n == r->kq_cap) {
		size_t cap = r->kq_cap ? 2 * r->kq_cap : 256;
		struct kevent *q = realloc(r->kq, cap * sizeof(*q));

		if (!q)
			return -ENOMEM;
		r->kq = q;
		r->kq_cap = cap;
	}
	r->kq[r->kq_n++] = *ev;
	return 0;
}

/** What was dispatched makes room. Not each time, but as often as it costs no more than the queue itself. */
static void close_up(struct recorder *r)
{
	const size_t left = r->kq_n - r->kq_at;

	if (r->kq_at < left)
		return;
	if (left)
		memmove(r->kq, r->kq + r->kq_at, left * sizeof(*r->kq));
	r->kq_at = 0;
	r->kq_n = left;
}

int events__drain(struct recorder *r)
{
	int n;

	if (!r->k || !kern__pending(r->k))
		return 0;
	close_up(r);
	if (r->kq_n - r->kq_at >= EVENTS_QUEUE_MAX)
		return 1;
	n = kern__drain(r->k, push_kernel, r);
	return n < 0 ? n : 0;
}

static int push_wait(struct recorder *r, pid_t tid, int status)
{
	if (r->wq_n == r->wq_cap) {
		size_t cap = r->wq_cap ? 2 * r->wq_cap : 64;
		struct wait_result *q = realloc(r->wq, cap * sizeof(*q));

		if (!q)
			return -ENOMEM;
		r->wq = q;
		r->wq_cap = cap;
	}
	r->wq[r->wq_n++] = (struct wait_result){ tid, status, now_ns() };
	return 0;
}

/** Takes the stops that are there already, so that none of many threads is passed over again and again. Each time: a stop that waits
 *  comes into the trace behind what others do meanwhile, maybe to its memory. */
static int more_stops(struct recorder *r)
{
	int status, err = 0;
	pid_t tid;

	if (r->ntasks < 2)
		return 0;
	while (!err && (tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
		err = push_wait(r, tid, status);
	return err;
}

/** Blocks until a stop or a kick. 1: nothing is left to wait for. */
static int wait_stop(struct recorder *r)
{
	struct kicker *k = r->kicker;
	int status, err = 0;
	pid_t tid;

	atomic_store(&k->tick_ms, r->asks.busy(r) ? TICK_BUSY_MS : TICK_IDLE_MS);
	atomic_store(&k->waiting, true);
	if (atomic_load(&k->want) || (r->k && kern__pending(r->k)))
		tid = waitpid(-1, &status, __WALL | WNOHANG);
	else
		tid = waitpid(-1, &status, __WALL);
	if (tid < 0)
		err = errno;
	atomic_store(&k->waiting, false);
	if (tid > 0) {
		err = push_wait(r, tid, status);
		return err ? err : more_stops(r);
	}
	return tid == 0 || err == EINTR ? 0 : err == ECHILD ? 1 : -err;
}

static void pop_wait(struct recorder *r, struct rec_event *ret)
{
	const struct wait_result *wr = &r->wq[r->wq_at++];

	ret->tid = wr->tid;
	ret->status = wr->status;
	ret->ns = wr->ns;
	ret->type = WIFSTOPPED(wr->status) ? REV_STOP : REV_GONE;
	if (r->wq_at == r->wq_n)
		r->wq_at = r->wq_n = 0;
}

static bool tick_due(struct recorder *r)
{
	uint64_t now;

	if (!atomic_load(&r->kicker->want))
		return false;
	atomic_store(&r->kicker->want, false);
	now = now_ns();
	if (now < r->next_tick_ns)
		return false;
	r->next_tick_ns = now + 1000000;
	return true;
}

int next_event(struct recorder *r, struct rec_event *ret)
{
	int err = r->kq_n - r->kq_at < EVENTS_QUEUE_MAX / 2 ? events__drain(r) : 0;

	ret->type = REV_NONE;
	if (err)
		return err;
	if (r->kq_at < r->kq_n) {
		ret->type = REV_KERNEL;
		ret->ke = &r->kq[r->kq_at++];
		return 0;
	}
	if (tick_due(r)) {
		ret->type = REV_TICK;
		return 0;
	}
	if (r->wq_at < r->wq_n) {
		pop_wait(r, ret);
		return 0;
	}
	err = wait_stop(r);
	if (err == 1) {
		ret->type = REV_END;
		return 0;
	}
	return err;
}
