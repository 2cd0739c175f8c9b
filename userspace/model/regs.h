/* SPDX-License-Identifier: MIT */
/* regs.h: what of a register file must be equal in a recording and its replay. Pure. */
#ifndef BPREC_MODEL_REGS_H
#define BPREC_MODEL_REGS_H

#include <stddef.h>
#include <stdint.h>

#include "bprec/format.h"

/** Clears what differs without the program's doing: orig_rax, the trap and resume flags (stepping and ptrace leave them), and
 *  the trap flag in r11 where it is the copy of the flags that `syscall` made (rcx equals rip). */
void regs64__canonical(struct regs64 *regs);
/** XXH3_64bits of the canonical form, never 0. */
uint64_t regs64__hash(const struct regs64 *regs);
/** Name and value of the first register (canonical forms) that differs; NULL if none does. */
const char *regs64__diff(const struct regs64 *a, const struct regs64 *b, uint64_t *ret_a,
			 uint64_t *ret_b);
/** XXH3_64bits of what of an NT_X86_XSTATE image the program can see: without the header (XSTATE_BV says which components are
 *  in their initial state, which depends on the kernel's way of saving), the software-reserved bytes and the x87 instruction
 *  and data pointers. Never 0. */
uint64_t xstate__hash(const void *xstate, size_t len);

#endif
