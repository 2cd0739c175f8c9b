/* SPDX-License-Identifier: MIT */
/*
 * replay.c: `bprec replay`: runs a trace again.
 *
 * What the program wrote goes to our stdout and stderr, unchanged and in the recorded order; what bprec says goes to stderr
 * with its prefix. The exit status is the program's, 125 where the replay left the trace or could not be made.
 */
#include "replay/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/trace.h"
#include "check/check.h"
#include "show/blame.h"
#include "show/event.h"
#include "show/term.h"
#include "sym/core.h"
#include "sym/stack.h"
#include "util/err.h"

enum {
	OPT_QUIET,
	OPT_NO_VERIFY,
	OPT_STATS,
	OPT_PROCESS,
	OPT_UNTIL,
	OPT_CORE,
	OPT_TRACE,
	OPT_NO_TSC_FAULT
};

static const struct cmd_option options[] = {
	[OPT_QUIET] = { "quiet", 'q', NULL, "print nothing of the program's output" },
	[OPT_NO_VERIFY] = { "no-verify", 0, NULL, "don't compare registers and memory" },
	[OPT_STATS] = { "stats", 0, NULL, "print counts and times" },
	[OPT_PROCESS] = { "process", 0, "PID",
			  "run only the share group of this process, and what it comes from" },
	[OPT_UNTIL] = { "until", 0, "EVENT", "stop after this event" },
	[OPT_CORE] = { "core", 0, "FILE",
		       "at --until or a difference, write a core file of the process" },
	[OPT_TRACE] = { "trace", 0, NULL, "print each event as it is replayed, to stderr" },
	[OPT_NO_TSC_FAULT] = { "no-tsc-fault", 0, NULL,
			       "don't make rdtsc fault, use breakpoints (for tests)" },
	{ NULL, 0, NULL, NULL },
};

/** What the command line asks for. */
struct wish {
	struct replay_opts o;
	bool quiet, stats, trace;
	const char *core;
	const char *operand; /* NULL: the latest */
	struct sink sink;
	uint64_t no, time_ns; /* of the last event that was replayed or begun */
	bool outside; /* the trace tells of changes from outside, or of what wasn't observed */
};

/** Writes all of it, to our own stdout or stderr. A reader that went away ends nothing: the replay is a check too. */
static int output(void *ctx, int stream, const void *buf, size_t len)
{
	const char *p = buf;

	(void)ctx;
	while (len) {
		const ssize_t n = write(stream, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EPIPE ? 0
					      : err__set(-errno, "writing the program's output: %s",
							 strerror(errno));
		p += n;
		len -= n;
	}
	return 0;
}

static void see_event(void *ctx, const struct event_header *ev, uint64_t no)
{
	struct wish *w = ctx;

	w->no = no;
	w->time_ns = ev->time_ns;
	w->outside = w->outside || ev->type == EV_CHANGE || ev->type == EV_GAP ||
		     ev->type == EV_EXPOSURE || ev->type == EV_LOSS;
	if (!w->trace)
		return;
	show__event(&w->sink, ev, no);
	fflush(stderr);
}

/** A number from 1 to max; 0: it is none. */
static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	return *text < '0' || *text > '9' || *end || errno || n > max ? 0 : n;
}

static int parse(int argc, char **argv, struct wish *w)
{
	struct cmd_parse p = { .argc = argc, .argv = argv, .at = 1 };
	const struct cmd_option *o;
	int err;

	while ((o = cmd__next(&cmd_replay, &p, &err))) {
		switch (o - options) {
		case OPT_QUIET:
			w->quiet = true;
			break;
		case OPT_NO_VERIFY:
			w->o.no_verify = true;
			break;
		case OPT_STATS:
			w->stats = true;
			break;
		case OPT_NO_TSC_FAULT:
			w->o.no_tsc_fault = true;
			break;
		case OPT_TRACE:
			w->trace = true;
			break;
		case OPT_CORE:
			w->core = p.value;
			break;
		case OPT_PROCESS:
			w->o.only = (uint32_t)number(p.value, INT32_MAX);
			if (!w->o.only)
				return cmd__usage_error(&cmd_replay,
							"--process wants a process id, not '%s'",
							p.value);
			break;
		default:
			w->o.until = number(p.value, UINT64_MAX);
			if (!w->o.until)
				return cmd__usage_error(
					&cmd_replay,
					"--until wants the number of an event (from 1), not '%s'",
					p.value);
		}
	}
	if (err)
		return err;
	if (argc - p.at > 1)
		return cmd__usage_error(&cmd_replay, "one trace at a time, not '%s'",
					argv[p.at + 1]);
	w->operand = p.at < argc ? argv[p.at] : NULL;
	return 0;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/** The events that led to a difference. */
static void print_last(const struct replay *rp)
{
	static const char *const names[EV_MAX] = {
#define NAME(id, n, text) [n] = text,
		BPREC_EVENTS(NAME)
#undef NAME
	};
	uint64_t no[8];
	uint16_t type[8];
	uint32_t tid[8];
	const size_t n = replay__last_events(rp, no, type, tid, 8);

	fprintf(stderr, "bprec: last events:");
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "%s %" PRIu64 " %s (%u)", i ? "," : "", no[i], names[type[i]],
			tid[i]);
	fprintf(stderr, "\n");
}

static void print_frame(void *arg, const struct sym_frame *f)
{
	char *function = term__escape(f->function), *path = term__escape(f->path);

	(void)arg;
	fprintf(stderr, "bprec:   %#" PRIx64 " %s+%#" PRIx64 " (%s)\n", f->pc,
		function && *function ? function : "?", f->offset,
		path && *path ? path : "memory without a file");
	free(function);
	free(path);
}

/** Where the thread of the last event is. */
static void print_stack(struct replay *rp)
{
	struct replay_view view = { rp, replay__thread(rp) };
	const struct sym_source src = replay__source(&view);
	struct regs64 regs;

	if (!view.tid || replay__regs(rp, view.tid, &regs))
		return;
	fprintf(stderr, "bprec: stack of thread %u:\n", view.tid);
	sym__stack(&src, &regs, 16, print_frame, NULL);
}

#define CORE_THREADS 1024

/** The threads of one process, the current one first. */
struct threads {
	struct replay *rp;
	uint32_t pid, first;
	struct core_thread v[CORE_THREADS];
	size_t n;
};

static int add_thread(void *ctx, const struct model_task *t)
{
	struct threads *all = ctx;
	struct core_thread *c = &all->v[all->n];
	size_t len = 16384;
	void *x;

	if (!t->alive || t->pid != all->pid || (all->n && t->tid == all->first) ||
	    all->n == CORE_THREADS || replay__regs(all->rp, t->tid, &c->regs))
		return 0;
	c->tid = t->tid;
	x = malloc(len);
	if (x && !replay__xstate(all->rp, t->tid, x, &len)) {
		c->xstate = x;
		c->len = len;
	} else {
		free(x);
	}
	all->n++;
	return 0;
}

/** Writes a core file of the process that the last event was about. */
static int write_core(const struct wish *w, struct replay *rp)
{
	struct replay_view view = { rp, replay__thread(rp) };
	const struct sym_source src = replay__source(&view);
	const struct model_task *t = model__task(replay__model(rp), view.tid);
	struct threads *all = calloc(1, sizeof(*all));
	struct core_process p = { 0 };
	int err = 0;

	if (!t || !all) {
		free(all);
		return err__set(-ESRCH, "%s: no process is left at this event", w->core);
	}
	all->rp = rp;
	all->pid = p.pid = t->pid;
	all->first = t->tid;
	p.name = p.command = t->exe;
	add_thread(all, t);
	model__each_task(replay__model(rp), add_thread, all);
	p.auxv = replay__auxv(rp, t->tid, &p.auxv_len); /* where a debugger looks for the program */
	p.thread = all->v;
	p.nthreads = all->n;
	if (!all->n)
		err = err__set(-ESRCH, "%s: no thread of process %u stands still", w->core, t->pid);
	else
		err = sym__write_core(w->core, &src, &p);
	for (size_t i = 0; i < all->n; i++)
		free((void *)all->v[i].xstate);
	free(all);
	return err;
}

static void print_end(const struct wish *w, const struct replay_stats *st, const struct reader *r,
		      double took)
{
	const char *what = w->o.no_verify ? "nothing compared" : "no difference";

	fprintf(stderr,
		"bprec: replayed %" PRIu64 " events in %" PRIu64 " processes, %" PRIu64
		" checks, %s%s\n",
		st->events, st->processes, st->checks, what,
		st->ended	      ? ""
		: w->o.until	      ? "; stopped as asked"
		: reader__complete(r) ? ""
				      : "; the trace ends here: its recording was cut short");
	if (w->stats)
		fprintf(stderr,
			"bprec: %.3f s, %" PRIu64 " stops, %" PRIu64 " preemption points (%" PRIu64
			" compared in line), ran ahead %" PRIu64 " times\n",
			took, st->stops, st->preemptions, st->points_matched, st->ahead);
}

static int exit_code(const struct replay_stats *st)
{
	if (!st->ended)
		return EXIT_OK;
	if (st->end_kind == END_SIGNALED)
		return 128 + st->end_code;
	return st->end_kind == END_EXITED ? st->end_code : EXIT_BPREC;
}

/** What check knows of the trace says which change from outside may have made the difference, or made none (rp NULL). */
static void explain(const struct wish *w, struct reader *r, const struct replay *rp)
{
	const struct show_opts so = { stderr, false, false };
	const struct check_opts trust = { .trust_pages = true };
	struct check_report *rep;

	if (check__run(r, &trust, &rep)) {
		cmd__trouble();
		return;
	}
	if (rp)
		show__blame(&so, rep,
			    &(struct blame_place){ .model = replay__model(rp),
						   .event = w->no,
						   .time_ns = w->time_ns,
						   .tid = replay__thread(rp),
						   .page = replay__differing_page(rp) });
	else
		show__no_blame(&so, rep);
	check_report__free(rep);
}

static int play(struct wish *w, struct reader *r)
{
	const double start = seconds();
	struct replay *rp = NULL;
	struct replay_stats st = { 0 };
	int err = replay__open(&rp, r, &w->o);

	if (!err) {
		err = replay__run(rp);
		st = replay__stats(rp);
	}
	if (err) {
		cmd__trouble();
		if (rp && err == -REPLAY_E_DIFFERS)
			explain(w, r, rp);
		if (rp && err == -REPLAY_E_DIFFERS)
			print_last(rp);
		if (rp && err == -REPLAY_E_DIFFERS)
			print_stack(rp);
	} else {
		print_end(w, &st, r, seconds() - start);
		if (st.ended && w->outside && !w->o.no_verify)
			explain(w, r, NULL);
	}
	if (w->core && rp && (!err || err == -REPLAY_E_DIFFERS) && write_core(w, rp)) {
		cmd__trouble();
		err = -EIO;
	}
	replay__free(rp);
	return err ? EXIT_BPREC : exit_code(&st);
}

static int run(int argc, char **argv)
{
	struct wish w = { .o = { 0 } };
	struct show_opts so = { stderr, false, false };
	struct reader *r = NULL;
	int code = parse(argc, argv, &w);

	if (code)
		return code;
	w.sink = sink__text(&so);
	w.o.ctx = &w;
	w.o.output = w.quiet ? NULL : output;
	w.o.event = see_event;
	if (cmd__open_trace(w.operand, &r)) {
		cmd__trouble();
		return EXIT_BPREC;
	}
	code = play(&w, r);
	reader__free(r);
	return code;
}

const struct cmd cmd_replay = {
	"replay", "[TRACE]", "run a trace again, and compare", options, run, EXIT_BPREC,
};
