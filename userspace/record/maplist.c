/* SPDX-License-Identifier: MIT */
#include "record/maplist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/** Room for one more. NULL: no memory; v is as it was. */
static void *grow(void *v, size_t n, size_t *cap, size_t size)
{
	const size_t more = *cap ? 2 * *cap : 32;

	if (n < *cap)
		return v;
	v = reallocarray(v, more, size);
	if (v)
		*cap = more;
	return v;
}

static int add_held(void *ctx, const struct khold *h)
{
	struct maplist *l = ctx;
	struct khold *v = grow(l->held, l->nheld, &l->held_cap, sizeof(*v));

	if (!v)
		return -ENOMEM;
	l->held = v;
	v[l->nheld++] = *h;
	return 0;
}

static int add_map(void *ctx, const struct tracee_map *m)
{
	struct maplist *l = ctx;
	struct tracee_map *v = grow(l->maps, l->nmaps, &l->maps_cap, sizeof(*v));

	if (!v)
		return -ENOMEM;
	l->maps = v;
	v[l->nmaps] = *m;
	v[l->nmaps].path = strdup(m->path);
	return v[l->nmaps++].path ? 0 : -ENOMEM;
}

int maplist__watch(struct maplist *l, struct kern *k, pid_t pid)
{
	return kern__watch_process(k, pid, add_held, l);
}

int maplist__read(struct maplist *l, pid_t pid)
{
	l->maps_read = true;
	return tracee__maps(pid, add_map, l);
}

const struct khold *maplist__held_at(const struct maplist *l, uint64_t addr)
{
	for (size_t i = 0; i < l->nheld; i++)
		if (l->held[i].start <= addr && addr < l->held[i].end)
			return &l->held[i];
	return NULL;
}

const struct tracee_map *maplist__map_at(struct maplist *l, pid_t pid, uint64_t addr)
{
	if (!l->maps_read)
		maplist__read(l, pid); /* a process that is gone has none */
	for (size_t i = 0; i < l->nmaps; i++)
		if (l->maps[i].start <= addr && addr < l->maps[i].end)
			return &l->maps[i];
	return NULL;
}

void maplist__free(struct maplist *l)
{
	for (size_t i = 0; i < l->nmaps; i++)
		free((char *)l->maps[i].path);
	free(l->maps);
	free(l->held);
	*l = (struct maplist){ 0 };
}
