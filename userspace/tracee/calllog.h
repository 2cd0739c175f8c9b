/* SPDX-License-Identifier: MIT */
/*
 * calllog.h: calls that a tracee makes without a stop, and writes down itself.
 *
 * A stop costs a tracee 10 to 25 us, a call 1 us. So the wrappers of a few calls in libc (wrappers.h), which only ask about paths and
 * descriptors and never wait for anybody, are patched: they call code in bprec's page, which makes the call and puts it into a log,
 * memory of bprec's own in the tracee. The recorder takes the log at the tracee's next stop. Our filter lets these calls pass from that
 * one place only; where the log is full or switched off, the code makes the call from another place, where it stops as any other.
 *
 * In a replay the log is zeros, so switched off, and each call stops. Code, log and patches are in the trace (EV_MAP, EV_DATA), and
 * registers and memory afterwards are the same on both ways: rcx and r11, which a call destroys, are set to 0.
 */
#ifndef BPREC_TRACEE_CALLLOG_H
#define BPREC_TRACEE_CALLLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracee/tracee.h"

/** Where the code is, in bprec's page, how long it may be, in bytes, and the log. */
#define CALLLOG_CODE	 (TRACEE_PAGE_ADDR + 0x100)
#define CALLLOG_CODE_MAX 1024u
#define CALLLOG_ADDR	 (TRACEE_PAGE_ADDR + BPREC_PAGE_SIZE)
#define CALLLOG_BYTES	 16384u
#define CALLLOG_OUT_MAX	 4096u /* bytes that one call may give back */

/** Begin of the log. The tracee can write all of it: nothing there is to be trusted. */
struct calllog_head {
	uint64_t next; /* address of the next entry; CALLLOG_FIRST: the log is empty */
	uint64_t
		limit; /* no call is logged with `next` at or behind this address; 0: switched off */
	uint64_t rsi, rdi; /* kept while an output is copied */
	uint64_t unused[4];
};

/** One call. What it gave back follows, padded to 8 bytes. */
struct calllog_entry {
	uint64_t nr, args[6];
	int64_t ret;
};

/** First entry, and the limit that leaves room for any last one. */
#define CALLLOG_FIRST (CALLLOG_ADDR + sizeof(struct calllog_head))
#define CALLLOG_LIMIT \
	(CALLLOG_ADDR + CALLLOG_BYTES - sizeof(struct calllog_entry) - CALLLOG_OUT_MAX)

/** Where in the code a thread is. */
enum calllog_place {
	CALLLOG_OUTSIDE, /* not in it */
	CALLLOG_BEFORE,	 /* it has not made the call, and may make it without a stop */
	CALLLOG_MADE,	 /* it has, and the log doesn't show it; rax is the result */
	CALLLOG_LOGGED,	 /* it is leaving, with the call in the log or after a stop */
	CALLLOG_STOPS,	 /* it will make the call where it stops */
};

/** The code; *ret_len: its bytes. */
const void *calllog__code(size_t *ret_len);
/** The numbers of the calls; *ret_n: how many. */
const uint32_t *calllog__numbers(size_t *ret_n);
/** Address in the code that makes a call of this number; 0: there is none. */
uint64_t calllog__entry(uint32_t nr);
/** The same for openat, from where edi would be set to AT_FDCWD next. */
uint64_t calllog__entry_cwd(void);
/** What rip is after the call that must not stop: the filter's only exception. */
uint64_t calllog__return(void);
/** Where an address lies. */
enum calllog_place calllog__place(uint64_t rip);
/** Sends a thread that is CALLLOG_BEFORE or CALLLOG_MADE, with these arguments of its call (CALLLOG_MADE) or those in its registers
 *  (NULL), to where it makes the call with a stop. */
void calllog__go_back(struct regs64 *regs, const struct calllog_entry *e);
/** Sets the registers as the code leaves them: to a thread that is CALLLOG_MADE (with its entry) or CALLLOG_LOGGED (NULL). to: the
 *  address at rsp, to which it returns. */
void calllog__leave(struct regs64 *regs, const struct calllog_entry *e, uint64_t to);
/** What a call gives back into its caller's memory. Its length in bytes, 0: nothing; *ret_arg: number of the argument that is the
 *  address. */
uint64_t calllog__output(const struct calllog_entry *e, uint32_t *ret_arg);

#endif
