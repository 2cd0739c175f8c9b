/* SPDX-License-Identifier: MIT */
/* source.c: a thread of the replay as symbols and core files need it. */
#include <errno.h>

#include "replay/state.h"

static ssize_t read_memory(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct replay_view *v = ctx;

	return replay__read(v->rp, v->tid, addr, buf, len);
}

static int each_map(void *ctx, sym_map_fn fn, void *arg)
{
	const struct replay_view *v = ctx;
	const struct rtask *t = rtask__get(v->rp, v->tid);
	const struct model_space *s = t && t->space ? model__space(v->rp->m, t->space->id) : NULL;
	int ret = s ? 0 : -ESRCH;

	for (size_t i = 0; s && i < s->nvmas && !ret; i++) {
		const struct model_vma *m = &s->vmas[i];
		const struct model_object *o =
			m->object ? model__object(v->rp->m, m->object) : NULL;
		const struct sym_map map = { m->addr, m->end, m->offset, m->prot,
					     o ? o->path : "" };

		ret = fn(arg, &map);
	}
	return ret;
}

struct sym_source replay__source(struct replay_view *view)
{
	return (struct sym_source){ .read = read_memory, .each_map = each_map, .ctx = view };
}
