// SPDX-License-Identifier: MIT
/*
 * event_memory.c: events about objects, pages and mappings.
 *
 * One function per type names the fields once, in the order of docs/FORMAT.md; the sink decides how they look. Lengths
 * and strings have been checked by the reader.
 */
#include "show/event.h"

#include <sys/mman.h>

#include "util/names.h"

const char *event__prot(uint32_t prot, char buf[4])
{
	buf[0] = prot & PROT_READ ? 'r' : '-';
	buf[1] = prot & PROT_WRITE ? 'w' : '-';
	buf[2] = prot & PROT_EXEC ? 'x' : '-';
	buf[3] = '\0';
	return buf;
}

/** A page id, or the word for one that is special. */
static void page_id(struct sink *s, uint64_t id)
{
	if (id == BPREC_PAGE_ZERO || id >= BPREC_PAGE_LOST)
		s->ops->text(s, "id",
			     id == BPREC_PAGE_ZERO   ? "zero"
			     : id == BPREC_PAGE_LOST ? "lost"
						     : "absent");
	else
		s->ops->num(s, "id", id);
}

void event__runs(struct sink *s, const struct page_run *r, uint32_t nruns)
{
	uint32_t show = s->o->verbose || nruns <= 8 ? nruns : 8;

	s->ops->list(s, "runs");
	for (uint32_t i = 0; i < show; i++) {
		s->ops->item(s);
		page_id(s, r[i].first);
		s->ops->num(s, "count", r[i].count);
		if (r[i].step)
			s->ops->num(s, "step", r[i].step);
		s->ops->end(s);
	}
	s->ops->end(s);
	if (show < nruns)
		s->ops->num(s, "nruns", nruns);
}

static void decode_object(struct sink *s, const struct event_header *ev)
{
	const struct ev_object *e = (const void *)(ev + 1);

	s->ops->num(s, "object", e->object);
	s->ops->text(s, "path", (const char *)(e + 1));
	s->ops->num(s, "size", e->size);
	s->ops->num(s, "major", e->major);
	s->ops->num(s, "minor", e->minor);
	s->ops->num(s, "inode", e->inode);
	s->ops->num(s, "generation", e->generation);
	s->ops->hex(s, "fs_magic", e->fs_magic);
	s->ops->hex(s, "flags", e->flags);
}

static void decode_pages(struct sink *s, const struct event_header *ev)
{
	static const char *const why[] = { "?", "mapped", "changed", "compared", "insider" };
	const struct ev_pages *e = (const void *)(ev + 1);

	s->ops->num(s, "object", e->object);
	s->ops->text(s, "why", why[e->why < 5 ? e->why : 0]);
	s->ops->num(s, "first", e->first);
	s->ops->num(s, "npages", e->npages);
	s->ops->num(s, "size", e->size);
	event__runs(s, (const void *)(e + 1), e->nruns);
}

static void decode_map(struct sink *s, const struct event_header *ev)
{
	static const char *const kind[] = { "?",    "object",  "anon", "stack",
					    "heap", "special", "bprec" };
	const struct ev_map *e = (const void *)(ev + 1);
	char prot[4];

	s->ops->hex(s, "addr", e->addr);
	s->ops->hex(s, "len", e->len);
	s->ops->text(s, "prot", event__prot(e->prot, prot));
	s->ops->hex(s, "flags", e->flags);
	s->ops->text(s, "kind", kind[e->kind < 7 ? e->kind : 0]);
	if (e->object) {
		s->ops->num(s, "object", e->object);
		s->ops->hex(s, "offset", e->offset);
	}
}

static void decode_unmap(struct sink *s, const struct event_header *ev)
{
	const struct ev_unmap *e = (const void *)(ev + 1);

	s->ops->hex(s, "addr", e->addr);
	s->ops->hex(s, "len", e->len);
}

static void decode_protect(struct sink *s, const struct event_header *ev)
{
	const struct ev_protect *e = (const void *)(ev + 1);
	char prot[4];

	s->ops->hex(s, "addr", e->addr);
	s->ops->hex(s, "len", e->len);
	s->ops->text(s, "prot", event__prot(e->prot, prot));
}

static void decode_remap(struct sink *s, const struct event_header *ev)
{
	const struct ev_remap *e = (const void *)(ev + 1);

	s->ops->hex(s, "old_addr", e->old_addr);
	s->ops->hex(s, "old_len", e->old_len);
	s->ops->hex(s, "new_addr", e->new_addr);
	s->ops->hex(s, "new_len", e->new_len);
	s->ops->hex(s, "flags", e->flags);
}

static void decode_mem(struct sink *s, const struct event_header *ev)
{
	const struct ev_mem *e = (const void *)(ev + 1);

	s->ops->hex(s, "addr", e->addr);
	s->ops->num(s, "npages", e->npages);
	event__runs(s, (const void *)(e + 1), e->nruns);
}

static void decode_object_write(struct sink *s, const struct event_header *ev)
{
	const struct ev_object_write *e = (const void *)(ev + 1);

	s->ops->num(s, "object", e->object);
	s->ops->text(s, "channel", channel_name(e->channel));
	s->ops->num(s, "offset", e->offset);
	s->ops->num(s, "length", e->length);
	s->ops->num(s, "pages_event", e->pages_event);
}

event_decode_fn event__memory(uint32_t type)
{
	static const event_decode_fn table[EV_MAX] = {
		[EV_OBJECT] = decode_object,   [EV_PAGES] = decode_pages,
		[EV_MAP] = decode_map,	       [EV_UNMAP] = decode_unmap,
		[EV_PROTECT] = decode_protect, [EV_REMAP] = decode_remap,
		[EV_MEM] = decode_mem,	       [EV_OBJECT_WRITE] = decode_object_write,
	};

	return type < EV_MAX ? table[type] : NULL;
}
