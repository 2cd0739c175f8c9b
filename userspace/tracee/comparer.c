/* SPDX-License-Identifier: MIT */
/*
 * comparer.c: the machine code that finds a preemption point without a stop for each round of a loop.
 *
 *         mov [slot0], rcx
 *         (first term: rcx becomes 0 if it is equal)
 *         jrcxz rest
 *         mov rcx, [slot0]
 * moved:  the instructions that the jump took the place of
 *         jmp back
 * rest:   mov [slot1], rax
 *         (each other term, followed by) jrcxz next; jmp miss; next:
 *         mov rax, [slot1]; mov rcx, [slot0]
 * hit:    int3
 * miss:   mov rax, [slot1]; mov rcx, [slot0]; jmp moved
 *
 * Invariants:
 * - No flag is changed: the difference is made by lea, and jrcxz tells whether it is 0. So there is none to save.
 * - Nothing is written but the slots: the 128 bytes below rsp are the program's.
 * - The first term usually decides. It costs two loads and stores and a jump that isn't taken.
 *
 * The jump's displacement is chosen so that each of its bytes, met as an instruction, traps (int3 or an opcode that 64-bit
 * mode doesn't have: Intel SDM vol. 2, appendix A, "i64"). So a jump into the middle of the replaced instructions, indirect
 * ones too, can't do harm: it is seen.
 */
#include "tracee/comparer.h"

#include <errno.h>
#include <string.h>

enum { RAX = 0, RCX = 1 };

/** Code under way. */
struct out {
	struct comparer *c;
	bool full, far; /* more bytes than there is room; an address out of reach */
};

static void put(struct out *o, const void *bytes, size_t n)
{
	if (o->c->len + n > sizeof(o->c->code)) {
		o->full = true;
		return;
	}
	memcpy(o->c->code + o->c->len, bytes, n);
	o->c->len += n;
}

#define PUT(o, ...) \
	put(o, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void put64(struct out *o, uint64_t v)
{
	put(o, &v, sizeof(v));
}

/** The displacement of an instruction that ends with it. */
static void put_relative(struct out *o, uint64_t target)
{
	const int64_t wide = (int64_t)(target - (o->c->at + o->c->len + 4));
	const int32_t narrow = (int32_t)wide;

	o->far |= narrow != wide;
	put(o, &narrow, sizeof(narrow));
}

static void save_rcx(struct out *o) /* mov [rip+slot0], rcx */
{
	PUT(o, 0x48, 0x89, 0x0d);
	put_relative(o, o->c->slots);
}

static void load_rcx(struct out *o) /* mov rcx, [rip+slot0] */
{
	PUT(o, 0x48, 0x8b, 0x0d);
	put_relative(o, o->c->slots);
}

static void save_rax(struct out *o) /* mov [rip+slot1], rax */
{
	PUT(o, 0x48, 0x89, 0x05);
	put_relative(o, o->c->slots + 8);
}

static void load_rax(struct out *o) /* mov rax, [rip+slot1] */
{
	PUT(o, 0x48, 0x8b, 0x05);
	put_relative(o, o->c->slots + 8);
}

static void jump(struct out *o, size_t offset) /* jmp rel32 */
{
	PUT(o, 0xe9);
	put_relative(o, o->c->at + offset);
}

static bool fits(uint64_t v)
{
	return (int64_t)v == (int32_t)v;
}

/** rcx = reg - value. For rcx itself and a wide value rax is used. */
static void subtract(struct out *o, uint8_t reg, uint64_t value)
{
	const uint64_t neg = -value;
	const uint32_t low = (uint32_t)neg;
	uint8_t base = reg;

	if (fits(neg)) { /* lea rcx, [reg+disp32] */
		PUT(o, 0x48 | reg >> 3, 0x8d, 0x88 | (reg & 7));
		if ((reg & 7) == 4)
			PUT(o, 0x24);
		put(o, &low, sizeof(low));
		return;
	}
	if (reg == RCX) { /* mov rax, imm64 */
		PUT(o, 0x48, 0xb8);
		base = RAX;
	} else { /* mov rcx, imm64 */
		PUT(o, 0x48, 0xb9);
	}
	put64(o, neg);
	PUT(o, 0x48 | base >> 3, 0x8d, 0x4c, 0x08 | (base & 7), 0); /* lea rcx, [base+rcx+0] */
}

static bool needs_rax(const struct comparer_term *t)
{
	return t->kind != COMPARER_REG || (t->reg == RCX && !fits(-t->value));
}

/** rcx = 0 if the term is equal. first: rcx, and rax if it is the term, still hold the program's values. */
static void compare(struct out *o, const struct comparer_term *t, bool first)
{
	uint8_t reg = t->reg;

	switch (t->kind) {
	case COMPARER_REG:
		if (!first && reg == RCX)
			load_rcx(o);
		if (!first && reg == RAX)
			load_rax(o);
		break;
	case COMPARER_XMM: /* movlps or movhps [rip+slot2], xmm; mov rax, [rip+slot2] */
		if (reg >= 8)
			PUT(o, 0x44);
		PUT(o, 0x0f, t->high ? 0x17 : 0x13, 0x05 | (reg & 7) << 3);
		put_relative(o, o->c->slots + 16);
		PUT(o, 0x48, 0x8b, 0x05);
		put_relative(o, o->c->slots + 16);
		reg = RAX;
		break;
	default: /* mov rax, [addr] */
		PUT(o, 0x48, 0xa1);
		put64(o, t->addr);
		reg = RAX;
	}
	subtract(o, reg, t->value);
}

/** The instructions that the jump takes the place of, up to one that can't be moved: a trap stands for that. */
static void put_moved(struct out *o, const uint8_t *original, size_t len)
{
	struct comparer *c = o->c;
	struct relocate_plan *p = &c->plan;
	size_t used;
	int n;

	*p = (struct relocate_plan){ .addr = c->point };
	c->moved = c->len;
	while (p->len < RELOCATE_JUMP) {
		uint8_t bytes[32];

		p->from[p->count] = p->len;
		p->to[p->count] = c->len - c->moved;
		n = p->len < len ? relocate__one(original + p->len, len - p->len, c->point + p->len,
						 c->at + c->len, bytes, sizeof(bytes), &used)
				 : -EINVAL;
		if (n < 0) {
			c->leave = c->len;
			PUT(o, 0xcc);
			return;
		}
		put(o, bytes, n);
		p->len += used;
		p->count++;
	}
	p->to[p->count] = c->len - c->moved;
	jump(o, c->point + p->len - c->at);
}

static void put_rest(struct out *o, const struct comparer_term *terms, size_t n)
{
	size_t to_miss[COMPARER_TERMS], miss;

	if (!o->c->early_rax)
		save_rax(o);
	for (size_t i = 0; i < n; i++) {
		compare(o, &terms[i], false);
		PUT(o, 0xe3, 5); /* jrcxz over the jump */
		to_miss[i] = o->c->len;
		jump(o, 0);
	}
	load_rax(o);
	load_rcx(o);
	o->c->hit = o->c->len;
	PUT(o, 0xcc);
	miss = o->c->len;
	load_rax(o);
	load_rcx(o);
	jump(o, o->c->moved);
	for (size_t i = 0; i < n && !o->full; i++) {
		const uint32_t rel = (uint32_t)(miss - (to_miss[i] + 5));

		memcpy(o->c->code + to_miss[i] + 1, &rel, sizeof(rel));
	}
}

int comparer__build(struct comparer *c, const uint8_t *original, size_t len,
		    const struct comparer_term *terms, size_t nterms)
{
	struct out o = { .c = c };
	size_t jrcxz;

	if (!nterms || nterms > COMPARER_TERMS)
		return -EINVAL;
	c->len = c->leave = 0;
	c->early_rax = needs_rax(&terms[0]);
	save_rcx(&o);
	if (c->early_rax)
		save_rax(&o);
	compare(&o, &terms[0], true);
	PUT(&o, 0xe3, 0);
	jrcxz = c->len;
	if (c->early_rax)
		load_rax(&o);
	load_rcx(&o);
	put_moved(&o, original, len);
	c->rest = c->len;
	if (c->rest - jrcxz > 127)
		return -ENOSPC;
	c->code[jrcxz - 1] = c->rest - jrcxz;
	put_rest(&o, terms + 1, nterms - 1);
	if (o.full)
		return -ENOSPC;
	return o.far ? -ERANGE : 0;
}

int comparer__jump(const struct comparer *c, uint8_t *ret)
{
	const int64_t wide = (int64_t)(c->at - (c->point + RELOCATE_JUMP));
	const int32_t narrow = (int32_t)wide;

	if (narrow != wide)
		return -ERANGE;
	ret[0] = 0xe9;
	memcpy(ret + 1, &narrow, sizeof(narrow));
	return 0;
}

bool comparer__candidate(uint64_t point, unsigned n, uint64_t *ret)
{
	/* push and pop of segments, daa and kin, pusha, popa, int3; 0x9a, 0xce, 0xd4, 0xea: calls and jumps to a segment, into,
	 * aam. As highest byte: near first, below and above. */
	static const uint8_t highest[] = { 0x06, 0xea, 0x07, 0x0e, 0xd4, 0x16, 0xce,
					   0x17, 0xcc, 0x1e, 0x1f, 0x27, 0x2f, 0x37 };
	static const uint8_t second[] = { 0x06, 0x17, 0x27, 0x37, 0x60, 0x9a, 0xcc, 0xea };
	const unsigned h = n / sizeof(second), s = n % sizeof(second);

	if (h >= sizeof(highest))
		return false;
	*ret = point + RELOCATE_JUMP +
	       (uint64_t)(int64_t)(int32_t)((uint32_t)highest[h] << 24 | second[s] << 16 | 0x0606);
	return *ret < 1ull << 47;
}

/** Offset in the replaced instructions of the one that an offset in the code belongs to. */
static size_t origin(const struct comparer *c, size_t offset)
{
	const struct relocate_plan *p = &c->plan;
	size_t i = 0;

	while (i < p->count && offset >= c->moved + p->to[i + 1])
		i++;
	return i < p->count ? p->from[i] : p->len;
}

enum comparer_where comparer__restore(const struct comparer *c, const uint64_t slots[3],
				      struct regs64 *regs)
{
	const uint64_t offset = regs->rip - c->at;
	bool rcx, rax;

	if (offset == c->hit + 1) {
		regs->rip = c->point;
		return COMPARER_HIT;
	}
	if (c->leave && offset == c->leave + 1) {
		regs->rip = c->point + c->plan.len;
		return COMPARER_LEAVE;
	}
	if (offset >= c->len)
		return COMPARER_OUTSIDE;
	if (offset >= c->moved && offset < c->rest) {
		regs->rip = c->point + origin(c, offset);
		return COMPARER_INSIDE;
	}
	rcx = offset >= 7 && offset != c->hit;
	rax = rcx && (c->early_rax ? offset >= 14 : offset >= c->rest + 7);
	if (rcx)
		regs->rcx = slots[0];
	if (rax)
		regs->rax = slots[1];
	regs->rip = c->point;
	return COMPARER_INSIDE;
}
