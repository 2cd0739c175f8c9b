// SPDX-License-Identifier: MIT
/*
 * test_model_hostile.c: events that can't have happened. Whatever is fed, the model stays whole; what it refuses changes
 * nothing; and time and memory stay in proportion to what was fed.
 */
#include "test_model_feed.h"

#include <sys/resource.h>
#include <time.h>

static uint64_t seed;
static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/** A number of any size; small ones often, so that things meet. */
static uint64_t any(void)
{
	switch (rnd() % 8) {
	case 0:
		return rnd();
	case 1:
		return ~0ull - rnd() % 3;
	case 2:
		return (rnd() % 64) << (rnd() % 58);
	default:
		return rnd() % 5;
	}
}

static uint64_t any_addr(void)
{
	return rnd() % 8 ? (16 + rnd() % 32) * 4096 : any() * 4096;
}

static uint64_t any_len(void)
{
	return rnd() % 8 ? (rnd() % 9) * 4096 : any();
}

/** Adds to a sum over everything that can be seen of a model. */
static void mix(uint64_t *sum, uint64_t v)
{
	*sum = (*sum ^ v) * 0x9e3779b97f4a7c15ull;
	*sum ^= *sum >> 29;
}

/** What the callbacks of look() share. */
struct look {
	const struct model *m;
	uint64_t sum;
	uint32_t living;
};

static int count_living(void *ctx, const struct model_task *t)
{
	assert_true(t->alive);
	++*(uint32_t *)ctx;
	return 0;
}

static int look_task(void *ctx, const struct model_task *t)
{
	struct look *l = ctx;
	const struct model_space *s = model__space(l->m, t->space);
	uint32_t users = 0;

	mix(&l->sum, t->tid + ((uint64_t)t->pid << 32));
	mix(&l->sum, t->space + ((uint64_t)t->group << 32));
	mix(&l->sum, t->alive + ((uint64_t)t->end_kind << 1));
	mix(&l->sum, strlen(t->exe));
	if (!t->alive)
		return 0;
	assert_non_null(s);
	model__each_task_of(l->m, s->id, count_living, &users);
	assert_int_equal(users, s->users);
	for (size_t i = 0; i < s->nvmas; i++) {
		assert_true(s->vmas[i].addr < s->vmas[i].end);
		assert_true(!i || s->vmas[i - 1].end <= s->vmas[i].addr);
		mix(&l->sum, s->vmas[i].addr);
		mix(&l->sum, s->vmas[i].end);
		mix(&l->sum, s->vmas[i].offset + s->vmas[i].prot);
		mix(&l->sum, s->vmas[i].object);
	}
	return 0;
}

static int look_run(void *ctx, uint64_t first, uint64_t n, uint64_t id, uint32_t step)
{
	struct look *l = ctx;

	mix(&l->sum, first);
	mix(&l->sum, n);
	mix(&l->sum, id + step);
	return 0;
}

static int look_object(void *ctx, const struct model_object *o)
{
	struct look *l = ctx;

	mix(&l->sum, o->id + o->size);
	return model__each_run(l->m, o->id, look_run, l);
}

static uint64_t look(const struct model *m)
{
	struct look l = { m, 1, 0 };

	model__each_task(m, look_task, &l);
	model__each_object(m, look_object, &l);
	return l.sum;
}

/** Feeds one event of a random type. */
static int feed_any(struct model *m)
{
	uint32_t tid = rnd() % 3 ? 1 : rnd() % 12, pid = rnd() % 4 ? tid : rnd() % 12;
	struct page_run runs[3];

	switch (rnd() % 10) {
	case 0:
	case 1:
		return feed_process(m, pid, tid, rnd() % 7, rnd() % 12, any());
	case 2:
		return tid == 1 && rnd() % 16 ? 0 : feed_exit(m, pid, tid);
	case 3:
		return feed_exec(m, tid, rnd() % 3 ? tid : rnd() % 12, any(), "/bin/x");
	case 4:
		return feed_object(m, any(), any());
	case 5:
		for (int i = 0; i < 3; i++)
			runs[i] = (struct page_run){ any(), any(), any() };
		return feed_pages(m, any(), any(), any(), runs, rnd() % 4);
	case 6: {
		struct ev_unmap e = { any_addr(), any_len() };
		return FEED(m, EV_UNMAP, pid, tid, e);
	}
	case 7: {
		struct ev_remap e = { any_addr(), any_len(), any_addr(), any_len(), rnd() % 5, 0 };
		return FEED(m, EV_REMAP, pid, tid, e);
	}
	case 8: {
		struct ev_protect e = { any_addr(), any_len(), rnd() % 8, 0 };
		return FEED(m, EV_PROTECT, pid, tid, e);
	}
	default:
		return feed_map(m, tid, any_addr(), any_len(), rnd() % 8, any(), any_addr());
	}
}

static void random_streams(void **state)
{
	unsigned int taken = 0, refused = 0;

	(void)state;
	for (uint64_t round = 1; round <= 200; round++) {
		struct model *m = model__new();

		seed = round * 0x9e3779b97f4a7c15ull;
		feed_process(m, 1, 1, PROC_ROOT, 0, 1);
		feed_object(m, 1, 10 * 4096);
		for (int i = 0; i < 400; i++) {
			uint64_t before = look(m);
			int err = feed_any(m);

			assert_true(err == 0 || err == -EBADMSG);
			if (err)
				assert_int_equal(look(m), before);
			taken += !err;
			refused += err != 0;
		}
		model__free(m);
	}
	assert_true(taken > 10000 && refused > 10000);
}

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/** Events that tell of very much with few bytes cost no more than others. */
static void cheap_giants(void **state)
{
	struct model *m = model__new();
	struct page_run giant = { BPREC_PAGE_ZERO, UINT32_MAX, 0 };
	double start = cpu_seconds();
	struct rusage before, after;

	(void)state;
	getrusage(RUSAGE_SELF, &before);
	feed_process(m, 1, 1, PROC_ROOT, 0, 1);
	assert_int_equal(feed_object(m, 1, 1ull << 62), 0);
	for (uint64_t i = 0; i < 20000; i++) {
		assert_int_equal(feed_pages(m, 1, i * 7, 1ull << 62, &giant, 1), 0);
		assert_int_equal(feed_map(m, 1, 0x1000, 1ull << 45, i & 1, 1, 0), 0);
	}
	getrusage(RUSAGE_SELF, &after);
	assert_true(cpu_seconds() - start < 20);
	assert_true(after.ru_maxrss - before.ru_maxrss < 200 << 10);
	model__free(m);
}

/** One address space takes no more mappings than it may. */
static void too_many_mappings(void **state)
{
	struct model *m = model__new();
	uint64_t n = 0;

	(void)state;
	feed_process(m, 1, 1, PROC_ROOT, 0, 1);
	while (n < 1 << 20 && !feed_map(m, 1, 0x10000 + n * 0x2000, 0x1000, 1, 0, 0))
		n++;
	assert_true(n >= 200000 && n < 1 << 20);
	uint32_t pid = 2;
	while (pid < 100 && !feed_process(m, pid, pid, PROC_FORK, 1, pid))
		pid++;
	assert_true(pid < 100);
	model__free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_streams),
		cmocka_unit_test(cheap_giants),
		cmocka_unit_test(too_many_mappings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
