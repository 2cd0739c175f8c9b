/* SPDX-License-Identifier: MIT */
/*
 * engine.c: the events of a trace, one after the other.
 *
 * The order of the trace is the order of the replay. A thread runs user code for the event that ended that piece of user
 * code in the recording (a call, a fault, a preemption point); every other event happens while it stands. So what threads of
 * a share group do to their memory happens in the recorded order. Threads of other groups may have run up to their own next
 * event by then (ahead.c): what they met there is looked at when its turn comes.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "replay/state.h"
#include "tracee/tracee.h"
#include "util/err.h"

static const char *type_name(uint16_t type)
{
#define NAME(id, n, text) [n] = text,
	static const char *const names[EV_MAX] = { BPREC_EVENTS(NAME) };
#undef NAME
	return type < EV_MAX && names[type] ? names[type] : "?";
}

static int say(struct replay *rp, int err, const char *fmt, va_list ap)
{
	char text[ERR_TEXT_MAX / 2];

	vsnprintf(text, sizeof(text), fmt, ap);
	return err__set(err, "event %llu (%s of thread %u): %s", (unsigned long long)rp->no,
			type_name(rp->type), rp->tid, text);
}

int replay__differs(struct replay *rp, const char *fmt, ...)
{
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = say(rp, -REPLAY_E_DIFFERS, fmt, ap);
	va_end(ap);
	return err;
}

int replay__fail(struct replay *rp, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err = say(rp, err, fmt, ap);
	va_end(ap);
	return err;
}

static int on_start(struct replay *rp, const struct ev_start *s)
{
	const uint64_t xcr0 = tracee__xcr0();

	if (s->observed == OBSERVED_ONLY)
		return replay__fail(
			rp, -REPLAY_E_CANT,
			"it was made by 'bprec watch': it holds no program to run again");
	if (s->xsave_size && s->xsave_size != tracee__xstate_size())
		return replay__fail(
			rp, -REPLAY_E_CANT,
			"the recording machine's extended state has %u bytes (features %#llx), "
			"this one's %zu (%#llx): replay it on a machine with the same processor "
			"features",
			s->xsave_size, (unsigned long long)s->xcr0, tracee__xstate_size(),
			(unsigned long long)xcr0);
	return 0;
}

static int on_limit(struct rtask *t, const struct ev_limit *l)
{
	struct rlimit rl = { l->soft, RLIM_INFINITY };

	if (l->resource == RLIMIT_STACK && prlimit(t->real, RLIMIT_STACK, NULL, &rl) == 0) {
		rl.rlim_cur = l->soft < rl.rlim_max ? l->soft : rl.rlim_max;
		prlimit(t->real, RLIMIT_STACK, &rl, NULL);
	}
	return 0;
}

static int keep(struct event_header **where, const struct event_header *ev)
{
	free(*where);
	*where = malloc(ev->size);
	if (!*where)
		return err__set(-ENOMEM, "no memory");
	memcpy(*where, ev, ev->size);
	return 0;
}

static int on_memhash(struct replay *rp, struct rtask *t, const struct event_header *ev)
{
	const struct ev_memhash *h = (const void *)(ev + 1);

	if (rp->opts.no_verify)
		return 0;
	if (h->flags & MEMHASH_POINT)
		return keep(&t->memhash, ev);
	if (t->state == RTASK_RUNNING)
		return replay__fail(rp, -REPLAY_E_CANT, "hashes of memory while the thread runs");
	return memhash__check(rp, t, h);
}

/** Events that are about a thread that must be known. */
static int of_thread(struct replay *rp, struct rtask *t, const struct event_header *ev)
{
	switch (ev->type) {
	case EV_EXIT:
		return rtask__exit(rp, t, ev);
	case EV_SYSCALL:
	case EV_SYSCALL_ENTER:
	case EV_DATA:
		return calls__event(rp, t, ev);
	case EV_SIGNAL:
		return signals__event(rp, t, ev);
	case EV_REGS:
		return signals__regs(rp, t, ev);
	case EV_INSN:
		return signals__insn(rp, t, ev);
	case EV_MAP:
	case EV_UNMAP:
	case EV_PROTECT:
	case EV_REMAP:
	case EV_MEM:
		return mem__event(rp, t, ev);
	case EV_OUTPUT:
		return output__moved(rp, t, (const void *)(ev + 1));
	case EV_WORDS:
		return keep(&t->words, ev);
	case EV_MEMHASH:
		return on_memhash(rp, t, ev);
	case EV_LIMIT:
		return on_limit(t, (const void *)(ev + 1));
	default:
		return 0;
	}
}

static int play(struct replay *rp, const struct event_header *ev)
{
	const struct ev_end *end = (const void *)(ev + 1);
	struct rtask *t;

	switch (ev->type) {
	case EV_START:
		return on_start(rp, (const void *)(ev + 1));
	case EV_OBJECT:
	case EV_PAGES:
		return robject__event(rp, ev);
	case EV_PROCESS:
		return rtask__process(rp, ev);
	case EV_EXEC:
		return rtask__exec(rp, ev);
	case EV_END:
		if (rp->opts.only)
			return 0;
		rp->st.ended = true;
		rp->st.end_kind = end->kind;
		rp->st.end_code = end->code;
		return 0;
	default:
		break;
	}
	t = ev->tid ? rtask__get(rp, ev->tid) : NULL;
	return t ? of_thread(rp, t, ev) : 0;
}

/** What tells how long the thread ran up to its next preemption point. */
static void note_time(struct replay *rp, const struct event_header *ev)
{
	struct rtask *t = ev->tid ? rtask__get(rp, ev->tid) : NULL;

	if (t && ev->type != EV_WORDS && ev->type != EV_MEMHASH)
		t->last_ns = ev->time_ns;
}

/** The memory of a thread, for the table of descriptors. */
static long read_of(void *ctx, uint32_t tid, uint64_t addr, void *buf, size_t len)
{
	return replay__read(ctx, tid, addr, buf, len);
}

static int step(struct replay *rp, const struct event_header *ev)
{
	const bool plays = scope__plays(rp, ev, rp->no);
	int err = 0;

	rp->type = ev->type;
	rp->tid = ev->tid;
	rp->time_ns = ev->time_ns;
	if (plays && !rp->begun) {
		rp->last[rp->nlast % REPLAY_LAST].no = rp->no;
		rp->last[rp->nlast % REPLAY_LAST].type = ev->type;
		rp->last[rp->nlast++ % REPLAY_LAST].tid = ev->tid;
		if (rp->opts.event)
			rp->opts.event(rp->opts.ctx, ev, rp->no);
	}
	err = plays ? play(rp, ev) : 0;
	rp->begun = err == -REPLAY_E_STOPPED;
	if (err)
		return err;
	note_time(rp, ev);
	rp->st.events += plays;
	if (model__apply(rp->m, ev, rp->no))
		return err__set(-EBADMSG, "%s", model__error(rp->m));
	if (files__apply(rp->files, ev, read_of, rp))
		return err__set(-ENOMEM, "no memory");
	ahead__played(rp, ev, rp->no);
	return 0;
}

/** The next event. 1: it was replayed, 0: there is none, or negative. */
static int next(struct replay *rp)
{
	int err = window__fill(rp, 1);

	if (!err)
		err = ahead__run(rp);
	if (err)
		return err;
	if (!rp->window.n) {
		const char *why = rp->window.text;

		return rp->window.error ? err__set(rp->window.error, "%s", why ? why : "no memory")
					: 0;
	}
	rp->no = rp->window.first;
	err = step(rp, window__at(rp, rp->no));
	if (err)
		return err;
	window__pop(rp);
	if (!scope__over(rp->scope, rp->no))
		return 1;
	rp->st.ended = true;
	return 0;
}

/** The step that was asked for has been made, and what it led to is over. */
static bool step_done(struct replay *rp)
{
	const struct rtask *t = rp->step_tid ? rtask__get(rp, rp->step_tid) : NULL;

	return rp->step_tid && (!t || (rp->stepped && t->state == RTASK_READY));
}

/** Where an event left the replay. */
static struct replay_place at_event(struct replay *rp, enum replay_why why)
{
	const uint32_t tid = why == REPLAY_AT_STEP ? rp->step_tid : rp->tid;
	const struct rtask *t = rtask__get(rp, tid);
	struct replay_place p = { .why = why };

	if (t)
		p = (struct replay_place){ why, 0, t->tid, t->pid, t->regs.rip };
	return p;
}

static int run(struct replay *rp)
{
	int got;

	do {
		got = next(rp);
		if (got != 1)
			break;
		if (step_done(rp)) {
			rp->place = at_event(rp, REPLAY_AT_STEP);
			return 0;
		}
	} while (!rp->until || rp->no < rp->until);
	if (got == -REPLAY_E_STOPPED)
		return 0;
	if (got < 0)
		return got;
	rp->place = at_event(rp, got ? REPLAY_AT_EVENT : REPLAY_AT_END);
	return 0;
}

int replay__run_to(struct replay *rp, uint64_t event, struct replay_place *ret)
{
	int err;

	if (event && event + 1 < rp->window.first)
		return err__set(-EINVAL, "event %llu is past", (unsigned long long)event);
	if (event && event + 1 == rp->window.first && !rp->begun) {
		rp->place = at_event(rp, REPLAY_AT_EVENT);
		rp->place.event = event;
		if (ret)
			*ret = rp->place;
		return 0;
	}
	rp->until = event;
	rp->patience.tid = 0; /* its thread's clock begins anew: it may be another stub */
	rp->in_turn = rp->nbreaks || rp->step_tid;
	place__clock(rp, true);
	err = run(rp);
	place__clock(rp, false);
	rp->place.event = rp->window.first - 1;
	if (!err && ret)
		*ret = rp->place;
	return err;
}

int replay__run(struct replay *rp)
{
	return replay__run_to(rp, rp->opts.until, NULL);
}

int replay__open(struct replay **ret, struct reader *reader, const struct replay_opts *opts)
{
	struct replay *rp = calloc(1, sizeof(*rp));
	int err;

	if (!rp)
		return err__set(-ENOMEM, "no memory");
	rp->opts = *opts;
	rp->rd = reader;
	rp->tsc_fault = !opts->no_tsc_fault && tracee__tsc_faults();
	rp->m = model__new();
	rp->files = files__new();
	err = rp->m && rp->files ? 0 : err__set(-ENOMEM, "no memory");
	if (!err && opts->only)
		err = scope__open(&rp->scope, reader, opts->only);
	if (!err) {
		place__open(rp);
		err = stub__first(rp);
	}
	if (err) {
		replay__free(rp);
		return err;
	}
	*ret = rp;
	return 0;
}

void replay__free(struct replay *rp)
{
	if (!rp)
		return;
	while (rp->points)
		checkpoint__free(rp->points);
	rtask__free_all(rp);
	stub__kill(rp->empty);
	robject__free_all(rp);
	place__close(rp);
	scope__free(rp->scope);
	window__clear(rp);
	model__free(rp->m);
	files__free(rp->files);
	free(rp->breaks);
	free(rp);
}

struct replay_stats replay__stats(const struct replay *rp)
{
	return rp->st;
}

const struct model *replay__model(const struct replay *rp)
{
	return rp->m;
}

uint32_t replay__thread(const struct replay *rp)
{
	return rtask__get((struct replay *)rp, rp->tid) ? rp->tid : 0;
}

uint64_t replay__differing_page(const struct replay *rp)
{
	return rp->differing_page;
}

size_t replay__last_events(const struct replay *rp, uint64_t *no, uint16_t *type, uint32_t *tid,
			   size_t max)
{
	const uint64_t have = rp->nlast < REPLAY_LAST ? rp->nlast : REPLAY_LAST;
	const uint64_t n = have < max ? have : max;

	for (uint64_t i = 0; i < n; i++) {
		const size_t at = (rp->nlast - n + i) % REPLAY_LAST;

		no[i] = rp->last[at].no;
		type[i] = rp->last[at].type;
		tid[i] = rp->last[at].tid;
	}
	return n;
}

int replay__regs(struct replay *rp, uint32_t tid, struct regs64 *ret)
{
	const struct rtask *t = rtask__get(rp, tid);

	if (!t || t->state == RTASK_RUNNING)
		return -ESRCH;
	*ret = t->regs;
	return 0;
}

int replay__xstate(struct replay *rp, uint32_t tid, void *buf, size_t *len)
{
	const struct rtask *t = rtask__get(rp, tid);

	return t ? tracee__get_xstate(t->real, buf, len) : -ESRCH;
}

const void *replay__auxv(struct replay *rp, uint32_t tid, size_t *ret_len)
{
	const struct rtask *t = rtask__get(rp, tid);

	*ret_len = t && t->space ? t->space->auxv_len : 0;
	return *ret_len ? t->space->auxv : NULL;
}

ssize_t replay__read(struct replay *rp, uint32_t tid, uint64_t addr, void *buf, size_t len)
{
	struct rtask *t = rtask__get(rp, tid);

	return t ? mem__read(t, addr, buf, len) : -ESRCH;
}
