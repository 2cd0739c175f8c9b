/* SPDX-License-Identifier: MIT */
/*
 * watch.c: a watch from its start to its end: the observation of a recording, of a tree that nobody stops.
 *
 * Everything comes from the kernel's records: who belongs to the tree, what it maps, what others change. They are acted on in
 * the order in which they were made, in rounds:
 *   1. take what the ring holds and act on it (watch_tree.c, watch_maps.c, outside.c);
 *   2. list the mappings of processes that were stirred, so that no change is taken for one that nobody maps;
 *   3. write down the changes that are over;
 *   4. take out of the model what was found gone by a list older than step 1.
 *
 * Nobody is held, so contents are read some time after a change. Whether "nothing differs" then means anything is for check to
 * say: it needs to know that the snapshot is older than the change, and that no other change came in between (crowded()
 * in compare.c).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/emit.h"
#include "record/events.h"
#include "record/image.h"
#include "record/lower.h"
#include "record/outside.h"
#include "record/recording.h"
#include "record/watch_calls.h"
#include "record/watch_maps.h"
#include "record/watch_tree.h"
#include "tracee/tracee.h"
#include "util/err.h"

#define TICK_BUSY_MS 5
#define TICK_IDLE_MS 50
#define NICE	     (-10)
#define REAP_NS	     500000000ull /* between two looks for ends that no record told of */

/** What is waited for. */
struct waits {
	int epoll;
	int pidfd;	   /* of the command; -1: none, or it has ended */
	uint64_t tick_ns;  /* next tick */
	uint64_t reap_ns;  /* next watch_tree__reap */
	uint64_t drain_ns; /* the ring was taken out then */
};

static volatile sig_atomic_t told_to_end;

static void on_end(int sig)
{
	(void)sig;
	told_to_end = 1;
}

/** Signals to a watch of somebody else's processes end it, and leave them alone. */
static void end_by_signals(void)
{
	const struct sigaction sa = { .sa_handler = on_end };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int wait_for(struct waits *w, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int waits_open(struct recorder *r, struct waits *w)
{
	int err;

	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll < 0)
		return -errno;
	err = wait_for(w, kern__ring_fd(r->k));
	if (err || r->opts->attach)
		return err;
	w->pidfd = (int)syscall(SYS_pidfd_open, r->root, 0);
	return w->pidfd < 0 ? -errno : wait_for(w, w->pidfd);
}

static void waits_close(struct waits *w)
{
	if (w->pidfd >= 0)
		close(w->pidfd);
	if (w->epoll >= 0)
		close(w->epoll);
}

static int on_insider(struct recorder *r, const struct kevent *ke)
{
	struct task *t = watch_tree__insider(r, ke->tgid);

	if (!t)
		return 0;
	if (ke->type == KEV_WATCH)
		return watch_maps__mapped(r, t, ke);
	watch_maps__stirred(r, t);
	return 0;
}

/** Acts on one record. */
static int on_record(struct recorder *r, const struct kevent *ke)
{
	switch (ke->type) {
	case KEV_BEGIN:
	case KEV_END:
		if (ke->flags & KEVF_INSIDER)
			return watch_calls__event(r, ke);
		break;
	case KEV_TREE_FORK:
	case KEV_TREE_EXEC:
	case KEV_TREE_EXIT:
		return watch_tree__event(r, ke);
	case KEV_WATCH:
	case KEV_STIRRED:
		return on_insider(r, ke);
	}
	return outside__event(r, ke);
}

/** Acts on everything that the ring holds now. */
static int take_records(struct recorder *r, struct waits *w)
{
	int err;

	w->drain_ns = now_ns();
	err = events__drain(r);
	while (!err && r->kq_at < r->kq_n) {
		const struct kevent ke = r->kq[r->kq_at++];

		err = on_record(r, &ke);
	}
	return err;
}

/** The command is over; its descendants may go on. */
static void take_status(struct recorder *r, struct waits *w)
{
	int status;

	if (w->pidfd < 0 || waitpid(r->root, &status, WNOHANG) <= 0)
		return;
	watch_tree__status(status, &r->end_kind, &r->end_code);
	close(w->pidfd);
	w->pidfd = -1;
}

static int tick(struct recorder *r, struct waits *w)
{
	const uint64_t now = now_ns();
	int err = 0;

	if (now >= w->reap_ns) {
		w->reap_ns = now + REAP_NS;
		if (w->pidfd < 0)
			err = watch_tree__reap(r, w->drain_ns);
	}
	if (now < w->tick_ns)
		return err;
	w->tick_ns = now + 1000000;
	if (!err)
		err = outside__tick(r, now);
	return err ? err : writer__flush(r->w, 100000000ull);
}

static int one_round(struct recorder *r, struct waits *w)
{
	int err = take_records(r, w);

	take_status(r, w);
	if (!r->opts->attach)
		events__forward_signals(r);
	if (!err)
		err = watch_maps__list_stirred(r, r->changes != NULL);
	if (!err && r->changes)
		err = outside__progress(r);
	if (!err)
		err = watch_maps__settle(r, w->drain_ns);
	return err ? err : tick(r, w);
}

static bool is_over(const struct recorder *r, const struct waits *w)
{
	if (r->opts->attach)
		return told_to_end || !r->tasks;
	return w->pidfd < 0 && !r->tasks;
}

static int loop(struct recorder *r, struct waits *w)
{
	struct epoll_event ev;
	int err = 0;

	while (!err && !is_over(r, w)) {
		const bool busy = outside__busy(r) || watch_maps__busy(r);

		if (epoll_wait(w->epoll, &ev, 1, busy ? TICK_BUSY_MS : TICK_IDLE_MS) < 0 &&
		    errno != EINTR)
			return -errno;
		err = one_round(r, w);
	}
	return err ? recorder__fail(r, err, "watching") : r->err;
}

/** The watch ends while there still are insiders: what is known by now is written down. */
static int last_look(struct recorder *r, struct waits *w)
{
	struct task *t, *tmp;
	int err = take_records(r, w);

	if (!err)
		err = watch_maps__list_stirred(r, true);
	if (!err)
		err = outside__progress(r);
	HASH_ITER (hh, r->tasks, t, tmp) {
		if (!err)
			err = outside__before_unmap(r, t, 0, ~0ull, false);
	}
	return err;
}

/** Whoever is late finds processes gone whose files it wanted to read: many descriptors, and turns before others if allowed. */
static void keep_up(void)
{
	recording__raise_file_limit();
	setpriority(PRIO_PROCESS, 0, NICE);
}

static int enter_root(void *ctx, pid_t pid)
{
	struct recorder *r = ctx;
	const int err = kern__tree_add(r->k, pid);

	return err ? err__set(err, "the new process could not be watched: %s", strerror(-err))
		   : watch_tree__root(r, pid);
}

static int start_command(struct recorder *r)
{
	const struct tracee_launch l = {
		.argv = r->opts->argv,
		.envp = r->opts->envp,
		.untraced = true,
	};
	pid_t pid;
	int err;

	events__take_signals();
	err = tracee__launch(&l, enter_root, r, &pid);
	if (!err)
		keep_up();
	return err;
}

static int attach(struct recorder *r)
{
	const pid_t pid = r->opts->attach;
	int err;

	keep_up();
	err = watch_tree__attach(r, pid);
	if (err == -ESRCH)
		return err__set(err, "there is no process %d", pid);
	return err ? recorder__fail(r, err, "attaching") : 0;
}

int watch__run(const struct record_opts *opts, struct record_result *ret)
{
	struct recorder r = { .opts = opts, .watch = true };
	struct waits w = { .epoll = -1, .pidfd = -1 };
	int err;

	tracee__save_signals();
	*ret = (struct record_result){ 0 };
	if (opts->attach && kill(opts->attach, 0) && errno == ESRCH)
		return err__set(-ESRCH, "there is no process %d", opts->attach);
	err = opts->attach ? 0 : image__find(opts->argv[0]);
	if (err) {
		ret->not_executed = true;
		return err;
	}
	if (opts->attach)
		end_by_signals();
	err = recording__open(&r);
	ret->observed = r.k != NULL;
	if (err)
		goto out;
	lower__add_all(&r);
	err__clear();
	err = opts->attach ? attach(&r) : start_command(&r);
	if (err) {
		ret->not_executed = !opts->attach && !*err__text();
		goto out;
	}
	err = waits_open(&r, &w);
	if (!err)
		err = loop(&r, &w);
	if (!r.end_kind)
		r.end_kind = END_LEFT;
	if (!err)
		err = last_look(&r, &w);
	if (!err)
		err = recording__finish(&r, ret);
	ret->end_kind = err ? END_FAILED : r.end_kind;
	ret->end_code = r.end_code;
out:
	watch_calls__drop(&r, 0);
	waits_close(&w);
	recording__free(&r);
	return err;
}
