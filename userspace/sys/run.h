/* SPDX-License-Identifier: MIT */
/* run.h: evaluates the rules of one call. Private to sys/. */
#ifndef BPREC_SYS_RUN_H
#define BPREC_SYS_RUN_H

#include "sys/rules.h"

/** What is asked. */
enum run_mode {
	RUN_TOUCH, /* before the call: all it may read and write */
	RUN_OUT,   /* after it: what it wrote */
	RUN_FAULT, /* after -EFAULT: what it may have written before it gave up */
};

/** About a span. */
enum span_flags {
	SPAN_BOX = 1,	 /* holds pointers to, or fields of, other spans: moves with them */
	SPAN_FIELD = 2,	 /* lies within a box */
	SPAN_IN_MEM = 4, /* its pointer lies in memory at ptr_at, not in the argument */
	SPAN_WEAK = 8,	 /* the kernel may write less than this */
	SPAN_CLIP = 16,	 /* may reach further than the program's buffer: cut at unreadable memory */
	SPAN_PINNED = 32 /* can't be moved to scratch */
};

/** One range, and where its pointer is. */
struct span {
	uint64_t addr;	 /* first byte */
	uint64_t len;	 /* bytes */
	uint64_t ptr_at; /* address of the pointer to addr, if SPAN_IN_MEM */
	uint32_t arg;	 /* argument it comes from */
	uint32_t dir;	 /* enum sys_dir */
	uint32_t flags;	 /* enum span_flags */
};

/** One evaluation. */
struct run {
	const struct sys_invocation *in;	      /* the call */
	enum run_mode mode;			      /* what is asked */
	int (*sink)(void *ctx, const struct span *s); /* takes the spans; nonzero stops */
	void *ctx;				      /* for sink */
};

/** All rules of the call. 0, -errno as sys__outputs, or sink's value. */
int run__call(struct run *r);
/** A list of rules. */
int run__rules(struct run *r, const struct sys_rule *rules);
/** The rules of one command; -EOPNOTSUPP (or 0 if the kernel refused it too) if there are none. */
int run__cases(struct run *r, const struct sys_case *cases, uint64_t value);
/** Passes one span to the sink, if it is asked for. */
int run__emit(struct run *r, struct span s);
/** Memory at args[arg], not nested. */
int run__mem(struct run *r, uint32_t arg, uint64_t len, uint32_t dir, uint32_t flags);
/** Memory whose pointer lies in memory. */
int run__nested(struct run *r, uint32_t arg, uint64_t ptr_at, uint64_t addr, uint64_t len,
		uint32_t dir, uint32_t flags);
/** NUL-terminated text at addr, as part of argument arg. */
int run__text(struct run *r, uint32_t arg, uint64_t addr);
/** iovecs at addr. `ptr_at`: where the pointer to them is, 0: the argument. limit: bytes in all. */
int run__iov(struct run *r, const struct span *array, uint64_t count, uint32_t dir, uint64_t limit);
/** Reads exactly len bytes of the tracee; -EFAULT if that can't be. */
int run__read(struct run *r, uint64_t addr, void *buf, size_t len);
/** What to return when memory that tells the extent can't be read: 0 after -EFAULT, where the kernel couldn't either. */
int run__unreadable(const struct run *r);
/** True if writes under this condition are to be reported. */
bool run__due(const struct run *r, uint8_t when);
/** True if the result is an error. */
bool run__failed(const struct run *r);
/** Value of args[ARG_NR(n)], cut to 32 bits for INT(). */
uint64_t run__arg(const struct run *r, uint8_t n);
/** min(result, limit) after the call, limit before it. */
uint64_t run__by_ret(const struct run *r, uint64_t limit);

/** An ioctl (ioctl.c). */
int run__ioctl(struct run *r, const struct sys_rule *rule);
/** msghdr (msg.c). */
int run__msg(struct run *r, const struct sys_rule *rule);
/** An array of mmsghdr (msg.c): as many as the result says. */
int run__mmsg(struct run *r, const struct sys_rule *rule);

#endif
