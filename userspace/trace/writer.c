/* SPDX-License-Identifier: MIT */
/*
 * writer.c: collects events and pages into frames and hands them to the queue.
 *
 * Invariants: pages go to the queue before the events that refer to them, and the queue keeps the order, so whatever is
 * on disk when the recorder is killed refers to nothing that isn't. An event stays in its buffer until the next call, so
 * that writer__last can show it. After an error nothing more is accepted. The files end with whole frames (sink.c).
 */
#include "trace/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "trace/writer_impl.h"
#include "util/err.h"

#define EVENTS_TARGET (256u << 10) /* bytes of events that make a frame */
static_assert(EVENTS_TARGET + BPREC_EVENT_MAX <= QUEUE_BUFFER, "a batch and the largest event fit");

#define PAGE_HASHES (BPREC_FRAME_PAGES_MAX * 16u) /* contents begin here while a batch fills */

uint64_t writer__now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int writer__die(struct writer *w, int err)
{
	if (!w->err)
		w->err = err;
	return err;
}

int writer__state(struct writer *w)
{
	if (w->err)
		return err__set(w->err, "the trace can't be written any more: %s",
				strerror(-w->err));
	w->err = queue__error(w->queue);
	return w->err ? err__set(w->err, "%s", queue__error_text(w->queue)) : 0;
}

/* `events` gets its name when its head is whole: a reader never finds half of one. */
static int make_files(struct writer *w)
{
	int fd, err;

	fd = trace_dir__create(w->dirfd, "pages", &w->owner);
	if (fd < 0)
		return fd;
	err = sink__open(&w->pages_file, fd, TRACE_PAGES, w->trace_id);
	if (err < 0)
		return err;
	fd = trace_dir__create(w->dirfd, "events.new", &w->owner);
	if (fd < 0)
		return fd;
	err = sink__open(&w->events_file, fd, TRACE_EVENTS, w->trace_id);
	if (err < 0)
		return err;
	if (renameat(w->dirfd, "events.new", w->dirfd, "events") < 0)
		return err__set(-errno, "can't name the file events of the trace: %s",
				strerror(errno));
	return 0;
}

static struct writer *alloc_writer(const struct trace_owner *owner)
{
	struct writer *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->dirfd = w->events_file.fd = w->pages_file.fd = -1;
	w->owner = *owner;
	w->queue = queue__new();
	w->store = page_store__new();
	if (w->queue && w->store && getrandom(w->trace_id, sizeof(w->trace_id), 0) == 16)
		return w;
	writer__free(w);
	return NULL;
}

/* Takes back what a failed start has left behind. */
static void remove_files(const struct writer *w, const char *dir, int made)
{
	unlinkat(w->dirfd, "pages", 0);
	unlinkat(w->dirfd, "events.new", 0);
	unlinkat(w->dirfd, "events", 0);
	if (made)
		rmdir(dir);
}

int writer__new_for(struct writer **ret_writer, const char *dir, uid_t uid, gid_t gid)
{
	const struct trace_owner owner = { uid, gid };
	struct writer *w = alloc_writer(&owner);
	int err, made = 0;

	if (!w)
		return err__set(-ENOMEM, "no memory for the trace");
	w->start_ns = writer__now();
	w->check.last_ns = w->start_ns;
	w->dirfd = trace_dir__make(dir, &owner, &made);
	err = w->dirfd < 0 ? w->dirfd : make_files(w);
	if (err < 0) {
		if (w->dirfd >= 0)
			remove_files(w, dir, made);
		writer__die(w, err);
		writer__free(w);
		return err;
	}
	*ret_writer = w;
	return 0;
}

int writer__new(struct writer **ret_writer, const char *dir)
{
	return writer__new_for(ret_writer, dir, geteuid(), getegid());
}

void writer__free(struct writer *w)
{
	if (!w)
		return;
	if (!w->err)
		writer__send_events(w);
	/* the batches' buffers go back with the queue */
	queue__discard(w->queue, w->events.buf);
	queue__discard(w->queue, w->pages.buf);
	queue__free(w->queue);
	sink__close(&w->events_file);
	sink__close(&w->pages_file);
	page_store__free(w->store);
	event_check__reset(&w->check);
	free(w->copy);
	if (w->dirfd >= 0)
		close(w->dirfd);
	free(w);
}

/* Makes sure that the batch has a buffer. */
static int open_batch(struct writer *w, struct batch *b, uint64_t first)
{
	if (b->buf)
		return 0;
	b->buf = queue__buffer(w->queue);
	if (!b->buf)
		return err__set(-ENOMEM, "no memory for a frame of the trace");
	b->len = 0;
	b->count = 0;
	b->first = first;
	b->since_ns = writer__now();
	return 0;
}

static int send_batch(struct writer *w, struct batch *b, struct sink *s, enum frame_kind kind)
{
	const struct frame_job job = {
		.sink = s,
		.raw = b->buf,
		.len = b->len,
		.first = b->first,
		.count = b->count,
		.kind = kind,
	};
	int err;

	b->buf = NULL;
	b->count = 0;
	err = queue__submit(w->queue, &job);
	if (err < 0)
		err__set(err, "%s", queue__error_text(w->queue));
	return err < 0 ? writer__die(w, err) : 0;
}

int writer__send_pages(struct writer *w)
{
	struct batch *b = &w->pages;
	const size_t hashes = b->count * sizeof(struct page_hash);

	if (b->count == 0)
		return 0;
	memmove(b->buf + hashes, b->buf + PAGE_HASHES, (size_t)b->count * BPREC_PAGE_SIZE);
	b->len = hashes + (size_t)b->count * BPREC_PAGE_SIZE;
	return send_batch(w, b, &w->pages_file, FRAME_PAGES);
}

/* Keeps the last event readable although its batch goes away. */
static int keep_last(struct writer *w)
{
	struct event_header *copy;

	if (!w->last || w->last == w->copy)
		return 0;
	copy = realloc(w->copy, w->last->size);
	if (!copy)
		return err__set(-ENOMEM, "no memory for an event");
	memcpy(copy, w->last, w->last->size);
	w->copy = copy;
	w->last = copy;
	return 0;
}

int writer__send_events(struct writer *w)
{
	int err;

	err = writer__send_pages(w);
	if (err < 0 || w->events.count == 0)
		return err;
	err = keep_last(w);
	if (err < 0)
		return err;
	return send_batch(w, &w->events, &w->events_file, FRAME_EVENTS);
}

/* Puts head, body and padding behind what the batch holds; *ret_ev where it lies. */
static int place_event(struct writer *w, enum event_type type, uint32_t pid, uint32_t tid,
		       const struct iovec *body, int nbody, struct event_header **ret_ev)
{
	struct event_header *ev = (struct event_header *)(w->events.buf + w->events.len);
	uint8_t *p = (uint8_t *)(ev + 1);
	const uint64_t now = writer__now();
	size_t left = BPREC_EVENT_MAX - sizeof(*ev);

	for (int i = 0; i < nbody; i++) {
		if (body[i].iov_len > left)
			return err__set(-EMSGSIZE, "an event is longer than %u bytes",
					BPREC_EVENT_MAX);
		if (body[i].iov_len > 0)
			memcpy(p, body[i].iov_base, body[i].iov_len);
		p += body[i].iov_len;
		left -= body[i].iov_len;
	}
	while ((uintptr_t)p % 8 != 0)
		*p++ = 0;
	*ev = (struct event_header){
		.size = (uint32_t)(p - (uint8_t *)ev),
		.type = (uint16_t)type,
		.tid = tid,
		.pid = pid,
		.time_ns = now > w->check.last_ns ? now : w->check.last_ns,
		.reg_hash = w->reg_hash,
	};
	w->reg_hash = 0;
	*ret_ev = ev;
	return 0;
}

void writer__reg_hash(struct writer *w, uint64_t hash)
{
	w->reg_hash = hash;
}

int writer__event(struct writer *w, enum event_type type, uint32_t pid, uint32_t tid,
		  const struct iovec *body, int nbody, uint64_t *ret_event)
{
	struct event_header *ev = NULL;
	int err;

	err = writer__state(w);
	if (err == 0 && w->events.buf && w->events.len >= EVENTS_TARGET)
		err = writer__send_events(w);
	if (err == 0)
		err = open_batch(w, &w->events, w->check.events);
	if (err == 0)
		err = place_event(w, type, pid, tid, body, nbody, &ev);
	if (err < 0)
		return err;
	w->check.pages = page_store__count(w->store);
	err = event_check__apply(&w->check, ev, ev->size);
	if (err < 0)
		return err == -ENOMEM ? err : -EINVAL;
	w->events.len += ev->size;
	w->events.count++;
	w->last = ev;
	if (ret_event)
		*ret_event = w->check.events - 1;
	return 0;
}

const struct event_header *writer__last(const struct writer *w)
{
	return w->last;
}

uint64_t writer__events(const struct writer *w)
{
	return w->check.events;
}

/* Adds a page that the store does not know to the batch. */
static int add_page(struct writer *w, const void *page, struct page_hash hash, uint64_t *ret_id)
{
	struct batch *b = &w->pages;
	int err;

	err = open_batch(w, b, page_store__count(w->store) + 1);
	if (err == 0)
		err = page_store__add(w->store, hash, ret_id);
	if (err < 0)
		return err;
	memcpy(b->buf + b->count * sizeof(hash), &hash, sizeof(hash));
	memcpy(b->buf + PAGE_HASHES + (size_t)b->count * BPREC_PAGE_SIZE, page, BPREC_PAGE_SIZE);
	b->count++;
	return b->count == BPREC_FRAME_PAGES_MAX ? writer__send_pages(w) : 0;
}

int writer__page(struct writer *w, const void *page, uint64_t *ret_id)
{
	struct page_hash hash;
	uint64_t id = BPREC_PAGE_ZERO;
	int err;

	err = writer__state(w);
	if (err < 0)
		return err;
	if (!page_is_zero(page)) {
		hash = hash_page(page);
		id = page_store__find(w->store, hash);
		if (id == 0)
			err = add_page(w, page, hash, &id);
	}
	if (err == 0)
		*ret_id = id;
	return err;
}

bool writer__page_is(const struct writer *w, uint64_t id, const void *page)
{
	if (id == BPREC_PAGE_ZERO)
		return page_is_zero(page);
	if (id > page_store__count(w->store))
		return false;
	return hash_equal(page_store__hash(w->store, id), hash_page(page));
}

static bool is_old(const struct batch *b, uint64_t now, uint64_t max_age_ns)
{
	return b->buf && b->count > 0 && now - b->since_ns >= max_age_ns;
}

int writer__flush(struct writer *w, uint64_t max_age_ns)
{
	int err;

	err = writer__state(w);
	if (err < 0)
		return err;
	if (max_age_ns > 0) {
		const uint64_t now = writer__now();

		if (is_old(&w->events, now, max_age_ns) || is_old(&w->pages, now, max_age_ns))
			err = writer__send_events(w);
		return err;
	}
	err = writer__send_events(w);
	if (err == 0)
		err = queue__drain(w->queue);
	return err < 0 ? writer__die(w, err) : 0;
}

/* The end event, unless the recorder has written one. */
static int end_events(struct writer *w, enum end_kind kind, int code)
{
	const struct ev_end end = { kind, code };
	const struct iovec body = { (void *)&end, sizeof(end) };

	if (!w->check.ended)
		return writer__event(w, EV_END, 0, 0, &body, 1, NULL);
	if (memcmp(w->last + 1, &end, sizeof(end)) != 0)
		return err__set(-EINVAL, "the end event tells another end than the manifest");
	return 0;
}

int writer__finish(struct writer *w, enum end_kind kind, int code)
{
	int err;

	err = writer__state(w);
	if (err == 0)
		err = end_events(w, kind, code);
	if (err == 0)
		err = writer__flush(w, 0);
	if (err == 0)
		err = writer__manifest(w, kind, code);
	if (err < 0)
		return writer__die(w, err);
	w->err = -EBADF; /* nothing can follow */
	return 0;
}

uint64_t writer__bytes(const struct writer *w)
{
	return __atomic_load_n(&w->events_file.off, __ATOMIC_RELAXED) +
	       __atomic_load_n(&w->pages_file.off, __ATOMIC_RELAXED) + w->manifest_bytes;
}
