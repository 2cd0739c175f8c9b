/* SPDX-License-Identifier: MIT */
#include "tracee/home.h"

#include <stdio.h>
#include <string.h>

#define QUICK_NS	1000000ull   /* a stop that comes so soon is a sign of many */
#define QUICK_STOPS	3	     /* so many in a row bring a tracee home */
#define LOOK_NS		200000000ull /* between two looks at the waiting time */
#define CROWDED_PERCENT 40	     /* of the time between two looks spent waiting: too much */

void home__open(struct home *h)
{
	const int cpu = sched_getcpu();

	*h = (struct home){ 0 };
	if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(h->all), &h->all))
		return;
	if (CPU_COUNT(&h->all) < 2 || !CPU_ISSET(cpu, &h->all))
		return;
	memset(&h->possible, 0xff, sizeof(h->possible));
	if (sched_setaffinity(0, sizeof(h->possible), &h->possible) ||
	    sched_getaffinity(0, sizeof(h->possible), &h->possible))
		return;
	CPU_SET(cpu, &h->one);
	h->cpu = cpu;
	h->on = !sched_setaffinity(0, sizeof(h->one), &h->one);
}

void home__close(struct home *h)
{
	home__leave(h);
	h->on = false;
}

void home__leave(const struct home *h)
{
	if (h->on)
		sched_setaffinity(0, sizeof(h->all), &h->all);
}

void home__bring(const struct home *h, pid_t tid, struct home_seat *s)
{
	if (!h->on || (s->narrowed && !CPU_ISSET(h->cpu, &s->own)))
		return;
	s->away = sched_setaffinity(tid, sizeof(h->one), &h->one) != 0;
	s->quick = 0;
}

void home__release(const struct home *h, pid_t tid, struct home_seat *s)
{
	if (!h->on || s->away)
		return;
	sched_setaffinity(tid, sizeof(h->all), s->narrowed ? &s->own : &h->all);
	s->away = true;
	s->quick = 0;
}

void home__stopped(const struct home *h, pid_t tid, struct home_seat *s, uint64_t ran_ns)
{
	if (!s->away)
		return;
	s->quick = ran_ns < QUICK_NS ? s->quick + 1 : 0;
	if (s->quick >= QUICK_STOPS)
		home__bring(h, tid, s);
}

/** Nanoseconds that the calling thread was ready and had no processor (Documentation/scheduler/sched-stats.rst); 0: not
 *  known. */
static uint64_t waited_ns(void)
{
	unsigned long long ran, waited = 0;
	FILE *f = fopen("/proc/thread-self/schedstat", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu", &ran, &waited) != 2)
		waited = 0;
	fclose(f);
	return waited;
}

static void move_on(struct home *h)
{
	cpu_set_t next;
	int cpu = h->cpu;

	do {
		cpu = (cpu + 1) % CPU_SETSIZE;
	} while (!CPU_ISSET(cpu, &h->all));
	CPU_ZERO(&next);
	CPU_SET(cpu, &next);
	if (sched_setaffinity(0, sizeof(next), &next))
		return; /* that one is gone: stay */
	h->one = next;
	h->cpu = cpu;
}

static bool too_early(const struct home *h, uint64_t now_ns)
{
	return !h->on || now_ns - h->look_ns < LOOK_NS;
}

bool home__crowded_by(struct home *h, uint64_t now_ns, uint64_t waited)
{
	const uint64_t since = now_ns - h->look_ns, before = h->wait_ns;
	const bool first = !h->look_ns;

	if (too_early(h, now_ns))
		return false;
	h->look_ns = now_ns;
	h->wait_ns = waited;
	if (first || waited < before || (waited - before) * 100 < since * CROWDED_PERCENT)
		return false;
	move_on(h);
	return true;
}

bool home__crowded(struct home *h, uint64_t now_ns)
{
	return !too_early(h, now_ns) && home__crowded_by(h, now_ns, waited_ns());
}
