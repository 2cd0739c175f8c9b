/* SPDX-License-Identifier: MIT */
#define XXH_STATIC_LINKING_ONLY /* XXH3_state_t on the stack */
#include "model/regs.h"

#include <string.h>
#include <xxhash.h>

#define FLAG_TRAP   0x100ull
#define FLAG_RESUME 0x10000ull

/* Offsets in the XSAVE area (Intel SDM vol. 1, 13.4): FIP and FDP, bytes for software, the header. */
#define XSTATE_FIP	8
#define XSTATE_FIP_END	24
#define XSTATE_SOFT	464
#define XSTATE_EXTENDED 576

void regs64__canonical(struct regs64 *regs)
{
	if (regs->rcx == regs->rip)
		regs->r11 &= ~FLAG_TRAP;
	regs->eflags &= ~(FLAG_TRAP | FLAG_RESUME);
	regs->orig_rax = 0;
}

static uint64_t not_zero(uint64_t h)
{
	return h ? h : 1;
}

uint64_t regs64__hash(const struct regs64 *regs)
{
	struct regs64 c = *regs;

	regs64__canonical(&c);
	return not_zero(XXH3_64bits(&c, sizeof(c)));
}

static const char *const names[] = {
	"r15",	  "r14", "r13", "r12",	   "rbp",     "rbx", "r11",	 "r10", "r9",
	"r8",	  "rax", "rcx", "rdx",	   "rsi",     "rdi", "orig_rax", "rip", "cs",
	"eflags", "rsp", "ss",	"fs_base", "gs_base", "ds",  "es",	 "fs",	"gs",
};

const char *regs64__diff(const struct regs64 *a, const struct regs64 *b, uint64_t *ret_a,
			 uint64_t *ret_b)
{
	struct regs64 ca = *a, cb = *b;
	uint64_t wa[27], wb[27];

	regs64__canonical(&ca);
	regs64__canonical(&cb);
	memcpy(wa, &ca, sizeof(wa));
	memcpy(wb, &cb, sizeof(wb));
	for (int i = 0; i < 27; i++) {
		if (wa[i] == wb[i])
			continue;
		*ret_a = wa[i];
		*ret_b = wb[i];
		return names[i];
	}
	return NULL;
}

uint64_t xstate__hash(const void *xstate, size_t len)
{
	const uint8_t *p = xstate;
	XXH3_state_t s;

	XXH3_64bits_reset(&s);
	XXH3_64bits_update(&s, p, len < XSTATE_FIP ? len : XSTATE_FIP);
	if (len > XSTATE_SOFT)
		XXH3_64bits_update(&s, p + XSTATE_FIP_END, XSTATE_SOFT - XSTATE_FIP_END);
	if (len > XSTATE_EXTENDED)
		XXH3_64bits_update(&s, p + XSTATE_EXTENDED, len - XSTATE_EXTENDED);
	return not_zero(XXH3_64bits_digest(&s));
}
