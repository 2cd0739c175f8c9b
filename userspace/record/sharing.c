/* SPDX-License-Identifier: MIT */
#include "record/sharing.h"

#include <sys/mman.h>

#include "record/sched.h"
#include "record/stores.h"

/** It was alone when its call began, so that nobody asked whether it keeps the token: it does, if it may be changing the object. */
static void keep_token(struct recorder *r, struct task *t)
{
	if (t->state != TASK_IN_CALL || !t->blocking || !t->args_known || !stores__holds(r, t))
		return;
	t->blocking = false;
	t->stores = true;
}

int sharing__join(struct recorder *r, struct task *t, struct object *o, bool shared, uint32_t prot)
{
	struct share_group *mine = sched__group(t);
	const bool writers = o->writecount > 0 || o->mmap_writable > 0 || (prot & PROT_WRITE);
	int err = 0;

	if (r->watch || (!shared && o->writecount <= 0) || !writers)
		return 0;
	for (struct task *u = r->tasks; u && !err; u = u->hh.next) {
		const struct model_space *s = model__space(r->m, u->space);
		bool maps = u->holds_writer && o->writecount > 0;

		if (u == t || u->state == TASK_DYING || !u->known || sched__group(u) == mine)
			continue;
		for (size_t i = 0; s && i < s->nvmas && !maps; i++)
			maps = s->vmas[i].object == o->id;
		if (!maps)
			continue;
		keep_token(r, t);
		keep_token(r, u);
		err = sched__merge(r, mine, sched__group(u));
		mine = sched__group(t);
	}
	return err;
}

int sharing__holds_writer(struct recorder *r, struct object *o, pid_t pid)
{
	int err = 0;

	for (struct task *t = r->tasks; t && !err; t = t->hh.next)
		if (t->pid == pid) {
			t->holds_writer = true;
			err = sharing__join(r, t, o, true, 0);
		}
	return err;
}
