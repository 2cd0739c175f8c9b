/* SPDX-License-Identifier: MIT */
/*
 * relocate.c: x86-64 instructions at another address.
 *
 * Most instructions don't care where they are. A relative jump is made anew in its form with 32 bits; a rip-relative
 * operand gets another displacement. What pushes or loads its own address, or traps, isn't moved.
 *
 * Where a jump's five bytes cover more than one instruction, no other jump may lead to the second: the code around is
 * decoded for direct jumps that do. Instructions are decoded from a place before, and one that isn't their beginning falls
 * into step after a few; beginnings are tried until one meets the address in question.
 */
#include "tracee/relocate.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

/** An instruction decoded. */
struct decoded {
	ZydisDecodedInstruction in;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

static bool decode(const uint8_t *code, size_t len, struct decoded *d)
{
	static ZydisDecoder decoder;
	static bool ready;

	if (!ready)
		ready = ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
						      ZYDIS_STACK_WIDTH_64));
	return ready && ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, len, &d->in, d->op));
}

static bool stays(const ZydisDecodedInstruction *in)
{
	switch (in->meta.category) {
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_SYSTEM:
		return true;
	default:
		break;
	}
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_PUSHFQ:
	case ZYDIS_MNEMONIC_POPFQ:
	case ZYDIS_MNEMONIC_PUSHF:
	case ZYDIS_MNEMONIC_POPF:
	case ZYDIS_MNEMONIC_CPUID:
	case ZYDIS_MNEMONIC_RDTSC:
	case ZYDIS_MNEMONIC_RDTSCP:
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_XBEGIN:
		return true;
	default:
		return false;
	}
}

static int put32(uint8_t *out, int64_t v)
{
	const int32_t narrow = v;

	if (narrow != v)
		return -ENOTSUP;
	memcpy(out, &narrow, 4);
	return 0;
}

/** Where a relative branch goes; false if it is none. */
static bool branch_target(const struct decoded *d, uint64_t at, uint64_t *ret)
{
	if (!d->in.operand_count_visible || d->op[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
	    !d->op[0].imm.is_relative)
		return false;
	*ret = at + d->in.length + (uint64_t)d->op[0].imm.value.s;
	return true;
}

static int move_branch(const struct decoded *d, uint64_t target, uint64_t to, uint8_t *out,
		       size_t room)
{
	int n = 0, err;

	if (room < 6)
		return -ENOSPC;
	if (d->in.mnemonic == ZYDIS_MNEMONIC_JMP) {
		out[n++] = 0xe9;
	} else if (d->in.meta.category == ZYDIS_CATEGORY_COND_BR &&
		   ((d->in.opcode & 0xf0) == 0x70 ||
		    (d->in.opcode_map == ZYDIS_OPCODE_MAP_0F && (d->in.opcode & 0xf0) == 0x80))) {
		out[n++] = 0x0f;
		out[n++] = 0x80 | (d->in.opcode & 0x0f);
	} else {
		return -ENOTSUP; /* loop, jrcxz */
	}
	err = put32(out + n, (int64_t)(target - (to + n + 4)));
	return err ? err : n + 4;
}

static bool relative_to(const struct decoded *d, ZydisRegister base)
{
	for (int i = 0; i < d->in.operand_count; i++)
		if (d->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY && d->op[i].mem.base == base)
			return true;
	return false;
}

int relocate__one(const uint8_t *code, size_t len, uint64_t from, uint64_t to, uint8_t *out,
		  size_t room, size_t *ret_used)
{
	struct decoded d;
	uint64_t target;
	int err = 0;

	if (!decode(code, len, &d))
		return -EINVAL;
	*ret_used = d.in.length;
	if (stays(&d.in) || relative_to(&d, ZYDIS_REGISTER_EIP))
		return -ENOTSUP;
	if (branch_target(&d, from, &target))
		return move_branch(&d, target, to, out, room);
	if (room < d.in.length)
		return -ENOSPC;
	memcpy(out, code, d.in.length);
	if (relative_to(&d, ZYDIS_REGISTER_RIP))
		err = put32(out + d.in.raw.disp.offset, d.in.raw.disp.value + (int64_t)(from - to));
	return err ? err : d.in.length;
}

bool relocate__goes_on(const uint8_t *code, size_t len)
{
	struct decoded d;

	if (!decode(code, len, &d))
		return false;
	switch (d.in.meta.category) {
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_UNCOND_BR:
		return false;
	default:
		return true;
	}
}

/** Decodes from `at` on. Meets addr? *ret_into: a jump goes into its middle, (addr, end). */
static bool sweep(const uint8_t *code, size_t len, uint64_t start, size_t at, uint64_t addr,
		  uint64_t end, bool *ret_into)
{
	bool met = false, into = false;
	struct decoded d;
	uint64_t target;

	while (at < len) {
		met |= start + at == addr;
		if (!decode(code + at, len - at, &d)) {
			at++;
			continue;
		}
		if (branch_target(&d, start + at, &target) && target > addr && target < end)
			into = true;
		at += d.in.length;
	}
	*ret_into = into;
	return met;
}

static bool jumped_into(const uint8_t *code, size_t len, uint64_t start, uint64_t addr,
			uint64_t end)
{
	bool into;

	for (size_t at = 0; at < 16 && start + at <= addr; at++)
		if (sweep(code, len, start, at, addr, end, &into))
			return into;
	return true;
}

/** Where a relative jump goes, or a call; false: it isn't one. No operands are decoded: sections are long. */
static bool goes_to(const ZydisDecodedInstruction *in, uint64_t at, uint64_t *ret)
{
	for (int i = 0; i < 2; i++)
		if (in->raw.imm[i].size && in->raw.imm[i].is_relative) {
			*ret = at + in->length + (uint64_t)in->raw.imm[i].value.s;
			return true;
		}
	return false;
}

void relocate__entered(const uint8_t *code, size_t len, uint64_t start, struct relocate_range *v,
		       size_t n)
{
	ZydisDecodedInstruction in;
	ZydisDecoder decoder;
	uint64_t target;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (size_t i = 0; i < n; i++)
		v[i].entered = true;
	/* first which begin at an instruction, then which are entered: jumps go backwards, too */
	for (int pass = 0; pass < 2; pass++)
		for (size_t at = 0; at < len; at += in.length) {
			if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, code + at,
									len - at, &in))) {
				in.length = 1;
				continue;
			}
			if (pass && !goes_to(&in, start + at, &target))
				continue;
			for (size_t i = 0; i < n; i++)
				if (!pass && v[i].addr == start + at)
					v[i].entered = false;
				else if (pass && target > v[i].addr && target < v[i].end)
					v[i].entered = true;
		}
}

int relocate__plan(const uint8_t *code, size_t len, uint64_t start, uint64_t addr,
		   struct relocate_plan *ret)
{
	struct relocate_plan p = { .addr = addr };
	uint8_t scratch[16];
	size_t used;
	int n;

	while (p.len < RELOCATE_JUMP) {
		const size_t off = addr - start + p.len;

		if (p.count == RELOCATE_MAX || off >= len)
			return -ENOTSUP;
		n = relocate__one(code + off, len - off, addr + p.len, addr + p.len, scratch,
				  sizeof(scratch), &used);
		if (n < 0)
			return n;
		p.from[p.count++] = p.len;
		p.len += used;
	}
	if (p.count > 1 && jumped_into(code, len, start, addr, addr + p.len))
		return -ENOTSUP;
	*ret = p;
	return 0;
}

int relocate__move(struct relocate_plan *p, const uint8_t *code, size_t len, uint64_t to,
		   uint8_t *out, size_t room)
{
	size_t done = 0, used;

	for (size_t i = 0; i < p->count; i++) {
		int n = relocate__one(code + p->from[i], len - p->from[i], p->addr + p->from[i],
				      to + done, out + done, room - done, &used);

		if (n < 0)
			return n;
		p->to[i] = done;
		done += n;
	}
	p->to[p->count] = done;
	return done;
}
