/* SPDX-License-Identifier: MIT */
/*
 * terms.c: what is compared in line.
 *
 * Only the order is chosen here, so a bad choice costs time and nothing else: the full comparison is made at the trap. What
 * differs each time the thread comes by comes first; what also changes from time to time before what stands still.
 * Registers come before words where nothing else decides, words in the order of the trace (the most telling first).
 * A half of an xmm register is compared once it was seen to differ: most code has nothing there that changes.
 */
#include "replay/terms.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define NREGS	16
#define NHALVES 32
#define XMM	160 /* XMM0 in the XSAVE area, Intel SDM vol. 1, 10.5.1 */

static uint64_t reg(const struct regs64 *r, unsigned number)
{
	const uint64_t by_number[NREGS] = { r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp,
					    r->rsi, r->rdi, r->r8,  r->r9,  r->r10, r->r11,
					    r->r12, r->r13, r->r14, r->r15 };
	return by_number[number];
}

static uint64_t half(const void *xstate, unsigned i)
{
	uint64_t v;

	memcpy(&v, (const char *)xstate + XMM + 8 * i, sizeof(v));
	return v;
}

void terms__init(struct terms *ts, const struct regs64 *regs, const void *xstate, size_t xlen,
		 const struct mem_word *words, size_t nwords)
{
	memset(ts, 0, sizeof(*ts));
	ts->point = regs->rip;
	for (unsigned i = 0; i < NREGS; i++, ts->n++) {
		ts->v[ts->n].t = (struct comparer_term){ .kind = COMPARER_REG,
							 .reg = i,
							 .value = reg(regs, i) };
		ts->v[ts->n].usable = true;
	}
	for (unsigned i = 0; xstate && xlen >= XMM + 8 * NHALVES && i < NHALVES; i++, ts->n++)
		ts->v[ts->n].t = (struct comparer_term){
			.kind = COMPARER_XMM, .reg = i / 2, .high = i % 2, .value = half(xstate, i)
		};
	for (size_t i = 0; i < nwords && ts->n < COMPARER_TERMS; i++, ts->n++)
		ts->v[ts->n].t = (struct comparer_term){ .kind = COMPARER_WORD,
							 .addr = words[i].addr,
							 .value = words[i].value };
}

/** Reads all words at once, or one by one if some can't be read. */
static void read_words(struct rtask *t, const struct comparer_term *const *words, size_t n,
		       uint64_t *values, bool *there)
{
	struct iovec remote[COMPARER_TERMS];
	const struct iovec local = { values, n * 8 };

	for (size_t i = 0; i < n; i++)
		remote[i] = (struct iovec){ (void *)(uintptr_t)words[i]->addr, 8 };
	memset(there, true, n);
	if (process_vm_readv(t->real, &local, 1, remote, n, 0) == (ssize_t)(n * 8))
		return;
	for (size_t i = 0; i < n; i++)
		there[i] = mem__read(t, words[i]->addr, &values[i], 8) == 8;
}

/** Values of all terms now; there[i]: known. */
static void values_now(struct terms *ts, struct rtask *t, const void *xstate, size_t xlen,
		       uint64_t *values, bool *there)
{
	const struct comparer_term *words[COMPARER_TERMS];
	size_t first = ts->n, n = 0;

	for (size_t i = 0; i < ts->n; i++) {
		const struct comparer_term *c = &ts->v[i].t;

		there[i] = c->kind == COMPARER_REG || (xstate && xlen >= XMM + 8 * NHALVES);
		if (c->kind == COMPARER_REG) {
			values[i] = reg(&t->regs, c->reg);
		} else if (c->kind == COMPARER_WORD) {
			first = first < i ? first : i;
			words[n++] = c;
		} else if (there[i]) {
			values[i] = half(xstate, c->reg * 2u + c->high);
		}
	}
	if (n)
		read_words(t, words, n, values + first, there + first);
}

/** A word that holds bytes of the jump. */
static bool is_patched(const struct terms *ts, const struct comparer_term *c)
{
	return c->kind == COMPARER_WORD && c->addr + 8 > ts->point &&
	       c->addr < ts->point + RELOCATE_JUMP;
}

bool terms__look(struct terms *ts, struct rtask *t, const void *xstate, size_t xlen)
{
	uint64_t values[COMPARER_TERMS] = { 0 };
	bool there[COMPARER_TERMS], better = false;

	values_now(ts, t, xstate, xlen, values, there);
	for (size_t i = 0; i < ts->n; i++) {
		const struct comparer_term *c = &ts->v[i].t;
		const bool apart = there[i] && values[i] != c->value;
		const bool usable = c->kind == COMPARER_XMM ? ts->v[i].usable || apart
							    : there[i] && !is_patched(ts, c);

		better |= usable != ts->v[i].usable;
		ts->v[i].usable = usable;
		ts->v[i].apart += apart;
		ts->v[i].moves += ts->seen && values[i] != ts->v[i].last;
		ts->v[i].last = values[i];
	}
	ts->seen++;
	return better;
}

/** Of two terms the one that comes first, as qsort wants it. */
static int compare(const void *a, const void *b, void *ctx)
{
	const struct terms *ts = ctx;
	const size_t i = *(const size_t *)a, j = *(const size_t *)b;

	if (ts->v[i].apart != ts->v[j].apart)
		return ts->v[i].apart > ts->v[j].apart ? -1 : 1;
	if (ts->v[i].moves != ts->v[j].moves)
		return ts->v[i].moves > ts->v[j].moves ? -1 : 1;
	return i < j ? -1 : 1;
}

size_t terms__order(const struct terms *ts, struct comparer_term ret[COMPARER_TERMS])
{
	size_t order[COMPARER_TERMS], n = 0;

	for (size_t i = 0; i < ts->n; i++)
		if (ts->v[i].usable)
			order[n++] = i;
	qsort_r(order, n, sizeof(*order), compare, (void *)ts);
	for (size_t i = 0; i < n; i++)
		ret[i] = ts->v[order[i]].t;
	return n;
}
