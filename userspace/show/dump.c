// SPDX-License-Identifier: MIT
#include "show/dump.h"

#include <errno.h>
#include <stdio.h>

#include "model/model.h"
#include "show/event.h"
#include "util/err.h"

int dump__feed(struct reader *r, uint64_t at,
	       int (*before)(void *ctx, const struct model *m, const struct event_header *ev),
	       void *ctx, struct model **ret_model)
{
	struct model *m = model__new();
	const struct event_header *ev;
	uint64_t no = 0;
	int err;

	if (!m)
		return err__set(-ENOMEM, "out of memory");
	while ((err = reader__next(r, &ev, &no)) > 0 && no <= at) {
		err = before ? before(ctx, m, ev) : 0;
		if (err)
			goto out;
		err = model__apply(m, ev, no);
		if (err) {
			err__set(err, "%s: %s", reader__dir(r), model__error(m));
			goto out;
		}
	}
	if (err < 0) {
		err__set(err, "%s", reader__error(r));
		goto out;
	}
	*ret_model = m;
	return 0;
out:
	model__free(m);
	return err;
}

/** True for events about what is outside. */
static bool is_change(const struct event_header *ev)
{
	return event__outside(ev->type) && ev->type != EV_HOOK;
}

static int dump_events(struct reader *r, const struct dump_opts *d, struct sink *s)
{
	const struct event_header *ev;
	uint64_t no = 0;
	int err;

	while ((err = reader__next(r, &ev, &no)) > 0 && no <= d->at) {
		if (!s->started) {
			s->start_ns = ev->time_ns;
			s->started = 1;
		}
		if (d->what == DUMP_EVENTS || is_change(ev))
			show__event(s, ev, no);
		if (ferror(s->o->out))
			return 0; /* main says so */
	}
	return err < 0 ? err__set(err, "%s", reader__error(r)) : 0;
}

static int dump_page(struct reader *r, const struct dump_opts *d, struct sink *s)
{
	char page[BPREC_PAGE_SIZE];
	int err = reader__page(r, d->page, page);

	if (err == -ENODATA)
		return err__set(err, "page %llu has no contents", (unsigned long long)d->page);
	if (err)
		return err__set(err, "%s", reader__error(r));
	fwrite(page, sizeof(page), 1, s->o->out);
	return 0;
}

int show__dump(struct reader *r, const struct dump_opts *d, struct sink *s)
{
	int err;

	switch (d->what) {
	case DUMP_MAPS:
		err = dump__maps(r, d, s);
		break;
	case DUMP_PAGES:
		err = dump__pages(r, d, s);
		break;
	case DUMP_PAGE:
		err = dump_page(r, d, s);
		break;
	case DUMP_OBJECT:
		err = dump__object(r, d, s);
		break;
	default:
		err = dump_events(r, d, s);
		break;
	}
	if (!err && s->failed)
		err = err__set(-ENOMEM, "out of memory");
	return err;
}
