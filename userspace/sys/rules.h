/* SPDX-License-Identifier: MIT */
/* rules.h: the little language in which the table says what memory a call reads and writes. Private to sys/. */
#ifndef BPREC_SYS_RULES_H
#define BPREC_SYS_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/sys.h"

struct run;
struct sys_rule;
/** Treats what the language has no word for. 0 or -errno, or the value of the one who takes the ranges. */
typedef int (*sys_rule_fn)(struct run *r, const struct sys_rule *rule);

/** What a rule describes. */
enum rule_kind {
	RULE_END = 0, /* last rule of a list */
	RULE_MEM,     /* memory at args[arg], length by `len` */
	RULE_STR,     /* NUL-terminated text that is read */
	RULE_STRV,    /* NULL-terminated array of pointers to such texts, read */
	RULE_IOV,     /* array of args[n] iovecs at args[arg]; writes are bounded by the result */
	RULE_MSG,     /* struct msghdr at args[arg]; flags of the call in args[n] */
	RULE_MMSG,    /* array of args[n] struct mmsghdr; flags of the call in args[m] */
	RULE_CASES,   /* rules depend on the command in args[n] */
	RULE_FN,      /* treated by a function */
	RULE_IN_UNKNOWN, /* what it reads isn't described: it may touch anything while it runs */
	RULE_UNKNOWN,	 /* neither reads nor writes are described */
};

/** How long RULE_MEM's memory is. */
enum rule_len {
	LEN_FIXED = 0, /* size bytes */
	LEN_ARG,       /* base + size * args[n] */
	LEN_RET,  /* base + size * min(result, args[n]); before the call base + size * args[n] */
	LEN_BITS, /* args[n] bits in whole words of 64 */
	LEN_AT,	  /* the u32 that lies at args[n], size times (value-result) */
	LEN_TEXT, /* up to and with NUL; before the call: size */
};

/** After which results RULE_MEM's memory has been written. After -EFAULT every rule counts. */
enum rule_when {
	WHEN_OK = 0,   /* result is no error */
	WHEN_POS,      /* result is above 0 */
	WHEN_ALWAYS,   /* any result */
	WHEN_EINTR,    /* interrupted: -EINTR or one of the kernel's restart codes (512 to 516) */
	WHEN_OK_EINTR, /* no error, or interrupted */
	WHEN_E2BIG,    /* -E2BIG */
};

/** Added to an argument's number: only its low 32 bits count (int, unsigned, socklen_t). */
#define ARG_INT	  0x80
#define INT(n)	  ((n) | ARG_INT)
#define ARG_NR(n) ((n)&0x7)

/** Rules for one command of a call that has many. */
struct sys_case {
	uint64_t value;		      /* the command */
	const char *name;	      /* NULL ends the list */
	const struct sys_rule *rules; /* as in struct sys_call */
	bool waits;		      /* may block (ioctl, futex, fcntl ...) */
};

/** One rule. Lists end with RULE_END. */
struct sys_rule {
	uint8_t kind;		      /* enum rule_kind */
	uint8_t arg;		      /* argument that points to the memory */
	uint8_t dir;		      /* enum sys_dir */
	uint8_t when;		      /* enum rule_when, for writes */
	uint8_t len;		      /* enum rule_len */
	uint8_t n;		      /* argument with a count, length or command; may be INT() */
	uint8_t m;		      /* second such argument */
	bool weak;		      /* of what LEN_RET says the kernel may write less */
	bool pinned;		      /* must stay where it is: never moved to scratch */
	uint32_t size;		      /* bytes, or size of an element */
	uint32_t base;		      /* bytes before the elements */
	const struct sys_case *cases; /* of RULE_CASES */
	sys_rule_fn fn;		      /* of RULE_FN */
};

/* clang-format off */
#define RULES(...)	((const struct sys_rule[]){ __VA_ARGS__, { .kind = RULE_END } })

/* A call that touches no memory, or whose reads or whole use of memory isn't described. */
#define NONE		{ .kind = RULE_END }
#define IN_UNKNOWN	{ .kind = RULE_IN_UNKNOWN }
#define UNDESCRIBED	{ .kind = RULE_UNKNOWN }

#define MEM(a, d, w, s)	{ .kind = RULE_MEM, .arg = (a), .dir = (d), .when = (w), .size = (s) }
/* A struct of s bytes at args[a]: read, written, both. */
#define IN(a, s)	MEM(a, SYS_READS, WHEN_OK, s)
#define OUT(a, s)	MEM(a, SYS_WRITES, WHEN_OK, s)
#define INOUT(a, s)	MEM(a, SYS_READS | SYS_WRITES, WHEN_OK, s)
#define OUT_POS(a, s)	MEM(a, SYS_WRITES, WHEN_POS, s)
#define OUT_ALWAYS(a, s) MEM(a, SYS_WRITES, WHEN_ALWAYS, s)
#define INOUT_ALWAYS(a, s) MEM(a, SYS_READS | SYS_WRITES, WHEN_ALWAYS, s)
#define OUT_EINTR(a, s)	MEM(a, SYS_WRITES, WHEN_EINTR, s)
#define OUT_E2BIG(a, s)	MEM(a, SYS_WRITES, WHEN_E2BIG, s)
/* A word that other threads watch (futex): can't be moved. */
#define INOUT_PINNED(a, s) { .kind = RULE_MEM, .arg = (a), .dir = SYS_READS | SYS_WRITES, \
			     .when = WHEN_ALWAYS, .size = (s), .pinned = true }

#define MEM_N(a, d, w, s, c) { .kind = RULE_MEM, .arg = (a), .dir = (d), .when = (w), \
			       .len = LEN_ARG, .size = (s), .n = (c) }
/* args[c] elements of s bytes. */
#define IN_N(a, s, c)	MEM_N(a, SYS_READS, WHEN_OK, s, c)
#define OUT_N(a, s, c)	MEM_N(a, SYS_WRITES, WHEN_OK, s, c)
#define OUT_N_ALWAYS(a, s, c) MEM_N(a, SYS_WRITES, WHEN_ALWAYS, s, c)
#define INOUT_N_EINTR(a, s, c) MEM_N(a, SYS_READS | SYS_WRITES, WHEN_OK_EINTR, s, c)
#define IN_BASE_N(a, b, c) { .kind = RULE_MEM, .arg = (a), .dir = SYS_READS, .len = LEN_ARG, \
			     .size = 1, .base = (b), .n = (c) }

/* As many elements of s bytes as the result says, at most args[c]. */
#define OUT_RET_N(a, s, c) { .kind = RULE_MEM, .arg = (a), .dir = SYS_WRITES, .len = LEN_RET, \
			     .size = (s), .n = (c) }
#define OUT_RET(a, c)	OUT_RET_N(a, 1, c)
/* The same where a buffer that is too short is left alone. */
#define OUT_RET_WEAK(a, c) { .kind = RULE_MEM, .arg = (a), .dir = SYS_WRITES, .len = LEN_RET, \
			     .size = 1, .n = (c), .weak = true }
#define OUT_BASE_RET(a, b, c) { .kind = RULE_MEM, .arg = (a), .dir = SYS_WRITES, .len = LEN_RET, \
				.size = 1, .base = (b), .n = (c) }

#define INOUT_BITS(a, c) { .kind = RULE_MEM, .arg = (a), .dir = SYS_READS | SYS_WRITES, \
			   .len = LEN_BITS, .n = (c) }
/* Buffer whose length lies in memory (u32 at args[c]) and is set to the length written. */
#define OUT_AT(a, c)	{ .kind = RULE_MEM, .arg = (a), .dir = SYS_WRITES, .len = LEN_AT, \
			  .size = 1, .n = (c) }
#define OUT_TEXT(a, s)	{ .kind = RULE_MEM, .arg = (a), .dir = SYS_WRITES, .len = LEN_TEXT, \
			  .size = (s) }

#define STR(a)		{ .kind = RULE_STR, .arg = (a), .dir = SYS_READS }
#define STRV(a)		{ .kind = RULE_STRV, .arg = (a), .dir = SYS_READS }
#define IOV_IN(a, c)	{ .kind = RULE_IOV, .arg = (a), .dir = SYS_READS, .n = (c) }
#define IOV_OUT(a, c)	{ .kind = RULE_IOV, .arg = (a), .dir = SYS_WRITES, .n = (c) }
#define IOV_INOUT(a, c)	{ .kind = RULE_IOV, .arg = (a), .dir = SYS_READS | SYS_WRITES, \
			  .n = (c), .weak = true }
#define MSG_IN(a, f)	{ .kind = RULE_MSG, .arg = (a), .dir = SYS_READS, .n = (f) }
#define MSG_OUT(a, f)	{ .kind = RULE_MSG, .arg = (a), .dir = SYS_WRITES, .n = (f) }
#define MMSG_IN(a, c, f) { .kind = RULE_MMSG, .arg = (a), .dir = SYS_READS, .n = (c), .m = (f) }
#define MMSG_OUT(a, c, f) { .kind = RULE_MMSG, .arg = (a), .dir = SYS_WRITES, .n = (c), .m = (f) }
#define CASES(c, table)	{ .kind = RULE_CASES, .n = (c), .cases = (table) }
/* A function; d: SYS_WRITES if it may report writes (the tests rely on that). */
#define FN(f, d)	{ .kind = RULE_FN, .dir = (d), .fn = (f) }
/* clang-format on */

/** Commands of calls that have many (cmds.c). */
extern const struct sys_case sys_fcntl_cases[], sys_prctl_cases[], sys_arch_prctl_cases[],
	sys_semctl_cases[], sys_shmctl_cases[], sys_msgctl_cases[], sys_keyctl_cases[],
	sys_quota_cases[], sys_syslog_cases[], sys_seccomp_cases[], sys_futex_cases[],
	sys_sysfs_cases[], sys_fsconfig_cases[];
/** The ioctls that have a row (ioctl.c). */
extern const struct sys_case sys_ioctl_cases[];

/** The row of a command, NULL if there is none. */
const struct sys_case *sys_case_find(const struct sys_case *cases, uint64_t value);

#endif
