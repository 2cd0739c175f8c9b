/* SPDX-License-Identifier: MIT */
/* comparer.h: machine code that compares a thread's state with an expected one each time the thread comes by an address, and
 * traps where all of it is equal. Pure: it makes bytes, somebody else puts them where they belong. */
#ifndef BPREC_INSN_COMPARER_H
#define BPREC_INSN_COMPARER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bprec/format.h"
#include "tracee/relocate.h"

/** Room for a comparer's code. */
#define COMPARER_MAX 6144
/** Most terms of one: all general registers but rip, all halves of xmm registers, all words of an EV_WORDS. */
#define COMPARER_TERMS (16 + 32 + 64)
/** Bytes of memory it writes to. */
#define COMPARER_SLOTS 24

/** What a term looks at. */
enum comparer_kind {
	COMPARER_REG,  /* general register */
	COMPARER_XMM,  /* half of an xmm register */
	COMPARER_WORD, /* 8 bytes of memory */
};

/** One comparison. */
struct comparer_term {
	uint8_t kind;  /* enum comparer_kind */
	uint8_t reg;   /* REG: as instructions number it (0 rax, 1 rcx, ... 15 r15); XMM: 0 to 15 */
	uint8_t high;  /* XMM: bits 64 to 127 instead of 0 to 63 */
	uint64_t addr; /* WORD: must be readable */
	uint64_t value; /* expected */
};

/** A comparer. The first three fields are for comparer__build, the others come from it. */
struct comparer {
	uint64_t point; /* address of the instruction that a jump takes the place of */
	uint64_t at;	/* where the code will be: within 2 GiB of the point */
	uint64_t slots; /* COMPARER_SLOTS writable bytes, 8-aligned, within 2 GiB of `at` */
	size_t len;	/* bytes of code */
	size_t moved;	/* offset of the instructions that the jump takes the place of */
	size_t rest;	/* ... of what follows them */
	size_t hit;	/* ... of the trap for "all equal": an int3 */
	size_t leave;	/* ... of the trap for "the next instruction can't be moved", 0: none */
	bool early_rax; /* rax is saved at the beginning */
	struct relocate_plan plan; /* what is moved; `to` counts from `moved` */
	uint8_t code[COMPARER_MAX];
};

/** Makes the code. `original`: len bytes at the point, as many as are there and at most 32. terms: the most telling first.
 *  0, -ENOSPC, -ERANGE (too far away), -EINVAL (no terms). */
int comparer__build(struct comparer *c, const uint8_t *original, size_t len,
		    const struct comparer_term *terms, size_t nterms);
/** The jump to `at` that is to be put at `point`: RELOCATE_JUMP bytes. 0 or -ERANGE. */
int comparer__jump(const struct comparer *c, uint8_t *ret);
/** The n-th address near `point` that makes all four bytes behind the jump's first trap when something jumps there. False:
 *  no more. */
bool comparer__candidate(uint64_t point, unsigned n, uint64_t *ret);

/** Where a thread in the code is. */
enum comparer_where {
	COMPARER_OUTSIDE, /* not in it: registers are the program's own */
	COMPARER_HIT,	  /* at the trap of an equal state, rip behind it */
	COMPARER_LEAVE, /* at the trap in place of an instruction that can't be moved, rip behind it */
	COMPARER_INSIDE, /* anywhere else in it */
};
/** Tells that, and makes the registers those that the program would have in its own code; `slots`: what is there. */
enum comparer_where comparer__restore(const struct comparer *c, const uint64_t slots[3],
				      struct regs64 *regs);

#endif
