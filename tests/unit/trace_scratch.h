/* SPDX-License-Identifier: MIT */
/* trace_scratch.h: for tests of the trace layer: a scratch directory, files read whole and written whole, hashes put right
 * again after a change, and a walk through everything that a trace holds. */
#ifndef TRACE_SCRATCH_H
#define TRACE_SCRATCH_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace/hash.h"
#include "trace/reader.h"

/** Bytes of a file. */
struct blob {
	uint8_t *data;
	size_t len;
};

/** What scratch_walk found. */
struct walked {
	int err;	 /* 0 or the first error */
	uint64_t events; /* handed out */
	uint64_t pages;	 /* read */
	uint64_t torn;
	bool complete;
	char why[512]; /* text of the error */
};

/** Makes a directory in memory (/dev/shm) or in /tmp; its name in dir. 0 or -1. */
static inline int scratch_make(char dir[64])
{
	strcpy(dir, "/dev/shm/bprec-test-XXXXXX");
	if (mkdtemp(dir))
		return 0;
	strcpy(dir, "/tmp/bprec-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

/** Removes it with all that is in it. */
static inline int scratch_remove(const char *dir)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

/** Reads dir/name; data NULL if there is no such file. */
static inline struct blob blob_read(const char *dir, const char *name)
{
	struct blob b = { NULL, 0 };
	char path[512];
	struct stat st;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (!f)
		return b;
	if (fstat(fileno(f), &st) == 0) {
		b.data = malloc((size_t)st.st_size + 1);
		b.len = b.data ? fread(b.data, 1, (size_t)st.st_size, f) : 0;
	}
	fclose(f);
	return b;
}

/** Writes len bytes as dir/name. 0 or -1. */
static inline int blob_write(const char *dir, const char *name, const void *data, size_t len)
{
	char path[512];
	int fd, bad;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	bad = len > 0 && write(fd, data, len) != (ssize_t)len;
	close(fd);
	return bad ? -1 : 0;
}

/** Puts right the hashes of file and frame heads and of stored bytes, as far as frames can be followed. */
static inline void blob_rehash(struct blob *b)
{
	struct file_header *file = (struct file_header *)b->data;
	size_t at = sizeof(*file);

	if (b->len < at)
		return;
	file->hash = hash64(file, offsetof(struct file_header, hash));
	while (b->len - at >= sizeof(struct frame_header)) {
		struct frame_header h;

		memcpy(&h, b->data + at, sizeof(h));
		if (h.stored_len > b->len - at - sizeof(h))
			h.payload_hash = 0;
		else
			h.payload_hash = hash64(b->data + at + sizeof(h), h.stored_len);
		h.header_hash = hash64(&h, offsetof(struct frame_header, header_hash));
		memcpy(b->data + at, &h, sizeof(h));
		if (h.stored_len > b->len - at - sizeof(h))
			return;
		at += sizeof(h) + h.stored_len;
	}
}

/** Reads all of a trace: every byte of every event, every page, all hashes. */
static inline struct walked scratch_walk(const char *dir)
{
	struct walked w = { 0 };
	const struct event_header *ev;
	uint8_t page[BPREC_PAGE_SIZE];
	struct reader *r = NULL;
	uint64_t no;

	w.err = reader__open(&r, dir);
	while (w.err == 0 && (w.err = reader__next(r, &ev, &no)) > 0) {
		volatile uint64_t sink = hash64(ev, ev->size); /* all of it can be read */

		(void)sink;
		if (no != w.events++)
			abort();
		w.err = 0;
	}
	for (uint64_t id = 0; w.err == 0 && id <= reader__pages(r); id++, w.pages++)
		w.err = reader__page(r, id, page);
	if (w.err == 0)
		w.err = reader__verify_pages(r);
	snprintf(w.why, sizeof(w.why), "%s", w.err ? reader__error(r) : "");
	if (r) {
		w.torn = reader__torn_bytes(r);
		w.complete = reader__complete(r);
		if (w.err == 0 && w.events != reader__events(r))
			abort();
	}
	reader__free(r);
	return w;
}

#endif
