/* SPDX-License-Identifier: MIT */
/*
 * access.c: what an instruction reads and stores.
 *
 * Zydis tells the operands, the hidden ones of push and call too (their address is that of the stack pointer before); here
 * they become addresses. What a gather, a scatter or a repeating instruction touches depends on more than the general
 * registers, and isn't told. Static variables are found by decoding from a place before, which falls into step after a few
 * instructions: beginnings are tried until one meets the address in question, as in relocate.c.
 */
#include "tracee/access.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <string.h>

/** Value of a general register, all of it; false if it is another one. */
static bool value_of(ZydisRegister reg, const struct regs64 *r, uint64_t *ret)
{
	const uint64_t v[16] = { r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
				 r->r8,	 r->r9,	 r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 };

	if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15)
		*ret = v[reg - ZYDIS_REGISTER_RAX];
	else if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D)
		*ret = (uint32_t)v[reg - ZYDIS_REGISTER_EAX];
	else
		return false;
	return true;
}

static bool address_of(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op,
		       const struct regs64 *regs, uint64_t *ret)
{
	uint64_t addr = op->mem.disp.has_displacement ? (uint64_t)op->mem.disp.value : 0, v = 0;

	if (op->mem.base == ZYDIS_REGISTER_RIP)
		addr += regs->rip + in->length;
	else if (op->mem.base != ZYDIS_REGISTER_NONE && !value_of(op->mem.base, regs, &v))
		return false;
	addr += v;
	v = 0;
	if (op->mem.index != ZYDIS_REGISTER_NONE && !value_of(op->mem.index, regs, &v))
		return false;
	addr += v * op->mem.scale;
	if (in->address_width == 32)
		addr = (uint32_t)addr;
	if (op->mem.segment == ZYDIS_REGISTER_FS)
		addr += regs->fs_base;
	else if (op->mem.segment == ZYDIS_REGISTER_GS)
		addr += regs->gs_base;
	*ret = addr;
	return true;
}

/** push and call store below the stack pointer that they find. */
static bool grows_stack(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	return op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
	       op->mem.base == ZYDIS_REGISTER_RSP &&
	       (in->meta.category == ZYDIS_CATEGORY_PUSH ||
		in->meta.category == ZYDIS_CATEGORY_CALL);
}

static void note_operand(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op,
			 const struct regs64 *regs, struct insn_access *ret)
{
	struct insn_range *v = &ret->v[ret->n];

	if (ret->n == ACCESS_MAX || op->type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    op->mem.type != ZYDIS_MEMOP_TYPE_MEM || !op->size ||
	    !address_of(in, op, regs, &v->addr))
		return;
	v->len = op->size / 8;
	v->store = op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
	if (v->store && grows_stack(in, op))
		v->addr -= v->len;
	ret->n++;
}

static bool repeats(const ZydisDecodedInstruction *in)
{
	return in->attributes &
	       (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
}

static bool sees_flags(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_PUSHF || m == ZYDIS_MNEMONIC_PUSHFD ||
	       m == ZYDIS_MNEMONIC_PUSHFQ || m == ZYDIS_MNEMONIC_POPF ||
	       m == ZYDIS_MNEMONIC_POPFD || m == ZYDIS_MNEMONIC_POPFQ ||
	       m == ZYDIS_MNEMONIC_IRETQ || m == ZYDIS_MNEMONIC_IRETD || m == ZYDIS_MNEMONIC_IRET;
}

static bool raises(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_INT3 || m == ZYDIS_MNEMONIC_INT1 || m == ZYDIS_MNEMONIC_UD0 ||
	       m == ZYDIS_MNEMONIC_UD1 || m == ZYDIS_MNEMONIC_UD2 || m == ZYDIS_MNEMONIC_HLT;
}

static bool decode(const uint8_t *code, size_t len, ZydisDecodedInstruction *in,
		   ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT])
{
	static ZydisDecoder decoder;
	static bool ready;

	if (!ready)
		ready = ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
						      ZYDIS_STACK_WIDTH_64));
	return ready && ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, len, in, op));
}

int insn_access__decode(const uint8_t *code, size_t len, const struct regs64 *regs,
			struct insn_access *ret)
{
	ZydisDecodedInstruction in;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];

	memset(ret, 0, sizeof(*ret));
	if (!decode(code, len, &in, op))
		return -EINVAL;
	ret->length = in.length;
	ret->repeats = repeats(&in);
	ret->flags = sees_flags(in.mnemonic);
	ret->traps = raises(in.mnemonic);
	ret->enters =
		in.meta.category == ZYDIS_CATEGORY_SYSCALL || in.mnemonic == ZYDIS_MNEMONIC_INT;
	for (int i = 0; i < in.operand_count && !ret->repeats; i++)
		note_operand(&in, &op[i], regs, ret);
	return 0;
}

/** Addresses found so far. */
struct found {
	uint64_t *v;
	size_t n, max;
};

static void add_static(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op,
		       uint64_t at, struct found *f)
{
	const uint64_t addr = at + in->length + (uint64_t)op->mem.disp.value;

	if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.base != ZYDIS_REGISTER_RIP ||
	    !(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) || f->n == f->max)
		return;
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i] == addr)
			return;
	f->v[f->n++] = addr;
}

/** Decodes from code[at] on. True: it comes to rip, so it began where an instruction does. */
static bool sweep(const uint8_t *code, size_t len, uint64_t start, size_t at, uint64_t rip,
		  struct found *f)
{
	ZydisDecodedInstruction in;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	bool met = false;

	while (at < len) {
		met |= start + at == rip;
		if (!decode(code + at, len - at, &in, op)) {
			at++;
			continue;
		}
		for (int i = 0; i < in.operand_count; i++)
			add_static(&in, &op[i], start + at, f);
		at += in.length;
	}
	return met;
}

size_t insn_access__static_stores(const uint8_t *code, size_t len, uint64_t start, uint64_t rip,
				  uint64_t *ret, size_t max)
{
	for (size_t at = 0; at < ACCESS_INSN_MAX && start + at <= rip; at++) {
		struct found f = { ret, 0, max };

		if (sweep(code, len, start, at, rip, &f))
			return f.n;
	}
	return 0;
}
