// SPDX-License-Identifier: MIT
/*
 * test_sys_outputs.c: every row of the table that writes memory, held against the kernel (tests/sys/harness.h says how), and
 * every such row has a test: one that is carried out, or a synthetic one with the reason why it can't be. A new row without
 * a test fails here, and so does a test of something that is no row.
 */
#include "../sys/harness.h"
#include "../sys/real_file.h"
#include "../sys/real_ioctl.h"
#include "../sys/real_ipc.h"
#include "../sys/real_net.h"
#include "../sys/real_proc.h"
#include "../sys/real_time.h"
#include "../sys/synthetic.h"

static const struct sys_test *const real[] = { real_file, real_net,  real_clock,
					       real_ipc,  real_proc, real_ioctl };

enum { NREAL = sizeof(real) / sizeof(real[0]) };

static bool in_list(const struct sys_test *c, const char *key)
{
	for (; c->key; c++)
		if (!strcmp(c->key, key))
			return true;
	return false;
}

static bool tested(const char *key)
{
	for (size_t i = 0; i < NREAL; i++)
		if (in_list(real[i], key))
			return true;
	for (const struct ioctl_size *s = ioctl_sizes; s->key; s++)
		if (!strcmp(s->key, key))
			return true;
	return in_list(synthetic, key);
}

static bool writes(const struct sys_rule *r)
{
	for (; r->kind != RULE_END; r++)
		if (r->dir & SYS_WRITES)
			return true;
	return false;
}

/* Rows of one table of commands that have no test. */
static int untested_cases(const char *call, const struct sys_case *c)
{
	char key[128];
	int n = 0;

	for (; c->name; c++) {
		snprintf(key, sizeof(key), "%s:%s", call, c->name);
		if (writes(c->rules) && !tested(key)) {
			print_error("%s writes memory and has no test\n", key);
			n++;
		}
	}
	return n;
}

static int untested_call(const struct sys_call *c)
{
	const struct sys_rule *r = c->rules;
	int n = 0;

	if (writes(r) && strcmp(c->name, "quotactl") && strcmp(c->name, "futex") &&
	    !tested(c->name)) {
		print_error("%s writes memory and has no test\n", c->name);
		n++;
	}
	for (; r->kind != RULE_END; r++)
		if (r->kind == RULE_CASES)
			n += untested_cases(c->name, r->cases);
	return n;
}

static void every_row_has_a_test(void **state)
{
	int n = 0;

	(void)state;
	for (uint64_t nr = 0; nr < SYS_NR_MAX; nr++) {
		const struct sys_call *c = sys__lookup(nr);

		if (c)
			n += untested_call(c);
	}
	n += untested_cases("quotactl", sys_quota_cases);
	n += untested_cases("futex", sys_futex_cases);
	n += untested_cases("ioctl", sys_ioctl_cases);
	assert_int_equal(n, 0);
}

/* The name of a case begins with that of a call. */
static void every_test_has_a_row(void **state)
{
	char name[64];

	(void)state;
	for (size_t i = 0; i <= NREAL; i++) {
		for (const struct sys_test *c = i < NREAL ? real[i] : synthetic; c->key; c++) {
			snprintf(name, sizeof(name), "%.*s", (int)strcspn(c->key, ":"), c->key);
			if (sys__number(name) < 0)
				fail_msg("%s is no call", name);
		}
	}
}

/* One line of ioctl_sizes. */
static void run_ioctl_size(void **state)
{
	const struct ioctl_size *s = *state;
	const struct sys_test c = { s->key, syn_ioctl_size, DEVICE };
	const struct sys_test *p = &c;
	void *arg = (void *)p;

	run_synthetic(&arg);
}

int main(void)
{
	static struct CMUnitTest tests[1000];
	size_t n = 0;

	tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_row_has_a_test);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_test_has_a_row);
	for (size_t i = 0; i < NREAL; i++)
		for (const struct sys_test *c = real[i]; c->key; c++)
			tests[n++] = (struct CMUnitTest){ c->key, run_case, NULL, NULL, (void *)c };
	for (const struct sys_test *c = synthetic; c->key; c++)
		tests[n++] = (struct CMUnitTest){ c->key, run_synthetic, NULL, NULL, (void *)c };
	for (const struct ioctl_size *s = ioctl_sizes; s->key; s++)
		tests[n++] = (struct CMUnitTest){ s->key, run_ioctl_size, NULL, NULL, (void *)s };
	return _cmocka_run_group_tests("sys_outputs", tests, n, NULL, NULL);
}
