// SPDX-License-Identifier: MIT
/* test_check_outcome.c: the table of outcomes (docs/VERDICTS.md), a case for each row and each way to miss it. */
#include "test_check_build.h"

/** Moments of the changes: begin, end, saved. */
#define MS 1000000ull
#define US 1000ull

/** A change, and what is expected of it. Times are relative to the beginning; 0 stands for the usual value. */
struct outcome_case {
	const char *name;
	uint32_t flags;	       /* beside CHANGE_SAVED */
	bool unsaved;	       /* without CHANGE_SAVED */
	bool same;	       /* no page differs */
	bool end_unknown;      /* end_ns is 0 */
	bool end_late;	       /* the end comes after saving */
	bool nobody;	       /* no insiders listed */
	bool no_begin;	       /* begin_ns is 0 */
	bool begin_late;       /* begin_ns comes after saved_ns */
	bool elsewhere;	       /* beyond what is mapped */
	bool not_in_trace;     /* pages_event is ~0 */
	bool lost_page;	       /* the page of pages_event is BPREC_PAGE_LOST */
	uint32_t state;	       /* of the insider; 0: stopped */
	uint64_t idle_before;  /* ns before begin_ns since when it is idle; 0: 1 ms */
	bool running;	       /* idle_from_ns is ~0 */
	bool left;	       /* a thread that mapped it exits after it began */
	bool second;	       /* another process maps the page and is not listed */
	bool second_private;   /* the same, and its mapping is private (DESIGN 12, rule 4) */
	bool second_elsewhere; /* another process maps another page and is not listed */
	int expected;	       /* enum outcome; -1: not a change at all */
};

static const struct outcome_case cases[] = {
	{ .name = "exact", .expected = OUTCOME_EXACT },
	{ .name = "in a call", .state = INSIDER_IN_CALL, .expected = OUTCOME_EXACT },
	{ .name = "by compare",
	  .flags = CHANGE_BY_COMPARE,
	  .end_unknown = true,
	  .expected = OUTCOME_EXACT },
	{ .name = "same bytes",
	  .same = true,
	  .not_in_trace = true,
	  .expected = OUTCOME_SAME_BYTES },
	{ .name = "same bytes seen", .same = true, .running = true, .expected = OUTCOME_POSSIBLE },
	{ .name = "not saved", .unsaved = true, .expected = OUTCOME_LOST },
	{ .name = "saved nowhere", .not_in_trace = true, .expected = OUTCOME_LOST },
	{ .name = "page lost", .lost_page = true, .expected = OUTCOME_LOST },
	{ .name = "call touches", .state = INSIDER_CALL_TOUCHES, .expected = OUTCOME_SEEN_EARLY },
	{ .name = "not saved, touched",
	  .unsaved = true,
	  .state = INSIDER_CALL_TOUCHES,
	  .expected = OUTCOME_LOST },
	{ .name = "running", .state = INSIDER_RUNNING, .expected = OUTCOME_POSSIBLE },
	{ .name = "idle never", .running = true, .expected = OUTCOME_POSSIBLE },
	{ .name = "idle too late", .idle_before = 9 * US, .expected = OUTCOME_POSSIBLE },
	{ .name = "idle in time", .idle_before = 10 * US, .expected = OUTCOME_EXACT },
	{ .name = "in flight", .flags = CHANGE_IN_FLIGHT, .expected = OUTCOME_POSSIBLE },
	{ .name = "exposed", .flags = CHANGE_EXPOSED, .expected = OUTCOME_POSSIBLE },
	{ .name = "end unknown", .end_unknown = true, .expected = OUTCOME_POSSIBLE },
	{ .name = "saved too soon", .end_late = true, .expected = OUTCOME_POSSIBLE },
	{ .name = "no beginning", .no_begin = true, .expected = OUTCOME_POSSIBLE },
	{ .name = "begun after saving", .begin_late = true, .expected = OUTCOME_POSSIBLE },
	{ .name = "nobody listed", .nobody = true, .expected = OUTCOME_POSSIBLE },
	{ .name = "somebody left", .left = true, .expected = OUTCOME_POSSIBLE },
	{ .name = "another mapper", .second = true, .expected = OUTCOME_POSSIBLE },
	{ .name = "a private mapper", .second_private = true, .expected = OUTCOME_POSSIBLE },
	{ .name = "another page", .second_elsewhere = true, .expected = OUTCOME_EXACT },
	{ .name = "another page, all",
	  .flags = CHANGE_RANGE_UNKNOWN,
	  .second_elsewhere = true,
	  .expected = OUTCOME_POSSIBLE },
	{ .name = "not mapped", .nobody = true, .elsewhere = true, .expected = -1 },
	{ .name = "not mapped, exposed",
	  .flags = CHANGE_EXPOSED,
	  .nobody = true,
	  .elsewhere = true,
	  .expected = -1 },
	{ .name = "not mapped any more",
	  .nobody = true,
	  .elsewhere = true,
	  .left = true,
	  .expected = OUTCOME_POSSIBLE },
};

static void put_change(struct build *b, const struct outcome_case *c, uint64_t begin)
{
	char page[4096] = "changed";
	uint64_t id, no;
	struct ev_change f = {
		.object = 1,
		.channel = CH_PWRITE,
		.writer = 1,
		.offset = 8192,
		.length = 3,
		.flags = CHANGE_SAVED | c->flags,
		.begin_ns = begin,
		.end_ns = begin + MS,
		.saved_ns = begin + 2 * MS,
		.new_size = 4 * 4096,
		.pages = 1,
		.pages_changed = 1,
		.ninsiders = 1,
		.count = 1,
		.after_event = b->pages_no,
	};
	struct change_insider in = { .tid = 10,
				     .pid = 10,
				     .addr = 0x12000,
				     .idle_from_ns = begin - MS,
				     .state = INSIDER_STOPPED };

	assert_int_equal(writer__page(b->w, page, &id), 0);
	no = put_pages(b, 1, PAGES_CHANGED, 2, c->lost_page ? BPREC_PAGE_LOST : id);
	f.pages_event = c->not_in_trace ? UINT64_MAX : no;
	if (c->unsaved) {
		f.flags &= ~CHANGE_SAVED;
		f.saved_ns = 0;
		f.pages_event = UINT64_MAX;
	}
	if (c->same)
		f.pages_changed = 0;
	if (c->end_unknown)
		f.end_ns = 0;
	if (c->end_late)
		f.end_ns = f.saved_ns + 1;
	if (c->nobody)
		f.ninsiders = 0;
	if (c->no_begin)
		f.begin_ns = 0;
	if (c->begin_late)
		f.begin_ns = f.saved_ns + 1;
	if (c->elsewhere) {
		f.offset += 100 * 4096;
		f.pages = 0;
	}
	if (c->state)
		in.state = c->state;
	if (c->idle_before)
		in.idle_from_ns = begin - c->idle_before;
	if (c->running)
		in.idle_from_ns = UINT64_MAX;
	put2(b, EV_CHANGE, 0, &f, sizeof(f), &in, f.ninsiders * sizeof(in));
}

static void run_case(const struct outcome_case *c)
{
	struct build b;
	struct check_report *rep;
	uint64_t begin;

	build_begin(&b);
	if (c->second || c->second_elsewhere || c->second_private) {
		put_process(&b, 20, 20, PROC_FORK, 10, 2);
		struct ev_unmap u = { 0x10000, 4 * 4096 };
		PUT(&b, EV_UNMAP, 20, u);
		put_map(&b, 20, 0x50000, 1, c->second_elsewhere ? 4096 : 8192, 4096,
			c->second_private ? MAP_PRIVATE : MAP_SHARED);
	}
	if (c->left)
		put_process(&b, 30, 30, PROC_FORK, 10, 3);
	begin = now_ns() + 100 * MS; /* after all that was mapped and unmapped so far */
	if (c->left) {
		begin = now_ns();
		put_exit(&b, 30);
	}
	put_change(&b, c, begin);
	int err = build_check(&b, &rep);
	if (err)
		fail_msg("%s: check__run: %s", c->name, err__text());
	int got = rep->nchanges ? (int)rep->changes[0].outcome : -1;
	if (got != c->expected)
		fail_msg("%s: outcome %d, expected %d", c->name, got, c->expected);
	bool bad = got == OUTCOME_POSSIBLE || got == OUTCOME_SEEN_EARLY || got == OUTCOME_LOST;
	enum verdict v = bad ? VERDICT_DIVERGENT : got < 0 ? VERDICT_CLEAN : VERDICT_RESNAPSHOTTED;
	if (rep->verdict != v)
		fail_msg("%s: verdict %d, expected %d", c->name, rep->verdict, v);
	check_report__free(rep);
}

static void all_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		run_case(&cases[i]);
}

/** A change reported while in flight, and again when it is over. */
static void in_flight_settled(void **state)
{
	static const struct outcome_case part = { .flags = CHANGE_IN_FLIGHT };
	static const struct outcome_case over = { 0 }, seen = { .running = true };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct build b;
		struct check_report *rep;

		build_begin(&b);
		uint64_t begin = now_ns() + 100 * MS;
		put_change(&b, &part, begin);
		/* the second report has to go back to before the first */
		put_change(&b, i == 1 ? &seen : &over, i == 2 ? begin + 1 : begin);
		assert_int_equal(build_check(&b, &rep), 0);
		assert_int_equal(rep->changes[0].outcome, i ? OUTCOME_POSSIBLE : OUTCOME_EXACT);
		assert_int_equal(rep->verdict, i ? VERDICT_DIVERGENT : VERDICT_RESNAPSHOTTED);
		check_report__free(rep);
	}
}

/** Nobody is stopped in a watch: at best nothing ever differed, and that has to be known. */
static void watched(void **state)
{
	static const struct {
		const char *name;
		struct outcome_case change;
		bool older; /* the change may have begun before the contents were read first */
		int expected;
	} rows[] = {
		{ "same", { .same = true, .running = true }, false, OUTCOME_SAME_BYTES },
		{ "same, idle", { .same = true }, false, OUTCOME_SAME_BYTES },
		{ "same, old", { .same = true, .running = true }, true, OUTCOME_POSSIBLE },
		{ "same, crowded",
		  { .same = true, .flags = CHANGE_CROWDED },
		  false,
		  OUTCOME_POSSIBLE },
		{ "same, shrunk",
		  { .same = true, .flags = CHANGE_SHRUNK },
		  false,
		  OUTCOME_POSSIBLE },
		{ "same, no end", { .same = true, .end_unknown = true }, false, OUTCOME_POSSIBLE },
		{ "other bytes", { .running = true }, false, OUTCOME_POSSIBLE },
		{ "other bytes, idle", { 0 }, false, OUTCOME_POSSIBLE },
		{ "not saved", { .unsaved = true }, false, OUTCOME_LOST },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct build b;
		struct check_report *rep;

		build_begin_as(&b, OBSERVED_ONLY);
		uint64_t begin = rows[i].older ? now_ns() : now_ns() + 100 * MS;
		put_change(&b, &rows[i].change, begin);
		assert_int_equal(build_check(&b, &rep), 0);
		if (rep->nchanges != 1 || (int)rep->changes[0].outcome != rows[i].expected)
			fail_msg("%s: outcome %d, expected %d", rows[i].name,
				 rep->nchanges ? (int)rep->changes[0].outcome : -1,
				 rows[i].expected);
		assert_true(rep->watched);
		check_report__free(rep);
	}
}

/** A change that may have been of another object never makes a trace divergent; a certain one beside it does. */
static void doubtful(void **state)
{
	static const struct outcome_case harmless = { .flags = CHANGE_DOUBTFUL };
	static const struct outcome_case maybe = { .flags = CHANGE_DOUBTFUL, .running = true };
	static const struct outcome_case certain = { .running = true };
	static const struct {
		const struct outcome_case *first, *second;
		enum verdict expected;
	} rows[] = {
		{ &harmless, &harmless, VERDICT_RESNAPSHOTTED },
		{ &maybe, &harmless, VERDICT_UNCERTAIN },
		{ &harmless, &maybe, VERDICT_UNCERTAIN },
		{ &maybe, &certain, VERDICT_DIVERGENT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct build b;
		struct check_report *rep;
		const uint64_t begin = now_ns() + 100 * MS;

		build_begin(&b);
		put_change(&b, rows[i].first, begin);
		put_change(&b, rows[i].second, begin);
		assert_int_equal(build_check(&b, &rep), 0);
		assert_int_equal(rep->changes_all, 2);
		assert_int_equal(rep->verdict, rows[i].expected);
		assert_true((rep->bad_begin_ns == UINT64_MAX) ==
			    (rows[i].expected != VERDICT_DIVERGENT));
		check_report__free(rep);
	}
}

/** Memory of a tracee, not an object: every thread that shares it counts. */
static void remote(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct build b;
		struct check_report *rep;

		build_begin(&b);
		if (i == 1) {
			struct ev_process p = { PROC_THREAD, 10, 0, 1, 1 };
			const struct iovec v = { &p, sizeof(p) };
			assert_int_equal(writer__event(b.w, EV_PROCESS, 10, 11, &v, 1, NULL), 0);
		}
		uint64_t begin = now_ns() + 100 * MS;
		struct ev_change f = { .channel = CH_REMOTE_MEMORY,
				       .flags = CHANGE_SAVED | CHANGE_REMOTE,
				       .offset = 0x400000,
				       .length = 8,
				       .begin_ns = begin,
				       .end_ns = begin + MS,
				       .saved_ns = begin + 2 * MS,
				       .pages = 1,
				       .pages_changed = 1,
				       .pages_event = UINT64_MAX,
				       .ninsiders = 1,
				       .count = 1,
				       .after_event = 1 };
		struct change_insider in = { 10, 10, 0x400000, begin - MS, INSIDER_STOPPED, 0 };

		if (i == 2)
			in.idle_from_ns = begin;
		put2(&b, EV_CHANGE, 0, &f, sizeof(f), &in, f.ninsiders * sizeof(in));
		if (build_check(&b, &rep))
			fail_msg("%s", err__text());
		assert_int_equal(rep->changes[0].outcome, i ? OUTCOME_POSSIBLE : OUTCOME_EXACT);
		check_report__free(rep);
	}
}

/** The first event that may differ is one of a process that maps what changed, not before the change. */
static void first_divergent(void **state)
{
	static const struct outcome_case c = { .running = true };
	struct build b;
	struct check_report *rep;

	(void)state;
	build_begin(&b);
	put_process(&b, 20, 20, PROC_FORK, 10, 2);
	struct ev_unmap u = { 0x10000, 4 * 4096 };
	PUT(&b, EV_UNMAP, 20, u);
	usleep(1000); /* more than the margin, so that the events before are older than the change */
	uint64_t begin = now_ns();
	put_syscall(&b, 20);
	uint64_t expected = put_syscall(&b, 10);
	put_syscall(&b, 10);
	put_change(&b, &c, begin);
	assert_int_equal(build_check(&b, &rep), 0);
	assert_int_equal(rep->first_divergent_event, expected);
	check_report__free(rep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_cases), cmocka_unit_test(in_flight_settled),
		cmocka_unit_test(watched),   cmocka_unit_test(remote),
		cmocka_unit_test(doubtful),  cmocka_unit_test(first_divergent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
