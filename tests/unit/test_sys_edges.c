// SPDX-License-Identifier: MIT
/*
 * test_sys_edges.c: what sys/ says where things go wrong: memory that ends too early, memory that can't be read, commands
 * that nobody knows, plans that are too large; inputs; and random calls with random memory, which must neither crash nor
 * take long.
 */
#include "../sys/harness.h"
#include "../sys/inputs.h"

#include <netinet/in.h>
#include <sys/stat.h>

static int count(void *ctx, const struct sys_range *r)
{
	(void)r;
	++*(int *)ctx;
	return 0;
}

static long no_memory(void *ctx, uint64_t addr, void *buf, size_t len)
{
	(void)ctx;
	(void)addr;
	(void)buf;
	(void)len;
	return -EFAULT;
}

static int outputs_of(long nr, long ret, const uint64_t args[6], int *ret_n)
{
	struct sys_invocation in = { .nr = (uint32_t)nr, .ret = ret, .read = no_memory };

	memcpy(in.args, args, sizeof(in.args));
	*ret_n = 0;
	return sys__outputs(&in, count, ret_n);
}

/* The struct is cut short by an unmapped page: what the kernel may have written is reported, and nothing beyond. */
static void after_efault(void **state)
{
	struct t run = { .key = "fstat", .pattern = 0xA5 }, *t = &run;

	(void)state;
	DO(SYS_fstat, (uint64_t)file_of(t, "x"), out(t, sizeof(struct stat) - 1));
	assert_int_equal(t->ret, -EFAULT);
	expect(t, U(t->buf[0].p), sizeof(struct stat) - 1);
	end_run(t);
}

static void after_efault_iov(void **state)
{
	struct t run = { .key = "readv", .pattern = 0xA5 }, *t = &run;
	struct iovec v[2] = { { (void *)(uintptr_t)out(t, 4), 4 },
			      { (void *)(uintptr_t)out(t, 40), 100 } };

	(void)state;
	DO_FAKE(-EFAULT, SYS_readv, 0, in(t, v, sizeof(v)), 2);
	expect(t, U(t->buf[0].p), 4);
	expect(t, U(t->buf[1].p), 40);
	expect_no_more(t);
	end_run(t);
}

/* Memory that tells the extent can't be read: an error after success, nothing after EFAULT. */
static void unreadable(void **state)
{
	const uint64_t a[6] = { 3, 0x10000, 3 };
	int n;

	(void)state;
	assert_int_equal(outputs_of(SYS_readv, 10, a, &n), -EFAULT);
	assert_int_equal(outputs_of(SYS_readv, -EFAULT, a, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(outputs_of(SYS_recvmsg, 10, a, &n), -EFAULT);
	assert_int_equal(outputs_of(SYS_recvmsg, -EAGAIN, a, &n), 0);
	assert_int_equal(outputs_of(SYS_accept, 4, (uint64_t[6]){ 3, 0x10000, 0x20000 }, &n),
			 -EFAULT);
}

/* Failed calls write nothing, but for those that do. */
static void after_errors(void **state)
{
	int n;

	(void)state;
	assert_int_equal(outputs_of(SYS_read, -EAGAIN, (uint64_t[6]){ 3, 0x10000, 10 }, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(outputs_of(SYS_clock_gettime, -EINVAL, (uint64_t[6]){ 3, 0x10000 }, &n),
			 0);
	assert_int_equal(n, 0);
	assert_int_equal(outputs_of(SYS_nanosleep, -516, (uint64_t[6]){ 1, 0x10000 }, &n), 0);
	assert_int_equal(n, 0); /* cut: this memory can't be read */
	assert_int_equal(outputs_of(SYS_wait4, 0, (uint64_t[6]){ 1, 0x10000 }, &n), 0);
	assert_int_equal(n, 0); /* WNOHANG, nobody */
}

static void commands_nobody_knows(void **state)
{
	int n;

	(void)state;
	assert_int_equal(outputs_of(SYS_fcntl, 0, (uint64_t[6]){ 3, 77777 }, &n), -EOPNOTSUPP);
	assert_int_equal(outputs_of(SYS_fcntl, -EINVAL, (uint64_t[6]){ 3, 77777 }, &n), 0);
	assert_int_equal(outputs_of(SYS_prctl, 0, (uint64_t[6]){ 77777 }, &n), -EOPNOTSUPP);
	assert_int_equal(outputs_of(SYS_ioctl, 0, (uint64_t[6]){ 3, 0x2285 }, &n), -EOPNOTSUPP);
	assert_int_equal(outputs_of(SYS_ioctl, -ENOTTY, (uint64_t[6]){ 3, 0x2285 }, &n), 0);
	assert_int_equal(outputs_of(SYS_restart_syscall, 0, (uint64_t[6]){ 0 }, &n), -EOPNOTSUPP);
	/* pointers inside: counters of netfilter, zero-copy receive, AF_XDP */
	assert_int_equal(outputs_of(SYS_setsockopt, 0, (uint64_t[6]){ 3, 0, 64 }, &n), -EOPNOTSUPP);
	assert_int_equal(outputs_of(SYS_setsockopt, 0, (uint64_t[6]){ 3, 283, 4 }, &n),
			 -EOPNOTSUPP);
	assert_int_equal(outputs_of(SYS_getsockopt, 0, (uint64_t[6]){ 3, IPPROTO_TCP, 35 }, &n),
			 -EOPNOTSUPP);
	/* device types whose numbers don't tell: KVM_RUN's neighbours, DRM */
	assert_int_equal(outputs_of(SYS_ioctl, 0, (uint64_t[6]){ 3, 0xc020aea0 }, &n), -EOPNOTSUPP);
	assert_int_equal(outputs_of(SYS_ioctl, 0, (uint64_t[6]){ 3, 0xc0106440 }, &n), -EOPNOTSUPP);
}

static void plans(void **state)
{
	struct sys_invocation in = { .nr = SYS_read, .read = no_memory };
	struct sys_scratch plan;

	(void)state;
	in.args[1] = 0x10000;
	assert_int_equal(sys__scratch(&in, &plan), 0); /* of no bytes */
	in.args[2] = SYS_SCRATCH_BYTES;
	assert_int_equal(sys__scratch(&in, &plan), 1);
	assert_int_equal(plan.npieces, 1);
	assert_int_equal(plan.nfixups, 1);
	assert_int_equal(plan.piece[0].dir, SYS_WRITES); /* read writes exactly what it says */
	in.args[2]++;
	assert_int_equal(sys__scratch(&in, &plan), -E2BIG);
	in.args[2] = ~0ull;
	assert_int_equal(sys__scratch(&in, &plan), -E2BIG);
	in.nr = SYS_write;
	assert_int_equal(sys__scratch(&in, &plan), 0);
	in.nr = SYS_restart_syscall;
	assert_int_equal(sys__scratch(&in, &plan), -EOPNOTSUPP);
	in.nr = 470;
	assert_int_equal(sys__scratch(&in, &plan), -ENOSYS);
}

/* More iovecs than a plan has pieces. */
static void many_pieces(void **state)
{
	struct t run = { .key = "readv", .pattern = 0xA5 }, *t = &run;
	struct sys_invocation in_ = { .nr = SYS_readv, .read = case_read, .ctx = t };
	struct iovec v[SYS_SCRATCH_PIECES];
	struct sys_scratch plan;

	(void)state;
	for (int i = 0; i < SYS_SCRATCH_PIECES; i++)
		v[i] = (struct iovec){ (void *)(uintptr_t)(0x10000 + 16 * i), 16 };
	in_.args[1] = in(t, v, sizeof(v));
	in_.args[2] = SYS_SCRATCH_PIECES - 1;
	assert_int_equal(sys__scratch(&in_, &plan), 1);
	in_.args[2] = SYS_SCRATCH_PIECES;
	assert_int_equal(sys__scratch(&in_, &plan), -E2BIG);
	in_.args[2] = 5000; /* the kernel refuses it */
	assert_int_equal(sys__scratch(&in_, &plan), 0);
	end_run(t);
}

static void may_touch(void **state)
{
	struct sys_invocation in = { .nr = SYS_write, .read = no_memory };

	(void)state;
	in.args[1] = 0x10000;
	in.args[2] = 0x1000;
	assert_true(sys__may_touch(&in, 0x10fff, 0x11000));
	assert_true(sys__may_touch(&in, 0xf000, 0x10001));
	assert_false(sys__may_touch(&in, 0x11000, 0x12000));
	assert_false(sys__may_touch(&in, 0xf000, 0x10000));
	in.nr = SYS_nanosleep;
	in.args[0] = 0x20000;
	assert_false(sys__may_touch(&in, 0x21000, 0x22000));
	in.nr = SYS_pause;
	assert_false(sys__may_touch(&in, 0, ~0ull));
	in.nr = SYS_writev; /* its array can't be read: doubt */
	in.args[2] = 3;
	assert_true(sys__may_touch(&in, 0x90000, 0x91000));
	in.nr = SYS_mount;
	assert_true(sys__may_touch(&in, 0x90000, 0x91000));
}

static uint64_t seed = 88172645463325252ull;
static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

/* Memory full of small numbers, huge numbers and addresses; sometimes it ends. */
static long random_memory(void *ctx, uint64_t addr, void *buf, size_t len)
{
	uint8_t *p = buf;

	(void)ctx;
	(void)addr;
	if (rnd() % 16 == 0)
		return -EFAULT;
	for (size_t i = 0; i < len; i++)
		p[i] = rnd() % 3 ? 0 : (uint8_t)rnd();
	return rnd() % 16 ? (long)len : (long)(len / 2);
}

static uint64_t random_arg(void)
{
	switch (rnd() % 5) {
	case 0:
		return rnd() % 64;
	case 1:
		return rnd();
	case 2:
		return ~0ull - rnd() % 4096;
	default:
		return 0x10000 + rnd() % 0x100000;
	}
}

static void random_calls(void **state)
{
	static const long rets[] = { 0, 1, 100, -EFAULT, -EINTR, -516, -E2BIG, -75, 1l << 40 };
	int n = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct sys_invocation in = { .nr = (uint32_t)(rnd() % 480), .read = random_memory };
		struct sys_scratch plan;

		for (int k = 0; k < 6; k++)
			in.args[k] = random_arg();
		in.ret = rets[rnd() % (sizeof(rets) / sizeof(rets[0]))];
		/* Up to 2 GiB are looked at after EFAULT: not for each of these. */
		if (in.ret == -EFAULT)
			in.read = no_memory;
		sys__outputs(&in, count, &n);
		sys__touched(&in, count, &n);
		sys__may_block(&in);
		if (sys__scratch(&in, &plan) == 1) {
			assert_in_range(plan.npieces, 1, SYS_SCRATCH_PIECES);
			assert_true(plan.bytes <= SYS_SCRATCH_BYTES + 16 * plan.npieces);
		}
	}
	assert_true(n > 10000);
}

int main(void)
{
	static struct CMUnitTest tests[200] = {
		cmocka_unit_test(after_efault),
		cmocka_unit_test(after_efault_iov),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(after_errors),
		cmocka_unit_test(commands_nobody_knows),
		cmocka_unit_test(plans),
		cmocka_unit_test(many_pieces),
		cmocka_unit_test(may_touch),
		cmocka_unit_test(random_calls),
	};
	size_t n = 9;

	for (const struct sys_test *c = inputs; c->key; c++)
		tests[n++] = (struct CMUnitTest){ c->key, run_case, NULL, NULL, (void *)c };
	for (const struct sys_test *c = told_inputs; c->key; c++)
		tests[n++] = (struct CMUnitTest){ c->key, run_synthetic, NULL, NULL, (void *)c };
	return _cmocka_run_group_tests("sys_edges", tests, n, NULL, NULL);
}
