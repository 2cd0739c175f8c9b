/* SPDX-License-Identifier: MIT */
/*
 * clone.c: pages by reference to a clone of the file they lie in, made by FICLONE (ioctl_ficlonerange(2)).
 *
 * Invariants: hashes are computed from the clone, which nobody else has open and nobody changes. The clone is whole before
 * a frame that refers to it goes to the queue. Pages with contents that the trace has already keep their ids, so a clone is
 * referred to in runs of new pages. A clone without a new page is removed again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace/writer.h"
#include "trace/writer_impl.h"
#include "util/err.h"

#define CHUNK_PAGES 64u /* pages read at once */
static_assert(sizeof(struct clone_ref) + BPREC_CLONE_PAGES_MAX * 16u <= QUEUE_BUFFER, "frame fits");

/* A run of new pages that becomes one frame. */
struct run {
	struct writer *w;
	struct clone_ref ref;
	uint8_t *buf; /* of the queue: the frame, NULL: none begun */
	uint64_t first;
	uint32_t count;
};

static int send_run(struct run *run)
{
	const struct frame_job job = {
		.sink = &run->w->pages_file,
		.raw = run->buf,
		.len = sizeof(run->ref) + run->count * sizeof(struct page_hash),
		.first = run->first,
		.count = run->count,
		.kind = FRAME_CLONE,
	};
	int err;

	if (!run->buf)
		return 0;
	memcpy(run->buf, &run->ref, sizeof(run->ref));
	run->buf = NULL;
	err = queue__submit(run->w->queue, &job);
	return err < 0 ? err__set(err, "%s", queue__error_text(run->w->queue)) : 0;
}

static int add_to_run(struct run *run, uint64_t index, struct page_hash hash, uint64_t *ret_id)
{
	int err;

	if (run->count == BPREC_CLONE_PAGES_MAX) {
		err = send_run(run);
		if (err < 0)
			return err;
	}
	if (!run->buf) {
		run->buf = queue__buffer(run->w->queue);
		if (!run->buf)
			return err__set(-ENOMEM, "no memory for a frame of the trace");
		run->ref.offset = index * BPREC_PAGE_SIZE;
		run->count = 0;
	}
	err = page_store__add(run->w->store, hash, ret_id);
	if (err < 0)
		return err;
	if (run->count == 0)
		run->first = *ret_id;
	memcpy(run->buf + sizeof(run->ref) + run->count * sizeof(hash), &hash, sizeof(hash));
	run->count++;
	return 0;
}

/* One page of the clone. Known contents end the run. */
static int take_page(struct run *run, uint64_t index, const void *page, uint64_t *ret_id)
{
	struct page_hash hash;
	uint64_t id = BPREC_PAGE_ZERO;

	if (!page_is_zero(page)) {
		hash = hash_page(page);
		id = page_store__find(run->w->store, hash);
		if (id == 0)
			return add_to_run(run, index, hash, ret_id);
	}
	*ret_id = id;
	return send_run(run);
}

static int take_pages(struct run *run, int fd, uint64_t size, uint64_t npages, uint64_t *ids)
{
	const uint64_t have = size / BPREC_PAGE_SIZE + (size % BPREC_PAGE_SIZE != 0);
	char *buf = calloc(CHUNK_PAGES, BPREC_PAGE_SIZE);
	int err = 0;

	if (!buf)
		return err__set(-ENOMEM, "no memory for pages");
	for (uint64_t i = 0; err == 0 && i < npages && i < have; i++) {
		const uint64_t off = i * BPREC_PAGE_SIZE, left = size - off;
		const size_t chunk = (size_t)CHUNK_PAGES * BPREC_PAGE_SIZE;

		if (i % CHUNK_PAGES == 0) {
			memset(buf, 0, left < chunk ? chunk : 0);
			err = file_read(fd, buf, left < chunk ? left : chunk, off);
		}
		if (err == 0)
			err = take_page(run, i, buf + i % CHUNK_PAGES * BPREC_PAGE_SIZE, &ids[i]);
	}
	for (uint64_t i = have; err == 0 && i < npages; i++)
		ids[i] = BPREC_PAGE_ABSENT;
	free(buf);
	return err < 0 ? err : send_run(run);
}

/* Fills the new file; -EOPNOTSUPP, -EXDEV or -EINVAL, whatever the reason may be that it doesn't work. */
static int fill_clone(int clone, int fd)
{
	if (ioctl(clone, FICLONE, fd) == 0)
		return 0;
	if (errno == EXDEV || errno == EINVAL)
		return err__set(-errno, "can't clone: %s", strerror(errno));
	return err__set(-EOPNOTSUPP, "can't clone: %s", strerror(errno));
}

/* Stores the pages of the clone that the trace hasn't yet. An error ends the writer: ids without pages may be out. */
static int store_clone(struct writer *w, int clone, uint64_t npages, uint64_t *ids,
		       uint64_t *ret_size)
{
	struct run run = { .w = w, .ref.number = (uint32_t)w->clones };
	struct stat st;
	int err;

	err = fstat(clone, &st) < 0 ? err__set(-errno, "%s", strerror(errno)) : 0;
	if (err == 0)
		err = writer__send_pages(w); /* ids go up in the order of frames */
	if (err == 0)
		err = take_pages(&run, clone, (uint64_t)st.st_size, npages, ids);
	queue__discard(w->queue, run.buf);
	if (err < 0)
		return writer__die(w, err);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

int writer__clone(struct writer *w, int fd, uint64_t npages, uint64_t *ids, uint64_t *ret_size)
{
	const uint64_t before = page_store__count(w->store);
	char name[32];
	int clone, err;

	err = writer__state(w);
	if (err < 0)
		return err;
	snprintf(name, sizeof(name), "clone-%" PRIu64, w->clones);
	clone = trace_dir__create(w->dirfd, name, &w->owner);
	if (clone < 0)
		return writer__die(w, clone);
	err = fill_clone(clone, fd);
	if (err == 0)
		err = store_clone(w, clone, npages, ids, ret_size);
	close(clone);
	if (page_store__count(w->store) > before)
		w->clones++;
	else
		unlinkat(w->dirfd, name, 0);
	return err;
}
