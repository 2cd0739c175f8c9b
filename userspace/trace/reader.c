/* SPDX-License-Identifier: MIT */
/*
 * reader.c: opens a trace and walks through its events.
 *
 * Invariants: the manifest is looked for first, then events, then pages: what a recorder that is still at work appends
 * meanwhile can't make an event refer to a page that isn't counted yet. Memory: one frame of events, READER_SLOTS frames
 * of pages (reader_pages.c), and 24 bytes for each frame of pages. An error ends the walk for good.
 */
#include "trace/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace/dir.h"
#include "trace/frame.h"
#include "trace/reader_impl.h"

static _Thread_local char open_error[ERR_TEXT_MAX];

int reader__fail(struct reader *r, const char *file, uint64_t off, int code)
{
	char text[ERR_TEXT_MAX];

	snprintf(text, sizeof(text), "%s", err__text());
	snprintf(r->error, sizeof(r->error), "%s, byte %" PRIu64 ": %.400s", file, off, text);
	return err__set(code, "%s", r->error);
}

const char *reader__error(const struct reader *r)
{
	return r ? r->error : open_error;
}

/* The files that every trace has. The first file of a trace that is opened tells the trace id. */
static int open_source(struct reader *r, struct source *s, enum trace_file file)
{
	const bool first = file == TRACE_EVENTS && !r->complete;
	int err;

	err = source__open(s, r->dirfd, file, first ? NULL : r->trace_id, r->trace_id);
	if (err == -ENOENT)
		err = err__set(first ? -TRACE_E_NOT_A_TRACE : -TRACE_E_DAMAGED,
			       "there is no such file");
	return err < 0 ? reader__fail(r, trace_file_name(file), 0, err) : 0;
}

static int read_manifest(struct reader *r, struct source *s)
{
	struct frame_pos pos = source__start(s);
	struct frame_buf buf = { 0 };
	struct frame_header h;
	int err;

	err = source__head(s, &pos, &h);
	if (err == -ENODATA)
		err = -TRACE_E_DAMAGED;
	if (err == 0)
		err = frame_buf__load(&buf, s, &pos, &h);
	if (err == 0 && source__after(&pos, &h).off != s->size)
		err = err__set(-TRACE_E_DAMAGED, "the file goes on behind the manifest");
	if (err == 0)
		memcpy(&r->manifest, buf.raw, sizeof(r->manifest));
	frame_buf__free(&buf);
	return err < 0 ? reader__fail(r, "manifest", pos.off, err) : 0;
}

/* Finds out whether there is a manifest, and reads it. It is the first file that is opened, so the trace id is its. */
static int open_manifest(struct reader *r)
{
	struct source s = { .fd = -1 };
	int err;

	err = source__open(&s, r->dirfd, TRACE_MANIFEST, NULL, r->trace_id);
	if (err == -ENOENT)
		return 0;
	if (err == 0)
		err = read_manifest(r, &s);
	else
		reader__fail(r, "manifest", 0, err);
	r->complete = err == 0;
	source__close(&s);
	return err;
}

static int scan(struct reader *r, struct source *s, source_frame_fn fn)
{
	uint64_t at = 0;
	const int err = source__scan(s, !r->complete, fn, r, &at);

	return err < 0 ? reader__fail(r, trace_file_name(s->file), at, err) : 0;
}

static int manifest_says(struct reader *r, const char *what, uint64_t wanted, uint64_t found)
{
	if (wanted == found)
		return 0;
	err__set(0, "it counts %" PRIu64 " %s, but there are %" PRIu64, wanted, what, found);
	return reader__fail(r, "manifest", 0, -TRACE_E_MANIFEST);
}

static int check_chain(struct reader *r, const struct source *s, uint64_t wanted)
{
	if (s->chain == wanted)
		return 0;
	err__set(0, "its hash over the frames of %s is %016" PRIx64 ", but theirs is %016" PRIx64,
		 trace_file_name(s->file), wanted, s->chain);
	return reader__fail(r, "manifest", 0, -TRACE_E_MANIFEST);
}

static int check_manifest(struct reader *r)
{
	const struct manifest *m = &r->manifest;
	const bool plausible = m->end_kind >= END_EXITED && m->end_kind <= END_LEFT &&
			       m->start_ns <= m->end_ns && m->clones <= r->pages.clones;
	int err;

	if (!plausible) {
		err__set(0, "its times, its number of clones or its kind of end can't be");
		return reader__fail(r, "manifest", 0, -TRACE_E_MANIFEST);
	}
	err = manifest_says(r, "events", m->events, r->events.items);
	if (err == 0)
		err = manifest_says(r, "frames of events", m->event_frames, r->events.frames);
	if (err == 0)
		err = manifest_says(r, "bytes of events", m->events_bytes, r->events.size);
	if (err == 0)
		err = manifest_says(r, "pages", m->pages, r->pages.items);
	if (err == 0)
		err = manifest_says(r, "frames of pages", m->page_frames, r->pages.frames);
	if (err == 0)
		err = manifest_says(r, "bytes of pages", m->pages_bytes, r->pages.size);
	if (err == 0)
		err = check_chain(r, &r->events, m->events_hash);
	return err < 0 ? err : check_chain(r, &r->pages, m->pages_hash);
}

static int open_all(struct reader *r)
{
	int err;

	err = open_manifest(r);
	if (err == 0)
		err = open_source(r, &r->events, TRACE_EVENTS);
	if (err == 0)
		err = scan(r, &r->events, NULL);
	if (err == 0)
		err = open_source(r, &r->pages, TRACE_PAGES);
	if (err == 0)
		err = scan(r, &r->pages, reader__index_frame);
	if (err == 0 && r->complete)
		err = check_manifest(r);
	return err < 0 ? err : reader__rewind(r);
}

int reader__open(struct reader **ret_reader, const char *dir)
{
	struct reader *r = calloc(1, sizeof(*r));
	int err;

	if (!r) {
		snprintf(open_error, sizeof(open_error), "no memory");
		return -ENOMEM;
	}
	r->dirfd = r->events.fd = r->pages.fd = r->clone_fd = -1;
	r->dir = strdup(dir);
	r->dirfd = r->dir ? trace_dir__open(dir) : err__set(-ENOMEM, "no memory");
	if (r->dirfd < 0) {
		err = r->dirfd;
		snprintf(r->error, sizeof(r->error), "%.500s", err__text());
	} else {
		err = open_all(r);
	}
	if (err < 0) {
		memcpy(open_error, r->error, sizeof(open_error));
		reader__free(r);
		return err;
	}
	*ret_reader = r;
	return 0;
}

void reader__free(struct reader *r)
{
	if (!r)
		return;
	reader__free_pages(r);
	frame_buf__free(&r->buf);
	event_check__reset(&r->check);
	source__close(&r->events);
	source__close(&r->pages);
	if (r->dirfd >= 0)
		close(r->dirfd);
	free(r->dir);
	free(r);
}

bool reader__complete(const struct reader *r)
{
	return r->complete;
}

const struct manifest *reader__manifest(const struct reader *r)
{
	return r->complete ? &r->manifest : NULL;
}

const char *reader__dir(const struct reader *r)
{
	return r->dir;
}

uint64_t reader__torn_bytes(const struct reader *r)
{
	return r->events.size - r->events.end + (r->pages.size - r->pages.end);
}

uint64_t reader__events(const struct reader *r)
{
	return r->events.items;
}

uint64_t reader__pages(const struct reader *r)
{
	return r->pages.items;
}

int reader__rewind(struct reader *r)
{
	event_check__reset(&r->check);
	r->check.pages = r->pages.items;
	r->seen = 0;
	r->next = source__start(&r->events);
	r->at = r->left = 0;
	r->buf.raw_len = 0;
	r->sticky = 0;
	return 0;
}

/* Loads the next frame of events. 1, 0 at the end, or negative. */
static int next_frame(struct reader *r)
{
	struct frame_header h;
	int err;

	if (r->next.off >= r->events.end)
		return 0;
	err = source__head(&r->events, &r->next, &h);
	if (err == 0)
		err = frame_buf__load(&r->buf, &r->events, &r->next, &h);
	if (err < 0)
		return reader__fail(r, "events", r->next.off,
				    err == -ENODATA ? -TRACE_E_DAMAGED : err);
	r->current = r->next;
	r->next = source__after(&r->next, &h);
	r->at = 0;
	r->left = h.count;
	return 1;
}

/* Loads the frame that holds event `no`, which has been handed out before: its frames are known to be right. 0 or negative. */
static int find_frame(struct reader *r, uint64_t no)
{
	struct frame_pos pos = source__start(&r->events);
	struct frame_header h;
	int err;

	for (;;) {
		err = source__head(&r->events, &pos, &h);
		if (err < 0)
			return reader__fail(r, "events", pos.off,
					    err == -ENODATA ? -TRACE_E_DAMAGED : err);
		if (no < h.first + h.count)
			break;
		pos = source__after(&pos, &h);
	}
	r->next = pos;
	err = next_frame(r);
	for (uint64_t at = h.first; err == 1 && at < no; at++) {
		const struct event_header *ev = (const void *)(r->buf.raw + r->at);

		if (r->buf.raw_len - r->at < sizeof(*ev) || ev->size < sizeof(*ev) ||
		    ev->size > r->buf.raw_len - r->at) {
			err__set(0, "it is another one than before");
			return reader__fail(r, "events", r->current.off, -TRACE_E_DAMAGED);
		}
		r->check.last_ns = ev->time_ns;
		r->at += ev->size;
		r->left--;
	}
	return err < 0 ? err : 0;
}

int reader__seek(struct reader *r, uint64_t no)
{
	int err = 0;

	if (no > r->seen)
		return err__set(-EINVAL, "event %" PRIu64 " hasn't been read yet", no);
	if (no == r->check.events) /* it is there; an error will come again */
		return 0;
	r->sticky = 0;
	if (no == r->events.items) {
		r->next.off = r->events.end;
		r->at = r->left = r->buf.raw_len = 0;
		r->check.events = no;
		r->check.ended = r->complete;
		return 0;
	}
	r->check.last_ns = 0; /* ids stay known: the events that introduce them have been checked */
	err = find_frame(r, no);
	r->check.events = no;
	r->check.ended = false;
	return err;
}

static int fail_event(struct reader *r, uint64_t no, int err)
{
	char text[ERR_TEXT_MAX];

	snprintf(text, sizeof(text), "%s", err__text());
	err__set(0, "event %" PRIu64 " (at %u of the frame): %.300s", no, r->at, text);
	return reader__fail(r, "events", r->current.off, err);
}

/* The times and the end of a complete trace must be those of its manifest. */
static int check_against_manifest(struct reader *r, const struct event_header *ev)
{
	const struct manifest *m = &r->manifest;
	const struct ev_end *end = (const struct ev_end *)(ev + 1);

	if (!r->complete)
		return 0;
	if (ev->time_ns < m->start_ns || ev->time_ns > m->end_ns)
		return err__set(-TRACE_E_MANIFEST, "its time lies outside those of the manifest");
	if (ev->type == EV_END && (end->kind != m->end_kind || end->code != m->end_code))
		return err__set(-TRACE_E_MANIFEST, "another end than that of the manifest");
	return 0;
}

/* The event at r->at. */
static int take_event(struct reader *r, const struct event_header **ret_ev, uint64_t *ret_no)
{
	const struct event_header *ev = (const struct event_header *)(r->buf.raw + r->at);
	const uint32_t room = r->buf.raw_len - r->at;
	const uint64_t no = r->check.events;
	int err;

	if (room < sizeof(*ev)) {
		err__set(0, "the frame ends, expected %u more events", r->left);
		return fail_event(r, r->check.events, -TRACE_E_EVENT);
	}
	err = event_check__apply(&r->check, ev, room);
	if (err < 0)
		return fail_event(r, no, err);
	err = check_against_manifest(r, ev);
	if (err < 0)
		return fail_event(r, no, err);
	r->at += ev->size;
	r->left--;
	if (no >= r->seen)
		r->seen = no + 1;
	*ret_no = no;
	*ret_ev = ev;
	return 1;
}

/* After the last event: the frame must be used up, and a complete trace must have told its end. */
static int check_end(struct reader *r)
{
	if (r->complete && !r->check.ended) {
		err__set(0, "the trace has a manifest, but no end event");
		return reader__fail(r, "events", r->events.end, -TRACE_E_EVENT);
	}
	return 0;
}

static int next_event(struct reader *r, const struct event_header **ret_ev, uint64_t *ret_no)
{
	int got;

	if (r->left == 0) {
		if (r->at != r->buf.raw_len) {
			err__set(0, "the frame goes on behind its last event");
			return fail_event(r, r->check.events, -TRACE_E_EVENT);
		}
		got = next_frame(r);
		if (got == 0)
			return check_end(r);
		if (got < 0)
			return got;
	}
	return take_event(r, ret_ev, ret_no);
}

int reader__next(struct reader *r, const struct event_header **ret_ev, uint64_t *ret_no)
{
	int got;

	if (r->sticky < 0)
		return err__set(r->sticky, "%s", r->error);
	got = next_event(r, ret_ev, ret_no);
	if (got < 0)
		r->sticky = got;
	return got;
}
