/* SPDX-License-Identifier: MIT */
/* manifest.c: the end of a trace. The manifest gets its name when all else, and it itself, is on disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "trace/writer_impl.h"
#include "util/err.h"

#define NEW_NAME "manifest.new"

static int sync_fd(int fd, const char *name)
{
	if (fsync(fd) == 0)
		return 0;
	return err__set(-errno, "can't write the file %s of the trace to disk: %s", name,
			strerror(errno));
}

static int sync_clones(const struct writer *w)
{
	char name[32];
	int err = 0;

	for (uint64_t n = 0; err == 0 && n < w->clones; n++) {
		uint64_t size;
		int fd;

		snprintf(name, sizeof(name), "clone-%llu", (unsigned long long)n);
		fd = trace_dir__open_file(w->dirfd, name, &size);
		if (fd < 0)
			return fd;
		err = sync_fd(fd, name);
		close(fd);
	}
	return err;
}

static void fill(const struct writer *w, enum end_kind kind, int code, struct manifest *m)
{
	*m = (struct manifest){
		.events = w->events_file.items,
		.event_frames = w->events_file.seq,
		.events_bytes = w->events_file.off,
		.pages = w->pages_file.items,
		.page_frames = w->pages_file.seq,
		.pages_bytes = w->pages_file.off,
		.clones = w->clones,
		.events_hash = sink__chain(&w->events_file),
		.pages_hash = sink__chain(&w->pages_file),
		.start_ns = w->start_ns,
		.end_ns = writer__now(),
		.end_kind = kind,
		.end_code = code,
	};
}

static int write_manifest(struct writer *w, const struct manifest *m)
{
	struct frame_header h = {
		.kind = FRAME_MANIFEST,
		.codec = FRAME_PLAIN,
		.raw_len = sizeof(*m),
		.stored_len = sizeof(*m),
		.count = 1,
	};
	struct sink s;
	int fd, err;

	fd = trace_dir__create(w->dirfd, NEW_NAME, &w->owner);
	if (fd < 0)
		return fd;
	err = sink__open(&s, fd, TRACE_MANIFEST, w->trace_id);
	if (err == 0)
		err = sink__frame(&s, &h, m);
	if (err == 0)
		err = sync_fd(fd, "manifest");
	if (err == 0)
		w->manifest_bytes = s.off;
	sink__close(&s);
	return err;
}

int writer__manifest(struct writer *w, enum end_kind kind, int code)
{
	struct manifest m;
	int err;

	fill(w, kind, code, &m);
	err = sync_fd(w->events_file.fd, "events");
	if (err == 0)
		err = sync_fd(w->pages_file.fd, "pages");
	if (err == 0)
		err = sync_clones(w);
	if (err < 0)
		return err;
	err = write_manifest(w, &m);
	if (err == 0 && renameat(w->dirfd, NEW_NAME, w->dirfd, "manifest") < 0)
		err = err__set(-errno, "can't name the manifest of the trace: %s", strerror(errno));
	if (err < 0) {
		unlinkat(w->dirfd, NEW_NAME, 0);
		return err;
	}
	return sync_fd(w->dirfd, "directory");
}
