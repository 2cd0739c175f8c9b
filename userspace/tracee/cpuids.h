/* SPDX-License-Identifier: MIT */
/*
 * cpuids.h: cpuid that is answered in the tracee, without a stop.
 *
 * ld.so asks 68 times in each program that starts, mostly in loops, and most answers are the same for as long as the machine runs. So
 * what the program was told before is put into bprec's page when a program starts, as a table that nothing changes while it runs. The
 * places that run often get a jump to code there, which looks the answer up and goes on behind. A question that isn't in the table
 * stops there, as it would in its own place.
 *
 * Table, code and jumps are in the trace (EV_DATA), and a replay runs the same code with the same table. Pure, but cpuids__plan.
 */
#ifndef BPREC_TRACEE_CPUIDS_H
#define BPREC_TRACEE_CPUIDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracee/calllog.h"
#include "tracee/sites.h"

/** Where all of it is, in bprec's page, and how long it may be, in bytes. */
#define CPUIDS_ADDR	  (CALLLOG_CODE + CALLLOG_CODE_MAX)
#define CPUIDS_BYTES	  (CALLLOG_ADDR - CPUIDS_ADDR)
#define CPUIDS_ANSWERS	  40 /* most rows of the table */
#define CPUIDS_TRAP_BYTES 2u /* where a question stops that isn't in the table: int3, nop */

/** eax, ebx, ecx, edx that cpuid gives for eax = leaf and ecx = sub. */
struct cpuid_answer {
	uint32_t leaf, sub, a, b, c, d;
};

/** What is put into the page of one address space. */
struct cpuids {
	uint8_t bytes[CPUIDS_BYTES]; /* from CPUIDS_ADDR on */
	size_t used;		     /* of bytes */
	size_t places;		     /* that jump there */
};

/** Finds out which cpuid of a file that have trapped can be replaced by a jump (insn_site.window). Each is looked at once. An error
 *  of reading leaves them as they are. */
void cpuids__plan(int fd, struct insn_sites *s);
/** Begins with a table of n answers, CPUIDS_ANSWERS at most, of which each question is there once. */
void cpuids__begin(struct cpuids *c, const struct cpuid_answer *v, size_t n);
/** Adds a place that can be replaced and whose address is addr. ret gets the window bytes that take its place. False: there is no room,
 *  or what is behind can't be moved as far; ret is not written. */
bool cpuids__add(struct cpuids *c, const struct insn_site *s, uint64_t addr,
		 uint8_t ret[INSN_WINDOW_MAX]);
/** Address of the int3 at which a question that isn't in the table stops. */
uint64_t cpuids__trap(void);
/** Does an address lie in what is put into the page? */
bool cpuids__inside(uint64_t addr);

#endif
