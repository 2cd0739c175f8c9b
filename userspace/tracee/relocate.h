/* SPDX-License-Identifier: MIT */
/* relocate.h: x86-64 instructions moved to another address, so that a jump can take their place. Pure. */
#ifndef BPREC_INSN_RELOCATE_H
#define BPREC_INSN_RELOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes of `jmp rel32`. */
#define RELOCATE_JUMP 5
/** Most instructions that a jump takes the place of. */
#define RELOCATE_MAX 5
/** Bytes around an address that relocate__plan() looks at for jumps, on each side. */
#define RELOCATE_NEAR 2048

/** Instructions that a jump at `addr` takes the place of. */
struct relocate_plan {
	uint64_t addr;		    /* of the first */
	size_t count, len;	    /* instructions, and their bytes: at least RELOCATE_JUMP */
	uint8_t from[RELOCATE_MAX]; /* offset of each */
	uint8_t to[RELOCATE_MAX +
		   1]; /* offset of each in what relocate__move() made; end of the last */
};

/** A range of addresses. */
struct relocate_range {
	uint64_t addr, end;
	bool entered; /* may be jumped into */
};

/** Moves one instruction at `from` to `to`: relative jumps and rip-relative operands still mean the same. Bytes made, and
 *  *ret_used those of the original; -ENOTSUP for one that can't be moved (calls, loops, traps, system calls;
 *  *ret_used is set); -EINVAL if it is none. */
int relocate__one(const uint8_t *code, size_t len, uint64_t from, uint64_t to, uint8_t *out,
		  size_t room, size_t *ret_used);
/** Is the instruction one behind which it goes on: no jump, call or return? */
bool relocate__goes_on(const uint8_t *code, size_t len);
/** Which instructions a jump at addr would replace. `code` holds `len` bytes from address `start` on, which reach around addr.
 *  -ENOTSUP: one can't be moved, or a direct jump nearby goes into the middle of them. */
int relocate__plan(const uint8_t *code, size_t len, uint64_t start, uint64_t addr,
		   struct relocate_plan *ret);
/** Decodes code, which begins with an instruction, and finds out for n ranges whether a direct jump goes into one, behind its first
 *  byte. One that begins at no instruction counts as entered, too. */
void relocate__entered(const uint8_t *code, size_t len, uint64_t start, struct relocate_range *v,
		       size_t n);
/** Moves the planned instructions to `to`. Bytes made or -errno. */
int relocate__move(struct relocate_plan *p, const uint8_t *code, size_t len, uint64_t to,
		   uint8_t *out, size_t room);

#endif
