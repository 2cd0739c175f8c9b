// SPDX-License-Identifier: MIT
/*
 * run.c: evaluates the rules of one call, in three modes: before it (all that it may touch), after it (what it wrote),
 * and after -EFAULT (what it may have written before it met bad memory).
 *
 * Every range goes through run__emit(), which drops what isn't asked for and cuts what can't be memory of a program.
 * Invariants:
 * - never less than the kernel writes: where the exact length isn't known any more (a value-result length was overwritten
 *   by a greater one), the range is too long rather than too short, and is cut at memory that can't be read;
 * - memory that tells an extent and can't be read is an error, except after -EFAULT: there the kernel couldn't read it
 *   either and wrote nothing through it;
 * - a null pointer is no memory (mmap_min_addr keeps page 0 out of programs: Documentation/admin-guide/sysctl/vm.rst).
 */
#include "sys/run.h"

#include <errno.h>
#include <limits.h>
#include <sys/uio.h>

/* Above this no program has memory, with 5-level page tables either (Documentation/arch/x86/x86_64/mm.rst). */
#define USER_END (1ull << 56)
#define PAGE_LEN 4096ull
/* The kernel refuses longer arrays of iovecs (UIO_MAXIOV, include/uapi/linux/uio.h). */
#define IOV_LIMIT    1024
#define RW_COUNT_MAX 0x7ffff000ull
/* Restart codes as a tracer sees them at exit stops: ERESTARTSYS (512) to ERESTART_RESTARTBLOCK (516). */
#define RESTART_FIRST (-516)
#define RESTART_LAST  (-512)

bool run__failed(const struct run *r)
{
	return r->in->ret < 0 && r->in->ret >= -4095;
}

static bool run_interrupted(const struct run *r)
{
	int64_t ret = r->in->ret;

	return ret == -EINTR || (ret >= RESTART_FIRST && ret <= RESTART_LAST);
}

bool run__due(const struct run *r, uint8_t when)
{
	if (r->mode != RUN_OUT)
		return true;
	switch (when) {
	case WHEN_OK:
		return !run__failed(r);
	case WHEN_POS:
		return !run__failed(r) && r->in->ret != 0;
	case WHEN_EINTR:
		return run_interrupted(r);
	case WHEN_OK_EINTR:
		return !run__failed(r) || run_interrupted(r);
	case WHEN_E2BIG:
		return r->in->ret == -E2BIG;
	default:
		return true;
	}
}

uint64_t run__arg(const struct run *r, uint8_t n)
{
	uint64_t v = r->in->args[ARG_NR(n)];

	return n & ARG_INT ? (uint32_t)v : v;
}

uint64_t run__by_ret(const struct run *r, uint64_t limit)
{
	if (r->mode != RUN_OUT)
		return limit;
	if (run__failed(r))
		return 0;
	return (uint64_t)r->in->ret < limit ? (uint64_t)r->in->ret : limit;
}

int run__read(struct run *r, uint64_t addr, void *buf, size_t len)
{
	if (addr >= USER_END || r->in->read(r->in->ctx, addr, buf, len) != (long)len)
		return -EFAULT;
	return 0;
}

int run__unreadable(const struct run *r)
{
	return r->mode == RUN_FAULT ? 0 : -EFAULT;
}

/* Bytes from addr on that can be read, at most len. No call moves more than MAX_RW_COUNT (include/linux/fs.h). */
static uint64_t run_readable(struct run *r, uint64_t addr, uint64_t len)
{
	char buf[16 * PAGE_LEN];
	uint64_t done = 0;

	len = len < RW_COUNT_MAX ? len : RW_COUNT_MAX;
	while (done < len) {
		uint64_t want = len - done < sizeof(buf) ? len - done : sizeof(buf);
		long n = r->in->read(r->in->ctx, addr + done, buf, want);

		if (n <= 0)
			break;
		done += (uint64_t)n;
		if ((uint64_t)n < want)
			break;
	}
	return done;
}

int run__emit(struct run *r, struct span s)
{
	if (r->mode != RUN_TOUCH) {
		if (!(s.dir & SYS_WRITES))
			return 0;
		s.dir = SYS_WRITES;
	}
	if (!s.addr || !s.len || s.addr >= USER_END)
		return 0;
	if (s.len > USER_END - s.addr)
		s.len = USER_END - s.addr;
	if (r->mode == RUN_FAULT || (r->mode == RUN_OUT && s.flags & SPAN_CLIP))
		s.len = run_readable(r, s.addr, s.len);
	return s.len ? r->sink(r->ctx, &s) : 0;
}

int run__mem(struct run *r, uint32_t arg, uint64_t len, uint32_t dir, uint32_t flags)
{
	return run__emit(r, (struct span){ .addr = r->in->args[arg],
					   .len = len,
					   .arg = arg,
					   .dir = dir,
					   .flags = flags });
}

int run__nested(struct run *r, uint32_t arg, uint64_t ptr_at, uint64_t addr, uint64_t len,
		uint32_t dir, uint32_t flags)
{
	return run__emit(r, (struct span){ .addr = addr,
					   .len = len,
					   .ptr_at = ptr_at,
					   .arg = arg,
					   .dir = dir,
					   .flags = flags | SPAN_IN_MEM });
}

/* Length with NUL of the text at addr, at most max; -EFAULT. */
static int64_t run_text_len(struct run *r, uint64_t addr, uint64_t max)
{
	char buf[256];

	for (uint64_t done = 0; done < max;) {
		uint64_t room = PAGE_LEN - ((addr + done) & (PAGE_LEN - 1));
		size_t n = room < sizeof(buf) ? room : sizeof(buf);

		n = n < max - done ? n : max - done;
		if (run__read(r, addr + done, buf, n))
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			if (!buf[i])
				return (int64_t)(done + i + 1 < max ? done + i + 1 : max);
		done += n;
	}
	return (int64_t)max;
}

int run__text(struct run *r, uint32_t arg, uint64_t addr)
{
	int64_t len;

	if (r->mode != RUN_TOUCH || !addr)
		return 0;
	len = run_text_len(r, addr, PATH_MAX);
	if (len < 0)
		return (int)len;
	return run__emit(
		r,
		(struct span){ .addr = addr, .len = (uint64_t)len, .arg = arg, .dir = SYS_READS });
}

static int run_texts(struct run *r, uint32_t arg)
{
	uint64_t at = r->in->args[arg], p = 0;
	int err = 0;

	if (r->mode != RUN_TOUCH || !at)
		return 0;
	do {
		err = run__read(r, at, &p, sizeof(p));
		if (!err)
			err = run__emit(r, (struct span){ .addr = at,
							  .len = sizeof(p),
							  .arg = arg,
							  .dir = SYS_READS });
		if (!err && p)
			err = run__text(r, arg, p);
		at += sizeof(p);
	} while (!err && p);
	return err;
}

int run__iov(struct run *r, const struct span *array, uint64_t count, uint32_t dir, uint64_t limit)
{
	struct span box = *array;
	uint32_t weak = array->flags & SPAN_WEAK;
	int err;

	if (count > IOV_LIMIT || !count)
		return 0;
	box.len = count * sizeof(struct iovec);
	box.dir = SYS_READS;
	box.flags = SPAN_BOX | (array->flags & SPAN_IN_MEM);
	err = run__emit(r, box);
	for (uint64_t i = 0; !err && i < count && limit; i++) {
		uint64_t at = array->addr + i * sizeof(struct iovec), v[2];

		if (run__read(r, at, v, sizeof(v)))
			return run__unreadable(r);
		v[1] = v[1] < limit ? v[1] : limit;
		limit -= v[1];
		err = run__nested(r, array->arg, at, v[0], v[1], dir, weak);
	}
	return err;
}

static int run_iov_rule(struct run *r, const struct sys_rule *rule)
{
	struct span array = { .addr = r->in->args[rule->arg],
			      .arg = rule->arg,
			      .flags = rule->weak ? SPAN_WEAK : 0 };

	return run__iov(r, &array, run__arg(r, rule->n), rule->dir, run__by_ret(r, UINT64_MAX));
}

/* size * count + base without overflow. */
static uint64_t run_size(const struct sys_rule *rule, uint64_t count)
{
	uint64_t n;

	if (__builtin_mul_overflow(count, (uint64_t)rule->size, &n) ||
	    __builtin_add_overflow(n, (uint64_t)rule->base, &n))
		return USER_END;
	return n;
}

/* Length that lies in memory; what the kernel left there may be greater than the buffer. */
static int run_mem_at(struct run *r, const struct sys_rule *rule, uint32_t flags)
{
	uint32_t n;

	if (!r->in->args[rule->arg])
		return 0;
	if (run__read(r, r->in->args[ARG_NR(rule->n)], &n, sizeof(n)))
		return run__unreadable(r);
	return run__mem(r, rule->arg, run_size(rule, n), rule->dir, flags | SPAN_WEAK | SPAN_CLIP);
}

static int run_mem_text(struct run *r, const struct sys_rule *rule)
{
	int64_t len = rule->size;

	if (r->mode == RUN_OUT)
		len = run_text_len(r, r->in->args[rule->arg], rule->size);
	return len < 0 ? (int)len : run__mem(r, rule->arg, (uint64_t)len, rule->dir, SPAN_WEAK);
}

static int run_mem_rule(struct run *r, const struct sys_rule *rule)
{
	uint32_t flags = rule->weak ? SPAN_WEAK : 0;

	if (rule->pinned)
		flags |= SPAN_PINNED;
	if (run__failed(r))
		flags |= SPAN_CLIP;
	switch (rule->len) {
	case LEN_RET:
		return run__mem(r, rule->arg, run_size(rule, run__by_ret(r, run__arg(r, rule->n))),
				rule->dir, flags);
	case LEN_ARG:
		return run__mem(r, rule->arg, run_size(rule, run__arg(r, rule->n)), rule->dir,
				flags | SPAN_WEAK);
	case LEN_BITS:
		return run__mem(r, rule->arg, (run__arg(r, rule->n) + 63) / 64 * 8, rule->dir,
				flags | SPAN_WEAK | SPAN_CLIP);
	case LEN_AT:
		return run_mem_at(r, rule, flags);
	case LEN_TEXT:
		return run_mem_text(r, rule);
	default:
		return run__mem(r, rule->arg, rule->size, rule->dir, flags | SPAN_WEAK);
	}
}

const struct sys_case *sys_case_find(const struct sys_case *cases, uint64_t value)
{
	for (; cases->name; cases++)
		if (cases->value == value)
			return cases;
	return NULL;
}

int run__cases(struct run *r, const struct sys_case *cases, uint64_t value)
{
	const struct sys_case *c = sys_case_find(cases, value);

	if (c)
		return run__rules(r, c->rules);
	/* A command that this kernel doesn't know either has done nothing. */
	if (r->mode == RUN_OUT &&
	    (r->in->ret == -EINVAL || r->in->ret == -ENOSYS || r->in->ret == -EBADF))
		return 0;
	return -EOPNOTSUPP;
}

static int run_rule(struct run *r, const struct sys_rule *rule)
{
	switch (rule->kind) {
	case RULE_MEM:
		if (r->mode != RUN_TOUCH && !(rule->dir & SYS_WRITES))
			return 0;
		return run__due(r, rule->when) ? run_mem_rule(r, rule) : 0;
	case RULE_STR:
		return run__text(r, rule->arg, r->in->args[rule->arg]);
	case RULE_STRV:
		return run_texts(r, rule->arg);
	case RULE_IOV:
		if (r->mode != RUN_TOUCH && !(rule->dir & SYS_WRITES))
			return 0;
		return run_iov_rule(r, rule);
	case RULE_MSG:
		return run__msg(r, rule);
	case RULE_MMSG:
		return run__mmsg(r, rule);
	case RULE_CASES:
		return run__cases(r, rule->cases, run__arg(r, rule->n));
	case RULE_FN:
		return rule->fn(r, rule);
	case RULE_IN_UNKNOWN:
		return r->mode == RUN_TOUCH ? -EOPNOTSUPP : 0;
	default:
		return -EOPNOTSUPP;
	}
}

int run__rules(struct run *r, const struct sys_rule *rules)
{
	int err = 0;

	for (; !err && rules->kind != RULE_END; rules++)
		err = run_rule(r, rules);
	return err;
}

int run__call(struct run *r)
{
	const struct sys_call *c = sys__lookup(r->in->nr);

	return c ? run__rules(r, c->rules) : -ENOSYS;
}
