// SPDX-License-Identifier: MIT
/* test_check_hostile.c: random traces, each right for the reader but not for check: a verdict or trouble, never a crash. */
#include "test_check_build.h"

#include <errno.h>

#include "show/check.h"

static uint64_t seed;
static uint64_t rnd(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static uint64_t any(void)
{
	return rnd(6) ? rnd(4) : rnd(2) ? ~0ull - rnd(3) : seed;
}

/** Appends an event unless the writer refuses it, as the reader would. */
static void try_put(struct build *b, enum event_type type, const void *body, size_t len,
		    const void *tail, size_t tail_len)
{
	const struct iovec v[] = { { (void *)body, len }, { (void *)tail, tail_len } };
	uint32_t tid = rnd(4) ? 10 : rnd(25);
	int err = writer__event(b->w, type, tid, tid, v, 2, NULL);

	assert_true(err == 0 || err == -EINVAL);
}

static void put_any(struct build *b)
{
	const struct change_insider in[2] = {
		{ 10, 10, any(), any(), rnd(5), rnd(2) },
		{ 11, 10, any(), any(), rnd(5), rnd(2) },
	};
	const struct page_run runs[2] = { { any(), 1 + rnd(3), rnd(2) }, { any(), 1 + rnd(3), 0 } };
	const struct ev_change c = {
		.object = any(),
		.channel = any(),
		.flags = rnd(256),
		.writer = rnd(3),
		.offset = any(),
		.length = any(),
		.begin_ns = any(),
		.end_ns = any(),
		.saved_ns = any(),
		.new_size = any(),
		.pages = any(),
		.pages_changed = any(),
		.pages_event = rnd(40),
		.after_event = rnd(40),
		.count = any(),
		.ninsiders = rnd(3),
	};
	const struct ev_exposure x = { any(), any(), any(), rnd(2), any(), any(), any() };
	const struct ev_exposure_end xe = { .exposure = any(), .ns = any() };
	const struct ev_compare k = { .object = any(), .from_ns = 0, .to_ns = any() };
	const struct ev_pages p = { .object = any(),
				    .why = 1,
				    .first = any(),
				    .size = any(),
				    .nruns = 2,
				    .npages = (uint64_t)runs[0].count + runs[1].count };
	const struct ev_process t = {
		.how = rnd(6), .parent_tid = rnd(25), .space = any(), .group = 1
	};
	const struct ev_map m = { .addr = any() * 4096,
				  .len = any() * 4096,
				  .prot = 1,
				  .flags = 1,
				  .offset = any() * 4096,
				  .object = any(),
				  .kind = rnd(7) };
	const struct ev_unmap u = { any() * 4096, any() * 4096 };
	const struct ev_gap g = { any(), any(), any(), 2 };
	const struct ev_loss l = { any(), any(), any(), "h" };
	const struct ev_exit e = { .kind = rnd(4) };

	switch (rnd(14)) {
	case 0:
	case 1:
	case 2:
		return try_put(b, EV_CHANGE, &c, sizeof(c), in, c.ninsiders * sizeof(*in));
	case 3:
		return try_put(b, EV_EXPOSURE, &x, sizeof(x), NULL, 0);
	case 4:
		return try_put(b, EV_EXPOSURE_END, &xe, sizeof(xe), NULL, 0);
	case 5:
		return try_put(b, EV_COMPARE, &k, sizeof(k), NULL, 0);
	case 6:
		return try_put(b, EV_PAGES, &p, sizeof(p), runs, sizeof(runs));
	case 7:
		return try_put(b, EV_PROCESS, &t, sizeof(t), NULL, 0);
	case 8:
	case 9:
		return try_put(b, EV_MAP, &m, sizeof(m), NULL, 0);
	case 10:
		return try_put(b, EV_UNMAP, &u, sizeof(u), NULL, 0);
	case 11:
		return try_put(b, EV_GAP, &g, sizeof(g), "x", 2);
	case 12:
		return try_put(b, EV_LOSS, &l, sizeof(l), NULL, 0);
	default:
		return try_put(b, EV_EXIT, &e, sizeof(e), NULL, 0);
	}
}

static void random_traces(void **state)
{
	unsigned int judged = 0, trouble = 0;
	FILE *null = fopen("/dev/null", "w");

	(void)state;
	for (uint64_t round = 1; round <= 300; round++) {
		struct check_report *rep;
		struct build b;

		seed = round * 0x9e3779b97f4a7c15ull;
		build_begin(&b);
		for (uint64_t i = 1 + rnd(12); i; i--)
			put_any(&b);
		int err = build_check(&b, &rep);
		assert_true(err == 0 || (err <= -TRACE_E_NOT_A_TRACE && err >= -TRACE_E_REFERENCE));
		judged += !err;
		trouble += err != 0;
		if (rep) {
			struct show_opts o = { null, true, true };

			assert_int_equal(show__check_text(&o, rep), 0);
			assert_int_equal(show__check_json(&o, rep), 0);
		}
		check_report__free(rep);
	}
	fclose(null);
	print_message("%u judged, %u trouble\n", judged, trouble);
	assert_true(judged > 50 && trouble > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_traces) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
