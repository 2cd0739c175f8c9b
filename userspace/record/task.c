/* SPDX-License-Identifier: MIT */
/* task.c: the tables of threads and address spaces, and small helpers of the recorder. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <Judy.h>

#include "record/order.h"
#include "record/preempt.h"
#include "record/recorder.h"
#include "record/sched.h"
#include "record/signals.h"
#include "record/stores.h"
#include "util/err.h"

struct task *rtask__find(struct recorder *r, pid_t tid)
{
	struct task *t;

	HASH_FIND_INT(r->tasks, &tid, t);
	return t;
}

int rtask__note(struct recorder *r, pid_t tid)
{
	return Judy1Set(&r->numbers, (Word_t)tid, PJE0) == JERR ? -ENOMEM : 0;
}

bool rtask__was(const struct recorder *r, pid_t tid)
{
	return Judy1Test(r->numbers, (Word_t)tid, PJE0) == 1;
}

struct task *rtask__new(struct recorder *r, pid_t tid)
{
	struct task *t = rtask__note(r, tid) ? NULL : calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->tid = t->pid = tid;
	t->idle_ns = now_ns();
	HASH_ADD_INT(r->tasks, tid, t);
	r->ntasks++;
	return t;
}

void rtask__free(struct recorder *r, struct task *t)
{
	sched__leave(r, t);
	order__end(r, t);
	signals__drop(r, t);
	stores__drop(t);
	preempt__free(t);
	HASH_DEL(r->tasks, t);
	r->ntasks--;
	free(t->plan);
	free(t->moved);
	free(t->robust);
	free(t);
}

struct aspace *aspace__get(struct recorder *r, uint32_t id)
{
	struct aspace *s;

	HASH_FIND_INT(r->spaces, &id, s);
	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->id = id;
	HASH_ADD_INT(r->spaces, id, s);
	return s;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

void recorder__warn(struct recorder *r, const char *fmt, ...)
{
	char line[ERR_TEXT_MAX];
	va_list ap;

	if (!r->opts->warn)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	r->opts->warn(r->opts->ctx, line);
}

int recorder__fail(struct recorder *r, int err, const char *what)
{
	if (!r->err) {
		r->err = err;
		err__set(err, "%s: %s", what, strerror(-err));
	}
	return r->err;
}
