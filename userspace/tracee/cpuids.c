/* SPDX-License-Identifier: MIT */
/*
 * cpuids.c: see cpuids.h.
 *
 * A place is `cpuid` and the instructions behind it, as many as the jump's seven bytes cover; those are moved to the page, where they
 * are carried out after the answer. Nothing may jump to them: all of the section is decoded for direct jumps that do, and compilers
 * make indirect ones to the begin of a block only, which no instruction is that takes what cpuid gave from its registers. What is below
 * rsp may be in use (128 bytes, System V ABI), so the stack is used below that.
 */
#include "tracee/cpuids.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bprec/format.h"
#include "tracee/relocate.h"

#define JUMP_BYTES  7		 /* of `jmp *address` */
#define SECTION_MAX (1u << 20)	 /* larger ones would take long to decode */
#define SITES_MAX   64		 /* that are looked at together */
#define FAR_AWAY    (1ull << 40) /* out of reach of a relative address */
#define CPUID_BYTES 2
#define TABLE_ADDR  (CPUIDS_ADDR + (uint64_t)(cpuids_end - cpuids_begin))

static_assert(CPUIDS_ADDR == 0x70000500, "the code has its address");
static_assert(sizeof(struct cpuid_answer) == 24, "the code has it");

/* Called with the program's registers, 136 bytes below its stack. All but rax, rbx, rcx, rdx stays as it is, flags too. */
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"cpuids_begin:\n"
	".quad 0, 0\n" /* begin and end of the table */
	"cpuids_lookup:\n"
	"	mov %eax, %edx\n"
	"	lahf\n"
	"	seto %al\n"
	"	push %rax\n"
	"	mov 0x70000500, %ebx\n"
	"1:	cmp 0x70000508, %ebx\n"
	"	jae 3f\n"
	"	cmp %edx, (%rbx)\n"
	"	jne 2f\n"
	"	cmp %ecx, 4(%rbx)\n"
	"	je 4f\n"
	"2:	add $24, %ebx\n"
	"	jmp 1b\n"
	"3:	pop %rax\n" /* not there */
	"	add $0x7f, %al\n"
	"	sahf\n"
	"	mov %edx, %eax\n"
	"cpuids_trap:\n"
	"	int3\n"
	"	nop\n"
	"	ret\n"
	"4:	pop %rax\n"
	"	add $0x7f, %al\n"
	"	sahf\n"
	"	mov 8(%rbx), %eax\n"
	"	mov 16(%rbx), %ecx\n"
	"	mov 20(%rbx), %edx\n"
	"	mov 12(%rbx), %ebx\n"
	"	ret\n"
	".balign 8, 0xcc\n"
	"cpuids_end:\n"
	".popsection\n");

extern const uint8_t cpuids_begin[], cpuids_lookup[], cpuids_trap[], cpuids_end[];

/** Address in a tracee. */
static uint64_t there(const uint8_t *at)
{
	return CPUIDS_ADDR + (uint64_t)(at - cpuids_begin);
}

uint64_t cpuids__trap(void)
{
	return there(cpuids_trap);
}

bool cpuids__inside(uint64_t addr)
{
	return addr - CPUIDS_ADDR < CPUIDS_BYTES;
}

static bool is_asked_for(const struct insn_site *s)
{
	return s->kind == INSN_CPUID && s->length == CPUID_BYTES && s->trapped && !s->planned;
}

/** Bytes of cpuid and the instructions behind it that a jump takes the place of; 0: one of these can't be moved far, or another
 *  block may begin behind it. */
static size_t window(const uint8_t *code, size_t len)
{
	uint8_t scratch[INSN_WINDOW_MAX];
	size_t n = CPUID_BYTES, used;

	while (n < JUMP_BYTES && n < len) {
		if (!relocate__goes_on(code + n, len - n) ||
		    relocate__one(code + n, len - n, 0, FAR_AWAY, scratch, sizeof(scratch), &used) <
			    0)
			return 0;
		n += used;
	}
	return n >= JUMP_BYTES && n <= INSN_WINDOW_MAX && n <= len ? n : 0;
}

/** Sites v[0..n) that are asked for, of one section, whose code is given. */
static void plan(struct insn_site **v, size_t n, const uint8_t *code, size_t len)
{
	struct relocate_range at[SITES_MAX];

	for (size_t i = 0; i < n; i++) {
		const size_t off = v[i]->offset - v[i]->part;

		v[i]->window = (uint8_t)window(code + off, len - off);
		at[i] = (struct relocate_range){ off, off + v[i]->window, true };
	}
	relocate__entered(code, len, 0, at, n);
	for (size_t i = 0; i < n; i++) {
		if (at[i].entered)
			v[i]->window = 0;
		memcpy(v[i]->code, code + at[i].addr, v[i]->window);
	}
}

/** The next sites that are asked for, of one section. How many. */
static size_t choose(struct insn_sites *s, struct insn_site **v)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n && n < SITES_MAX; i++) {
		if (!is_asked_for(&s->v[i]) || (n && s->v[i].part != v[0]->part))
			continue;
		s->v[i].planned = true;
		v[n++] = &s->v[i];
	}
	return n;
}

void cpuids__plan(int fd, struct insn_sites *s)
{
	struct insn_site *v[SITES_MAX];
	size_t n;

	while ((n = choose(s, v))) {
		const size_t len = v[0]->part_len;
		uint8_t *code = len <= SECTION_MAX ? malloc(len) : NULL;

		if (code && pread(fd, code, len, (off_t)v[0]->part) == (ssize_t)len)
			plan(v, n, code, len);
		free(code);
	}
}

void cpuids__begin(struct cpuids *c, const struct cpuid_answer *v, size_t n)
{
	const size_t code = (size_t)(cpuids_end - cpuids_begin);
	const uint64_t table[2] = { TABLE_ADDR, TABLE_ADDR + n * sizeof(*v) };

	memset(c->bytes, 0xcc, sizeof(c->bytes));
	memcpy(c->bytes, cpuids_begin, code);
	memcpy(c->bytes, table, sizeof(table));
	memcpy(c->bytes + code, v, n * sizeof(*v));
	c->used = code + n * sizeof(*v);
	c->places = 0;
}

/** lea n(%rsp), %rsp: leaves the flags alone. */
static size_t put_lea(uint8_t *out, int32_t n)
{
	static const uint8_t lea[] = { 0x48, 0x8d, 0xa4, 0x24 };

	memcpy(out, lea, sizeof(lea));
	memcpy(out + sizeof(lea), &n, sizeof(n));
	return sizeof(lea) + sizeof(n);
}

/** jmp *where: goes to the address that is there. */
static void put_jump(uint8_t *out, uint64_t where)
{
	const uint32_t low = (uint32_t)where;

	out[0] = 0xff;
	out[1] = 0x24;
	out[2] = 0x25;
	memcpy(out + 3, &low, sizeof(low));
}

static size_t put_call(uint8_t *out, uint64_t from, uint64_t to)
{
	const int32_t distance = (int32_t)(to - (from + 5));

	out[0] = 0xe8;
	memcpy(out + 1, &distance, sizeof(distance));
	return 1 + sizeof(distance);
}

/** The instructions behind cpuid, moved to `to`. Bytes made, or -1. */
static int put_rest(uint8_t *out, size_t room, const struct insn_site *s, uint64_t addr,
		    uint64_t to)
{
	size_t at = CPUID_BYTES, done = 0, used;

	while (at < s->window) {
		int n = relocate__one(s->code + at, s->window - at, addr + at, to + done,
				      out + done, room - done, &used);

		if (n < 0)
			return -1;
		at += used;
		done += (size_t)n;
	}
	return (int)done;
}

bool cpuids__add(struct cpuids *c, const struct insn_site *s, uint64_t addr,
		 uint8_t ret[INSN_WINDOW_MAX])
{
	/* two addresses, to here and back; then the code */
	uint8_t made[128] = { 0 }, jump[INSN_WINDOW_MAX];
	const uint64_t base = CPUIDS_ADDR + c->used, back = addr + s->window;
	const uint64_t entry = base + 2 * sizeof(uint64_t);
	size_t n = 2 * sizeof(uint64_t);
	int rest;

	memcpy(made, &entry, sizeof(entry));
	memcpy(made + sizeof(entry), &back, sizeof(back));
	n += put_lea(made + n, -136);
	n += put_call(made + n, base + n, there(cpuids_lookup));
	n += put_lea(made + n, 136);
	rest = put_rest(made + n, sizeof(made) - n - JUMP_BYTES, s, addr, base + n);
	if (rest < 0)
		return false;
	n += (size_t)rest;
	put_jump(made + n, base + sizeof(entry));
	n = (n + JUMP_BYTES + 7) & ~(size_t)7;
	if (n > sizeof(c->bytes) - c->used)
		return false;
	memset(jump, 0xcc, sizeof(jump));
	put_jump(jump, base);
	memcpy(c->bytes + c->used, made, n);
	memcpy(ret, jump, s->window);
	c->used += n;
	c->places++;
	return true;
}
