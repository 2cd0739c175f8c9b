/* SPDX-License-Identifier: MIT */
#include "record/affinity.h"

#include <asm/unistd.h>

#include "tracee/tracee.h"

#define SHARE_NS \
	1000000ull /* a thread that has run for so long needn't wait for others that stop often */
#define SHARE_EVERY_NS 200000ull /* between two searches for such */

void affinity__start(struct recorder *r, struct task *root)
{
	home__open(&r->home);
	root->seat.own = r->home.all;
	home__bring(&r->home, root->tid, &root->seat);
}

void affinity__inherit(const struct task *parent, struct task *child)
{
	child->seat = parent->seat;
	child->seat.quick = 0;
}

void affinity__stopped(struct recorder *r, struct task *t, uint64_t cont_ns)
{
	if (t->seat.away)
		home__stopped(&r->home, t->tid, &t->seat, t->stop_ns - cont_ns);
}

/** The insider that a call's first argument names; NULL: it is none. */
static struct task *target(struct recorder *r, struct task *t)
{
	return (pid_t)t->args[0] ? rtask__find(r, (pid_t)t->args[0]) : t;
}

/** What it was told is where bprec lets it run; puts what it may believe over that. ret: bytes of the mask. */
static void tell_own(struct task *t, const struct task *of, int64_t ret)
{
	if (ret > 0 && (size_t)ret <= sizeof(of->seat.own))
		tracee__write(t->tid, t->args[2], &of->seat.own, ret);
}

/** The kernel has accepted a mask, less the processors that aren't in the cpuset: that is what it may believe from now on. Where it
 *  really runs doesn't tell: it may have been brought home since. */
static void take_own(struct recorder *r, struct task *t, struct task *of)
{
	const size_t given = t->args[1];
	cpu_set_t own = { 0 };

	tracee__read(t->tid, t->args[2], &own, given < sizeof(own) ? given : sizeof(own));
	CPU_AND(&of->seat.own, &own, &r->home.possible);
	of->seat.narrowed = of->seat.away = true;
	sched_setaffinity(of->tid, sizeof(own), &of->seat.own);
	home__bring(&r->home, of->tid, &of->seat);
}

void affinity__exit(struct recorder *r, struct task *t, int64_t ret)
{
	struct task *of;

	if ((t->nr != __NR_sched_getaffinity && t->nr != __NR_sched_setaffinity) || ret < 0 ||
	    !r->home.on)
		return;
	of = target(r, t);
	if (!of)
		return;
	if (t->nr == __NR_sched_getaffinity)
		tell_own(t, of, ret);
	else
		take_own(r, t, of);
}

/** A call that takes long in the kernel counts too: nobody knows whether it waits or works. */
static bool is_long(const struct task *t, uint64_t now)
{
	return !t->seat.away && (t->state == TASK_RUNNING || t->state == TASK_IN_CALL) &&
	       now > t->stop_ns && now - t->stop_ns > HOME_LONG_NS;
}

void affinity__tick(struct recorder *r, uint64_t now)
{
	const bool moved = home__crowded(&r->home, now);

	if (!r->home.on)
		return;
	for (struct task *t = r->tasks; t; t = t->hh.next) {
		if (is_long(t, now))
			home__release(&r->home, t->tid, &t->seat);
		else if (moved && !t->seat.away)
			home__bring(&r->home, t->tid, &t->seat);
	}
}

void affinity__share(struct recorder *r, uint64_t now)
{
	if (!r->home.on || now < r->next_share_ns)
		return;
	r->next_share_ns = now + SHARE_EVERY_NS;
	for (struct task *t = r->tasks; t; t = t->hh.next)
		if (t->state == TASK_RUNNING && !t->seat.away && now > t->stop_ns + SHARE_NS)
			home__release(&r->home, t->tid, &t->seat);
}

bool affinity__busy(const struct recorder *r)
{
	if (!r->home.on)
		return false;
	for (const struct task *t = r->tasks; t; t = t->hh.next)
		if (!t->seat.away && t->state == TASK_RUNNING)
			return true;
	return false;
}
