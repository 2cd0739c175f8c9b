// SPDX-License-Identifier: MIT
/*
 * dump_state.c: dumps of what the model says: mappings, objects and their pages.
 *
 * Without an event to stop at, the mappings of a process are those it had when its last thread ended (or at the end of
 * the trace, if it lived on); with one, those of all processes alive after that event.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "model/model.h"
#include "show/dump.h"
#include "show/event.h"
#include "util/err.h"

/** What the callbacks share. */
struct dump_state {
	struct reader *reader;
	const struct model *m;
	const struct dump_opts *d;
	struct sink *s;
	uint32_t object; /* the object that is being printed or was found */
	const char *path;
	uint64_t next; /* first page not written yet */
	uint64_t size; /* bytes of the object */
};

static void print_vma(struct sink *s, const struct model *m, const struct model_task *t,
		      const struct model_vma *v)
{
	static const char *const kinds[] = { "?",    "object",	"anon", "stack",
					     "heap", "special", "bprec" };
	const struct model_object *o = model__object(m, v->object);
	char prot[4];

	s->ops->begin(s, "mapping");
	s->ops->num(s, "pid", t->pid);
	s->ops->num(s, "space", t->space);
	s->ops->hex(s, "address", v->addr);
	s->ops->hex(s, "end", v->end);
	s->ops->text(s, "prot", event__prot(v->prot, prot));
	s->ops->text(s, "sharing", v->flags & MAP_SHARED ? "shared" : "private");
	s->ops->text(s, "mapping", kinds[v->kind < 7 ? v->kind : 0]);
	if (o) {
		s->ops->num(s, "object", o->id);
		s->ops->num(s, "offset", v->offset);
		s->ops->text(s, "path", o->path);
	}
	s->ops->end(s);
}

/** Prints the mappings of a task's address space. */
static void print_space(struct sink *s, const struct model *m, const struct model_task *t)
{
	const struct model_space *sp = model__space(m, t->space);

	for (size_t i = 0; sp && i < sp->nvmas; i++)
		print_vma(s, m, t, &sp->vmas[i]);
}

/** Ahead of an event: a process that is about to end shows its mappings. */
static int before_end(void *ctx, const struct model *m, const struct event_header *ev)
{
	struct dump_state *st = ctx;
	const struct model_task *t = ev->type == EV_EXIT ? model__task(m, ev->tid) : NULL;
	const struct model_space *sp = t && t->alive ? model__space(m, t->space) : NULL;

	if (sp && sp->users == 1 && st->d->at == UINT64_MAX)
		print_space(st->s, m, t);
	return 0;
}

/** Finds the lowest number among threads. */
static int lowest_tid(void *ctx, const struct model_task *t)
{
	uint32_t *lowest = ctx;

	if (!*lowest || t->tid < *lowest)
		*lowest = t->tid;
	return 0;
}

/** Prints the mappings of a living address space, once: for its thread with the lowest number. */
static int print_living(void *ctx, const struct model_task *t)
{
	struct dump_state *st = ctx;
	uint32_t lowest = 0;

	if (!t->alive)
		return 0;
	model__each_task_of(st->m, t->space, lowest_tid, &lowest);
	if (lowest == t->tid)
		print_space(st->s, st->m, t);
	return 0;
}

int dump__maps(struct reader *r, const struct dump_opts *d, struct sink *s)
{
	struct dump_state st = { .reader = r, .d = d, .s = s };
	struct model *m;
	int err = dump__feed(r, d->at, before_end, &st, &m);

	if (err)
		return err;
	st.m = m;
	model__each_task(m, print_living, &st);
	model__free(m);
	return 0;
}

/** Prints one run of pages with these contents; hashed: id is that of a stored page. */
static int print_run(struct dump_state *st, uint64_t first, uint64_t n, uint64_t id, bool hashed)
{
	struct sink *s = st->s;
	char text[33];
	uint8_t hash[16];
	int err = hashed ? reader__page_hash(st->reader, id, hash) : 0;

	if (err)
		return err__set(err, "%s", reader__error(st->reader));
	s->ops->begin(s, "page");
	s->ops->num(s, "object", st->object);
	s->ops->num(s, "page", first);
	s->ops->num(s, "count", n);
	if (!hashed)
		s->ops->text(s, "id",
			     id == BPREC_PAGE_ZERO   ? "zero"
			     : id == BPREC_PAGE_LOST ? "lost"
						     : "absent");
	else
		s->ops->num(s, "id", id);
	for (int i = 0; hashed && i < 16; i++)
		sprintf(text + 2 * i, "%02x", hash[i]);
	if (hashed)
		s->ops->text(s, "hash", text);
	s->ops->text(s, "path", st->path);
	s->ops->end(s);
	return ferror(s->o->out) ? 1 : 0;
}

static int print_pages(void *ctx, uint64_t first, uint64_t n, uint64_t id, uint32_t step)
{
	uint64_t each = step ? 1 : n; /* pages with one id */
	int err = 0;

	for (uint64_t i = 0; !err && i < n; i += each) {
		uint64_t page = step ? id + i : id;

		err = print_run(ctx, first + i, each, page,
				page != BPREC_PAGE_ZERO && page < BPREC_PAGE_LOST);
	}
	return err;
}

static int print_object(void *ctx, const struct model_object *o)
{
	struct dump_state *st = ctx;
	struct sink *s = st->s;

	s->ops->begin(s, "object");
	s->ops->num(s, "object", o->id);
	s->ops->num(s, "size", o->size);
	s->ops->num(s, "major", o->major);
	s->ops->num(s, "minor", o->minor);
	s->ops->num(s, "inode", o->inode);
	s->ops->num(s, "generation", o->generation);
	s->ops->text(s, "path", o->path);
	s->ops->end(s);
	st->object = o->id;
	st->path = o->path;
	return model__each_run(st->m, o->id, print_pages, st);
}

int dump__pages(struct reader *r, const struct dump_opts *d, struct sink *s)
{
	struct dump_state st = { .reader = r, .d = d, .s = s };
	struct model *m;
	int err = dump__feed(r, d->at, NULL, NULL, &m);

	if (err)
		return err;
	st.m = m;
	err = model__each_object(m, print_object, &st);
	model__free(m);
	return err > 0 ? 0 : err;
}

/** Remembers the object that is wanted. */
static int find_object(void *ctx, const struct model_object *o)
{
	struct dump_state *st = ctx;

	if (st->d->object ? o->id == st->d->object : !strcmp(o->path, st->d->path)) {
		st->object = o->id;
		st->size = o->size;
	}
	return 0;
}

/** Writes bytes of pages [next, first + n), of which the last n hold `page` and those before it zeros. */
static int put_pages(struct dump_state *st, uint64_t first, uint64_t n, const char *page)
{
	static const char zeros[BPREC_PAGE_SIZE];

	for (; st->next < first + n; st->next++) {
		uint64_t at = st->next * BPREC_PAGE_SIZE;
		uint64_t left = at < st->size ? st->size - at : 0;

		if (!left)
			return 1;
		fwrite(st->next < first ? zeros : page,
		       left < BPREC_PAGE_SIZE ? left : BPREC_PAGE_SIZE, 1, st->s->o->out);
		if (ferror(st->s->o->out))
			return 1;
	}
	return 0;
}

static int put_run(void *ctx, uint64_t first, uint64_t n, uint64_t id, uint32_t step)
{
	struct dump_state *st = ctx;
	char page[BPREC_PAGE_SIZE];
	int err = 0;

	for (uint64_t i = 0; !err && i < n; i += step ? 1 : n) {
		err = reader__page(st->reader, id + i * step, page);
		if (err == -ENODATA)
			return err__set(err, "page %llu of object %u is not in the trace",
					(unsigned long long)(first + i), st->object);
		if (err)
			return err__set(err, "%s", reader__error(st->reader));
		err = put_pages(st, first + i, step ? 1 : n, page);
	}
	return err;
}

int dump__object(struct reader *r, const struct dump_opts *d, struct sink *s)
{
	struct dump_state st = { .reader = r, .d = d, .s = s };
	struct model *m;
	int err = dump__feed(r, d->at, NULL, NULL, &m);

	if (err)
		return err;
	st.m = m;
	model__each_object(m, find_object, &st);
	if (!st.object && d->object)
		err = err__set(-ENOENT, "the trace has no object %u there", d->object);
	else if (!st.object)
		err = err__set(-ENOENT, "the trace has no object %s there", d->path);
	if (!err)
		err = model__each_run(m, st.object, put_run, &st);
	if (!err)
		put_pages(&st, (st.size + BPREC_PAGE_SIZE - 1) / BPREC_PAGE_SIZE, 0, NULL);
	model__free(m);
	return err > 0 ? 0 : err;
}
