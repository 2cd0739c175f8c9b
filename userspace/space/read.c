/* SPDX-License-Identifier: MIT */
/*
 * read.c: reading the pages of a file.
 *
 * Invariants: each page is read once, into one buffer, and handed on from there. Pages come in order and without gaps. What
 * the pages are is decided at the moment of reading them: if the file becomes shorter meanwhile, the pages behind the new end
 * are ABSENT although they lie within the size that is reported.
 *
 * Holes are found by SEEK_DATA and SEEK_HOLE (man 2 lseek) on an open file description of our own, as the one behind fd may be
 * shared with the program, and only in files that occupy less than their size. A few pages are read sooner than a file is
 * opened: read(2) of a hole gives zeros, and makes no pages in tmpfs.
 *
 * Not seen: what a mapping stored behind the end of the file in its last page; read(2) gives zeros there.
 */
#include "space/read.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE	    ((uint64_t)BPREC_PAGE_SIZE)
#define CHUNK_PAGES 64ull /* 256 KiB stay in the second-level cache between the copy and the hash */
#define SEEK_ABOVE  16ull /* pages from which on holes are looked for */

static uint8_t chunk[CHUNK_PAGES * BPREC_PAGE_SIZE] __attribute__((aligned(4096)));

/* A file being read. */
struct source {
	int fd;
	int seek_fd; /* for finding holes; -1: there are none to be found */
	struct page_sink *sink;
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t pages_of(uint64_t bytes)
{
	return bytes / PAGE + (bytes % PAGE != 0);
}

/* Reads up to len bytes; bytes read, and in *ret_err why it ended before len: 0 at the end of the file, else -errno. */
static size_t read_chunk(int fd, uint64_t at, size_t len, int *ret_err)
{
	size_t got = 0;

	*ret_err = 0;
	while (got < len) {
		ssize_t n = pread(fd, chunk + got, len - got, (off_t)(at + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			*ret_err = -errno;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

static int pass_pages(struct page_sink *s, uint64_t first, uint64_t n)
{
	int err = 0;

	for (uint64_t i = 0; i < n && !err; i++)
		err = s->page(s, first + i, chunk + i * PAGE);
	return err;
}

/* What follows after a read that ended early, and how many pages it is about. EIO concerns a page, other errors the file. */
static int pass_unread(struct source *f, uint64_t *first, uint64_t end, int why)
{
	uint64_t n = why == -EIO ? 1 : end - *first;
	int err = f->sink->same(f->sink, *first, n, why ? BPREC_PAGE_LOST : BPREC_PAGE_ABSENT);

	*first += n;
	return err;
}

/* Pages [first, end), chunk by chunk. */
static int pass_data(struct source *f, uint64_t first, uint64_t end)
{
	int err = 0, why;

	while (first < end && !err) {
		uint64_t n = min_u64(end - first, CHUNK_PAGES);
		size_t got = read_chunk(f->fd, first * PAGE, n * PAGE, &why);
		/* A page that is half read is complete at the end of the file, and lost at an error. */
		uint64_t have = why ? got / PAGE : pages_of(got);
		memset(chunk + got, 0, have * PAGE > got ? have * PAGE - got : 0);
		err = pass_pages(f->sink, first, have);
		first += have;
		if (!err && have < n)
			err = pass_unread(f, &first, end, why);
	}
	return err;
}

/* Where the data at or behind page `at` begins; `end` if there is none. */
static uint64_t next_data(const struct source *f, uint64_t at, uint64_t end)
{
	off_t pos = f->seek_fd < 0 ? -1 : lseek(f->seek_fd, (off_t)(at * PAGE), SEEK_DATA);

	if (pos < 0)
		return f->seek_fd >= 0 && errno == ENXIO ? end : at;
	return min_u64((uint64_t)pos / PAGE, end);
}

/* Where the hole behind the data at page `at` begins. */
static uint64_t next_hole(const struct source *f, uint64_t at, uint64_t end)
{
	off_t pos = f->seek_fd < 0 ? -1 : lseek(f->seek_fd, (off_t)(at * PAGE), SEEK_HOLE);
	uint64_t page = pos < 0 ? end : pages_of((uint64_t)pos);

	return page > at ? min_u64(page, end) : at + 1;
}

/* A hole that reaches to `end` may be a file that has become shorter since. */
static int pass_hole(struct source *f, uint64_t at, uint64_t to)
{
	struct stat st;
	uint64_t end = to;

	if (fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode))
		end = min_u64(to, pages_of((uint64_t)st.st_size));
	int err = end > at ? f->sink->same(f->sink, at, end - at, BPREC_PAGE_ZERO) : 0;
	at = end > at ? end : at;
	return err || at == to ? err : f->sink->same(f->sink, at, to - at, BPREC_PAGE_ABSENT);
}

static int pass_file(struct source *f, uint64_t at, uint64_t end)
{
	int err = 0;

	while (at < end && !err) {
		uint64_t to = next_data(f, at, end);
		if (to > at) {
			err = pass_hole(f, at, to);
		} else {
			to = next_hole(f, at, end);
			err = pass_data(f, at, to);
		}
		at = to;
	}
	return err;
}

/* Descriptor for seeking, -1 if the file has no holes or can't be opened again. */
static int open_for_seek(int fd, const struct stat *st)
{
	char path[64];

	if (!S_ISREG(st->st_mode) || (uint64_t)st->st_blocks * 512 >= (uint64_t)st->st_size)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static int file_size(int fd, const struct stat *st, uint64_t *ret)
{
	*ret = (uint64_t)st->st_size;
	if (S_ISBLK(st->st_mode) && ioctl(fd, BLKGETSIZE64, ret) < 0)
		return -errno;
	return 0;
}

int space_read__file(struct page_sink *s, int fd, uint64_t first, uint64_t npages,
		     uint64_t *ret_size)
{
	struct source f = { .fd = fd, .sink = s };
	uint64_t end = npages > ~0ull - first ? ~0ull : first + npages, size;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	int err = file_size(fd, &st, &size);
	if (err)
		return err;
	uint64_t in_file = min_u64(pages_of(size), end);
	f.seek_fd = first + SEEK_ABOVE < in_file ? open_for_seek(fd, &st) : -1;
	err = pass_file(&f, first, in_file);
	if (f.seek_fd >= 0)
		close(f.seek_fd);
	uint64_t beyond = in_file > first ? in_file : first;
	if (!err && beyond < end)
		err = s->same(s, beyond, end - beyond, BPREC_PAGE_ABSENT);
	if (!err)
		*ret_size = size;
	return err;
}
