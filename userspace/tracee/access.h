/* SPDX-License-Identifier: MIT */
/* access.h: what one x86-64 instruction reads and stores, and whether a thread can be stepped over it. Pure. */
#ifndef BPREC_INSN_ACCESS_H
#define BPREC_INSN_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bprec/format.h"

/** Most accesses of one instruction that are told. */
#define ACCESS_MAX 6
/** Longest instruction, bytes. */
#define ACCESS_INSN_MAX 15

/** A piece of memory that an instruction reads or stores. */
struct insn_range {
	uint64_t addr;
	uint32_t len; /* bytes */
	bool store;   /* it (also) stores there */
};

/** What is known of an instruction before it is executed. */
struct insn_access {
	uint8_t length; /* bytes of the instruction */
	bool repeats;	/* rep, repne: each round of it can be interrupted, and counts as a step */
	bool flags; /* pushf, popf, iret: sees or changes the trap flag, which a step leaves there */
	bool enters; /* syscall, sysenter, int n: enters the kernel */
	bool traps;  /* int3, int1, ud2, hlt: raises a signal */
	size_t n;
	struct insn_range v[ACCESS_MAX]; /* without those of `repeats`, gathers and scatters */
};

/** Decodes the instruction at regs->rip, whose bytes `code` holds, with the registers before it. 0, or -EINVAL: it is none. */
int insn_access__decode(const uint8_t *code, size_t len, const struct regs64 *regs,
			struct insn_access *ret);
/** Addresses of static variables that instructions around `rip` store to. `code` holds `len` bytes from `start` on, rip is
 *  among them. How many were written to ret, at most max, each once. */
size_t insn_access__static_stores(const uint8_t *code, size_t len, uint64_t start, uint64_t rip,
				  uint64_t *ret, size_t max);

#endif
