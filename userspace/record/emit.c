/* SPDX-License-Identifier: MIT */
#include "record/emit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/files.h"
#include "tracee/tracee.h"
#include "model/regs.h"
#include "util/err.h"

static long read_memory(void *ctx, uint32_t tid, uint64_t addr, void *buf, size_t len)
{
	(void)ctx;
	return tracee__read(tid, addr, buf, len);
}

int emit__feed(void *ctx)
{
	struct recorder *r = ctx;
	int err = model__apply(r->m, writer__last(r->w), writer__events(r->w) - 1);

	if (err)
		return recorder__fail(r, err, model__error(r->m));
	if (r->opts->event)
		r->opts->event(r->opts->ctx, writer__last(r->w), writer__events(r->w) - 1);
	if (r->files)
		err = files__apply(r->files, writer__last(r->w), read_memory, r);
	return err ? recorder__fail(r, err, "descriptors") : 0;
}

int emit__parts(struct recorder *r, enum event_type type, const struct task *t,
		const struct iovec *part, int n)
{
	int err;

	if (r->err)
		return r->err;
	err = writer__event(r->w, type, t ? t->pid : 0, t ? t->tid : 0, part, n, NULL);
	if (err)
		return recorder__fail(r, err, "writing the trace");
	return emit__feed(r);
}

int emit__hashed(struct recorder *r, enum event_type type, const struct task *t,
		 const struct regs64 *regs, const struct iovec *part, int n)
{
	writer__reg_hash(r->w, regs64__hash(regs));
	return emit__parts(r, type, t, part, n);
}

int emit(struct recorder *r, enum event_type type, const struct task *t, const void *body,
	 size_t size, const void *tail, size_t tail_len)
{
	const struct iovec part[2] = {
		{ (void *)body, size },
		{ (void *)tail, tail_len },
	};

	return emit__parts(r, type, t, part, tail_len ? 2 : 1);
}

int emit__note(struct recorder *r, const struct task *t, enum note_kind kind, uint32_t nr,
	       const char *text)
{
	const struct ev_note n = { .kind = kind, .nr = nr, .text_len = strlen(text) + 1 };

	return emit(r, EV_NOTE, t, &n, sizeof(n), text, n.text_len);
}

int emit__gap(struct recorder *r, enum gap_kind kind, enum channel ch, uint32_t object,
	      const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	struct ev_gap g = { .kind = kind, .channel = ch, .object = object };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	g.reason_len = strlen(text) + 1;
	return emit(r, EV_GAP, NULL, &g, sizeof(g), text, g.reason_len);
}
