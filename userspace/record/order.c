/* SPDX-License-Identifier: MIT */
#include "record/order.h"

#include <errno.h>
#include <sys/stat.h>

#include "model/files.h"
#include "sys/sys.h"

static bool same_file(const struct stat *a, const struct stat *b)
{
	if (S_ISCHR(a->st_mode) && S_ISCHR(b->st_mode))
		return a->st_rdev == b->st_rdev; /* a terminal by two names */
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int order__start(struct recorder *r)
{
	struct stat st[3];

	for (int i = 0; i < 3; i++) {
		r->stream_of[i] = i;
		if (fstat(i, &st[i]))
			st[i] = (struct stat){ .st_dev = ~0ull, .st_ino = i };
		for (int j = i - 1; j >= 0; j--)
			if (same_file(&st[i], &st[j]))
				r->stream_of[i] = j;
	}
	r->files = files__new();
	return r->files ? 0 : -ENOMEM;
}

bool order__matters(const struct recorder *r)
{
	return r->ntasks > 1;
}

void order__entry(struct recorder *r, struct task *t)
{
	const int arg = sys__output_arg(t->nr);
	const int stream =
		arg < 0 || t->subst_set ? -1 : files__stream(r->files, t->tid, (int)t->args[arg]);

	t->stream = stream < 0 ? 0 : r->stream_of[stream] + 1;
}

bool order__holds(const struct recorder *r, const struct task *t)
{
	const struct task *w = t->stream ? r->writing[t->stream - 1] : NULL;

	return w && w != t;
}

void order__begin(struct recorder *r, struct task *t)
{
	if (t->stream)
		r->writing[t->stream - 1] = t;
}

bool order__end(struct recorder *r, struct task *t)
{
	const bool held = t->stream && r->writing[t->stream - 1] == t;

	if (held)
		r->writing[t->stream - 1] = NULL;
	t->stream = 0;
	return held && r->ntasks > 1;
}
