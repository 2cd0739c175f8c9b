/* SPDX-License-Identifier: MIT */
/*
 * drive.c: uses a replay as a debugger will: TRACE VISIT COUNTER HANDLER (addresses in tests/progs/steps.c).
 *
 * Prints a line for each thing that it saw; what it expects by itself it checks, and says what went wrong.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/replay.h"
#include "util/err.h"

#define HITS 25 /* the thread's 20 rounds, then the child's */

static char out[1 << 16]; /* what the program wrote */
static size_t nout;

static void fail(const char *what, uint64_t found, uint64_t expected)
{
	printf("failed: %s: %#" PRIx64 ", expected %#" PRIx64 "\n", what, found, expected);
	exit(1);
}

static void equal(const char *what, uint64_t found, uint64_t expected)
{
	if (found != expected)
		fail(what, found, expected);
}

static void works(const char *what, int err)
{
	if (getenv("DRIVE_TRACE"))
		fprintf(stderr, "%s: %d\n", what, err);
	if (!err)
		return;
	printf("failed: %s: %d, %s\n", what, err, err__text());
	exit(1);
}

static int take(void *ctx, int stream, const void *buf, size_t len)
{
	(void)ctx;
	(void)stream;
	if (nout + len > sizeof(out))
		return -1;
	memcpy(out + nout, buf, len);
	nout += len;
	return 0;
}

static uint64_t word(struct replay *rp, uint32_t tid, uint64_t addr)
{
	uint64_t v = 0;

	equal("bytes read", replay__read(rp, tid, addr, &v, sizeof(v)), sizeof(v));
	return v;
}

static void to_end(struct replay *rp)
{
	struct replay_place p;

	works("running to the end", replay__run_to(rp, 0, &p));
	equal("it stops at the end", p.why, REPLAY_AT_END);
}

/** Runs from a breakpoint to the next; what it sees there. */
static struct replay_place hit(struct replay *rp, uint64_t visit, uint64_t counter)
{
	struct replay_place p;
	struct regs64 regs;
	uint8_t code;

	works("running to a breakpoint", replay__run_to(rp, 0, &p));
	if (p.why == REPLAY_AT_END)
		return p;
	equal("why it stops", p.why, REPLAY_AT_BREAK);
	equal("where", p.addr, visit);
	works("registers", replay__regs(rp, p.tid, &regs));
	equal("rip", regs.rip, visit);
	equal("the breakpoint can't be seen",
	      replay__read(rp, p.tid, visit, &code, 1) == 1 && code == 0xcc, false);
	printf("hit %u %u %" PRIu64 " %" PRIu64 "\n", p.pid, p.tid, (uint64_t)regs.rdi,
	       word(rp, p.tid, counter));
	return p;
}

/** From the checkpoint to the end: all as in the first run from there. */
static void same_end(struct replay *rp, const struct replay_stats *want, size_t from,
		     const char *text, size_t len)
{
	struct replay_stats st;

	nout = from;
	to_end(rp);
	st = replay__stats(rp);
	equal("events", st.events, want->events);
	equal("checks", st.checks, want->checks);
	equal("processes", st.processes, want->processes);
	equal("preemption points", st.preemptions, want->preemptions);
	equal("exit status", st.end_code, want->end_code);
	equal("output", nout == len && !memcmp(out, text, len), true);
}

/** Steps through a call of visit() and what follows it; never twice at one place in a row. */
static void steps(struct replay *rp, const struct replay_place *at, int n)
{
	struct replay_place p = *at;

	for (int i = 0; i < n; i++) {
		const uint64_t before = p.addr;

		works("a step", replay__step(rp, at->tid, &p));
		equal("it stops after a step", p.why, REPLAY_AT_STEP);
		equal("thread", p.tid, at->tid);
		if (p.addr == before)
			fail("a step goes somewhere", p.addr, before + 1);
	}
	printf("stepped to event %" PRIu64 "\n", p.event);
}

int main(int argc, char **argv)
{
	const struct replay_opts opts = { .output = take };
	struct replay_place p, at;
	struct replay_stats st;
	struct checkpoint *early, *mid, *late;
	struct reader *rd;
	struct replay *rp;
	struct regs64 regs, again;
	uint64_t a[3], v;
	size_t from, len;
	char *text;
	int hits = 0, err;

	if (argc != 5 || reader__open(&rd, argv[1])) {
		fprintf(stderr, "usage: drive TRACE VISIT COUNTER HANDLER (%s)\n",
			reader__error(NULL));
		return 2;
	}
	for (int i = 0; i < 3; i++)
		a[i] = strtoull(argv[2 + i], NULL, 0);
	works("opening", replay__open(&rp, rd, &opts));
	works("to event 30", replay__run_to(rp, 30, &p));
	equal("why", p.why, REPLAY_AT_EVENT);
	equal("event", p.event, 30);
	equal("an event that is past", replay__run_to(rp, 12, &p), (uint64_t)(int64_t)-22);
	works("an early checkpoint", replay__checkpoint(rp, &early));

	works("a breakpoint", replay__break(rp, 0, a[0]));
	for (int i = 0; i < HITS; i++)
		at = hit(rp, a[0], a[1]);
	works("registers", replay__regs(rp, at.tid, &regs));
	works("a checkpoint", replay__checkpoint(rp, &mid));
	v = word(rp, at.tid, a[1]);
	from = nout;
	works("no breakpoint", replay__unbreak(rp, 0, a[0]));
	to_end(rp);
	st = replay__stats(rp);
	len = nout;
	text = malloc(len);
	memcpy(text, out, len);
	printf("end %d, %" PRIu64 " preemption points\n", st.end_code, st.preemptions);

	works("back", replay__restore(rp, mid));
	works("registers", replay__regs(rp, at.tid, &again));
	equal("registers as they were", memcmp(&regs, &again, sizeof(regs)), 0);
	equal("memory as it was", word(rp, at.tid, a[1]), v);
	same_end(rp, &st, from, text, len);

	works("back once more", replay__restore(rp, mid));
	steps(rp, &at, 200);
	works("a checkpoint after steps", replay__checkpoint(rp, &late));
	same_end(rp, &st, from, text, len);
	works("back to that", replay__restore(rp, late));
	same_end(rp, &st, from, text, len);
	checkpoint__free(late);

	works("back to change something", replay__restore(rp, mid));
	v += 1000;
	works("memory written", replay__write(rp, at.tid, a[1], &v, sizeof(v)));
	nout = from;
	err = replay__run_to(rp, 0, &p);
	equal("other memory is seen", !err && nout == len && !memcmp(out, text, len), false);
	works("back to change a register", replay__restore(rp, mid));
	regs.rsp += 8;
	works("a register set", replay__set_regs(rp, at.tid, &regs));
	equal("a difference", replay__run_to(rp, 0, &p), (uint64_t)(int64_t)-REPLAY_E_DIFFERS);
	works("back from a difference", replay__restore(rp, mid));
	same_end(rp, &st, from, text, len);

	works("back to the beginning", replay__restore(rp, early));
	works("and to the later one", replay__restore(rp, mid));
	same_end(rp, &st, from, text, len);
	works("back to the beginning", replay__restore(rp, early));
	works("a breakpoint in the handler", replay__break(rp, at.pid, a[2]));
	works("breakpoints", replay__break(rp, 0, a[0]));
	printf("again\n");
	nout = 0;
	while (hit(rp, a[0], a[1]).why != REPLAY_AT_END)
		hits++;
	printf("hits %d\n", hits);
	equal("output", nout == len && !memcmp(out, text, len), true);
	works("no breakpoint", replay__unbreak(rp, 0, a[0]));
	works("no breakpoint in the child", replay__unbreak(rp, at.pid, a[2]));
	works("back to the beginning", replay__restore(rp, early));
	works("a breakpoint in the handler", replay__break(rp, 0, a[2]));
	works("running to the handler", replay__run_to(rp, 0, &p));
	equal("in the handler", p.addr, a[2]);
	steps(rp, &p, 30);
	to_end(rp);
	checkpoint__free(mid);
	replay__free(rp); /* and the early one */
	reader__free(rd);
	free(text);
	printf("done\n");
	return 0;
}
