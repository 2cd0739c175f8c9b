/* SPDX-License-Identifier: MIT */
#include "record/words.h"

#include <string.h>

#define TOUCH_MAX 64u /* bytes of one access that are noted: xsave and the like touch kilobytes */

uint8_t *picture__room(struct picture *p, uint64_t addr, uint32_t len)
{
	uint64_t there;

	if (p->n == sizeof(p->piece) / sizeof(*p->piece) || len > sizeof(p->bytes) - p->used ||
	    picture__word(p, addr, &there))
		return NULL;
	p->piece[p->n].addr = addr;
	p->piece[p->n].len = len;
	p->piece[p->n].at = p->used;
	p->used += len;
	return p->bytes + p->piece[p->n++].at;
}

bool picture__word(const struct picture *p, uint64_t addr, uint64_t *ret)
{
	for (uint32_t i = 0; i < p->n; i++) {
		const uint64_t off = addr - p->piece[i].addr;

		if (addr < p->piece[i].addr || off >= p->piece[i].len)
			continue;
		memcpy(ret, p->bytes + p->piece[i].at + off, sizeof(*ret));
		return true;
	}
	return false;
}

static void note(struct words_trail *t, uint64_t addr, bool store)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->v[i].addr == addr) {
			t->v[i].store |= store;
			return;
		}
	if (t->n == sizeof(t->v) / sizeof(*t->v))
		return;
	t->v[t->n].addr = addr;
	t->v[t->n++].store = store;
}

void words_trail__add(struct words_trail *t, uint64_t addr, uint32_t len, bool store)
{
	const uint64_t end = addr + (len < TOUCH_MAX ? len : TOUCH_MAX);

	if (end < addr)
		return;
	for (uint64_t a = addr & ~7ull; a < end; a += 8)
		note(t, a, store);
}

bool words__add(struct words *w, uint64_t addr, uint64_t value)
{
	if (w->n == WORDS_MAX)
		return false;
	for (uint32_t i = 0; i < w->n; i++)
		if (w->v[i].addr == addr)
			return false;
	w->v[w->n++] = (struct mem_word){ addr, value };
	return true;
}

void words__add_changed(struct words *w, const struct picture *before, const struct picture *now)
{
	for (uint32_t i = 0; i < now->n; i++) {
		for (uint32_t off = 0; off < now->piece[i].len && w->n < WORDS_MAX; off += 8) {
			uint64_t was, is;

			memcpy(&is, now->bytes + now->piece[i].at + off, sizeof(is));
			if (picture__word(before, now->piece[i].addr + off, &was) && was != is)
				words__add(w, now->piece[i].addr + off, is);
		}
	}
}
